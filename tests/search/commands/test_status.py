"""What ``search status`` says of a study that runs, ended, died or has only begun; and ``search stop``."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from search import launch
from search.cli import main
from search.cluster.pulse import Pulse
from search.cluster.running import RunningCluster
from search.commands.status import Status, render_status, status, stop
from search.driving.display import SilentDisplay
from search.driving.status import STATUS_SECONDS, RunningSegment, StoredStatus
from search.loop.events import Asked
from search.loop.loop import Loop
from search.loop.slots import TRIAL, Slots
from search.loop.stopping import Limits
from studies.data.facts import DataFacts
from studies.errors import StorageError
from studies.opening import open_store
from studies.records.ranking import FailedTrials
from studies.records.reports import CurvePoint, Failure, Scores, SegmentReport
from studies.records.trials import AskedTrial, TrialRecord
from studies.store.store import StudyStore
from studies.study_file import read_study_file
from workers.tenants import LOOK

Writes = Callable[..., Path]

FACTS = DataFacts(("0", "1"), "1", 3, {"train": (60, 20), "validation": (10, 5), "test": (12, 6)})
SCORES = Scores(0.5, 0.6, 0.7, 0.4, 0.8, 0.55, 0.3, 0.9, 0.2, ((8, 2), (1, 4)))


class Scheduler:
    """Answers a client's question where its tasks run; or doesn't, once it is gone."""

    id = "me"

    def __init__(self, **workers: Sequence[str]) -> None:
        self.workers: Mapping[str, Sequence[str]] | None = workers
        setattr(self, LOOK, self._look)

    @property
    def scheduler(self) -> Scheduler:
        return self

    def sync(self, question: Callable[..., Any], *given: Any, callback_timeout: float) -> Any:
        assert callback_timeout < 10, "a driver that waits for its scheduler is a driver that hangs"
        return asyncio.run(question(*given))

    async def _look(self, client: str, kinds: Sequence[str]) -> list[Any]:
        assert (client, list(kinds)) == (self.id, ["TRIAL", "SPARK", "GPU"])
        if self.workers is None:
            raise OSError("Timed out trying to connect")
        return [{}, {key: (there, 1.0, 0.0) for there, keys in self.workers.items() for key in keys}, [], {}]


def cluster(scheduler: Scheduler) -> RunningCluster:
    return RunningCluster(scheduler, Slots(2), "2 threads of this machine", {TRIAL: 2}, restarts=False)


@contextmanager
def stored(path: Path) -> Iterator[StudyStore]:
    """The study's store, as a launch that has begun holds it."""
    with open_store(read_study_file(path), "hash", FACTS, {}) as store:
        store.launch.begin()
        yield store


def ask(store: StudyStore) -> AskedTrial:
    trial = store.trials.ask()
    assert isinstance(trial, AskedTrial)
    return trial


def report(trial: AskedTrial, epoch: int, f1: float) -> SegmentReport:
    """The trial's report after so many epochs, scored at the rungs up to there."""
    curve = tuple(CurvePoint(rung, 0.5, f1) for rung in (1, 3, 9) if rung <= epoch)
    found = {rows: replace(SCORES, f1=f1) for rows in ("train", "validation", "test")}
    return SegmentReport(trial.number, epoch, finished=epoch == 9, curve=curve, scores=found)


def loop_with(*running: AskedTrial, now: float = 100.0) -> Loop:
    loop = Loop(Limits(trials=6), Slots(max(1, len(running))), started=now)
    loop.start([], [], now)
    for trial in running:
        loop.handle(Asked(trial), now)
    return loop


