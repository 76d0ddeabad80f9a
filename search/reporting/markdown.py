"""Draws sections in GitHub's Markdown, for an issue, a wiki or a card. Knows nothing of what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from search.output.markdown_text import code, fenced, plain, table
from search.reporting.contents import sections_of
from search.reporting.report import StudyReport
from search.reporting.section import (
    Block,
    Code,
    Heading,
    Headline,
    Pairs,
    Points,
    Section,
    Table,
    Words,
    in_figures,
    text_of,
)


def markdown_of(report: StudyReport) -> str:
    """The report."""
    return markdown(sections_of(report, "markdown"))


def markdown(sections: Iterable[Section]) -> str:
    """Sections, the first of which is the head."""
    blocks: list[str] = []
    for section in sections:
        if section.title:
            blocks.append(f"{'##' if blocks else '#'} {plain(section.title)}")
        if section.note:
            blocks.append(plain(section.note))
        for block in in_figures(section.blocks):
            blocks += _drawn(block)
    return "\n\n".join(blocks)


def _drawn(block: Block) -> Iterator[str]:
    match block:
        case Words(text, kind):
            yield f"**{plain(text)}**" if kind == "warning" else plain(text)
        case Points(texts):
            yield "\n".join(f"- {plain(text)}" for text in texts)
        case Heading(title, note):
            yield f"### {plain(title)}"
            yield from (plain(note),) if note else ()
        case Headline(figure, label):
            yield f"**{figure.text}** {plain(label)}"
        case Code(text):
            yield fenced(text) if "\n" in text else code(text)
        case Pairs(rows):
            yield "\n".join(f"- {plain(name)}: {plain(what)}" for name, what in rows)
        case Table(columns, title, notes):
            yield from (f"**{plain(title)}**",) if title else ()
            yield table(
                [
                    (plain(column.title), [plain(text_of(cell)) for cell in column.cells], not column.is_text)
                    for column in columns
                    if column.title or any(map(text_of, column.cells))
                ]
            )
            yield from ("\n".join(f"- {plain(note)}" for note in notes),) if notes else ()
