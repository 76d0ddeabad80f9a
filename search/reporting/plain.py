"""The report as JSON-ready values, for programs.

Its figures come from the report's records, under the keys that they have always had: programs need them
whole, not as a person reads them. ``sections`` holds what every other rendering says, for programs that show
reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from search.reporting.contents import sections_of
from search.reporting.report import StudyReport, finite
from search.reporting.section import (
    Between,
    Block,
    Cell,
    Code,
    Heading,
    Headline,
    Marked,
    Number,
    Pairs,
    Points,
    Section,
    Share,
    Span,
    Table,
    Words,
    in_figures,
)


def plain_report(report: StudyReport) -> dict[str, Any]:
    """The report's values, and its sections."""
    sections = [plain_section(section) for section in sections_of(report, "json")]
    return report.to_dict() | {"sections": finite(sections)}


def plain_section(section: Section) -> dict[str, Any]:
    """A section's texts and tables, in order."""
    blocks = [part for block in in_figures(section.blocks) for part in _plain(block)]
    return {"key": section.key, "title": section.title, "note": section.note, "blocks": blocks}


def _plain(block: Block) -> Iterator[dict[str, Any]]:
    match block:
        case Words(text) | Code(text):
            yield {"text": text}
        case Points(texts):
            yield {"points": list(texts)}
        case Heading(title, note):
            yield {"heading": title, "note": note}
        case Headline(figure, label):
            yield {"figure": figure.value, "text": label}
        case Pairs(rows):
            yield {"pairs": [list(row) for row in rows]}
        case Table(columns, title, notes):
            columns_of = [{"heading": c.title, "cells": [_value(cell) for cell in c.cells]} for c in columns]
            yield {"title": title, "columns": columns_of, "notes": list(notes)}


def _value(cell: Cell) -> Any:
    match cell:
        case Number(value):
            return value
        case Marked(text):
            return text
        case Between(low, high):
            return [low, high]
        case Share(value, low, high):
            return [value, low, high]
        case Span(before, after):
            return [before, after]
        case _:
            return cell
