"""What a report is made of: sections of sentences, tables and charts. Data that doesn't know how it is drawn.

A section says each fact once; terminal, Markdown, JSON, page and model card draw it. Text may come from
outside (labels, messages, paths): renderers escape all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from search.reporting.html import Html

ABSENT = "–"
"""What stands in a cell without a value."""


@dataclass(frozen=True, slots=True)
class Number:
    """A figure, and Python's format for it. What rounds to zero is never negative; NaN is one that nobody
    computed.
    """

    value: float
    form: str = ".3f"

    @property
    def text(self) -> str:
        """As it is read."""
        if math.isnan(self.value):
            return ABSENT
        text = format(self.value, self.form)
        is_zero = not text.strip("+-0.,%")
        return text.replace("-", "+" if "+" in self.form else "") if is_zero else text


@dataclass(frozen=True, slots=True)
class Between:
    """An interval."""

    low: float
    high: float
    form: str = ".3f"

    @property
    def text(self) -> str:
        """``0.912 to 0.948``, or one figure where both are written alike."""
        low, high = Number(self.low, self.form).text, Number(self.high, self.form).text
        return low if low == high else f"{low} to {high}"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole with its 95% interval, to be drawn as a bar; ``unsure`` marks it with ``?``."""

    value: float
    low: float
    high: float
    unsure: bool = False

    @property
    def text(self) -> str:
        """``31%? (2-73)``."""
        return f"{self.figure} ({self.interval})"

    @property
    def figure(self) -> str:
        """The part alone, and its mark."""
        return f"{self.value:.0%}{'?' if self.unsure else ''}"

    @property
    def interval(self) -> str:
        """From where to where, in hundredths."""
        return f"{100 * self.low:.0f}-{100 * self.high:.0f}"


@dataclass(frozen=True, slots=True)
class Span:
    """A bar from one score to another, where a renderer draws bars; the figures stand in other columns."""

    before: float
    after: float
    kind: str = ""

    text = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """Text with a mark: a framework, or what a verdict means (``best``, ``tied``, ``worse``, ``failed``)."""

    text: str
    kind: str


Cell = str | int | None | Number | Between | Share | Span | Marked


def text_of(cell: Cell) -> str:
    """A cell as every renderer writes it that doesn't draw it."""
    if cell is None:
        return ABSENT
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else cell.text


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        heading: its name; where it is high rather than wide, lines end at ``\\n``.
        cells: from the first row on.
        optional: whether a narrow terminal may leave it out; the last one goes first.
        beneath: whether it is too long for a terminal's table, which has it beneath, a line a row.
        shortest: letters that a narrow terminal may cut texts to; ``None`` where they may not be cut.
    """

    heading: str
    cells: Sequence[Cell]
    optional: bool = False
    beneath: bool = False
    shortest: int | None = None

    @property
    def title(self) -> str:
        """The heading on one line."""
        return self.heading.replace("\n", " ")

    @property
    def is_text(self) -> bool:
        """Whether it is read from its left side."""
        return all(cell is None or isinstance(cell, str | Marked | Span | Share) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        columns: with as many cells each; the first one names the rows.
        title: what it is of.
        notes: what to know of it, in sentences beneath.
        strong: the row that is set off.
    """

    columns: Sequence[Column]
    title: str = ""
    notes: Sequence[str] = ()
    strong: int | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, which only the page draws. The others have its table, if it has one.

    Attributes:
        draw: makes it.
        title: what it is of.
        reading: how to read the drawing.
        table: the same in figures.
        half: whether it stands beside the next one where there is room.
        whole: whether every figure of ``table`` can be read in the drawing, so that the page needs no table.
    """

    draw: Callable[[], Html]
    title: str = ""
    reading: str = ""
    table: Table | None = None
    half: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences, as a paragraph: a ``warning`` stands out, a ``note`` steps back, and those of a ``drawing``
    are only where drawings are.
    """

    text: str
    kind: Literal["", "warning", "note", "drawing"] = ""


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences that stand for themselves, as a list."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a part of a section."""

    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """The figure that matters most, and what it is of."""

    figure: Number
    label: str


@dataclass(frozen=True, slots=True)
class Code:
    """What a computer reads: a configuration, commands, a file."""

    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and what they stand for."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fold:
    """What the page shows where somebody asks for it; the others leave it out."""

    title: str
    blocks: Sequence[Block]


Block = Words | Points | Heading | Headline | Code | Pairs | Table | Chart | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    Attributes:
        key: in addresses: ``report.html#history``.
        name: in a list of sections, in a word or two; empty where it is in none.
        title: its heading: what there is to learn, in a sentence where there is one.
        blocks: what is under it, in order.
        note: what the title is of.
    """

    key: str
    name: str
    title: str
    blocks: Sequence[Block]
    note: str = ""


def in_figures(blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks for who can't see drawings: tables in the place of charts, and nothing folded."""
    for block in blocks:
        if isinstance(block, Chart):
            if block.table is not None:
                yield replace(block.table, title=block.table.title or block.title)
        elif not isinstance(block, Fold) and not (isinstance(block, Words) and block.kind == "drawing"):
            yield block


def sentences(texts: Sequence[str | None]) -> Iterator[Words]:
    """A paragraph for each that is there."""
    return (Words(text) for text in texts if text)
