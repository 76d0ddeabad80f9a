"""One attempt at a segment that was given to Dask, and whether it waits, runs or hangs. Pure.

On a scheduler that several drivers share, a task may wait for long before it begins, behind one of another
driver's; so may a Spark trial behind the warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.loop.attempts import Attempt
from workers.task import Segment
from workers.tenants import Task

WATCHDOG_SECONDS = 30.0
"""How long a segment may take to come back after its ``trial_timeout``, before it counts as hanging."""

STRANDED_SECONDS = 10.0
"""How long a task may have no worker while there are some for it: Dask doesn't look again at workers that
were not met when it was submitted, or had nothing to offer yet when they came."""


@dataclass(eq=False)
class Run:
    """One attempt at a segment that was given to Dask.

    Attributes:
        submitted: reading of the clock, in seconds.
        kind: the Dask resource that it takes.
        waited: reading of the clock when it was last known not to have begun.
        begun: whether it is known to have begun.
        silent: whether it waits on a worker that no longer answers.
        stranded: reading of the clock since when no worker has it, though there are some for it.
        future: Dask's; without a reference to it Dask would release the task.
    """

    segment: Segment
    attempt: Attempt
    submitted: float
    kind: str
    waited: float
    begun: bool = False
    silent: bool = False
    stranded: float | None = None
    future: Any = None

    def note(self, task: Task, now: float, has_workers: bool) -> None:
        """Take note of what the scheduler knows of its task.

        What the scheduler can't know, because the worker is silent, changes nothing: a run that is never
        known to begin hangs like one that began when it was submitted.

        Args:
            task: the scheduler's answer.
            now: the clock's reading.
            has_workers: whether there are any for it.
        """
        self.silent = task.seconds is None and task.silent > WATCHDOG_SECONDS
        if task.seconds is not None:
            self.begun = True
            self.waited = max(self.waited, now - task.seconds)
        elif not self.silent:
            self.waited = now
        if task.worker or not has_workers:
            self.stranded = None
        elif self.stranded is None:
            self.stranded = now

    def is_overdue(self, now: float) -> bool:
        """Whether it should have come back long ago, as far as is known."""
        limit = self.segment.trial_timeout
        return limit is not None and now - self.waited > limit + WATCHDOG_SECONDS

    def is_stranded(self, now: float) -> bool:
        """Whether it will never begin."""
        return self.stranded is not None and now - self.stranded > STRANDED_SECONDS

    def may_have_waited(self, *, shared: bool) -> bool:
        """Whether its worker may have died before it began; ``shared`` with other drivers."""
        return not self.begun and (shared or self.stranded is not None)
