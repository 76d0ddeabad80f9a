"""Failed trials, by cause."""

from __future__ import annotations

from collections.abc import Sequence

from search.reporting.report import StudyReport
from search.reporting.section import Column, Marked, Section, Table
from search.words import count_of, one_line

MOST_NAMED = 12
"""Numbers of failed trials that are listed for one cause."""


def failures(report: StudyReport) -> Section | None:
    """A row a cause; none where no trial failed."""
    groups = report.failures
    if not groups:
        return None
    columns = [
        Column("cause", [Marked(group.cause, "failed") for group in groups]),
        Column("trials", [len(group.trials) for group in groups]),
        Column("which", [_which(group.trials) for group in groups]),
        Column("first message", [one_line(group.message) for group in groups], beneath=True),
    ]
    total = sum(len(group.trials) for group in groups)
    title = f"{count_of(total, 'trial')} of {len(report.records):,} failed"
    return Section("failures", "Failures", title, (Table(columns),))


def _which(trials: Sequence[int]) -> str:
    named = ", ".join(str(trial) for trial in trials[:MOST_NAMED])
    more = len(trials) - MOST_NAMED
    return f"{named} and {more:,} more" if more > 0 else named
