"""A driver that is killed with -9, again and again, loses no trial that was told and runs none twice."""

from __future__ import annotations

import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.programs import PATIENCE, ROOT, environment, started, states, stored, wait_until

pytestmark = pytest.mark.slow

KILLS = 10
TRIALS = 300
"""Far more than the kills leave time for on the fastest machine."""


class Driver:
    """The warm process of :mod:`tests.faults.forking_driver`, and what its children print."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def launch(self, study: Path) -> int:
        """Start a driver; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{study}\n")
        self._process.stdin.flush()
        return int(self.line().removeprefix("driver "))

    def line(self, timeout: float = PATIENCE) -> str:
        return self._lines.get(timeout=timeout)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())


@contextmanager
def warm_driver() -> Iterator[Driver]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.forking_driver"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Driver(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


@pytest.mark.parametrize("url", ["sqlite:///kept.db", "journal:kept.log"])
def test_killed_at_random_moments_it_ends_with_exactly_its_trials(
    url: str, study_file: Callable[..., Path]
) -> None:
    study = study_file(trials=f"trials = {TRIALS}", append=f'\n[storage]\nurl = "{url}"\n')
    draw = random.Random(11)
    told: Counter[int] = Counter()
    with warm_driver() as driver:
        for kill in range(KILLS):
            pid = driver.launch(study)
            # Some die before their first trial, and the others after a few and a random moment more.
            before = draw.uniform(0.0, 0.6) if kill % 4 == 0 else None
            _let_it_work(driver, told, trials=0 if before else draw.randint(1, 6))
            time.sleep(before or draw.uniform(0.0, 0.06))
            os.kill(pid, signal.SIGKILL)
            assert _to_the_end(driver, told) == -signal.SIGKILL
            if told:
                _all_that_was_told_is_there(study, told)
        assert sum(told.values()) < TRIALS, "killed too late to prove anything"
        driver.launch(study)
        assert _to_the_end(driver, told) == 0
    assert set(told.values()) == {1}, "a trial that was told was run again"
    records = stored(study)
    assert [record.number for record in records] == list(range(TRIALS))
    assert {record.state for record in records} == {"complete"}
    for record in records:
        assert record.report is not None
        assert record.report.trial == record.number
        assert record.value == record.report.scores["validation"].f1


def _let_it_work(driver: Driver, told: Counter[int], trials: int) -> None:
    for _ in range(trials):
        told[_number(driver.line())] += 1


def _to_the_end(driver: Driver, told: Counter[int]) -> int:
    """Exit status of the driver; what it still told is counted."""
    while True:
        line = driver.line()
        if line.startswith("ended "):
            return int(line.removeprefix("ended "))
        told[_number(line)] += 1


def _number(line: str) -> int:
    assert line.startswith("told "), line
    return int(line.removeprefix("told "))


def _all_that_was_told_is_there(study: Path, told: Counter[int]) -> None:
    found = states(study)
    assert all(found[number] == "complete" for number in told)
    assert sorted(found) == list(range(len(found)))
    assert list(found.values()).count("running") <= 2


def test_worker_processes_do_not_outlive_their_driver(study_file: Callable[..., Path]) -> None:
    study = study_file(slots='kind = "processes"\nslots = 2', trials="trials = 100000", epochs="epochs = 100")
    with started(study.parent, "launch", "small.toml") as driver:
        wait_until(driver.told, "a complete trial")
        assert len(driver.family()) >= 3
        os.kill(driver.process.pid, signal.SIGKILL)
        driver.process.wait(PATIENCE)
        wait_until(lambda: driver.family() == [], f"the processes {driver.family()} have ended")
