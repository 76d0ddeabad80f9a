"""Gives results back in the order in which their segments were submitted, for searches that must not depend
on which ends first. Pure bookkeeping.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from studies.records.reports import SegmentReport


@dataclass
class InOrder:
    """Holds back each report until those of all segments before it have come."""

    _awaited: deque[int] = field(default_factory=deque)
    _held: dict[int, SegmentReport] = field(default_factory=dict)

    @property
    def held(self) -> int:
        """Reports that wait for earlier ones."""
        return len(self._held)

    def submitted(self, trial: int) -> None:
        """A segment of this trial was submitted; a trial has one at a time."""
        self._awaited.append(trial)

    def let_go(self) -> list[SegmentReport]:
        """All that is held back, out of turn, when no more decisions follow."""
        held, self._held = list(self._held.values()), {}
        return held

    def arrived(self, report: SegmentReport) -> list[SegmentReport]:
        """The reports whose turn it is now that this one has come."""
        self._held[report.trial] = report
        due = []
        while self._awaited and self._awaited[0] in self._held:
            due.append(self._held.pop(self._awaited.popleft()))
        return due
