"""What every kind of cluster must do: run trials, say who ran them, and leave nothing behind."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from distributed import KilledWorker

from search import launch
from search.cluster import starting as starting_module
from search.cluster.running import RunningCluster
from search.cluster.starting import start_cluster
from search.driving import dispatch as dispatch_module
from search.driving.dispatch import Dispatcher, Ended
from search.driving.display import SilentDisplay
from search.driving.preflight import prepare_data
from search.loop.events import Lost, Reported
from search.loop.slots import SPARK, TRIAL, Slots
from search.reporting.report import StudyReport
from studies.sections.cluster import Cluster
from studies.sections.study import Retry
from studies.space.configuration import Configuration
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


def test_a_task_that_is_cancelled_is_the_end_of_the_cluster(kind: Kind) -> None:
    with start_cluster(Cluster(kind=kind, slots=1)) as running:
        events, dispatcher = _dispatching(running)
        dispatcher.submit(NOWHERE)
        (run,) = dispatcher._runs.values()
        running.client.cancel([run.future], force=True)
        ended = events.get(timeout=PATIENCE)
        outcome = dispatcher.ended(ended)
    # Nowhere to train fails quickly, and may have come back before.
    assert isinstance(outcome, Lost) or (isinstance(outcome, Reported) and outcome.report.failure is not None)


def test_no_more_is_with_dask_than_there_are_slots(kind: Kind) -> None:
    with start_cluster(Cluster(kind=kind, slots=2)) as running:
        events, dispatcher = _dispatching(running)
        for trial in range(5):
            assert dispatcher.submit(replace(NOWHERE, trial=trial)) is None
        reported = []
        for _ in range(5):
            assert len(dispatcher._runs) <= 2
            outcome = dispatcher.ended(events.get(timeout=PATIENCE))
            assert isinstance(outcome, Reported)
            reported.append(outcome.report)
    assert {report.trial for report in reported} == set(range(5))
    assert {report.failure.cause for report in reported if report.failure} == {"bug"}


def test_spark_has_a_slot_of_its_own(kind: Kind) -> None:
    with start_cluster(Cluster(kind=kind, slots=2), ("tensorflow", "spark")) as running:
        assert running.slots == Slots(2, spark=1)
        offered: Counter[str] = Counter()
        for worker in running.client.scheduler_info(n_workers=-1)["workers"].values():
            offered.update(worker["resources"])
        assert offered == {TRIAL: 2, SPARK: 1}
        events, dispatcher = _dispatching(running)
        dispatcher.submit(replace(NOWHERE, configuration=Configuration("spark", "he_normal", "gd", 1)))
        assert isinstance(dispatcher.ended(events.get(timeout=PATIENCE)), Reported)


def test_only_a_process_of_its_own_can_be_ended(kind: Kind) -> None:
    with start_cluster(Cluster(kind=kind, slots=1)) as running:
        assert running.end_worker_of("small/trial-0/rung-1") is False, "nothing runs under this name"
        future = running.client.submit(
            time.sleep, 1.0 if kind == "threads" else PATIENCE, key="long", resources={TRIAL: 1}
        )
        wait_until(lambda: "long" in running.tasks(), "it runs")
        before = _children()
        assert running.end_worker_of("long") is (kind == "processes")
        if kind == "threads":
            assert future.result() is None
            return
        wait_until(lambda: not before <= _children(), "its process has ended")
        with pytest.raises(KilledWorker):
            future.result(timeout=PATIENCE)
        wait_until(lambda: len(running.client.nthreads()) == 1, "its successor is there")


def test_a_cluster_that_lost_all_its_workers_for_good_does_not_hang(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (starting_module, dispatch_module):
        monkeypatch.setattr(module, "NO_WORKERS_SECONDS", 0.2)
    with start_cluster(Cluster(kind=kind, slots=1)) as running:
        running.client.cluster.scale(0)
        wait_until(lambda: not running.client.nthreads(), "no worker")
        events, dispatcher = _dispatching(running, Retry(worker_died=0))
        dispatcher.submit(NOWHERE)
        said: list[object] = []
        wait_until(lambda: said.extend([*dispatcher.watch(), *_ends(events, dispatcher)]) or said, "an end")
    (outcome,) = said
    assert isinstance(outcome, Lost)
    assert "lost all its workers" in outcome.reason
    assert dispatcher.quarantined == set()


def _ends(events: queue.SimpleQueue[Ended], dispatcher: Dispatcher) -> list[object]:
    return [] if events.empty() else [dispatcher.ended(events.get())]


NOWHERE = Segment(
    study="small",
    trial=0,
    configuration=Configuration("analytic", "he_normal", "sgd", 1),  # it never comes to training
    seed=0,
    rungs=(1,),
    hidden=(1,),
    metric="f1",
    split="/nowhere",
    checkpoints="/nowhere",
    until=1,
)


def _dispatching(
    running: RunningCluster, rules: Retry | None = None
) -> tuple[queue.SimpleQueue[Ended], Dispatcher]:
    events: queue.SimpleQueue[Ended] = queue.SimpleQueue()
    return events, Dispatcher(running, rules or Retry(), events.put)
