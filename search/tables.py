"""Tables, configurations and short texts, as the report and the live view print them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from studies.configuration import Configuration
from studies.trial_record import TrialRecord

INDENT = 2
"""Columns that everything under a heading is moved to the right."""


@dataclass(frozen=True)
class Column:
    """A column of a table. Those with ``optional`` are left out, last one first, where the width is short."""

    heading: str
    cells: Sequence[str]
    right: bool = True
    optional: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal that its widest cell takes."""
        return max(cell_len(text) for text in (*self.heading.split("\n"), *self.cells))


def fitted_table(columns: Sequence[Column], width: int, *, strong_row: int | None = None) -> Table:
    """A table without lines that is no wider than ``width``, where leaving out optional columns allows it."""
    columns = list(columns)
    room = width - INDENT
    while table_width(columns, 1) > room and any(column.optional for column in columns):
        columns.remove([column for column in columns if column.optional][-1])
    gap = 2 if table_width(columns, 2) <= room else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        heading = Text(column.heading)
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(heading, justify=justify, no_wrap=True, vertical="bottom")
    for index, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*(Text(cell) for cell in cells), style="bold" if index == strong_row else None)
    return table


def configuration_text(configuration: Configuration | None) -> str:
    """One line that tells configurations apart."""
    return "not drawn yet" if configuration is None else configuration.describe()


def outcome(record: TrialRecord) -> str:
    """A trial's validation score, how far it came where it was stopped early, or that it failed."""
    if record.value is not None:
        return f"{record.value:.3f}"
    if record.state == "pruned" and record.rung_scores:
        epoch = max(record.rung_scores)
        return f"{record.rung_scores[epoch]:.3f} at {epoch}"
    return "failed"


def inset(content: RenderableType, steps: int = 1) -> Padding:
    """Something under a heading, or under what stands ``steps`` deep."""
    return Padding(content, (0, 0, 0, steps * INDENT), expand=False)


def indented(text: str | Text, style: str = "") -> Padding:
    """A paragraph under a heading; not markup, which class names and messages may look like."""
    return inset(text if isinstance(text, Text) else Text(text, style=style))


def or_dash(value: float | bool | None, form: str = "") -> str:
    """A number in Python's format ``form``, yes or no, or a dash where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else format(value, form)


def short(name: str, length: int = 12) -> str:
    """A class name that keeps a table's width."""
    name = one_line(name)
    return name if len(name) <= length else f"{name[: length - 2]}.."


def one_line(text: str) -> str:
    """The text without line breaks and repeated blanks."""
    return " ".join(text.split())


def count_of(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def from_to(values: Iterable[float], digits: int) -> str:
    """``0.912 to 0.948``: the least and the greatest, or one figure where they are written alike."""
    ordered = sorted(values)
    low, high = f"{ordered[0]:.{digits}f}", f"{ordered[-1]:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def table_width(columns: Sequence[Column], gap: int) -> int:
    """Columns of the terminal that a table takes with ``gap`` blanks between its columns."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)
