"""All trials of each framework: their scores, and their balance of precision and recall."""

from __future__ import annotations

from collections.abc import Iterator

from search.reporting.charts.drawn import is_of, shake
from search.reporting.charts.frame import (
    HALF,
    PRECISION,
    RECALL,
    Dot,
    Frame,
    legend,
    on_every_screen,
    text,
    uprights,
)
from search.reporting.charts.scales import Bands, Linear, score_scale
from search.reporting.html import Html, joined
from search.reporting.report import StudyReport
from search.reporting.words import FRAMEWORKS, metric_label

LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9)
"""F1 whose curves stand behind precision and recall."""


def strips_chart(report: StudyReport) -> Html:
    """A strip of dots for each framework, on one axis."""
    return on_every_screen(lambda width: _strips(report, width))


def _strips(report: StudyReport, width: int) -> Html:
    names = tuple(report.best_by_framework)
    rows = Bands(tuple(reversed(names)))
    scale = score_scale([score for _, score in report.scored])
    left = 92
    frame = Frame(scale, rows, width, 50 + 64 * len(names), left=left, bottom=40)
    floor = frame.height - frame.bottom
    marks = []
    for name in names:
        dots = [
            Dot(score, name, record.number, 0.0, shake(record.number) * 0.62 / len(names))
            for record, score in report.scored
            if is_of(record, name)
        ]
        marks.append(frame.dots(dots, name))
    labels = (text(left - 12, frame.down(name) + 4, FRAMEWORKS.get(name, name), "name end") for name in names)
    grid = uprights(scale.ticks(8), (left, frame.inner_width), (frame.top, floor))
    title = text(left + frame.inner_width / 2, frame.height - 4, metric_label(report), "label mid")
    return frame.svg(grid, labels, title, *marks, says="Scores of all trials by framework.")


def balance_chart(report: StudyReport) -> Html:
    """Precision and recall of every trial on the validation rows, over curves of equal F1."""
    found = [(record, scores) for record in report.complete if (scores := record.scores_on("validation"))]
    frame = Frame(Linear(0.0, 1.0), Linear(0.0, 1.0), HALF, 300)
    kinds = sorted(
        {record.configuration.framework for record, _ in found if record.configuration is not None}
    )
    dots = (
        frame.dots(
            (
                Dot(scores.recall, scores.precision, record.number)
                for record, scores in found
                if is_of(record, kind)
            ),
            kind,
        )
        for kind in kinds
    )
    drawing = frame.svg(
        frame.axes(RECALL, PRECISION),
        _equal_f1(frame),
        *dots,
        says="Precision and recall of every trial.",
    )
    return joined(legend(*((kind, FRAMEWORKS.get(kind, kind)) for kind in kinds)), drawing)


def _equal_f1(frame: Frame) -> Iterator[Html | None]:
    """Precision is F1 × recall / (2 × recall - F1)."""
    for level in LEVELS:
        recalls = [level / (2 - level) + step * (1 - level / (2 - level)) / 40 for step in range(41)]
        points = [(recall, level * recall / (2 * recall - level)) for recall in recalls]
        yield frame.curve(points, "equal")
        yield text(frame.across(1) - 4, frame.down(points[-1][1]) - 4, f"F1 {level:g}", "tick end")
