"""Prints what mattered: shares with their intervals, curves, and regions as sentences."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.table import Table

from search.importance.importance import Importance, ImportanceGroup
from search.importance.sentences import beneath, chance_mark, label_of, sentence
from search.importance.variance import Curve, CurveCell
from search.output.tables import INDENT, Column, fitted_table, indented, inset
from search.output.terminal import Text
from studies.sections.distributions import Value

MOST_CURVES = 3
"""Curves that are drawn for a group."""

SMALLEST_DRAWN = 0.02
"""The part of the variance below which a parameter's curve is flat and not drawn."""

BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-=+*%#"
"""From the lowest to the highest."""


def importance_parts(found: Importance, metric: str, console: Console) -> list[RenderableType]:
    """The section.

    Args:
        found: what there is to print.
        metric: what the scores are, in a word or two.
        console: that it is printed on.
    """
    parts: list[RenderableType] = [Text("What mattered", style="bold")]
    groups = (found.overall, *found.frameworks)
    if not any(group.shares for group in groups):
        return [*parts, indented(f"No importance: {found.overall.reason}.")]
    parts += [
        indented("best: what sets the best trials apart, in shares of 100% (PED-ANOVA)."),
        indented("score: of what the choices explain of its variance, each one's own part (fANOVA)."),
    ]
    for group in groups:
        parts.append(indented(_group_title(group)))
        if group.shares:
            parts.append(inset(_bars(group, console), 2))
            parts += [inset(Text(line), 2) for line in beneath(group)]
    if mark := chance_mark(groups):
        parts.append(indented(mark, "dim"))
    return [*parts, *_curves(found, metric, console), *_sentences(found, metric)]


def _group_title(group: ImportanceGroup) -> str:
    name = f"within {group.framework}" if group.framework else "all trials"
    if group.reason:
        return f"{name}: {group.reason}"
    stopped = f", {group.stopped} of them stopped early" if group.stopped else ""
    return f"{name}: the best {group.best} of {group.trials}{stopped}"


def _bars(group: ImportanceGroup, console: Console) -> RenderableType:
    """A row for each parameter: both shares, with 95% intervals and bars."""
    block = "#" if console.options.ascii_only else "█"
    length = min(20, (console.width - 58) // 2)
    if length < 1:
        return _without_bars(group, console.width - 2 * INDENT)
    effects = {effect.axes[0]: effect for effect in group.variance.effects}
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(min_width=23, no_wrap=True)
    for _ in range(2 if effects else 1):
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(min_width=length + 1, no_wrap=True)
    headings = ["", "best", "95%", "", *(["score", "95%", ""] if effects else [])]
    table.add_row(*(Text(heading, style="dim") for heading in headings))
    for share in group.shares:
        bar = Text(block * round(share.share * length), style="dim" if share.by_chance else "cyan")
        mark = Text("?", style="dim") if share.by_chance else Text()
        cells = [Text(f"{share.share:.0%}"), _between(share.low, share.high), bar + mark]
        effect = effects.get(share.axis)
        if effect is not None:
            bar = Text(block * round(effect.share * length), style="cyan")
            cells += [Text(f"{effect.share:.0%}"), _between(effect.low, effect.high), bar]
        table.add_row(Text(label_of(share.axis)), *cells)
    return table


def _without_bars(group: ImportanceGroup, width: int) -> RenderableType:
    """The same on a terminal that has no room for bars."""
    shares, effects = group.shares, {effect.axes[0]: effect for effect in group.variance.effects}
    found = [effects.get(share.axis) for share in shares]
    columns = [
        Column("", [label_of(share.axis) for share in shares], right=False),
        Column("best", [f"{share.share:.0%}" for share in shares]),
        Column("95%", [f"{_between(s.low, s.high)}{'?' if s.by_chance else ' '}" for s in shares]),
    ]
    if effects:
        columns += [
            Column("score", ["" if one is None else f"{one.share:.0%}" for one in found]),
            Column("95%", ["" if one is None else str(_between(one.low, one.high)) for one in found]),
        ]
    return fitted_table(columns, width)


def _between(low: float, high: float) -> Text:
    return Text(f"{100 * low:.0f}-{100 * high:.0f}", style="dim")


def _curves(found: Importance, metric: str, console: Console) -> list[RenderableType]:
    """The curves of what explains most, within each framework where there are several."""
    inner = [group for group in found.frameworks if group.variance.curves]
    rows = [
        (f"{group.framework} {label_of(curve.axis)}".strip(), curve)
        for group in inner or [found.overall]
        for curve, effect in zip(group.variance.curves, group.variance.effects, strict=True)
        if effect.share >= SMALLEST_DRAWN and effect.low > 0 and _tried(curve)
    ]
    if not rows:
        return []
    curves = [curve for _, curve in rows]
    columns = [
        Column("", [label for label, _ in rows], right=False),
        Column("low to high", [_spark(curve, console.options.ascii_only) for curve in curves], right=False),
        Column("highest", [_extreme(curve, highest=True) for curve in curves], right=False),
        Column("lowest", [_extreme(curve, highest=False) for curve in curves], right=False, optional=True),
    ]
    title = Text.assemble(("Mean score along an axis", "bold"), f"  {metric} that the model predicts")
    return [Text(), title, inset(fitted_table(columns, console.width))]


def _tried(curve: Curve) -> list[CurveCell]:
    return [cell for cell in curve.cells if cell.trials]


def _spark(curve: Curve, ascii_only: bool) -> str:
    """A block for each cell, from the curve's own lowest to its highest; a blank where no trial was."""
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    means = [cell.mean for cell in _tried(curve)]
    low, span = min(means), (max(means) - min(means)) or 1.0
    return "".join(
        blocks[round((cell.mean - low) / span * (len(blocks) - 1))] if cell.trials else " "
        for cell in curve.cells
    )


def _extreme(curve: Curve, *, highest: bool) -> str:
    cells = sorted(_tried(curve), key=lambda cell: cell.mean, reverse=highest)
    cell = cells[0]
    where = str(cell.first) if cell.first == cell.last else f"{_number(cell.first)}-{_number(cell.last)}"
    return f"{cell.mean:.3f} {where}"


def _number(value: Value | None) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _sentences(found: Importance, metric: str) -> list[RenderableType]:
    if not found.regions:
        return []
    title = Text.assemble(("Where it always did badly or well", "bold"), "  chance is no excuse: 5% for all")
    return [Text(), title, *(indented(sentence(region, metric)) for region in found.regions)]
