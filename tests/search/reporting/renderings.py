"""A report in each rendering, as a person or a program reads it: markup undone, white space one blank."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html.parser import HTMLParser

from search.output.terminal import Console
from search.reporting.markdown import markdown_of
from search.reporting.page.page import page
from search.reporting.plain import plain_report
from search.reporting.report import StudyReport
from search.reporting.section import (
    Block,
    Chart,
    Code,
    Heading,
    Headline,
    Pairs,
    Points,
    Section,
    Share,
    Table,
    Words,
    in_figures,
    text_of,
)
from search.reporting.terminal import render_report
from studies.printable import printable_lines

NOW = datetime(2026, 11, 24, 15, 30)


class Texts(HTMLParser):
    """What is read on a page, without styles and scripts."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.hidden = False
        self.feed(markup)
        self.close()

    def handle_starttag(self, name: str, _attributes: list[tuple[str, str | None]]) -> None:
        self.hidden = name in ("style", "script")

    def handle_endtag(self, _name: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.texts.append(data)


def terminal_of(report: StudyReport, width: int = 400) -> str:
    console = Console(io.StringIO(), width=width)
    render_report(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def in_terminal(report: StudyReport) -> str:
    return flat(terminal_of(report))


def in_markdown(report: StudyReport) -> str:
    return from_markdown(markdown_of(report))


def from_markdown(text: str) -> str:
    return flat(re.sub(r"\\(.)", r"\1", text))


def on_page(report: StudyReport) -> str:
    return flat(" ".join(Texts(page(report, NOW)).texts))


def in_json(report: StudyReport) -> str:
    return flat(json.loads(json.dumps(json.dumps(plain_report(report)["sections"], ensure_ascii=False))))


def flat(text: str) -> str:
    return " ".join(text.split())


def texts_of(section: Section) -> Iterator[str]:
    """Every sentence, heading and cell of a section as a person reads it, on one line each."""
    for text in (section.title, section.note, *(t for block in section.blocks for t in _texts(block))):
        if text:
            yield flat(printable_lines(text))


def _texts(block: Block) -> Iterator[str]:
    if isinstance(block, Chart) and block.table is not None:
        yield block.title
    for each in in_figures([block]):
        match each:
            case Words(text) | Code(text):
                yield from text.split("\n")
            case Points(points):
                yield from points
            case Heading(title, note):
                yield from (title, note)
            case Headline(figure, label):
                yield from (figure.text, label)
            case Pairs(rows):
                yield from (text for row in rows for text in row)
            case Table(columns, title, notes):
                yield from (title, *notes)
                for column in columns:
                    yield from () if column.beneath else column.heading.split("\n")
                    yield from _cells(column.cells)


def _cells(cells: Sequence[object]) -> Iterator[str]:
    for cell in cells:
        yield from (cell.figure, cell.interval) if isinstance(cell, Share) else (text_of(cell),)  # type: ignore[arg-type]
