"""The finalists: the best configurations, retrained with other seeds, on one axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from search.reporting.charts.frame import (
    HALF,
    LETTER,
    WIDE,
    Frame,
    box,
    line,
    on_every_screen,
    svg,
    text,
    uprights,
)
from search.reporting.charts.scales import Linear, score_scale
from search.reporting.finalist_words import (
    at_worst,
    between,
    finalist_sentences,
    over_logistic,
    p_text,
    signed,
    thresholds,
)
from search.reporting.html import Content, Html, joined, tag
from search.reporting.markup import Cells, Section, beside, figure, legend, paragraph, table
from search.reporting.readings import finalists_due
from search.reporting.report import StudyReport
from search.reporting.words import counted, metric_label
from search.words import (
    VERDICTS,
    brief_label,
    configuration_text,
    decimals,
    from_to,
    listed,
    positive_name,
    short,
)
from studies.records.finalists import Finalist, Finalists

SCORES = ("precision", "recall", "f1", "f1_macro", "f1_weighted", "average_precision", "mcc")
"""Test scores in the table, besides the study's own."""


def finalists(report: StudyReport) -> Section | None:
    """What the best configurations are worth, and which of them differ significantly from the best."""
    found = report.finalists
    if found is None or not found.finalists:
        return _due(report)
    best = found.finalists[0]
    return Section(
        "finalists",
        "Finalists",
        _title(found),
        joined(
            paragraph(_what_they_are(found)),
            figure(
                "",
                joined(
                    legend(
                        ("tied", "mean on the test rows, with 95%"),
                        ("one", "each seed"),
                        ("found", "when found"),
                    ),
                    on_every_screen(lambda width: _intervals(report, found, width)),
                ),
                "Bands are 95% intervals of the means, over seeds and test rows. Hollow: the validation "
                "score by which the search found it.",
            ),
            (paragraph(words) for words in finalist_sentences(found, report.facts.rows("test"))),
            _table(found),
            _said(over_logistic(found)),
            beside(
                _curves(report, found),
                figure("The threshold", _thresholds(found), _about_thresholds(best), kind="plainly"),
            ),
            _due_words(report),
        ),
    )


def _due(report: StudyReport) -> Section | None:
    words = _due_words(report)
    return (
        None if words is None else Section("finalists", "Finalists", "The finalists are not all there", words)
    )


def _due_words(report: StudyReport) -> Html | None:
    words = finalists_due(report)
    return None if words is None else paragraph(words)


def _title(found: Finalists) -> str:
    others, apart = len(found.finalists) - 1, len(found.finalists) - len(found.tied)
    if not others:
        return "The finalist, retrained"
    differ = "differs" if apart == 1 else "differ"
    return f"{apart} of {counted(others, 'other finalist')} {differ} significantly from the best"


def _what_they_are(found: Finalists) -> str:
    seeds = max(len(one.seeds) for one in found.finalists)
    return (
        f"The best configurations of the search were retrained, each with {counted(seeds, 'seed')} that the "
        "search didn't use, and then scored on the test rows."
    )


def _said(words: str | None) -> Html | None:
    return None if words is None else paragraph(words)