def rendered(found: Status, width: int = 80) -> str:
    stream = io.StringIO()
    render_status(found, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_a_cluster_whose_workers_come_and_go_says_how_many_there_are_and_what_they_hold() -> None:
    pulse = Pulse(None)
    running = RunningCluster(
        None,
        Slots(2),
        "at tcp://10.0.0.7:8786",
        {},
        restarts=True,
        pulse=pulse,
        dashboard="http://10.0.0.7:8787",
    )
    assert running.describe() == "0 workers at tcp://10.0.0.7:8786, 0 B of memory, http://10.0.0.7:8787"
    pulse.workers = {"tcp://a": {"metrics": {"memory": 200_000_000}}, "tcp://b": {"metrics": {}}}
    assert running.describe().startswith("2 workers at tcp://10.0.0.7:8786, 200 MB of memory")


def test_a_study_that_was_never_launched_is_an_error_with_a_remedy(study_file: Writes) -> None:
    for question in (status, stop):
        with pytest.raises(StorageError, match=r"search launch small\.toml"):
            question(study_file())


def test_a_running_study_says_what_runs_where_and_for_how_long(study_file: Writes) -> None:
    path = study_file()
    scheduler = Scheduler(**{"tcp://a:1": ["small/trial-0/rung-9/attempt-2"], "tcp://b:2": ["other"]})
    with stored(path) as store:
        first, second = ask(store), ask(store)
        StoredStatus(store, cluster(scheduler)).keep(loop_with(first, second), 107.5)
        found = status(path)
    assert (found.state, found.name, found.slots, found.limit) == ("running", "small", 2, 6)
    assert found.cluster == "2 threads of this machine"
    assert found.driver.startswith(f"process {os.getpid()} on ")
    assert found.running == (RunningSegment(0, 9, "tcp://a:1", 7.5), RunningSegment(1, 9, "", 7.5))
    assert found.states == {"running": 2}
    assert found.seconds == 7.5
    assert found.best is None
    text = rendered(found)
    assert "small: running" in text
    assert "0 of 6 trials finished" in text
    assert ["0", "9", "7", "s", "tcp://a:1"] in [line.split() for line in text.splitlines()]


def test_where_the_scheduler_does_not_answer_the_rest_is_still_said(study_file: Writes) -> None:
    path = study_file()
    scheduler = Scheduler()
    scheduler.workers = None
    with stored(path) as store:
        StoredStatus(store, cluster(scheduler)).keep(loop_with(ask(store)), 101.0)
        assert [one.worker for one in status(path).running] == [""]


def test_trials_are_counted_by_state_and_by_how_far_they_came(study_file: Writes) -> None:
    path = study_file(append='\n[pruner]\nkind = "asha"\n')
    with stored(path) as store:
        trials = [ask(store) for _ in range(6)]
        for trial, epoch in zip(trials, (1, 1, 3, 9, 9, 0), strict=True):
            if epoch == 9:
                store.trials.tell(report(trial, 9, 0.25 * trial.number))
            elif epoch:
                store.trials.record(report(trial, epoch, 0.5))
        store.trials.tell(report(trials[0], 1, 0.5), pruned=True)
        store.trials.begin_segment(trials[1].number, 3, place=9)
        failure = Failure("diverged", "loss not finite after epoch 1", 1)
        store.trials.tell(SegmentReport(trials[5].number, 1, failure=failure))
        found = status(path)
    assert found.states == {"complete": 2, "fail": 1, "paused": 1, "pruned": 1, "running": 1}
    assert found.rungs == {1: 2, 3: 1, 9: 2}
    assert found.best == (4, 1.0)
    assert [(group.cause, group.trials) for group in found.failures] == [("diverged", (5,))]
    text = rendered(found)
    assert "4 of 6 trials finished" in text
    assert "1 paused" in text
    assert "Best so far: 1.000, trial 4" in text
    assert "1: 2, 3: 1, 9: 2" in text
    assert "diverged: loss not finite after epoch 1" in text


def test_of_equal_scores_the_earlier_trial_is_the_best(study_file: Writes) -> None:
    path = study_file()
    with stored(path) as store:
        for trial in [ask(store) for _ in range(3)]:
            store.trials.tell(report(trial, 9, 0.5))
        assert status(path).best == (0, 0.5)


def test_an_ended_study_says_why_and_that_nothing_runs(study_file: Writes) -> None:
    path = study_file()
    with stored(path) as store:
        trial = ask(store)
        keeper = StoredStatus(store, cluster(Scheduler()))
        keeper.keep(loop_with(trial), 101.0)
        keeper.keep(loop_with(trial), 101.1, ended="it was stopped")
        store.launch.end("interrupted")
    found = status(path)
    assert (found.state, found.ended, found.running) == ("ended", "interrupted", ())
    assert found.seconds == pytest.approx(1.1), "the last word is written though it isn't due"
    assert "small: not running" in rendered(found)
    assert "Ended: interrupted" in rendered(found)


ELSEWHERE = {"host": "elsewhere", "pid": 77, "kernel": "another machine's"}


def spoken(store: StudyStore) -> dict[str, Any]:
    """What a driver of this process writes with one trial running."""
    StoredStatus(store, cluster(Scheduler())).keep(loop_with(ask(store)), 101.0)
    return dict(store.launch._writer.attributes()["status"])


def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_driver_of_this_machine_that_was_killed_is_known_to_be_dead_at_once(study_file: Writes) -> None:
    path = study_file()
    with stored(path) as store:
        said = spoken(store)
        store.launch.keep_status(1.0, {**said, "pid": ended_process()})
        found = status(path, announce=pytest.fail)
        assert (found.state, found.running) == ("dead", ())
        assert "nothing to stop" in stop(path)
        store.launch.keep_status(1.0, {**said, "started": said["started"] + 1})  # its number is another's now
        assert status(path).state == "dead"
    assert "its driver was killed: launch it again to resume" in rendered(found)


@pytest.mark.parametrize("hours", [-5, 0, 5])
@pytest.mark.parametrize("alive", [True, False])
def test_a_driver_elsewhere_runs_if_it_writes_again_whatever_its_clock_says(
    alive: bool, hours: int, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.commands.status.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("search.commands.status.SILENT_SECONDS", 0.05)
    path = study_file()
    with stored(path) as store:
        at = datetime.now(UTC) + timedelta(hours=hours)
        there = {**spoken(store), **ELSEWHERE, "at": at.isoformat(timespec="seconds")}
        store.launch.keep_status(1.0, there)
        later = (at + timedelta(seconds=2)).isoformat(timespec="seconds")
        heard: list[str] = []

        def say(text: str) -> None:
            heard.append(text)
            if alive:
                store.launch.keep_status(1.0, {**there, "at": later})

        found = status(path, say)
        assert found.state == ("running" if alive else "dead")
        assert bool(found.running) == alive
        store.launch.keep_status(1.0, there)
        assert stop(path, announce=say).startswith("asked" if alive else "nothing to stop")
    (line,) = set(heard)
    assert line == "waiting up to 0.05 s for the driver on elsewhere to write its status"


def test_several_drivers_are_shown_together_and_one_that_is_silent_is_not(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.commands.status.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("search.commands.status.STATUS_SECONDS", 0.02)
    path = study_file()
    with stored(path) as store:
        said = spoken(store)
        (running,) = said["running"]
        other = {**said, **ELSEWHERE, "slots": 8, "running": [{**running, "trial": 5}], "at": "2026-01-01"}
        store.launch._writer.set_attribute("status.one", other)
        store.launch._writer.set_attribute("status.two", {**other, "host": "gone"})
        found = status(
            path, lambda _: store.launch._writer.set_attribute("status.one", {**other, "at": "2026-01-02"})
        )
    assert [one.trial for one in found.running] == [5, 0]
    assert found.slots == said["slots"] + 8
    assert found.driver == f"process 77 on elsewhere, process {said['pid']} on {said['host']}"


def test_the_status_of_earlier_code_which_named_no_process_is_read(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.commands.status.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("search.commands.status.SILENT_SECONDS", 0.05)
    path = study_file()
    with stored(path) as store:
        earlier = {key: value for key, value in spoken(store).items() if key not in ("kernel", "started")}
        store.launch.keep_status(1.0, earlier)
        assert status(path).state == "dead"


def test_an_empty_study_has_a_status(study_file: Writes) -> None:
    path = study_file(trials='timeout = "1h"')
    with stored(path) as store:
        StoredStatus(store, cluster(Scheduler())).keep(loop_with(now=0.0), 0.0, ended="6 trials are done")
        found = status(path)
    assert (found.states, found.rungs, found.running, found.failures, found.limit) == ({}, {}, (), (), None)
    assert "0 trials finished in 0 s" in rendered(found)


def test_a_study_that_is_only_beginning_is_not_called_dead(study_file: Writes) -> None:
    path = study_file()
    with stored(path):
        assert status(path).state == "starting"


def test_a_word_is_written_every_few_seconds_and_not_at_every_event(study_file: Writes) -> None:
    path = study_file()
    with stored(path) as store:
        keeper = StoredStatus(store, cluster(Scheduler()))
        loop = loop_with()
        seconds = []
        for now in (100.0, 100.5, 100.0 + STATUS_SECONDS, 100.5 + STATUS_SECONDS):
            keeper.keep(loop, now)
            seconds.append(status(path).seconds)
    assert seconds == [0.0, 0.0, STATUS_SECONDS, STATUS_SECONDS]


@pytest.mark.parametrize(
    ("wishes", "heard"), [((False,), 1), ((False, True), 2), ((True,), 2), ((False, False), 1)]
)
def test_a_wish_to_stop_is_heard_once_and_to_stop_now_as_a_second(
    wishes: tuple[bool, ...], heard: int, study_file: Writes
) -> None:
    path = study_file()
    with stored(path) as store:
        keeper = StoredStatus(store, cluster(Scheduler()))
        now = 100.0
        found = keeper.keep(loop_with(), now)
        assert found == 0
        for wish in wishes:
            assert ("stops now" if wish else "finishes what runs") in stop(path, now=wish)
            now += STATUS_SECONDS
            found = max(found, keeper.keep(loop_with(), now))
        assert keeper.keep(loop_with(), now + STATUS_SECONDS) == 0
    assert found == heard


def test_a_wish_of_yesterday_does_not_stop_the_next_launch(study_file: Writes) -> None:
    path = study_file()
    with stored(path) as store:
        StoredStatus(store, cluster(Scheduler())).keep(loop_with(), 100.0)
        stop(path, now=True)
    with stored(path) as store:
        assert StoredStatus(store, cluster(Scheduler())).keep(loop_with(), 100.0) == 0


class Asking(SilentDisplay):
    """Looks at the status and asks for the end, once a trial has ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen: list[Status] = []

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        if self.seen:
            return
        found = status(self._path)
        if found.state == "running":
            self.seen.append(found)
            assert "finishes what runs" in stop(self._path)

    def trial_finished(self, record: TrialRecord) -> None:
        pass


def test_a_launch_says_what_it_does_and_stops_when_it_is_asked(study_file: Writes) -> None:
    path = study_file(trials="trials = 100000")
    display = Asking(path)
    result = launch(path, display=display)
    assert result.ended == "interrupted"
    assert len(display.seen) == 1
    assert {record.state for record in result.records} == {"complete"}
    after = status(path)
    assert (after.state, after.ended, after.states) == (
        "ended",
        "interrupted",
        {"complete": len(result.records)},
    )
    assert stop(path) == "nothing to stop: the study is not running"


LONG = Status(
    name="a-name-of-a-study-that-is-as-long-as-names-of-studies-can-be-in-a-study-file-63",
    state="running",
    ended="",
    driver="process 4194304 on a-host-whose-name-is-long.in-a-subdomain.of-a-company.example",
    cluster="1000 processes of this machine",
    slots=1000,
    states={"complete": 1000, "fail": 20, "paused": 333, "pruned": 4567, "running": 1000},
    rungs={3**power: 10**power for power in range(9)},
    running=tuple(RunningSegment(10_000 + n, 6561, f"tcp://10.120.130.{n}:45678", 4320.0) for n in range(40)),
    failures=(),
    seconds=123456.0,
    limit=100_000,
    best=(9999, 0.98765),
)


@pytest.mark.parametrize("width", [80, 120])
def test_a_status_fits_the_terminal_whatever_it_has_to_say(width: int) -> None:
    long = replace(LONG, failures=(FailedTrials("worker died", (1, 2, 3), "x " * 400),))
    for line in rendered(long, width).splitlines():
        assert cell_len(line) <= width, line
    text = rendered(long, width)
    for one in LONG.running:
        assert str(one.trial) in text


def test_a_status_is_json_for_programs_and_text_for_people(study_file: Writes) -> None:
    path = study_file()
    launch(path, display=SilentDisplay())
    plain = CliRunner().invoke(main, ["status", "--json", str(path)])
    assert plain.exit_code == 0
    found = json.loads(plain.stdout)
    assert (found["state"], found["states"], found["running"]) == ("ended", {"complete": 6}, [])
    told = CliRunner().invoke(main, ["status", str(path)])
    assert told.exit_code == 0
    assert "6 of 6 trials finished" in told.stdout
    asked = CliRunner().invoke(main, ["stop", "--now", str(path)])
    assert (asked.exit_code, asked.stdout) == (0, "nothing to stop: the study is not running\n")
    missing = CliRunner().invoke(main, ["status", str(path.parent / "smal.toml")])
    assert missing.exit_code == 2
    assert "did you mean 'small.toml'?" in missing.stderr
