"""A segment that kills, stops or blocks its worker at a named point, as a plan on disk says.

Stands in for :func:`workers.task.run_segment` in worker processes, and writes down every epoch that they
train.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.records.reports import SegmentReport
from workers.task import Segment, run_segment
from workers.training.analytic_trainer import AnalyticTrainer
from workers.training.trainer import Deadline, State

BEFORE, AFTER = "before it trains", "after it trained"
HALF = "half a checkpoint"
TRAINING = "before epoch "
"""Names of points; the last one's with the epoch's number behind it."""


@dataclass(frozen=True)
class Plan:
    """What the runs of a trial's segments come to, kept in a directory that tests and workers share."""

    directory: Path

    def doom(self, trial: int, until: int, deaths: Sequence[tuple[str, str]]) -> None:
        """Let the first runs of the segment up to ``until`` end so: at a point, by a name of :data:`ENDS`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / f"doom-{trial}-{until}").write_text(json.dumps(deaths))

    def death(self, trial: int, until: int) -> tuple[str, str] | None:
        """How this run of the segment is to end; each death is there once."""
        path = self.directory / f"doom-{trial}-{until}"
        if not path.exists():
            return None
        deaths = json.loads(path.read_text())
        runs = len(self._lines(f"runs-{trial}-{until}"))
        self._append(f"runs-{trial}-{until}", str(os.getpid()))
        return tuple(deaths[runs]) if runs < len(deaths) else None

    def died(self, how: str) -> None:
        """A worker is about to end."""
        self._append("deaths", f"{os.getpid()} {how}")

    def deaths(self) -> list[tuple[int, str]]:
        """(process, end) of the workers that came to one."""
        lines = (line.split(" ", 1) for line in self._lines("deaths"))
        return [(int(pid), how) for pid, how in lines]

    def trained(self, trial: int, epoch: int) -> None:
        """An epoch of a trial was trained."""
        self._append("epochs", f"{trial} {epoch}")

    def epochs(self) -> list[tuple[int, int]]:
        """(trial, epoch) of every training, in order."""
        return [(int(trial), int(epoch)) for trial, epoch in map(str.split, self._lines("epochs"))]

    def _append(self, name: str, line: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / name).open("a") as file:
            file.write(f"{line}\n")

    def _lines(self, name: str) -> list[str]:
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []


def plan_of(study: Path) -> Plan:
    """The plan of a study file."""
    return Plan(study.parent / "doomed")


def run_doomed(segment: Segment) -> SegmentReport:
    """Stands in for :func:`workers.task.run_segment`."""
    plan = Plan(Path(segment.split).parents[2] / "doomed")
    point, how = plan.death(segment.trial, segment.until) or ("", "")

    def come_to(here: str) -> None:
        if here == point:
            plan.died(how)
            ENDS[how]()

    come_to(BEFORE)
    _watch(plan, segment.trial, come_to)
    report = run_segment(segment)
    come_to(AFTER)
    return report


_advance, _fsync = AnalyticTrainer.advance, os.fsync


def _watch(plan: Plan, trial: int, come_to: Callable[[str], None]) -> None:
    """Train epoch by epoch, and write each down; a worker process runs one segment at a time."""

    def advance(
        self: AnalyticTrainer, configuration: Any, seed: int, state: State, epoch: int, deadline: Deadline
    ) -> State:
        while state.epoch < epoch:
            come_to(f"{TRAINING}{state.epoch + 1}")
            state = _advance(self, configuration, seed, state, state.epoch + 1, deadline)
            plan.trained(trial, state.epoch)
        return state

    def fsync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            come_to(HALF)
        _fsync(descriptor)

    AnalyticTrainer.advance = advance  # type: ignore[method-assign]
    os.fsync = fsync


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _holding_the_lock() -> None:
    # A PyDLL's functions are called without letting go of Python's lock.
    ctypes.PyDLL(None).sleep(1_000_000)


def _hungry() -> None:
    hoard = [bytearray(b"x") * (16 * 2**20) for _ in range(256)]
    threading.Event().wait(60)
    raise AssertionError(f"nobody minded {len(hoard)} times 16 MiB")


ENDS: Mapping[str, Callable[[], None]] = {
    "killed": _killed,
    "stopped": _stopped,
    "holding the lock": _holding_the_lock,
    "out of memory": _hungry,
    "waiting": lambda: threading.Event().wait() and None,
}
"""How a worker can end, or seem to."""
