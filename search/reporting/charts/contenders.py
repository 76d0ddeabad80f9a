"""The best of each framework and what there is to beat, on one axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from search.reporting.charts.frame import HALF, LETTER, box, on_every_screen, svg, text, uprights
from search.reporting.charts.scales import Linear
from search.reporting.html import Content, Html, tag
from search.reporting.report import StudyReport
from search.reporting.words import framework_name, metric_label
from search.reporting.worth import contenders
from search.words import class_name, short


def contenders_chart(report: StudyReport) -> Html:
    """A row each, with its score and its interval."""
    return on_every_screen(lambda width: _drawing(report, width))


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
    figures = "; ".join(f"{row.label} {row.value:.3f}" for row in rows)
    return svg(width, floor + 42, *marks, says=f"Scores on the {row_set} rows: {figures}.")
