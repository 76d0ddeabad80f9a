"""The answer first: what was found, what it is worth, and how to use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from search.reporting.charts.frame import HALF, LETTER, box, on_every_screen, svg, text, uprights
from search.reporting.charts.scales import Linear
from search.reporting.finalist_words import mean_words, prediction, row_words
from search.reporting.html import Content, Html, joined, tag
from search.reporting.markup import Section, copied, folded, paragraph
from search.reporting.readings import opening_words
from search.reporting.report import StudyReport
from search.reporting.words import (
    as_toml,
    counted,
    date_text,
    framework_name,
    in_words,
    metric_label,
    moments_of,
)
from search.reporting.worth import Worth, contenders, winner
from search.words import class_name, duration_text, of_limit, positive_name, short


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
    best = winner(report)
    if best is None:
        return Section("answer", "Answer", "No configuration has a score yet", paragraph(_why_none(report)))
    mean = f", mean of {best.trainings} trainings" if best.trainings > 1 else ""
    return Section(
        "answer",
        "Answer",
        _title(report, best),
        joined(
            tag(
                "div",
                tag(
                    "div",
                    tag("strong", f"{best.score:.3f}"),
                    tag("span", f"{metric_label(report)} on the {best.row_set} rows{mean}"),
                    class_="figure",
                ),
                tag(
                    "div",
                    (paragraph(words) for words in _sentences(report, best)),
                    paragraph(" ".join(opening_words(report))),
                    class_="said",
                ),
                class_="hero",
            ),
            tag("figure", on_every_screen(lambda width: _drawing(report, width))),
            folded(
                "Use this configuration again",
                paragraph("Paste it into a study file: it will be tried first."),
                copied(as_toml(best.configuration)),
            ),
        ),
    )


def _title(report: StudyReport, best: Worth) -> str:
    if report.undecided:
        return f"None is the best: all {len(report.ranked):,} configurations have the same score"
    return f"The best found: {in_words(best.configuration)}"


def _state(report: StudyReport) -> Iterator[str]:
    ended = sum(record.state != "running" for record in report.records)
    yield of_limit(ended, report.limit)
    if report.provenance.seconds > 0:
        yield f"{duration_text(report.provenance.seconds)} of searching"
    moments = moments_of(report.records)
    if moments:
        yield date_text(moments[-1])


def _warnings(report: StudyReport) -> Iterator[str]:
    yield from report.caveats
    left = counted(report.running, "trial")
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


def _sentences(report: StudyReport, best: Worth) -> Iterator[str]:
    facts = report.facts
    positive = positive_name(facts, 24)
    if best.tested:
        there = facts.positives("test")
        yield (
            f"Of {facts.rows('test'):,} rows that no choice was made by, {there:,} are {positive}. "
            f"It finds {best.scores['recall']:.1%} of them (recall), and {best.scores['precision']:.1%} of "
            f"the rows that it calls {positive} are so (precision)."
        )
    if best.interval is not None:
        yield row_words(best.interval) if best.finalist is None else mean_words(best.finalist)
        new = None if best.finalist is None else prediction(best.finalist, facts.rows("test"))
        if new is not None:
            yield new
    yield " ".join((_optimism(report, best), *_to_beat(report, best.row_set)))


def _optimism(report: StudyReport, best: Worth) -> str:
    count = len(report.ranked)
    if report.undecided:
        return f"The search found it with {best.found:.3f} on the validation rows, as all {count:,}."
    if best.anew is not None:
        luck = ": the best of many scores owes something to luck" if best.anew < best.found else ""
        return (
            f"The search found it with {best.found:.3f} on the validation rows; retrained it has "
            f"{best.anew:.3f} there{luck}."
        )
    if count < 2:
        return f"Its score on the validation rows, {best.found:.3f}, is the only one."
    again = " The test rows are new to it." if best.tested else ""
    score = f"Its score on the validation rows, {best.found:.3f}, is the best of {count:,}"
    return f"{score}, and therefore optimistic.{again}"


def _to_beat(report: StudyReport, row_set: str) -> Iterator[str]:
    if report.metric == "f1":
        baseline = report.facts.all_positive_f1(row_set)
        yield f"A program that always says “{positive_name(report.facts, 24)}” has {baseline:.3f}."


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the picture: its name, its score and interval, and its colour."""

    label: str
    value: float
    interval: tuple[float, float] | None
    kind: str

    @property
    def end(self) -> float:
        return self.value if self.interval is None else max(self.value, self.interval[1])


def _rows(report: StudyReport) -> Iterator[_Row]:
    """The best of each framework, and what there is to beat, all on the same rows."""
    row_set = _row_set(report)
    for worth in contenders(report):
        if worth.row_set == row_set:
            framework = worth.configuration.framework
            yield _Row(
                f"best of {framework_name(worth.configuration)}", worth.score, worth.interval, framework
            )
    if report.finalists is not None:
        yield _Row("logistic regression", getattr(report.finalists.logistic, report.metric), None, "base")
    for baseline in report.baselines:
        score = getattr(baseline.scores(row_set), report.metric)
        yield _Row(f"always “{class_name(baseline.says, report.facts)}”", score, None, "base")


def _row_set(report: StudyReport) -> str:
    """The test rows, where they were opened for any of these."""
    return "test" if any(worth.tested for worth in contenders(report)) else "validation"


def _drawing(report: StudyReport, width: int) -> Html:
    """All of them on one axis."""
    rows, row_set = list(_rows(report)), _row_set(report)
    left, right, each = (200, 52, 34) if width > HALF else (138, 46, 34)
    scale = Linear(min(0.0, *(row.value for row in rows)), 1.0)
    inner, floor = width - left - right, 14 + each * len(rows)
    marks: list[Content] = [*uprights(scale.ticks(5), (left, inner), (8, floor))]
    for index, row in enumerate(rows):
        middle = 14 + each * index + each / 2
        marks.append(text(left - 12, middle + 4, short(row.label, int((left - 12) / LETTER)), "name end"))
        if row.interval is not None:
            low, high = (left + scale.part(end) * inner for end in row.interval)
            says = f"95%: {row.interval[0]:.3f} to {row.interval[1]:.3f}"
            marks.append(box(low, middle - 6, high - low, 12, f"band {row.kind}", says))
        marks.append(
            tag("circle", cx=left + scale.part(row.value) * inner, cy=middle, r=5, class_=f"dot {row.kind}")
        )
        marks.append(text(left + scale.part(row.end) * inner + 10, middle + 4, f"{row.value:.3f}", "value"))
    marks.append(
        text(left + inner / 2, floor + 36, f"{metric_label(report)} on the {row_set} rows", "label mid")
    )
    said = "; ".join(f"{row.label} {row.value:.3f}" for row in rows)
    return svg(width, floor + 42, *marks, says=f"Scores on the {row_set} rows: {said}.")
