"""Several driver processes on one study on a real server: exactly its trials, whoever is killed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.programs import stored
from tests.faults.test_killed_driver import Driver, warm_driver
from tests.postgres import Server

pytestmark = pytest.mark.slow

TRIALS = 24

ENQUEUED = "\n[[enqueue]]\nlearning_rate = 0.25\n\n[[enqueue]]\nlearning_rate = 0.125\n"


@pytest.fixture(scope="module")
def drivers() -> Iterator[tuple[Driver, Driver]]:
    """Two warm processes; each launches what it is given in a child of its own."""
    with warm_driver() as one, warm_driver() as other:
        yield one, other


@pytest.fixture
def study(postgres: Server, study_file: Callable[..., Path]) -> Path:
    storage = f'\n[storage]\nurl = "{postgres.database()}"\n'
    return study_file(trials=f"trials = {TRIALS}", append=storage + ENQUEUED)


def read(driver: Driver, told: Counter[int], trials: int) -> None:
    """Wait until the driver has told so many trials."""
    for _ in range(trials):
        told[int(driver.line().removeprefix("told "))] += 1


def to_the_end(driver: Driver, told: Counter[int]) -> int:
    """The driver's exit status; what it still tells is counted."""
    while not (line := driver.line()).startswith("ended "):
        told[int(line.removeprefix("told "))] += 1
    return int(line.removeprefix("ended "))


def assert_whole(study: Path) -> None:
    records = stored(study)
    assert [record.number for record in records] == list(range(TRIALS))
    assert {record.state for record in records} == {"complete"}
    assert sum(record.enqueued for record in records) == 2
    seeds = [(record.configuration, record.seed) for record in records]
    assert len(set(seeds)) == TRIALS, "one configuration was run twice from the same seed"
    for record in records:
        assert record.report is not None
        assert record.report.trial == record.number
        assert record.value == record.report.scores["validation"].f1


def test_two_drivers_at_once_run_exactly_the_trials_and_none_twice(
    drivers: tuple[Driver, Driver], study: Path
) -> None:
    for driver in drivers:
        driver.launch(study)
    told = [Counter[int](), Counter[int]()]
    assert [to_the_end(driver, mine) for driver, mine in zip(drivers, told, strict=True)] == [0, 0]
    assert all(told), "one of them had nothing to do"
    assert told[0] + told[1] == Counter(range(TRIALS))
    assert_whole(study)


def test_when_one_is_killed_the_other_finishes_its_trials_too(
    drivers: tuple[Driver, Driver], study: Path
) -> None:
    killed, other = drivers
    told: Counter[int] = Counter()
    pid = killed.launch(study)
    other.launch(study)
    read(killed, told, 3)
    os.kill(pid, signal.SIGKILL)
    assert to_the_end(killed, told) == -signal.SIGKILL
    assert to_the_end(other, told) == 0
    assert_whole(study)
    # The killed one may have told a trial, or two, that it hadn't yet said so of.
    assert set(told.values()) == {1}
    assert len(told) >= TRIALS - 2


def test_a_driver_that_hangs_is_taken_for_dead_and_does_no_harm_when_it_wakes(
    drivers: tuple[Driver, Driver], study: Path
) -> None:
    hung, other = drivers
    told: Counter[int] = Counter()
    pid = hung.launch(study)
    read(hung, told, 3)
    os.kill(pid, signal.SIGSTOP)  # with trials that it has asked, or even in its turn
    try:
        other.launch(study)
        assert to_the_end(other, told) == 0
        assert_whole(study)
        before = stored(study)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert to_the_end(hung, Counter()) == 0
    assert stored(study) == before


def test_a_server_that_is_restarted_costs_no_trial(
    drivers: tuple[Driver, Driver], study: Path, postgres: Server
) -> None:
    told: Counter[int] = Counter()
    for driver in drivers:
        driver.launch(study)
    for driver in drivers:
        read(driver, told, 2)
    postgres.stop()
    time.sleep(1.0)  # both meet a server that is away, and not only connections that broke
    postgres.start()
    assert [to_the_end(driver, told) for driver in drivers] == [0, 0]
    assert told == Counter(range(TRIALS))
    assert_whole(study)
