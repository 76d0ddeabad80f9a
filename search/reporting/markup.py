"""What the page is made of: sections with an id and a title, and in them figures, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search.reporting.html import Content, Html, joined, tag


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        id: in addresses: ``report.html#history``.
        short: its name in the list of sections.
        title: its heading: what there is to learn, in a sentence where there is one.
        content: what is under it.
    """

    id: str
    short: str
    title: str
    content: Html

    def html(self) -> Html:
        """The section as an element."""
        return tag("section", tag("h2", self.title), self.content, id=self.id)


@dataclass(frozen=True, slots=True)
class Cells:
    """A column of a table."""

    heading: str
    cells: Sequence[Content]
    right: bool = True


def figure(title: str, drawing: Content, reading: Content = None, *, kind: str = "") -> Html:
    """A chart with what it shows above it, and how to read it below."""
    return tag(
        "figure",
        tag("h3", title) if title else None,
        drawing,
        tag("figcaption", reading) if reading else None,
        class_=kind or None,
    )


def beside(*figures: Content) -> Html:
    """Figures in two columns where there is room."""
    return tag("div", *figures, class_="beside")


def paragraph(*content: Content, kind: str = "") -> Html:
    """A paragraph."""
    return tag("p", *content, class_=kind or None)


def legend(*entries: tuple[str, str]) -> Html:
    """What colours stand for: (class, words)."""
    return tag(
        "div",
        (tag("span", tag("i", class_=f"key {kind}"), words) for kind, words in entries),
        class_="legend",
    )


def table(columns: Sequence[Cells], *, strong: int | None = None, kind: str = "") -> Html:
    """A table that scrolls by itself where it is wider than the screen.

    Args:
        columns: with as many cells each.
        strong: the row that is set off.
        kind: class of the table.
    """
    head = (tag("th", column.heading, class_=_side(column), scope="col") for column in columns)
    rows = zip(*(column.cells for column in columns), strict=True)
    body = (
        tag(
            "tr",
            (tag("td", cell, class_=_side(column)) for cell, column in zip(row, columns, strict=True)),
            class_="strong" if index == strong else None,
        )
        for index, row in enumerate(rows)
    )
    whole = tag("table", tag("thead", tag("tr", head)), tag("tbody", body), class_=kind or None)
    return tag("div", whole, class_="scroll")


def pairs(rows: Iterable[tuple[str, Content]]) -> Html:
    """Names and what they stand for, as a list."""
    return tag("dl", (joined(tag("dt", name), tag("dd", what)) for name, what in rows))


def folded(title: str, *content: Content) -> Html:
    """What is shown when it is asked for, and printed never."""
    return tag("details", tag("summary", title), *content)


def copied(text: str) -> Html:
    """Text to paste elsewhere; the script adds the button."""
    return tag("pre", tag("code", text), class_="copy")


def _side(column: Cells) -> str | None:
    return "right" if column.right else None
