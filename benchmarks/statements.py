"""What a trial costs its storage: statements, commits and the driver's time, with and without rungs.

Trials are those of the analytic trainer, on two slots. What a driver writes every few seconds, whatever its
trials do, is left out. To compare with another version of the project, name its folder in PYTHONPATH:
``PYTHONPATH=../before python benchmarks/statements.py``.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from common.figures import Figure, Option, run
from common.small_study import small_study, study_text
from sqlalchemy import event
from sqlalchemy.engine import Engine

# The tests' own server of PostgreSQL.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from search import launch
from search.driving import status
from search.driving.display import SilentDisplay
from studies.records.trials import TrialRecord
from tests import postgres

TRIALS = 120
"""Of each study."""

WARM_UP = 20
"""The first trials, in which everything is still being loaded, are not counted."""

PRUNERS = {
    "unpaused": "",
    # Its decisions depend on the seed alone, so that two versions pause the same trials.
    "asha": '\n[pruner]\nkind = "asha"\nmin_epochs = 1\nreduction_factor = 3\n',
    # Asks after each of three rungs, and never stops a trial: it has too few to compare with.
    "three rungs": '\n[pruner]\nkind = "median"\nmin_epochs = 1\nstartup_trials = 100000\n',
}


@dataclass
class Counting(SilentDisplay):
    """Counts what is sent to databases from the first trial that counts to the last."""

    now: Counter[str] = field(default_factory=Counter)
    first: tuple[Counter[str], float] | None = None
    last: tuple[Counter[str], float] | None = None
    ends: list[float] = field(default_factory=list)

    def trial_finished(self, record: TrialRecord) -> None:  # noqa: ARG002
        """Look at the counters."""
        self.ends.append(time.perf_counter())
        if len(self.ends) == WARM_UP:
            self.first = (self.now.copy(), time.process_time())
        self.last = (self.now.copy(), time.process_time())

    trial_told = trial_finished  # its name in versions that this one is compared with

    def a_trial(self) -> tuple[float, float, float, float]:
        """Statements, commits, milliseconds of CPU (mean) and of the clock (median)."""
        if self.first is None or self.last is None:
            raise RuntimeError("the study ended before it was measured")
        trials = len(self.ends) - WARM_UP
        sent = self.last[0] - self.first[0]
        apart = [
            later - earlier
            for earlier, later in zip(self.ends[WARM_UP:], self.ends[WARM_UP + 1 :], strict=False)
        ]
        cpu = (self.last[1] - self.first[1]) / trials
        return sent["statements"] / trials, sent["commits"] / trials, 1000 * cpu, 1000 * median(apart)


@contextmanager
def counted(display: Counting) -> Iterator[None]:
    """Have all engines tell ``display`` what they send."""

    def executed(*_: Any) -> None:
        display.now["statements"] += 1

    def committed(_connection: Any) -> None:
        display.now["commits"] += 1

    event.listen(Engine, "before_cursor_execute", executed)
    event.listen(Engine, "commit", committed)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
        event.remove(Engine, "commit", committed)


def measure(storage: str) -> Sequence[Figure]:
    """All figures, storage by storage."""
    kinds = (storage,) if storage else ("sqlite", "journal", "postgresql")
    return [figure for kind in kinds for figure in _of(kind)]


def _of(kind: str) -> Iterator[Figure]:
    with small_study() as directory, _address(kind) as url:
        for name, pruner in PRUNERS.items():
            path = directory / f"{name.replace(' ', '-')}.toml"
            text = study_text(TRIALS, url, sampler="random").replace('name = "loop"', f'name = "{path.stem}"')
            # One score and one segment for each of three rungs.
            path.write_text(
                text.replace("epochs = 3", "epochs = 9").replace("seed = 1", "seed = 1\nreproducible = true")
                + pruner
            )
            display = Counting()
            with counted(display):
                launch(path, display=display)
            statements, commits, cpu, clock = display.a_trial()
            where = f"{kind}, {name}"
            if kind != "journal":
                yield Figure(f"{where}: statements", statements, "a trial")
                yield Figure(f"{where}: commits", commits, "a trial")
            yield Figure(f"{where}: driver and trainer", cpu, "ms of CPU a trial")
            yield Figure(f"{where}: from one end to the next", clock, "ms")


@contextmanager
def _address(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with postgres.server() as server:
            yield server.database()
    else:
        yield {"sqlite": "sqlite:///statements.db", "journal": "journal:statements.log"}[kind]


if __name__ == "__main__":
    status.STATUS_SECONDS = 1e9
    run(
        __doc__ or "",
        measure,
        Option("storage", "", "sqlite, journal or postgresql alone"),
    )