def _intervals(report: StudyReport, found: Finalists, width: int) -> Html:
    """A row for each finalist: its interval, each seed's test score, and the score it was found with."""
    values = [
        end for one in found.finalists for end in (one.interval.low, one.interval.high, one.found, *one.test)
    ]
    scale = score_scale(values)
    left, right = (476, 168) if width == WIDE else (76, 160)
    each, top = 38, 8
    inner, floor = width - left - right, top + each * len(found.finalists)
    marks: list[Content] = [*uprights(scale.ticks(max(3, inner // 90)), (left, inner), (top, floor))]
    for index, one in enumerate(found.finalists):
        middle = top + each * (index + 0.5)
        name = _name(one) if width == WIDE else f"trial {one.trial}"
        marks.append(text(left - 14, middle + 4, short(name, int((left - 14) / (LETTER - 0.5))), "name end"))
        marks += _marks(one, scale, left, inner, middle)
        marks.append(text(width - right + 14, middle - 2, f"{one.test_mean:.3f}", "value"))
        marks.append(text(width - right + 14, middle + 12, VERDICTS[one.verdict], "tick"))
    marks.append(text(left + inner / 2, floor + 34, metric_label(report), "label mid"))
    said = "; ".join(
        f"trial {one.trial} {one.test_mean:.3f}, {VERDICTS[one.verdict]}" for one in found.finalists
    )
    return svg(width, floor + 40, *marks, says=f"Finalists on the test rows: {said}.")


def _name(one: Finalist) -> str:
    return f"trial {one.trial}: {configuration_text(one.configuration)}"


def _marks(one: Finalist, scale: Linear, left: float, inner: float, middle: float) -> Iterator[Html]:
    low, high, mean, found = (
        left + scale.part(value) * inner
        for value in (one.interval.low, one.interval.high, one.test_mean, one.found)
    )
    kind = "worse" if one.verdict == "worse" else "tied"
    yield box(low, middle - 7, high - low, 14, f"band {kind}", between(one.interval))
    for value in one.test:
        x = left + scale.part(value) * inner
        yield line(x, middle - 5, x, middle + 5, f"one {kind}")
    yield tag("circle", cx=mean, cy=middle, r=5.5, class_=f"dot {kind}")
    yield tag(
        "circle", tag("title", f"when found: {one.found:.3f}"), cx=found, cy=middle, r=4.5, class_="found"
    )


def _table(found: Finalists) -> Html:
    ones = found.finalists
    names = [name for name in SCORES if name != found.metric]
    columns = [
        Cells("trial", [str(one.trial) for one in ones]),
        Cells(f"test {brief_label(found.metric)}", [f"{one.test_mean:.3f}" for one in ones]),
        Cells("95%", [between(one.interval) for one in ones]),
        Cells("less the best", ["–" if one.difference is None else signed(one.difference) for one in ones]),
        Cells("p", [p_text(one.p_value) for one in ones]),
        Cells("against the best", [VERDICTS[one.verdict] for one in ones], right=False),
        Cells("", [at_worst(one) for one in ones], right=False),
        Cells("validation, new seeds", [f"{one.validation_mean:.3f}" for one in ones]),
        *(Cells(brief_label(name), [decimals(one.scores[name]) for one in ones]) for name in names),
        Cells("seconds", [f"{one.train_seconds:.1f}" for one in ones]),
        Cells("configuration", [configuration_text(one.configuration) for one in ones], right=False),
    ]
    failed = [f"trial {trial}: {listed(dict.fromkeys(causes))}" for trial, causes in found.failed.items()]
    return joined(
        table(columns, strong=0),
        paragraph(f"No training of these came to an end: {'; '.join(failed)}.") if failed else None,
    )


def _curves(report: StudyReport, found: Finalists) -> Html:
    """Precision against recall on the test rows, with the points of both thresholds."""
    drawn = found.finalists[:5]
    points = [(point.recall, point.precision) for one in drawn for point in one.curve]
    floor = min((precision for recall, precision in points if recall > 0.02), default=0.0)
    lowest = max(0.0, floor - 0.05)
    frame = Frame(Linear(0.0, 1.0), Linear(lowest, 1.0), HALF, 300)
    lines = [
        frame.curve([(point.recall, max(lowest, point.precision)) for point in one.curve], f"rank{rank}")
        for rank, one in reversed(list(enumerate(drawn)))
    ]
    marks = [
        _point(frame, scores, rank, kind)
        for rank, one in enumerate(drawn)
        for scores, kind in ((one.scores, "trained"), (one.tuned.scores, "tuned"))
    ]
    drawing = frame.svg(
        frame.axes("recall: part of them that is found", "precision: part of what is called so that is"),
        lines,
        marks,
        says="Precision against recall of the finalists on the test rows.",
    )
    key = legend(*((f"rank{rank}", f"trial {one.trial}") for rank, one in enumerate(drawn)))
    return figure(
        "Precision against recall on the test rows",
        joined(key, drawing),
        "By the threshold from which a row is said to be "
        f"{positive_name(report.facts, 24)}. Filled: as trained; hollow: tuned on the validation rows.",
        kind="plainly",
    )


def _point(frame: Frame, scores: Mapping[str, float], rank: int, kind: str) -> Html:
    x, y = frame.across(scores["recall"]), frame.down(scores["precision"])
    return tag("circle", cx=x, cy=y, r=5, class_=f"at {kind} rank{rank}")


def _about_thresholds(best: Finalist) -> str:
    return (
        "As trained, a row is given its most probable class. The tuned threshold is the best on each "
        f"network's validation rows: {from_to(best.tuned.thresholds, 2)} for trial {best.trial}. "
        f"{thresholds(best) or ''}"
    )


def _thresholds(found: Finalists) -> Html:
    ones = found.finalists
    columns = [Cells("trial", [str(one.trial) for one in ones])]
    for name in dict.fromkeys((found.metric, "precision", "recall")):
        columns += [
            Cells(brief_label(name), [_score(one.scores, name) for one in ones]),
            Cells("tuned", [_score(one.tuned.scores, name) for one in ones]),
        ]
    return table(columns)


def _score(scores: Mapping[str, float], name: str) -> str:
    value = scores.get(name)
    return "–" if value is None else decimals(value)
