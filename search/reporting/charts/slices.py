"""The score along each choice, one by one: trials as dots, and what the model predicts."""

from __future__ import annotations

from functools import partial

from search.importance.sentences import label_of
from search.importance.variance import Curve, CurveCell
from search.reporting.charts.drawn import is_of, placed, scale_of, shake
from search.reporting.charts.frame import Dot, Frame, box, legend, room_below
from search.reporting.charts.scales import Bands, score_scale
from search.reporting.html import Html, joined, tag
from search.reporting.report import StudyReport
from search.reporting.section import Chart
from search.reporting.words import FRAMEWORKS, metric_label
from studies.sections.distributions import Value

MOST_SLICES = 6
"""Parameters that are drawn one by one."""


def slice_charts(report: StudyReport) -> list[Chart]:
    """A chart for each parameter, those that explain most first."""
    if not report.scored:
        return []
    names = [name for name in _ordered(report) if len(set(_placed(report, name).values())) > 1]
    return [Chart(partial(_slice, report, name), label_of(name), half=True) for name in names[:MOST_SLICES]]


def _placed(report: StudyReport, name: str) -> dict[int, Value]:
    distribution = report.parameters[name]
    values = ((record, placed(record, name, distribution)) for record, _ in report.scored)
    return {record.number: value for record, value in values if value is not None}


def _ordered(report: StudyReport) -> list[str]:
    effects = {effect.axes[0]: effect.share for effect in report.importance.overall.variance.effects}
    shares = {share.axis: share.share for share in report.importance.overall.shares}
    names = [name for name in report.parameters if name in effects or name in shares or not shares]
    return sorted(names, key=lambda name: (-effects.get(name, 0.0), -shares.get(name, 0.0)))


def _slice(report: StudyReport, name: str) -> Html:
    values = _placed(report, name)
    scale = scale_of(report.parameters[name])
    shaken = 0.62 / len(scale.values) if isinstance(scale, Bands) else 0.0
    # Scores are on one axis in all slices, so that what matters little looks flat.
    bottom = room_below(scale)
    scores = score_scale([score for _, score in report.scored])
    frame = Frame(scale, scores, height=208 + bottom, bottom=bottom)
    curve = _curve(report, name)
    dots = {
        kind: [
            Dot(values[record.number], score, record.number, shake(record.number) * shaken)
            for record, score in report.scored
            if record.number in values and is_of(record, kind)
        ]
        for kind in FRAMEWORKS
    }
    used = [(kind, FRAMEWORKS.get(kind, kind)) for kind in sorted(report.best_by_framework)]
    drawing = frame.svg(
        frame.axes("", metric_label(report)),
        *(frame.dots(of_kind, kind) for kind, of_kind in dots.items()),
        _model(frame, curve) if curve is not None else None,
        says=f"Score by {label_of(name)}.",
    )
    return joined(legend(*used), drawing)


def _curve(report: StudyReport, name: str) -> Curve | None:
    curves = (curve for curve in report.importance.overall.variance.curves if curve.axis == name)
    return next(curves, None)


def _model(frame: Frame, curve: Curve) -> Html:
    """The predicted mean, as a step in each cell, in its band."""
    spans = [(cell, *_span(frame, cell)) for cell in curve.cells if cell.trials and cell.mean == cell.mean]
    top, floor = frame.top, frame.height - frame.bottom
    bands = []
    for cell, first, last in spans:
        # The interval is of a normal distribution, which knows no bounds of scores.
        high, low = max(top, frame.down(cell.high)), min(floor, frame.down(cell.low))
        bands.append(box(first, high, last - first, low - high, "band model"))
    path = "".join(f"M{first:.1f} {frame.down(cell.mean):.1f}H{last:.1f}" for cell, first, last in spans)
    return joined(bands, tag("path", class_="line model", d=path))


def _span(frame: Frame, cell: CurveCell) -> tuple[float, float]:
    """From where to where a cell goes, in pixels."""
    if cell.first != cell.last:
        return frame.across(cell.first), frame.across(cell.last)
    middle = frame.across(cell.first)
    half = frame.inner_width / len(frame.x.values) / 2 - 3 if isinstance(frame.x, Bands) else 8
    return middle - half, middle + half
