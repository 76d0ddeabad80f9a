"""A worker process that is killed, stopped or blocked costs a run of its trial, and never the search."""

from __future__ import annotations

import logging
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from search import launch
from search.cluster import local, starting
from search.driving import runs
from search.driving.display import SilentDisplay
from search.reporting.report import StudyReport
from studies.records.reports import Failure
from studies.records.trials import TrialRecord
from tests.faults.doomed import AFTER, BEFORE, HALF, TRAINING, Plan, plan_of, run_doomed
from tests.faults.histories import (
    every_rung_promoted_its_best,
    every_score_is_that_of_an_undisturbed_run,
    is_whole,
    table,
)
from tests.faults.programs import environment, stored

pytestmark = pytest.mark.slow

PROCESSES = 'kind = "processes"\nslots = 2'
ASHA = '\n[pruner]\nkind = "asha"\n'
MANY_RETRIES = "[retry]\nworker_died = 9\n"
ONE_LEARNING_RATE = "learning_rate = 0.1\noptimizer.analytic = 'adam'"

Writes = Callable[..., Path]
Deaths = Mapping[tuple[int, int], Sequence[tuple[str, str]]]


@pytest.fixture
def doomed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., StudyReport]:
    """Launches a study in whose workers the runs of segments end so, by trial and last epoch."""

    def run(path: Path, deaths: Deaths, display: SilentDisplay | None = None) -> StudyReport:
        for name, value in environment().items():
            monkeypatch.setenv(name, value)
        plan = plan_of(path)
        for (trial, until), ends in deaths.items():
            plan.doom(trial, until, ends)
        monkeypatch.setattr("search.driving.dispatch.run_segment", run_doomed)
        return launch(path, display=display or SilentDisplay())

    return run


Doomed = Callable[..., StudyReport]


def test_a_trial_goes_on_from_its_last_checkpoint_when_its_worker_was_killed(
    doomed: Doomed, study_file: Writes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "search")
    path = study_file(slots=PROCESSES, trials="trials = 9", append=ASHA)
    deaths = {(trial, 3): [(f"{TRAINING}3", "killed")] for trial in range(9)}
    deaths |= {(trial, 9): [(f"{TRAINING}6", "killed")] for trial in range(9)}
    result = doomed(path, deaths)
    trained = Counter(plan_of(path).epochs())
    reached = {record.number: max(record.rung_scores) for record in result.records}
    assert Counter(reached.values()).keys() == {1, 3, 9}
    for trial, epoch in reached.items():
        again = {2} if epoch >= 3 else set()
        again |= {4, 5} if epoch == 9 else set()
        times = {number: trained[trial, number] for number in range(1, epoch + 1)}
        if epoch == 1 and times[1] == 2:
            continue  # it had ended, on a worker that was killed before Dask dropped the result
        assert times == {number: 2 if number in again else 1 for number in times}
    attempts = {record.number: record.report.attempts for record in result.records if record.report}
    assert attempts == {trial: {1: 1, 3: 3, 9: 5}[epoch] for trial, epoch in reached.items()}
    assert len(plan_of(path).deaths()) == sum({1: 0, 3: 1, 9: 2}[epoch] for epoch in reached.values())
    _is_logged(caplog, retried=[number for number, epoch in reached.items() if epoch >= 3])
    every_score_is_that_of_an_undisturbed_run(path, is_whole(path, 9))


def _is_logged(caplog: pytest.LogCaptureFixture, retried: Sequence[int]) -> None:
    for number in retried:
        assert re.search(rf"trial {number}: attempt 1 failed, and is run again: worker died: .+", caplog.text)
    gone = set(re.findall(r"the worker (\S+) is gone", caplog.text))
    come = set(re.findall(r"the worker (\S+) has come", caplog.text))
    assert gone
    assert len(come) > 2, "those that came in their place"


def test_a_configuration_that_kills_three_workers_fails_and_is_not_run_again(
    doomed: Doomed, study_file: Writes
) -> None:
    path = study_file(slots=PROCESSES, learning_rate=ONE_LEARNING_RATE, batch_size="batch_size = 16")
    result = doomed(path, {(0, 9): [(BEFORE, "killed")] * 4})
    killer = result.records[0]
    failure = _failure(killer)
    assert failure.cause == "worker died"
    assert failure.message.endswith("(3 times)")
    assert killer.report is not None
    assert killer.report.attempts == 3
    assert len(plan_of(path).deaths()) == 3
    path.write_text(path.read_text().replace("trials = 6", "trials = 12"))
    second = doomed(path, {})
    assert len(plan_of(path).deaths()) == 3
    fates = {(record.configuration == killer.configuration, record.state) for record in second.records[6:]}
    assert fates == {(True, "fail"), (False, "complete")}
    for record in second.records[1:]:
        if record.state == "fail":
            assert record.configuration == killer.configuration
            assert "not run: this configuration killed" in _failure(record).message
            assert record.number not in dict(plan_of(path).epochs())


