"""Draws sections as one HTML page, a file without anything to load. Knows nothing of what they say."""

from __future__ import annotations

import importlib.resources
import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from search.reporting.contents import sections_of
from search.reporting.html import Content, Html, joined, tag
from search.reporting.report import StudyReport
from search.reporting.section import (
    Block,
    Cell,
    Chart,
    Code,
    Column,
    Fold,
    Heading,
    Headline,
    Marked,
    Pairs,
    Points,
    Section,
    Table,
    Words,
    text_of,
)
from search.reporting.words import date_text
from search.words import configuration_text, outcome


def page(report: StudyReport, now: datetime) -> str:
    """The report as HTML, made at ``now``."""
    first, *sections = sections_of(report, "page")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", f"{report.name}: report"),
        tag("style", _file("page.css")),
    )
    made = f"Made on {date_text(now)} with search report {shlex.quote(report.provenance.file)} --html."
    body = tag(
        "body",
        tag("header", tag("p", first.note, class_="kicker"), tag("h1", first.title), blocks(first.blocks)),
        tag("nav", (tag("a", each.name, href=f"#{each.key}") for each in sections if each.name)),
        tag("main", map(_section, sections)),
        tag("footer", made),
        tag("script", _texts(report), type="application/json", id="trials"),
        tag("script", _file("page.js")),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(section: Section) -> Html:
    note = tag("small", section.note) if section.note else None
    return tag("section", tag("h2", section.title, note), blocks(section.blocks), id=section.key)


def blocks(found: Iterable[Block]) -> Html:
    """Blocks, one under the other; narrow charts in two columns, a headline with its words beside it."""
    drawn: list[Content] = []
    for group, members in groupby(found, _Group()):
        first, *rest = [_block(block) for block in members]
        inner = [first, tag("div", rest)] if group == "hero" else [first, *rest]
        drawn.append(tag("div", inner, class_=group) if group else inner)
    return joined(drawn)


class _Group:
    """The class of the element that a block shares with those around it; empty where it has none."""

    def __init__(self) -> None:
        self._before = ""

    def __call__(self, block: Block) -> str:
        if isinstance(block, Headline) or (self._before == "hero" and isinstance(block, Words)):
            self._before = "hero"
        else:
            self._before = "beside" if isinstance(block, Chart) and block.half else ""
        return self._before


def _block(block: Block) -> Content:
    match block:
        case Words(text, kind):
            return tag(
                "p", text, class_={"warning": "banner", "note": "reading", "drawing": "reading"}.get(kind)
            )
        case Points(texts):
            return tag("ul", (tag("li", text) for text in texts))
        case Heading(title, note):
            return tag("h3", title, tag("small", note) if note else None)
        case Headline(figure, label):
            return tag("div", tag("strong", figure.text), tag("span", label), class_="figure")
        case Code(text):
            return tag("pre", tag("code", text), class_="copy")
        case Pairs(rows):
            return tag("dl", (joined(tag("dt", name), tag("dd", what)) for name, what in rows))
        case Fold(title, inner):
            return tag("details", tag("summary", title), blocks(inner))
        case Chart():
            return _chart(block)
        case Table():
            return _titled_table(block)


def _chart(chart: Chart) -> Html:
    notes = chart.table.notes if chart.table is not None else ()
    hidden = chart.table if not chart.whole else None
    return tag(
        "figure",
        tag("h3", chart.title) if chart.title else None,
        chart.draw(),
        tag("figcaption", chart.reading) if chart.reading else None,
        _notes(notes),
        tag("details", tag("summary", "In figures"), _table(hidden)) if hidden is not None else None,
        class_="plainly" if chart.half else None,
    )


def _titled_table(table: Table) -> Html:
    return joined(tag("h3", table.title) if table.title else None, _table(table), _notes(table.notes))


def _notes(notes: Sequence[str]) -> Html | None:
    return tag("ul", (tag("li", note) for note in notes), class_="reading") if notes else None


def _table(table: Table) -> Html:
    """A table that scrolls by itself where it is wider than the screen."""
    columns = [column for column in table.columns if column.title or any(map(text_of, column.cells))]
    head = (tag("th", column.title, class_=_side(column), scope="col") for column in columns)
    body = (
        tag(
            "tr",
            (tag("td", _cell(cell), class_=_side(column)) for cell, column in zip(row, columns, strict=True)),
            class_="strong" if index == table.strong else None,
        )
        for index, row in enumerate(zip(*(column.cells for column in columns), strict=True))
    )
    kind = "wraps" if columns[-1].beneath else None
    return tag(
        "div", tag("table", tag("thead", tag("tr", head)), tag("tbody", body), class_=kind), class_="scroll"
    )


def _cell(cell: Cell) -> Iterator[Content]:
    if isinstance(cell, Marked):
        yield tag("i", class_=f"key {cell.kind}")
    yield text_of(cell)


def _side(column: Column) -> str | None:
    return None if column.is_text else "right"


def _texts(report: StudyReport) -> Html:
    """What is shown of a trial that is pointed at, by its number."""
    texts = {
        record.number: [outcome(record), configuration_text(record.configuration)]
        for record in report.records
        if record.state != "running"
    }
    # "</" could end the element that holds it.
    return Html(json.dumps(texts, separators=(",", ":")).replace("</", "<\\/"))


def _file(name: str) -> Html:
    return Html((importlib.resources.files("search.reporting.page") / name).read_text(encoding="utf-8"))
