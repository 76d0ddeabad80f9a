"""Tables, configurations and short texts, as the report and the live view print them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from search.terminal import Text
from studies.configuration import Configuration
from studies.printable import printable, spelled
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
        return max(cell_len(printable(text)) for text in (*self.heading.split("\n"), *self.cells))


def fitted_table(columns: Sequence[Column], width: int, *, strong_row: int | None = None) -> RenderableType:
    """A table without lines that is no wider than ``width``.

    Optional columns are left out where it is short; then the table is set in parts, one under the other, that
    begin with its first column. A figure is never cut.
    """
    columns = list(columns)
    room = width - INDENT
    while table_width(columns, 1) > room and any(column.optional for column in columns):
        columns.remove([column for column in columns if column.optional][-1])
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


def short(name: str, length: int = 12, among: Iterable[str] = ()) -> str:
    """A class name that keeps a table's width; no two ``among`` all classes get the same one."""
    return class_names(tuple(dict.fromkeys((*among, name))), length)[name]


@lru_cache(maxsize=64)
def class_names(classes: tuple[str, ...], length: int = 12) -> Mapping[str, str]:
    """A short name for each class, by its whole one: its beginning, its end or both, as tells them apart.

    Where nothing of ``length`` letters does, names are longer.
    """
    whole = {name: one_line(name) for name in classes}
    if len(set(whole.values())) < len(classes):  # they differ in blanks alone
        whole = {name: spelled(name) for name in classes}
    longest = max(len(name) for name in whole.values())
    for room in range(length, longest + 1):
        for cut in (_beginning, _end, _ends):
            names = {name: cut(text, room) for name, text in whole.items()}
            if len(set(names.values())) == len(classes):
                return names
    return whole


def _beginning(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 2]}.."


def _end(name: str, room: int) -> str:
    return name if len(name) <= room else f"..{name[len(name) - room + 2 :]}"


def _ends(name: str, room: int) -> str:
    head = (room - 2) // 2
    return name if len(name) <= room else f"{name[:head]}..{name[len(name) - room + 2 + head :]}"


def one_line(text: str) -> str:
    """The text without line breaks and repeated blanks, and with nothing in it that a terminal would obey."""
    return printable(" ".join(text.split()))


def count_of(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def decimals(value: float, digits: int = 3) -> str:
    """``0.934``; what rounds to zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def with_sign(value: float, digits: int = 3) -> str:
    """``+0.012``, ``-0.030``; what rounds to zero is ``+0.000`` from either side."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "+") if float(text) == 0 else text


def of_limit(count: int, limit: int | None, done: str = "done") -> str:
    """``12 of 60 trials done``; where there are more than the study file asks for now, both numbers."""
    if limit is None or count > limit:
        return f"{count_of(count, 'trial')} {done}" + ("" if limit is None else f" (trials = {limit:,})")
    return f"{count:,} of {count_of(limit, 'trial')} {done}"


def from_to(values: Iterable[float], digits: int) -> str:
    """``0.912 to 0.948``: the least and the greatest, or one figure where they are written alike."""
    ordered = sorted(values)
    low, high = f"{ordered[0]:.{digits}f}", f"{ordered[-1]:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def table_width(columns: Sequence[Column], gap: int) -> int:
    """Columns of the terminal that a table takes with ``gap`` blanks between its columns."""
    return sum(column.width for column in columns) + gap * (len(columns) - 1)
