"""The table of contents: which sections the report has, in their order, and where each is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from search.reporting.report import StudyReport
from search.reporting.section import Section
from search.reporting.sections.answer import answer
from search.reporting.sections.explained import explained
from search.reporting.sections.failures import failures
from search.reporting.sections.finalists import finalists
from search.reporting.sections.frameworks import frameworks, mistakes
from search.reporting.sections.history import choices, history
from search.reporting.sections.learning import learning
from search.reporting.sections.mattered import mattered
from search.reporting.sections.origin import again, data, glossary, kept
from search.reporting.sections.ranking import enqueued, ranking
from search.reporting.sections.state import state
from search.reporting.sections.time_spent import time_spent

Rendering = Literal["terminal", "markdown", "json", "page", "card"]

REPORTS: frozenset[Rendering] = frozenset({"terminal", "markdown", "json", "page"})
"""The renderings of the whole report; a model card has some sections of it."""

AT_LENGTH: frozenset[Rendering] = frozenset({"page", "json"})
"""Those that are not read from top to bottom."""

IN_TEXT: frozenset[Rendering] = frozenset({"terminal", "markdown"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A section, made of a report where it has something to say of it, and the renderings that have it."""

    section: Callable[[StudyReport], Section | None]
    where: frozenset[Rendering] = REPORTS


SECTIONS: tuple[Entry, ...] = (
    Entry(state),
    Entry(answer),
    Entry(finalists, REPORTS | {"card"}),
    Entry(enqueued),
    Entry(ranking),
    Entry(history, AT_LENGTH),
    Entry(learning, AT_LENGTH),
    Entry(mattered),
    Entry(explained),
    Entry(choices, AT_LENGTH),
    Entry(frameworks),
    Entry(mistakes),
    Entry(failures),
    Entry(time_spent, AT_LENGTH),
    Entry(data, AT_LENGTH | {"card"}),
    Entry(again, AT_LENGTH),
    Entry(kept, IN_TEXT),
    Entry(glossary, frozenset({"page"})),
)
"""All of them; the first is the head."""


def sections_of(report: StudyReport, rendering: Rendering) -> Iterator[Section]:
    """The sections that a rendering has of a report, in their order."""
    for entry in SECTIONS:
        if rendering in entry.where and (section := entry.section(report)) is not None:
            yield section
