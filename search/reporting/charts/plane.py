"""The score over the two choices that explain most, together: fields of the model's colours, and trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from search.importance.importance import ImportanceGroup
from search.importance.sentences import label_of
from search.reporting.charts.drawn import PLASTIC, Shades, is_of, placed, scale_of, shake, thinned
from search.reporting.charts.frame import Dot, Frame, box, legend, room_below
from search.reporting.charts.scales import Bands, Scale, category
from search.reporting.html import Html, joined
from search.reporting.report import StudyReport
from search.reporting.section import Chart
from search.reporting.words import FRAMEWORKS
from studies.records.trials import TrialRecord
from studies.sections.distributions import Distribution, Value

MOST_DOTS = 300
"""Trials that are drawn over the fields, evenly out of all."""


def plane_charts(report: StudyReport) -> list[Chart]:
    """A plane within each framework, or over all trials where no framework has one."""
    groups = [group for group in report.importance.frameworks if group.variance.plane is not None]
    groups = groups or [group for group in (report.importance.overall,) if group.variance.plane is not None]
    return [Chart(partial(_plane, report, group), _title(group), half=True) for group in groups]


def _title(group: ImportanceGroup) -> str:
    assert group.variance.plane is not None
    where = f" within {FRAMEWORKS.get(group.framework, group.framework)}" if group.framework else ""
    return f"{' and '.join(map(label_of, group.variance.plane.axes))}{where}"


def _plane(report: StudyReport, group: ImportanceGroup) -> Html:
    plane, shades = group.variance.plane, Shades([score for _, score in report.scored])
    assert plane is not None
    names = [_full_name(report, axis, group.framework) for axis in plane.axes]
    scales = [_scale(report.parameters[name], cells) for name, cells in zip(names, plane.cells, strict=True)]
    order = (1, 0) if isinstance(scales[0], Bands) and not isinstance(scales[1], Bands) else (0, 1)
    across, down = scales[order[0]], scales[order[1]]
    bottom = room_below(across)
    widest = max(len(category(value)) for value in down.values) if isinstance(down, Bands) else 5
    frame = Frame(
        across,
        down,
        height=230 + bottom,
        left=max(44, round(widest * 6.6) + 12),
        bottom=bottom,
    )
    fields = []
    for first, row in zip(plane.cells[0], plane.means, strict=True):
        for second, mean in zip(plane.cells[1], row, strict=True):
            if mean is not None:
                cell = (first, second)
                fields.append(_field(frame, cell[order[0]], cell[order[1]], shades.of(mean), f"{mean:.3f}"))
    members = thinned(
        [pair for pair in report.scored if not group.framework or is_of(pair[0], group.framework)], MOST_DOTS
    )
    names = [names[index] for index in order]
    dots = _shaded(members, [(name, report.parameters[name]) for name in names], frame, shades)
    labels = [label_of(plane.axes[index]) for index in order]
    drawing = frame.svg(
        frame.axes("", labels[1], grid=False), fields, dots, says=f"Score by {labels[0]} and {labels[1]}."
    )
    return joined(legend(*shades.legend()), drawing)


def _scale(distribution: Distribution, cells: Sequence[tuple[Value, Value]]) -> Scale:
    """Bands where each cell is one value, so that all of them have some width."""
    single = all(first == last for first, last in cells)
    return Bands(tuple(first for first, _ in cells)) if single else scale_of(distribution)


def _full_name(report: StudyReport, axis: str, framework: str) -> str:
    return axis if axis in report.parameters else f"{axis}.{framework}"


def _field(
    frame: Frame, across: tuple[Value, Value], down: tuple[Value, Value], kind: str, says: str
) -> Html:
    left, right = _ends_of(frame.x, across)
    low, high = _ends_of(frame.y, down)
    x, y = frame.left + left * frame.inner_width, frame.top + (1 - high) * frame.inner_height
    return box(
        x,
        y,
        (right - left) * frame.inner_width + 0.4,
        (high - low) * frame.inner_height + 0.4,
        f"field {kind}",
        says,
    )


def _ends_of(scale: Scale, cell: tuple[Value, Value]) -> tuple[float, float]:
    """From where to where a cell goes, as parts of the axis."""
    if isinstance(scale, Bands):
        middle, half = scale.part(cell[0]), 0.5 / len(scale.values)
        return middle - half, middle + half
    return scale.part(cell[0]), scale.part(cell[1])


def _shaded(
    members: Iterable[tuple[TrialRecord, float]],
    axes: Sequence[tuple[str, Distribution]],
    frame: Frame,
    shades: Shades,
) -> Iterator[Html | None]:
    """Trials as dots of their scores' colours, over the two axes."""
    shaken = [0.6 / len(scale.values) if isinstance(scale, Bands) else 0.0 for scale in (frame.x, frame.y)]
    found: dict[str, list[Dot]] = {}
    for record, score in members:
        across, down = (placed(record, name, distribution) for name, distribution in axes)
        if across is not None and down is not None:
            trial = record.number
            aside, upward = (shake(trial, step) * part for step, part in zip(PLASTIC, shaken, strict=True))
            dot = Dot(across, down, trial, aside, upward)
            found.setdefault(shades.of(score), []).append(dot)
    for kind, dots in sorted(found.items()):
        yield frame.dots(dots, f"ringed {kind}")
