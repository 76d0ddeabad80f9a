"""How busy a search keeps many slots: sleeping trials of 1 to 60 s, skewed, on 10, 100 and 1,000 slots.

The driver is alone in its process. Dask's scheduler, and workers of 250 threads at most, are processes of
their own on this machine, as they would be elsewhere: what is measured is everything but training and a
network. The workers' profiler is off, which looks at each thread a hundred times a second, because no real
worker has so many. The share of time that slots are busy is taken from the trials' own clocks, once the slots
were filled; the growth, from the driver's CPU for each trial as the trials of one study get many.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import psutil
from common.figures import Figure, Option, run
from common.sleeping import NOTES, sleep_through, slept
from common.small_study import small_study, study_text

# The tests' own scheduler, workers, and server of PostgreSQL.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from search import launch
from search.driving import dispatch
from search.driving.display import SilentDisplay
from studies.records.trials import TrialRecord
from tests import postgres
from tests.faults.dask_programs import DaskPrograms, dask_programs

SLOTS = (10, 100, 1000)

A_WORKER = 250
"""Threads of one worker process at most."""

RAMP = 25.0
"""Seconds in which the slots are filled; they count for nothing."""

MEASURED = 30.0
"""Seconds that count."""

TRIALS = 1_000_000
"""More than any launch comes to."""

GROWTH = (100, 1_000, 10_000)
"""Trials that have ended where the driver's CPU for each is taken, over the last tenth of them."""

AT_LEAST = 0.9
"""Share of time that the slots are to be busy."""


@dataclass(frozen=True)
class Measured:
    """What one launch took.

    Attributes:
        busy: share of the slots' time.
        driver, dask, server: cores of the driver's process, of the scheduler's and the workers' together, and
            of the database's server.
        pace: trials a second.
        memory: of the driver's process, in MB.
        growth: milliseconds of the driver's CPU a trial, by the trials that had ended.
    """

    busy: float
    driver: float
    dask: float
    server: float
    pace: float
    memory: float
    growth: dict[int, float]


@dataclass
class UntilMeasured(SilentDisplay):
    """Leaves the launch once the seconds that count are over, and keeps what was measured."""

    slots: int
    programs: DaskPrograms
    notes: Path
    most: int
    server: postgres.Server | None
    begun: float = field(default_factory=time.monotonic)
    ended: int = 0
    marks: dict[int, float] = field(default_factory=dict)
    found: Measured | None = None
    _seen: tuple[float, float, float, int] | None = None

    def trial_finished(self, record: TrialRecord) -> None:  # noqa: ARG002
        """Count it."""
        self.ended += 1
        self.marks[self.ended] = time.process_time()

    def update(self, loop: object, now: float) -> None:  # noqa: ARG002
        """Look at the clock."""
        since = time.monotonic() - self.begun
        if since < RAMP:
            return
        if self._seen is None:
            self._seen = (time.process_time(), self._dask(), self._server(), self.ended)
        if self.found is None and since >= RAMP + MEASURED:
            self.found = self._measured(self.begun + RAMP, time.monotonic(), self._seen)
        if self.found is not None and self.ended >= self.most:
            self.found.growth.update(self._growth())
            raise Over

    def _measured(self, begin: float, end: float, seen: tuple[float, float, float, int]) -> Measured:
        wall = end - begin
        busy = sum(max(0.0, min(end, last) - max(begin, first)) for first, last in slept(self.notes))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        driver, dask, server, ended = seen
        return Measured(
            busy / (wall * self.slots),
            (time.process_time() - driver) / wall,
            (self._dask() - dask) / wall,
            (self._server() - server) / wall,
            (self.ended - ended) / wall,
            memory,
            {},
        )

    def _dask(self) -> float:
        """Seconds of CPU of the scheduler's process and the workers'."""
        programs = (self.programs.scheduler, *self.programs.workers)
        return sum(_cpu(psutil.Process(program.pid)) for program in programs)

    def _server(self) -> float:
        """Those of the database's processes, of which each serves one connection."""
        if self.server is None or self.server._process is None:
            return 0.0
        first = psutil.Process(self.server._process.pid)
        return sum(_cpu(process) for process in (first, *first.children()))

    def _growth(self) -> dict[int, float]:
        found = {}
        for count in GROWTH:
            if count in self.marks:
                first = count - count // 10
                found[count] = (self.marks[count] - self.marks[first]) / (count - first) * 1000
        return found


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Over(Exception):  # noqa: N818
    """The measuring is over."""


