"""How busy a search keeps many slots: sleeping trials of 1 to 60 s, skewed, on 10, 100 and 1,000 slots.

Driver, Dask's scheduler and one worker of as many threads as there are slots share one process, which is the
least that a cluster can have: what is measured is everything but training and a network. The share of time
that slots are busy is taken once all of them have been filled, from the trials' own clocks.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from _figures import Figure, Option, run
from _sleeping import ended, over, running, sleep_through
from _small_study import small_study, study_text

# The tests' own server of PostgreSQL.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from search import dispatch, launch
from search.display import SilentDisplay
from tests import postgres

SLOTS = (10, 100, 1000)

RAMP = 20.0
"""Seconds in which the slots are filled; they count for nothing."""

MEASURED = 30.0
"""Seconds that count."""

TRIALS = 1_000_000
"""More than any launch comes to."""

AT_LEAST = {10: 0.9, 100: 0.9}
"""Share of time that so many slots are to be busy. A thousand have no bound: the one process that is
measured has too little time for them, whoever draws (docs/figures.md)."""


@dataclass(frozen=True)
class Measured:
    """What one launch took: share of busy slots, cores of the whole process, trials a second, MB."""

    busy: float
    cores: float
    pace: float
    memory: float


class UntilMeasured(SilentDisplay):
    """Leaves the launch once the seconds that count are over, and keeps what was measured."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.begun = time.monotonic()
        self.cpu = 0.0
        self.found: Measured | None = None

    def update(self, loop: object, now: float) -> None:  # noqa: ARG002
        """Look at the clock."""
        since = time.monotonic() - self.begun
        if since < RAMP:
            self.cpu = _cpu()
        elif since >= RAMP + MEASURED:
            self.found = self._measured(self.begun + RAMP, time.monotonic())
            over.set()
            raise Over

    def _measured(self, begin: float, end: float) -> Measured:
        wall = end - begin
        done = [(max(begin, first), last) for first, last in list(ended) if last > begin]
        now = [(max(begin, first), end) for first in list(running.values())]
        busy = sum(last - first for first, last in [*done, *now])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Measured(busy / (wall * self.slots), (_cpu() - self.cpu) / wall, len(done) / wall, memory)


class Over(Exception):  # noqa: N818
    """The measuring is over."""


def measure(slots: int) -> Sequence[Figure]:
    """All figures; each number of slots in a process of its own, whose memory and CPU are then its alone."""
    figures: list[Figure] = []
    for count in (slots,) if slots else SLOTS:
        for sampler in ("tpe", "random"):
            figures += _figures(count, "journal", sampler)
    if not slots:
        figures += _figures(SLOTS[-1], "postgresql", "tpe")
    return figures


def _figures(slots: int, kind: str, sampler: str) -> Sequence[Figure]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        found = alone.submit(_in_a_process, slots, kind, sampler).result()
    where = f"{kind}, {sampler}, {slots:,} slots"
    return [
        Figure(f"slots busy, {where}", found.busy, "of the time", at_least=AT_LEAST.get(slots)),
        Figure(f"trials, {where}", found.pace, "a second"),
        Figure(f"cores of driver and Dask, {where}", found.cores, "cores"),
        Figure(f"memory, {where}", found.memory, "MB"),
    ]


def _in_a_process(slots: int, kind: str, sampler: str) -> Measured:
    with small_study() as directory, _storage(kind) as url:
        path = directory / "scale.toml"
        path.write_text(study_text(TRIALS, url, slots=slots, sampler=sampler))
        dispatch.run_segment = sleep_through
        display = UntilMeasured(slots)
        with suppress(Over):
            launch(path, display=display)
        if display.found is None:
            raise RuntimeError("the study ended before it was measured")
        return display.found


@contextmanager
def _storage(kind: str) -> Iterator[str]:
    if kind == "journal":
        yield "journal:scale.log"
        return
    with postgres.server() as server:
        yield server.database()


def _cpu() -> float:
    """Seconds of this process's threads."""
    return time.process_time()


if __name__ == "__main__":
    run(__doc__ or "", measure, Option("slots", 0, "measure this many slots alone; 0 for all of them"))
