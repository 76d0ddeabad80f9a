"""Draws sections for a terminal, in 80 columns or more. Knows nothing of what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.console import Console, RenderableType

from search.output.tables import INDENT, fitted_table, indented, inset
from search.output.tables import Column as Set
from search.output.terminal import Text
from search.reporting.contents import sections_of
from search.reporting.report import StudyReport
from search.reporting.section import (
    Block,
    Cell,
    Code,
    Column,
    Heading,
    Headline,
    Marked,
    Pairs,
    Points,
    Section,
    Share,
    Span,
    Table,
    Words,
    in_figures,
    text_of,
)

SHARE_BAR, SPAN_BAR, SHORTEST_BAR = 20, 30, 6
"""Columns of the terminal that bars take where there is room: of a whole, of a scale; and at least."""

STYLES = {
    "warning": "bold",
    "note": "dim",
    "more": "green",
    "less": "red",
    "failed": "red",
    "noise": "dim",
    "unsure": "dim",
    "sure": "cyan",
}
"""Rich's styles of what is marked; the others have none."""


def render_report(report: StudyReport, console: Console) -> None:
    """Print a report."""
    render_sections(sections_of(report, "terminal"), console)


def render_sections(sections: Iterable[Section], console: Console) -> None:
    """Print sections, one after the other."""
    for section in sections:
        console.print()
        if section.title:
            note = f"  {section.note}" if section.note else ""
            console.print(Text.assemble((section.title, "bold"), note))
        blocks = list(in_figures(section.blocks))
        for before, block in pairwise([None, *blocks]):
            if before is not None and _apart(before, block):
                console.print()
            for part in _drawn(block, console.width):
                # An address or a command that is cut into lines can't be copied.
                console.print(part, soft_wrap=isinstance(part, Text))


def _apart(before: Block, block: Block | None) -> bool:
    """Whether an empty line stands between two blocks: tables stand by themselves, lines don't."""
    lines = (Words, Points, Code, Headline, Pairs)
    return not isinstance(before, Heading) and not (isinstance(before, lines) and isinstance(block, lines))


def _drawn(block: Block | None, width: int) -> Iterator[RenderableType]:
    match block:
        case Words(text, kind):
            yield indented(text, STYLES.get(kind, ""))
        case Points(texts):
            yield from map(indented, texts)
        case Heading(title, note):
            yield inset(Text.assemble((title, "bold"), f"  {note}" if note else ""), 0)
        case Headline(figure, label):
            yield indented(Text.assemble((figure.text, "bold green"), f" {label}"))
        case Code(text):
            yield indented(text, "cyan")
        case Pairs(rows):
            room = max(len(name) for name, _ in rows)
            yield from (Text(f"{name:<{room}}  {what}") for name, what in rows)
        case Table():
            yield from _table(block, width)


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    if table.title:
        yield indented(table.title)
    beside = [column for column in table.columns if not column.beneath]
    depth = 2 if table.title else 1
    room = width - (depth - 1) * INDENT
    columns = [part for column in beside for part in _parts(column, beside, room)]
    yield inset(fitted_table(columns, room, strong_row=table.strong), depth)
    first = table.columns[0]
    for column in table.columns:
        for name, cell in zip(first.cells, column.cells, strict=True) if column.beneath else ():
            named = text_of(name) if first.is_text else f"{first.title} {text_of(name)}"
            yield inset(Text(f"{named}: {text_of(cell)}"), depth)
    yield from (inset(Text(note), depth) for note in table.notes)


def _parts(column: Column, beside: Sequence[Column], width: int) -> list[Set]:
    """A column as the terminal sets it: shares as a figure, an interval, and a bar where bars have room."""
    texts = [text_of(cell) for cell in column.cells]
    if any(isinstance(cell, Span) for cell in column.cells):
        taken = sum(_set(other, [text_of(cell) for cell in other.cells]).width + 2 for other in beside)
        bar = max(SHORTEST_BAR, min(SPAN_BAR, width - INDENT - taken))
        return [_set(column, _spans(column.cells, bar))]
    if not any(isinstance(cell, Share) for cell in column.cells):
        return [_set(column, texts)]
    shares = [cell if isinstance(cell, Share) else None for cell in column.cells]
    bars = sum(any(isinstance(cell, Share) for cell in other.cells) for other in beside)
    bar = min(SHARE_BAR, (width - 30) // bars - 14)
    figures = Set(column.heading, ["" if one is None else one.figure for one in shares])
    interval = Set("95%", ["" if one is None else one.interval for one in shares])
    drawn = [f"{'' if one is None else '█' * round(one.value * bar):<{max(0, bar)}}" for one in shares]
    styles = ["unsure" if one is None or one.unsure else "sure" for one in shares]
    drawing = Set("", drawn, right=False, styles=[STYLES[style] for style in styles])
    return [figures, interval, *([drawing] if bar >= SHORTEST_BAR else [])]


def _set(column: Column, texts: Sequence[str]) -> Set:
    kinds = [cell.kind if isinstance(cell, Span | Marked) else "" for cell in column.cells]
    styles = [STYLES.get(kind, "") for kind in kinds]
    return Set(column.heading, texts, not column.is_text, column.optional, column.shortest, styles)


def _spans(cells: Sequence[Cell], bar: int) -> list[str]:
    """Bars on one scale, which holds 0."""
    spans = [cell if isinstance(cell, Span) else Span(0.0, 0.0) for cell in cells]
    ends = [end for span in spans for end in (span.before, span.after)]
    low, high = min(0.0, *ends), max(*ends, 1e-9)
    places = [sorted(round((end - low) / (high - low) * bar) for end in (s.before, s.after)) for s in spans]
    return [f"{' ' * begin + ('█' * (end - begin) or '▏'):<{bar + 1}}" for begin, end in places]
