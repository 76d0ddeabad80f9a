"""A cluster that somebody else started: its workers are used, and its scheduler may go away at any moment."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search import launch
from search.cluster import starting
from search.cluster.starting import start_cluster
from search.driving.display import SilentDisplay
from search.loop.slots import Slots
from studies.errors import MachineError
from studies.sections.cluster import Cluster
from tests.conftest import write_rows
from tests.faults.dask_programs import DaskPrograms, dask_programs
from tests.faults.histories import every_score_is_that_of_an_undisturbed_run, is_whole, told_rows
from tests.faults.programs import search, started, states, wait_until

pytestmark = pytest.mark.slow

SAID_WITHIN = 30.0
"""Seconds from a scheduler's end to the driver's."""

TRIALS = 8

Writes = Callable[..., Path]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[DaskPrograms]:
    with dask_programs(tmp_path / "dask") as found:
        yield found


def at(address: str) -> str:
    return f'kind = "address"\naddress = "{address}"'


def test_its_workers_threads_or_resources_are_slots_and_trials_run_there(
    programs: DaskPrograms, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = Cluster(kind="address", address=programs.address)
    monkeypatch.setattr(starting, "FIND_SECONDS", 1.0)
    with pytest.raises(MachineError, match="it has no worker"), start_cluster(section):
        pass
    monkeypatch.undo()
    programs.add_worker("--nthreads", "2", "--name", "plain")
    with start_cluster(section) as running:
        assert running.slots == Slots(2)
        programs.add_worker("--nthreads", "3", "--resources", "TRIAL=1 SPARK=1", "--name", "told")
        wait_until(lambda: running.present() == Slots(3), "the second worker")
        assert running.slots_a_worker("TRIAL") == 2
    with start_cluster(section, ("tensorflow", "spark")) as running:
        wait_until(lambda: running.present() == Slots(3, 1), "all slots")
    with start_cluster(section, ("spark",)) as running:
        assert running.slots == Slots(0, 1)
    result = launch(study_file(slots=at(programs.address)), display=SilentDisplay())
    assert [record.state for record in result.records] == ["complete"] * 6
    assert {record.report.worker for record in result.records if record.report} <= {"plain", "told"}


def test_an_address_without_a_scheduler_is_refused(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "FIND_SECONDS", 1.0)
    with pytest.raises(MachineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        launch(study_file(slots=at("tcp://127.0.0.1:9")), display=SilentDisplay())


def test_a_worker_that_is_killed_costs_nothing_but_its_slot(
    programs: DaskPrograms, study_file: Writes
) -> None:
    first, _ = (programs.add_worker("--nthreads", "1", "--no-nanny") for _ in range(2))

    class Killer(SilentDisplay):
        def update(self, loop: object, now: float) -> None:  # noqa: ARG002  the display's own signature
            if len(loop.running) == 2 and first.poll() is None:  # type: ignore[attr-defined]
                first.kill()

    study = study_file(slots=at(programs.address), trials="trials = 6", epochs="epochs = 300")
    write_rows(study.parent, rows=20_000)
    section = Cluster(kind="address", address=programs.address)
    with start_cluster(section) as running:
        wait_until(lambda: running.present() == Slots(2), "both workers")
    result = launch(study, display=Killer())
    assert [record.state for record in result.records] == ["complete"] * 6
    assert first.poll() == -signal.SIGKILL


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGKILL, marks=pytest.mark.faults), signal.SIGSTOP], ids=["killed", "cut off"]
)
def test_a_scheduler_that_goes_away_ends_the_launch_and_the_next_one_goes_on(
    how: signal.Signals, programs: DaskPrograms, study_file: Writes, tmp_path: Path
) -> None:
    programs.add_worker("--nthreads", "2")
    study = study_file(slots=at(programs.address), trials=f"trials = {TRIALS}", epochs="epochs = 600")
    write_rows(study.parent, rows=20_000)
    with started(study.parent, "launch", "small.toml") as driver:
        wait_until(driver.told, "a told trial")
        wait_until(lambda: Counter(states(study).values())["running"] == 2, "two running trials")
        programs.stop_scheduler(how)
        gone = time.monotonic()
        assert driver.wait() == 1
        assert time.monotonic() - gone < SAID_WITHIN
        said = driver.stderr.read_text()
    assert "scheduler" in said
    assert "launch the study again to resume" in said
    assert "Traceback" not in said
    kept = told_rows(study)
    assert 0 < len(kept) < TRIALS
    with dask_programs(tmp_path / "another") as others:
        others.add_worker("--nthreads", "2")
        study.write_text(study.read_text().replace(programs.address, others.address))
        finished = search(study.parent, "launch", "--quiet", "small.toml")
        assert (finished.returncode, finished.stderr) == (0, "")
    assert kept.items() <= told_rows(study).items()
    every_score_is_that_of_an_undisturbed_run(study, is_whole(study, TRIALS))
