"""What mattered: each choice's part, and how the score changes along it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from functools import partial

from search.importance import measures
from search.importance.importance import ImportanceGroup
from search.importance.sentences import beneath, chance_mark, label_of, sentence
from search.importance.variance import Curve, CurveCell
from search.reporting.charts.bars import bars_chart
from search.reporting.charts.plane import plane_charts
from search.reporting.charts.slices import slice_charts
from search.reporting.report import StudyReport
from search.reporting.section import Block, Chart, Column, Heading, Points, Section, Share, Table, Words
from search.words import brief_label
from studies.sections.distributions import Value

SMALLEST_DRAWN = 0.02
"""The part of the variance below which a parameter's curve is flat and not shown."""

BLOCKS = "▁▂▃▄▅▆▇█"
"""From the lowest score to the highest."""


def mattered(report: StudyReport) -> Section | None:
    """Shares, curves, the plane of the two most important, and telling regions."""
    if report.best is None:
        return None
    overall = report.importance.overall
    title = f"What mattered most: {label_of(overall.most)}" if overall.most else "What mattered"
    return Section(
        "mattered", "What mattered", title, (*_shares(report), *_curves(report), *_regions(report))
    )


def _shares(report: StudyReport) -> Iterator[Block]:
    groups = (report.importance.overall, *report.importance.frameworks)
    if not any(group.shares for group in groups):
        yield Words(f"No importance: {groups[0].reason}.")
        return
    for measure in measures.MEASURES:
        yield Words(f"{measure.name}: {measure.meaning}")
    for group in groups:
        if group.shares:
            table = _table(group)
            draw = partial(bars_chart, table)
            yield Chart(draw, table.title, table=replace(table, title=""))
        else:
            yield Words(_title(group))
    if mark := chance_mark(groups):
        yield Words(mark, "note")


def _title(group: ImportanceGroup) -> str:
    name = f"within {group.framework}" if group.framework else "all trials"
    if group.reason:
        return f"{name}: {group.reason}"
    pruned = f", {group.stopped:,} of them pruned" if group.stopped else ""
    return f"{name}: the best {group.best:,} of {group.trials:,}{pruned}"


def _table(group: ImportanceGroup) -> Table:
    columns = [Column("choice", [label_of(share.axis) for share in group.shares])]
    for name, parts in group.parts.items():
        if parts:
            own = [parts.get(share.axis) for share in group.shares]
            cells = [None if part is None else Share(*astuple(part)) for part in own]
            columns.append(Column(name, cells))
    return Table(columns, _title(group), tuple(beneath(group)))


def _curves(report: StudyReport) -> Iterator[Block]:
    """How the score changes along choices, within each framework where there are several."""
    charts, table = slice_charts(report), _curve_table(report)
    model = any(group.variance.curves for group in (report.importance.overall, *report.importance.frameworks))
    if table is not None:
        yield Heading("Mean score along a choice", f"{brief_label(report.metric)} that the model predicts")
        yield table
    yield from charts
    if charts:
        line = (
            " The line is the mean score that the model predicts over all else; its band holds 95%."
            if model
            else ""
        )
        yield Words(f"A dot is one trial.{line}", "drawing")
    planes = plane_charts(report)
    yield from planes
    if planes:
        yield Words(
            "Fields have the colour of the score that the model predicts, dots that of a trial.", "drawing"
        )


def _curve_table(report: StudyReport) -> Table | None:
    found = report.importance
    inner = [group for group in found.frameworks if group.variance.curves]
    rows = [
        (f"{group.framework} {label_of(curve.axis)}".strip(), curve)
        for group in inner or [found.overall]
        for curve, effect in zip(group.variance.curves, group.variance.effects, strict=True)
        if effect.share >= SMALLEST_DRAWN and effect.low > 0 and _tried(curve)
    ]
    columns = [
        Column("choice", [label for label, _ in rows]),
        Column("low to high", [_spark(curve) for _, curve in rows]),
        Column("highest", [_extreme(curve, highest=True) for _, curve in rows]),
        Column("lowest", [_extreme(curve, highest=False) for _, curve in rows], optional=True),
    ]
    return Table(columns) if rows else None


def _tried(curve: Curve) -> list[CurveCell]:
    return [cell for cell in curve.cells if cell.trials]


def _spark(curve: Curve) -> str:
    """A block for each cell, from the curve's own lowest to its highest; a blank where no trial was."""
    means = [cell.mean for cell in _tried(curve)]
    low, span = min(means), (max(means) - min(means)) or 1.0
    return "".join(
        BLOCKS[round((cell.mean - low) / span * (len(BLOCKS) - 1))] if cell.trials else " "
        for cell in curve.cells
    )


def _extreme(curve: Curve, *, highest: bool) -> str:
    cell = sorted(_tried(curve), key=lambda each: each.mean, reverse=highest)[0]
    where = str(cell.first) if cell.first == cell.last else f"{_number(cell.first)}-{_number(cell.last)}"
    return f"{cell.mean:.3f} {where}"


def _number(value: Value | None) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _regions(report: StudyReport) -> Iterator[Block]:
    if regions := report.importance.regions:
        yield Heading(
            "Where it always did badly or well", "significant at 5%, corrected for all regions tried"
        )
        yield Points(tuple(sentence(region, brief_label(report.metric)) for region in regions))