def test_a_worker_that_is_stopped_is_ended_and_its_trial_run_again(
    doomed: Doomed, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "SILENT_SECONDS", 1.0)  # Dask waits for ten heartbeats, 5 s, at the least
    path = study_file(slots=PROCESSES)
    doomed(path, {(1, 9): [(f"{TRAINING}5", "stopped")]})
    is_whole(path, 6)
    ((process, _),) = plan_of(path).deaths()
    assert not psutil.pid_exists(process)
    assert Counter(plan_of(path).epochs())[1, 4] == 2


def test_a_segment_that_holds_pythons_lock_for_ever_times_out_and_the_others_complete(
    doomed: Doomed, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WATCHDOG_SECONDS", 4.0)
    path = study_file(slots=PROCESSES, trials='trials = 6\ntrial_timeout = "4s"')
    result = doomed(path, {(2, 9): [(f"{TRAINING}5", "holding the lock")]})
    states = {record.number: record.state for record in result.records}
    assert states == {number: "fail" if number == 2 else "complete" for number in range(6)}
    failure = _failure(result.records[2])
    assert failure.cause == "timeout"
    assert "did not answer" in failure.message
    ((process, _),) = plan_of(path).deaths()
    assert not psutil.pid_exists(process)


def test_a_worker_that_takes_too_much_memory_is_ended_and_its_trial_fails_of_that(
    doomed: Doomed, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = local._process

    def small(offer: local.Offer) -> dict[str, Any]:
        made = process(offer)
        return {**made, "options": {**made["options"], "memory_limit": "600MB"}}

    monkeypatch.setattr(local, "_process", small)
    path = study_file(slots=PROCESSES)
    result = doomed(path, {(2, 9): [(f"{TRAINING}5", "out of memory")] * 3})
    states = {record.number: record.state for record in result.records}
    assert states == {number: "fail" if number == 2 else "complete" for number in range(6)}
    failure = _failure(result.records[2])
    assert failure.cause == "out of memory"
    assert failure.message.endswith("(2 times)")
    assert len(plan_of(path).deaths()) == 2


@dataclass
class RandomKiller(SilentDisplay):
    """Kills a worker process now and then; the driver calls it several times a second."""

    draw: random.Random
    kills: int
    killed: list[int] = field(default_factory=list)

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        if len(self.killed) < self.kills and loop.running and self.draw.random() < 0.2:
            found = [child for child in psutil.Process().children() if _is_worker(child)]
            if found:
                process = self.draw.choice(found)
                os.kill(process.pid, signal.SIGKILL)
                self.killed.append(process.pid)


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("url", ["sqlite:///kept.db", "journal:kept.log"])
@pytest.mark.parametrize("reproducible", [False, True])
def test_many_workers_killed_at_many_points_change_nothing(
    url: str, reproducible: bool, doomed: Doomed, study_file: Writes, tmp_path: Path
) -> None:
    trials = 30
    ordered = f"trials = {trials}\nreproducible = {str(reproducible).lower()}\nwidth = 2"
    path = study_file(
        slots=PROCESSES, trials=ordered, append=f'{ASHA}\n[storage]\nurl = "{url}"\n{MANY_RETRIES}'
    )
    draw = random.Random(f"{url} {reproducible}")
    killer = RandomKiller(draw, kills=4)
    result = doomed(path, _many_deaths(trials, draw), killer)
    records = is_whole(path, trials)
    every_score_is_that_of_an_undisturbed_run(path, records)
    every_rung_promoted_its_best(path, records)
    deaths = len(plan_of(path).deaths())
    assert deaths + len(killer.killed) >= 14
    segments = sum(1 + (max(r.rung_scores) >= 3) + (max(r.rung_scores) == 9) for r in result.records)
    attempts = sum(record.report.attempts for record in result.records if record.report)
    assert segments + deaths <= attempts <= segments + deaths + len(killer.killed)
    if reproducible:
        other = tmp_path / "undisturbed-launch"
        other.mkdir()
        (other / "rows.npz").write_bytes((path.parent / "rows.npz").read_bytes())
        (other / "small.toml").write_text(path.read_text().replace("processes", "threads"))
        launch(other / "small.toml", display=SilentDisplay())
        # From storage: a report leaves out the test scores of all but the chosen trials.
        assert table(records) == table(stored(other / "small.toml"))


def _many_deaths(trials: int, draw: random.Random) -> Deaths:
    deaths = {}
    for trial in range(trials):
        for first, until in ((1, 1), (2, 3), (4, 9)):
            if draw.random() < 0.4:
                points = [BEFORE, AFTER, HALF, *(f"{TRAINING}{epoch}" for epoch in range(first, until + 1))]
                deaths[trial, until] = [(draw.choice(points), "killed")]
    return deaths


def _failure(record: TrialRecord) -> Failure:
    assert record.report is not None
    assert record.report.failure is not None
    return record.report.failure


def test_a_plan_gives_each_death_once(tmp_path: Path) -> None:
    plan = Plan(tmp_path)
    plan.doom(3, 9, [(BEFORE, "killed")])
    assert plan.death(3, 1) is None
    assert plan.death(3, 9) == (BEFORE, "killed")
    assert plan.death(3, 9) is None
