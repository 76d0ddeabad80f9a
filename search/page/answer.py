"""The answer first: what was found, what it is worth, and how to use it."""

from __future__ import annotations

from collections.abc import Iterator

from search.live_view import duration_text
from search.page.frame import LETTER, box, line, on_every_screen, svg, text
from search.page.html import Content, Html, joined, tag
from search.page.scales import Linear
from search.page.section import Section, copied, folded, paragraph
from search.page.words import as_toml, date_text, framework_name, in_words, metric_label, moments_of
from search.results import StudyReport, scores_of
from search.row_noise import row_interval
from search.tables import count_of, short
from studies.records import Scores
from studies.trial_record import TrialRecord


def header(report: StudyReport) -> Html:
    """The name, how far the study is, and what a reader must know before all else."""
    return tag(
        "header",
        paragraph(" · ".join(_state(report)), kind="kicker"),
        tag("h1", report.name),
        (paragraph(words, kind="banner") for words in _warnings(report)),
    )


def answer(report: StudyReport) -> Section:
    """The best configuration, in a sentence and a picture, and as text to paste."""
    best = report.best
    if best is None or best.configuration is None:
        return Section("answer", "Answer", "No configuration has a score yet", paragraph(_why_none(report)))
    label, test = metric_label(report), scores_of(best, "test")
    shown = getattr(test, report.metric) if test is not None else report.score(best)
    rows = "test rows" if test is not None else "validation rows"
    return Section(
        "answer",
        "Answer",
        f"The best found: {in_words(best.configuration)}",
        joined(
            tag(
                "div",
                tag(
                    "div",
                    tag("strong", f"{shown:.3f}"),
                    tag("span", f"{label} on the {rows}"),
                    class_="figure",
                ),
                tag("div", (paragraph(words) for words in _sentences(report, best, test)), class_="said"),
                class_="hero",
            ),
            tag("figure", on_every_screen(lambda width: _worth(report, best, width))),
            folded(
                "Use this configuration again",
                paragraph("Paste it into a study file: it will be tried first."),
                copied(as_toml(best.configuration)),
            ),
        ),
    )


def _state(report: StudyReport) -> Iterator[str]:
    ended = sum(record.state != "running" for record in report.records)
    limit = f" of {report.limit:,}" if report.limit is not None else ""
    yield f"{ended:,}{limit} trials done"
    if report.provenance.seconds > 0:
        yield f"{duration_text(report.provenance.seconds)} of searching"
    moments = moments_of(report.records)
    if moments:
        yield date_text(moments[-1])


def _warnings(report: StudyReport) -> Iterator[str]:
    left = count_of(report.running, "trial")
    if not report.ended:
        yield (
            f"This study still runs, or was killed: {left} without an end. What stands here is what was "
            "known when the page was made; make it again for more."
        )
    elif report.running:
        yield f"The study was stopped before its end: {left} would go on with the next launch."
    for difference in report.differences:
        yield f"The study file has changed since: {difference}."


def _why_none(report: StudyReport) -> str:
    if report.failures:
        return "Every trial so far failed, for the causes below."
    return "No trial is complete yet. This page can be made again at any time."


def _sentences(report: StudyReport, best: TrialRecord, test: Scores | None) -> Iterator[Content]:
    facts = report.facts
    positive = short(facts.positive, 24)
    if test is not None:
        index = facts.classes.index(facts.positive)
        hits, there = test.confusion[index][index], sum(test.confusion[index])
        called = sum(row[index] for row in test.confusion)
        yield (
            f"Of {facts.rows('test'):,} rows that no choice was made by, {there:,} are {positive}. It finds "
            f"{hits:,} of them (recall {test.recall:.3f}), and {hits:,} of the {called:,} rows that it calls "
            f"{positive} are so (precision {test.precision:.3f})."
        )
    interval = row_interval(test, report.metric, facts.classes.index(facts.positive)) if test else None
    if interval is not None:
        yield (
            f"Other rows of the same kind would give between {interval[0]:.3f} and {interval[1]:.3f}, "
            "19 times in 20."
        )
    yield f"{_flattery(report, best, test)} {_to_beat(report)}"


def _flattery(report: StudyReport, best: TrialRecord, test: Scores | None) -> str:
    score = report.score(best)
    count = len(report.ranked)
    among = f"the best of {count:,}, and flattered by that" if count > 1 else "the only one"
    again = " The test rows are new to it." if test is not None and count > 1 else ""
    return f"Its score on the validation rows, {score:.3f}, is {among}.{again}"


def _to_beat(report: StudyReport) -> str:
    baseline = report.facts.all_positive_f1("test")
    if report.metric != "f1":
        return ""
    return f"A program that always says “{short(report.facts.positive, 24)}” has {baseline:.3f}."


def _worth(report: StudyReport, best: TrialRecord, width: int) -> Html:
    """The winner, the best of the other frameworks and the baselines on one axis of test scores."""
    rows = list(_rows(report))
    left, right, each = (200, 52, 34) if width > 500 else (138, 46, 34)
    scale = Linear(min(0.0, *(value for _, value, _, _ in rows)), 1.0)
    inner, floor = width - left - right, 14 + each * len(rows)

    def across(value: float) -> float:
        return left + scale.part(value) * inner

    marks: list[Content] = [
        joined(line(across_, 8, across_, floor, "grid"), text(across_, floor + 18, tick.label, "tick mid"))
        for tick in scale.ticks(5)
        for across_ in [left + tick.part * inner]
    ]
    most = int((left - 12) / LETTER)
    for index, (label, value, interval, kind) in enumerate(rows):
        middle = 14 + each * index + each / 2
        marks.append(text(left - 12, middle + 4, short(label, most), "name end"))
        if interval is not None:
            low, high = across(interval[0]), across(interval[1])
            marks.append(
                box(
                    low,
                    middle - 6,
                    high - low,
                    12,
                    f"band {kind}",
                    f"95%: {interval[0]:.3f} to {interval[1]:.3f}",
                )
            )
        marks.append(tag("circle", cx=across(value), cy=middle, r=5, class_=f"dot {kind}"))
        marks.append(
            text(
                max(across(value), across(interval[1]) if interval else 0) + 10,
                middle + 4,
                f"{value:.3f}",
                "value",
            )
        )
    marks.append(text(left + inner / 2, floor + 36, f"{metric_label(report)} on the test rows", "label mid"))
    return svg(
        width,
        floor + 42,
        *marks,
        says=f"Test scores of the best, of each framework and of baselines. Trial {best.number}.",
    )


def _rows(report: StudyReport) -> Iterator[tuple[str, float, tuple[float, float] | None, str]]:
    positive = report.facts.classes.index(report.facts.positive)
    for record in report.best_by_framework.values():
        test = scores_of(record, "test")
        if test is not None and record.configuration is not None:
            interval = row_interval(test, report.metric, positive)
            label = f"best of {framework_name(record.configuration)}"
            yield label, getattr(test, report.metric), interval, record.configuration.framework
    for baseline in report.baselines:
        yield f"always “{short(baseline.says)}”", getattr(baseline.test, report.metric), None, "base"
