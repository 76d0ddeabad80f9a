"""The finalists on one axis, and their precision against recall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from search.reporting.charts.frame import (
    HALF,
    LETTER,
    PRECISION,
    RECALL,
    WIDE,
    Frame,
    box,
    legend,
    line,
    on_every_screen,
    svg,
    text,
    uprights,
)
from search.reporting.charts.scales import Linear, score_scale
from search.reporting.html import Content, Html, joined, tag
from search.reporting.report import StudyReport
from search.reporting.section import Between
from search.reporting.words import metric_label
from search.words import VERDICTS, configuration_text, short
from studies.records.finalists import Finalist, Finalists

MOST_CURVES = 5
"""Finalists whose precision and recall are drawn."""


def interval_chart(report: StudyReport, found: Finalists) -> Html:
    """A row each: its interval, each seed's test score, and its validation score in the search."""
    return joined(
        legend(
            ("tied", "mean on the test rows, with 95%"),
            ("one", "each seed"),
            ("found", "validation in search"),
        ),
        on_every_screen(lambda width: _intervals(report, found, width)),
    )


def _intervals(report: StudyReport, found: Finalists, width: int) -> Html:
    """The rows, on one axis."""
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
    figures = "; ".join(
        f"trial {one.trial} {one.test_mean:.3f}, {VERDICTS[one.verdict]}" for one in found.finalists
    )
    return svg(width, floor + 40, *marks, says=f"Finalists on the test rows: {figures}.")


def _name(one: Finalist) -> str:
    return f"trial {one.trial}: {configuration_text(one.configuration)}"


def _marks(one: Finalist, scale: Linear, left: float, inner: float, middle: float) -> Iterator[Html]:
    low, high, mean, found = (
        left + scale.part(value) * inner
        for value in (one.interval.low, one.interval.high, one.test_mean, one.found)
    )
    kind = "worse" if one.verdict == "worse" else "tied"
    yield box(
        low, middle - 7, high - low, 14, f"band {kind}", Between(one.interval.low, one.interval.high).text
    )
    for value in one.test:
        x = left + scale.part(value) * inner
        yield line(x, middle - 5, x, middle + 5, f"one {kind}")
    yield tag("circle", cx=mean, cy=middle, r=5.5, class_=f"dot {kind}")
    yield tag(
        "circle",
        tag("title", f"validation in search: {one.found:.3f}"),
        cx=found,
        cy=middle,
        r=4.5,
        class_="found",
    )


def precision_recall_chart(found: Finalists) -> Html:
    """Precision against recall on the test rows, with the points of both thresholds."""
    drawn = found.finalists[:MOST_CURVES]
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
        frame.axes(RECALL, PRECISION),
        lines,
        marks,
        says="Precision against recall of the finalists on the test rows.",
    )
    key = legend(*((f"rank{rank}", f"trial {one.trial}") for rank, one in enumerate(drawn)))
    return joined(key, drawing)


def _point(frame: Frame, scores: Mapping[str, float], rank: int, kind: str) -> Html:
    x, y = frame.across(scores["recall"]), frame.down(scores["precision"])
    return tag("circle", cx=x, cy=y, r=5, class_=f"at {kind} rank{rank}")
