"""Several driver processes on one study on a real server: exactly its trials, whoever is killed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.faults.programs import stored
from tests.faults.warm import WarmDriver, warm_driver
from tests.postgres import Server

pytestmark = pytest.mark.slow

TRIALS = 24

FINALISTS = "\n[report]\nfinalists = 2\nseeds = 2\n"

ENQUEUED = "\n[[enqueue]]\nlearning_rate = 0.25\n\n[[enqueue]]\nlearning_rate = 0.125\n"


@pytest.fixture(scope="module")
def drivers() -> Iterator[tuple[WarmDriver, WarmDriver]]:
    """Two warm processes; each launches what it is given in a child of its own."""
    with warm_driver() as one, warm_driver() as other:
        yield one, other


@pytest.fixture(autouse=True)
def nothing_told(drivers: tuple[WarmDriver, WarmDriver]) -> None:
    for driver in drivers:
        driver.told.clear()


@pytest.fixture
def study(postgres: Server, study_file: Callable[..., Path]) -> Path:
    storage = f'\n[storage]\nurl = "{postgres.database()}"\n'
    return study_file(trials=f"trials = {TRIALS}", append=storage + FINALISTS + ENQUEUED)


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
    drivers: tuple[WarmDriver, WarmDriver], study: Path
) -> None:
    for driver in drivers:
        driver.launch(study)
    assert [driver.end() for driver in drivers] == [0, 0]
    assert all(driver.told for driver in drivers), "one of them had nothing to do"
    assert drivers[0].told + drivers[1].told == Counter(range(TRIALS))
    assert_whole(study)
    found = read_study(read_study_file(study))
    assert found.finalists is not None
    assert len(found.openings) == 1, "both of them opened the test rows"


def test_when_one_is_killed_the_other_finishes_its_trials_too(
    drivers: tuple[WarmDriver, WarmDriver], study: Path
) -> None:
    killed, other = drivers
    pid = killed.launch(study)
    other.launch(study)
    killed.hear(3)
    os.kill(pid, signal.SIGKILL)
    assert killed.end() == -signal.SIGKILL
    assert other.end() == 0
    assert_whole(study)
    told = killed.told + other.told
    # The killed one may have told a trial, or two, that it hadn't yet said so of.
    assert set(told.values()) == {1}
    assert len(told) >= TRIALS - 2


def test_a_driver_that_hangs_is_taken_for_dead_and_does_no_harm_when_it_wakes(
    drivers: tuple[WarmDriver, WarmDriver], study: Path
) -> None:
    hung, other = drivers
    pid = hung.launch(study)
    hung.hear(3)
    os.kill(pid, signal.SIGSTOP)  # with trials that it has asked, or even in its turn
    try:
        other.launch(study)
        assert other.end() == 0
        assert_whole(study)
        before = stored(study)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert hung.end() == 0
    assert stored(study) == before


def test_a_server_that_is_restarted_costs_no_trial(
    drivers: tuple[WarmDriver, WarmDriver], study: Path, postgres: Server
) -> None:
    for driver in drivers:
        driver.launch(study)
    for driver in drivers:
        driver.hear(2)
    postgres.stop()
    time.sleep(1.0)  # both meet a server that is away, and not only connections that broke
    postgres.start()
    assert [driver.end() for driver in drivers] == [0, 0]
    assert drivers[0].told + drivers[1].told == Counter(range(TRIALS))
    assert_whole(study)