def measure(slots: int, storage: str, sampler: str, trials: int) -> Sequence[Figure]:
    """All figures; each launch in a process of its own, whose memory and CPU are then its alone."""
    wanted = [
        (count, kind, drawn)
        for count in ((slots,) if slots else SLOTS)
        for kind in ((storage,) if storage else ("journal", "postgresql"))
        for drawn in ((sampler,) if sampler else ("tpe", "random"))
    ]
    figures: list[Figure] = []
    for count, kind, drawn in wanted:
        figures += _figures(count, kind, drawn, trials if count == SLOTS[-1] and drawn == "tpe" else 0)
    return figures


def _figures(slots: int, kind: str, sampler: str, trials: int) -> Sequence[Figure]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        found = alone.submit(_in_a_process, slots, kind, sampler, trials).result()
    where = f"{kind}, {sampler}, {slots:,} slots"
    return [
        Figure(f"{where}: slots busy", found.busy, "of the time", at_least=AT_LEAST),
        Figure(f"{where}: trials", found.pace, "a second"),
        Figure(f"{where}: driver", found.driver, "cores"),
        Figure(f"{where}: scheduler and workers", found.dask, "cores"),
        *([Figure(f"{where}: server", found.server, "cores")] if kind == "postgresql" else []),
        Figure(f"{where}: driver", found.memory, "MB"),
        *(
            Figure(f"{where}: driver, after {count:,} trials", milliseconds, "ms of CPU a trial")
            for count, milliseconds in found.growth.items()
        ),
    ]


def _in_a_process(slots: int, kind: str, sampler: str, trials: int) -> Measured:
    # The scheduler reads what it is sent, as the workers do: both find the sleeping trial by its name.
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    with (
        small_study() as directory,
        tempfile.TemporaryDirectory() as dask,
        _storage(kind) as (url, server),
        dask_programs(Path(dask)) as programs,
    ):
        _add_workers(programs, slots, directory)
        path = directory / "scale.toml"
        cluster = f'kind = "address"\naddress = "{programs.address}"'
        path.write_text(study_text(TRIALS, url, cluster=cluster, sampler=sampler))
        dispatch.run_segment = sleep_through
        display = UntilMeasured(slots, programs, directory, trials, server)
        with suppress(Over):
            launch(path, display=display)
        if display.found is None:
            raise RuntimeError("the study ended before it was measured")
        return display.found


def _add_workers(programs: DaskPrograms, slots: int, notes: Path) -> None:
    for first in range(0, slots, A_WORKER):
        threads = min(A_WORKER, slots - first)
        programs.add_worker(
            "--no-nanny",
            "--nthreads",
            str(threads),
            "--resources",
            f"TRIAL={threads}",
            DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED="False",
            **{NOTES: str(notes)},
        )


@contextmanager
def _storage(kind: str) -> Iterator[tuple[str, postgres.Server | None]]:
    if kind == "journal":
        yield "journal:scale.log", None
        return
    with postgres.server() as server:
        yield server.database(), server


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        Option("slots", 0, "measure this many slots alone; 0 for 10, 100 and 1,000"),
        Option("storage", "", "journal or postgresql alone"),
        Option("sampler", "", "tpe or random alone"),
        Option("trials", 0, "on 1,000 slots, go on until so many have ended"),
    )
