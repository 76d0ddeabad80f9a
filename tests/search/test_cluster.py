"""What every kind of cluster must do: run trials, say who ran them, and leave nothing behind."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from search import cluster as cluster_module
from search import launch
from search.cluster import RunningCluster, start_cluster
from search.dispatch import Dispatcher
from search.display import SilentDisplay
from search.events import Reported
from search.preflight import prepare_data
from search.results import StudyReport
from search.slots import Slots
from studies.study import Cluster
from studies.study_file import read_study_file
from tests.conftest import SMALL, write_rows
from tests.faults.programs import PATIENCE, environment, wait_until
from workers.task import Segment, run_segment

Kind = Literal["threads", "processes"]
KINDS = ["threads", pytest.param("processes", marks=pytest.mark.slow)]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    found: Kind = request.param
    return found


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """No child process or listening port is there afterwards that wasn't before."""
    before = _children() | _ports()
    yield
    wait_until(lambda: (_children() | _ports()) <= before, "what was started has ended")


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if _counts(child)}


def _counts(child: psutil.Process) -> bool:
    try:
        # multiprocessing keeps a tracker until the interpreter ends.
        return "resource_tracker" not in " ".join(child.cmdline())
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return False


def _ports() -> set[int]:
    connections = psutil.Process().net_connections("inet")
    return {found.laddr.port for found in connections if found.status == psutil.CONN_LISTEN}


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Launched]:
    """A small study, launched once a kind."""

    @cache
    def run(kind: Kind) -> Launched:
        directory = tmp_path_factory.mktemp(kind)
        write_rows(directory)
        path = directory / "small.toml"
        path.write_text(on(kind))
        with nothing_left_behind():
            result = launch(path, display=SilentDisplay())
        return Launched(path, result)

    return run


@dataclass(frozen=True)
class Launched:
    """A study file, and what launching it gave."""

    path: Path
    result: StudyReport


def on(kind: Kind) -> str:
    return SMALL.replace("[cluster]", f'[cluster]\nkind = "{kind}"')


def test_a_search_ends_with_every_trial_complete_and_nothing_left_behind(
    kind: Kind, launched: Callable[[Kind], Launched]
) -> None:
    result = launched(kind).result
    assert [record.state for record in result.records] == ["complete"] * 6
    assert result.ended == "6 trials are done"


def test_every_report_names_the_worker_that_ran_it(kind: Kind, launched: Callable[[Kind], Launched]) -> None:
    names = {record.report.worker for record in launched(kind).result.records if record.report}
    assert names
    assert names <= ({"0"} if kind == "threads" else {"0", "1"})


def test_a_trial_gives_the_scores_that_it_gives_without_a_cluster(
    kind: Kind, launched: Callable[[Kind], Launched]
) -> None:
    study = launched(kind)
    directory = prepare_data(read_study_file(study.path)).directory
    for record in study.result.records:
        assert record.report is not None
        assert record.configuration is not None
        assert record.seed is not None
        segment = Segment(
            study="small",
            trial=record.number,
            configuration=record.configuration,
            seed=record.seed,
            rungs=(1, 3, 9),
            hidden=(4,),
            metric="f1",
            split=str(directory),
            checkpoints=str(study.path.parent / "alone"),
            until=9,
        )
        alone = run_segment(segment)
        assert alone.curve == record.report.curve
        assert alone.scores["validation"] == record.report.scores["validation"]


def test_a_search_that_fails_leaves_nothing_behind(kind: Kind, study_file: Callable[..., Path]) -> None:
    class Broken(SilentDisplay):
        def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
            raise ZeroDivisionError

    with nothing_left_behind(), pytest.raises(ZeroDivisionError):
        launch(study_file(on(kind)), display=Broken())


def test_slots_are_trials_at_once(kind: Kind) -> None:
    with start_cluster(Cluster(kind=kind, slots=2)) as running:
        assert running.slots == Slots(2)
        assert running.description == f"2 {kind} of this machine"
        assert sum(running.client.nthreads().values()) == 2


def test_only_this_machine_can_reach_it(kind: Kind) -> None:
    before = _listening()
    with start_cluster(Cluster(kind=kind, slots=1)):
        started = _listening() - before
        assert started
        assert {address for address, _ in started} <= {"127.0.0.1", "::1"}


def _listening() -> set[tuple[str, int]]:
    """(address, port) that this process and its children listen on."""
    members = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {
        (connection.laddr.ip, connection.laddr.port)
        for member in members
        if _counts(member)
        for connection in member.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_task_that_is_lost_is_a_report(kind: Kind) -> None:
    with start_cluster(Cluster(kind=kind, slots=1)) as running:
        events, dispatcher = _dispatching(running)
        # More than fits at once, so that some are cancelled before they begin.
        for trial in range(3):
            dispatcher.submit(replace(NOWHERE, trial=trial))
        running.client.cancel(list(dispatcher._futures.values()), force=True)
        reports = [events.get(timeout=PATIENCE).report for _ in range(3)]
    assert {report.trial for report in reports} == {0, 1, 2}
    assert all(report.failure is not None for report in reports)


def test_a_cluster_that_lost_all_its_workers_for_good_does_not_hang(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "NO_WORKERS_SECONDS", 0.2)
    with start_cluster(Cluster(kind=kind, slots=1)) as running:
        running.client.cluster.scale(0)
        wait_until(lambda: not running.client.nthreads(), "no worker")
        events, dispatcher = _dispatching(running)
        dispatcher.submit(NOWHERE)
        report = events.get(timeout=PATIENCE).report
    assert report.failure is not None
    assert report.failure.cause == "worker died"
    assert "lost all its workers" in report.failure.message


NOWHERE = Segment(
    study="small",
    trial=0,
    configuration=None,  # type: ignore[arg-type]  it never comes to training
    seed=0,
    rungs=(1,),
    hidden=(1,),
    metric="f1",
    split="/nowhere",
    checkpoints="/nowhere",
    until=1,
)


def _dispatching(running: RunningCluster) -> tuple[queue.SimpleQueue[Reported], Dispatcher]:
    events: queue.SimpleQueue[Reported] = queue.SimpleQueue()
    return events, Dispatcher(running.client, events.put)
