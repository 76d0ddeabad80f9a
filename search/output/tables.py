"""Tables, configurations and short texts, as the report and the live view print them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from search.output.terminal import Text
from search.words import short
from studies.printable import printable

INDENT = 2
"""Columns that everything under a heading is moved to the right."""


@dataclass(frozen=True)
class Column:
    """A column of a table. Where the width is short, those with ``optional`` are left out, last one first;
    then the cells of those with ``shortest`` are cut, to no less than so many letters. ``styles`` are rich's,
    a cell each.
    """

    heading: str
    cells: Sequence[str]
    right: bool = True
    optional: bool = False
    shortest: int | None = None
    styles: Sequence[str] = ()

    @property
    def width(self) -> int:
        """Columns of the terminal that its widest cell takes."""
        return max(cell_len(printable(text)) for text in (*self.heading.split("\n"), *self.cells))

    def cut_by(self, excess: int) -> Column:
        """The same, narrower by so many columns where its cells may be cut so far."""
        if self.shortest is None or excess <= 0:
            return self
        indent = min(len(cell) - len(cell.lstrip()) for cell in self.cells)
        length = max(self.shortest, self.width - excess) - indent
        return replace(self, cells=[" " * indent + short(cell, length, self.cells) for cell in self.cells])


def fitted_table(columns: Sequence[Column], width: int, *, strong_row: int | None = None) -> RenderableType:
    """A table without lines that is no wider than ``width``.

    Where it is short, optional columns are left out and names are cut; then the table is set in parts, one
    under the other, that begin with its first column. A figure is never cut.
    """
    columns = list(columns)
    room = width - INDENT
    while table_width(columns, 1) > room and any(column.optional for column in columns):
        columns.remove([column for column in columns if column.optional][-1])
    columns = [column.cut_by(table_width(columns, 1) - room) for column in columns]
    parts: list[RenderableType] = []
    for part in _parts(columns, room):
        parts += [Text()] if parts else []
        parts.append(_table(part, 2 if table_width(part, 2) <= room else 1, strong_row))
    return parts[0] if len(parts) == 1 else Group(*parts)


def _parts(columns: Sequence[Column], room: int) -> Iterator[list[Column]]:
    """The columns in groups that fit, each after the first one."""
    first, *others = columns
    part = [first]
    for column in others:
        if len(part) > 1 and table_width([*part, column], 1) > room:
            yield part
            part = [first]
        part.append(column)
    yield part


def _table(columns: Sequence[Column], gap: int, strong_row: int | None) -> Table:
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        heading = Text(column.heading)
        justify: Literal["left", "right"] = "right" if column.right else "left"
        least = column.width if column.right else None
        table.add_column(heading, justify=justify, no_wrap=True, vertical="bottom", min_width=least)
    styled = (zip_longest(column.cells, column.styles, fillvalue="") for column in columns)
    for index, cells in enumerate(zip(*styled, strict=True)):
        table.add_row(*(Text(*cell) for cell in cells), style="bold" if index == strong_row else None)
    return table


def inset(content: RenderableType, steps: int = 1) -> Padding:
    """Something under a heading, or under what stands ``steps`` deep."""
    return Padding(content, (0, 0, 0, steps * INDENT), expand=False)


def indented(text: str | Text, style: str = "") -> Padding:
    """A paragraph under a heading; not markup, which class names and messages may look like."""
    return inset(text if isinstance(text, Text) else Text(text, style=style))


def table_width(columns: Sequence[Column], gap: int) -> int:
    """Columns of the terminal that a table takes with ``gap`` blanks between its columns."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)
