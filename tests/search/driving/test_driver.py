"""A whole launch in this process, on threads: it ends when it should, and goes on where it stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import launch, report
from search.driving.display import SilentDisplay
from search.driving.opened import open_study
from search.driving.preflight import package_versions, prepare_data
from search.loop.halving import Ladder
from studies.data.facts import facts_of
from studies.data.sources import digest_of
from studies.errors import DataError, StorageError, UserError
from studies.opening import open_store
from studies.records.trials import AskedTrial, NoTrial, TrialRecord, UnfinishedTrial
from studies.space.configuration import Configuration
from studies.store.trials import Trials
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.conftest import write_rows
from tests.faults.programs import contents
from workers.checkpoints.checkpoints import checkpoints_of
from workers.training.analytic_trainer import AnalyticTrainer
from workers.training.trainer import State

Writes = Callable[..., Path]


@dataclass
class Recorder(SilentDisplay):
    """Keeps what the driver tells."""

    heard: list[str] = field(default_factory=list)
    told: list[TrialRecord] = field(default_factory=list)
    most_at_once: int = 0

    def start(self, title: str) -> None:
        self.heard.append(f"start {title}")

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        self.most_at_once = max(self.most_at_once, len(loop.running))

    def trial_finished(self, record: TrialRecord) -> None:
        self.told.append(record)

    def note(self, text: str) -> None:
        self.heard.append(text)

    def stop(self) -> None:
        self.heard.append("stop")


@pytest.fixture
def display() -> Recorder:
    return Recorder()


def change(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def advance_of_the_trainer(monkeypatch: pytest.MonkeyPatch, before: Callable[[Configuration], None]) -> None:
    """Calls ``before`` with the configuration ahead of each training."""
    advance = AnalyticTrainer.advance

    def wrapped(
        self: Any, configuration: Configuration, seed: int, state: State, epoch: int, deadline: Any
    ) -> State:
        before(configuration)
        return advance(self, configuration, seed, state, epoch, deadline)

    monkeypatch.setattr(AnalyticTrainer, "advance", wrapped)


def test_it_runs_exactly_the_trials_that_were_asked_for(study_file: Writes, display: Recorder) -> None:
    result = launch(study_file(), display=display)
    assert [(record.number, record.state) for record in result.records] == [
        (number, "complete") for number in range(6)
    ]
    assert sorted(record.number for record in display.told) == list(range(6))
    assert display.heard[0] == "start small"
    assert display.heard[-1] == "stop"
    assert display.most_at_once == 2
    assert result.ended == "6 trials are done"
    assert not result.interrupted


def test_the_result_is_typed_and_can_be_read_again(study_file: Writes, display: Recorder) -> None:
    path = study_file()
    result = launch(path, display=display)
    assert result.best is not None
    assert isinstance(result.best.configuration, Configuration)
    assert result.best.value == max(record.value for record in result.records if record.value is not None)
    assert isinstance(result.trials, pd.DataFrame)
    assert list(result.trials["number"]) == list(range(6))
    assert set(result.trials["optimizer"]) <= {"sgd", "adam"}
    assert result.trials["f1_validation"].equals(result.trials["value"].rename("f1_validation"))
    pd.testing.assert_frame_equal(report(path).trials, result.trials)


def test_launching_again_goes_on_up_to_a_raised_limit_and_runs_nothing_twice(
    study_file: Writes, display: Recorder
) -> None:
    path = study_file()
    first = launch(path, display=display)
    change(path, "trials = 6", "trials = 10")
    display.told.clear()
    second = launch(path, display=display)
    assert [record.completed for record in second.records[:6]] == [one.completed for one in first.records]
    assert sorted(record.number for record in display.told) == [6, 7, 8, 9]
    assert [record.state for record in second.records] == ["complete"] * 10


def test_launching_a_finished_study_again_only_reports(study_file: Writes, display: Recorder) -> None:
    path = study_file()
    first = launch(path, display=display)
    display.told.clear()
    assert launch(path, display=display).records == first.records
    assert display.told == []


def test_a_seed_and_one_slot_give_the_same_table(
    study_file: Writes, display: Recorder, tmp_path: Path
) -> None:
    path = study_file(slots="slots = 1")
    tables = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "small.toml").write_text(path.read_text())
        (directory / "rows.npz").write_bytes((tmp_path / "rows.npz").read_bytes())
        tables.append(launch(directory / "small.toml", display=display).trials.drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    change(directory / "small.toml", "seed = 3", "seed = 4")
    other = launch(directory / "small.toml", fresh=True, display=display).trials.drop(columns="seconds")
    assert not other.equals(tables[0])


def test_fresh_begins_again(study_file: Writes, display: Recorder) -> None:
    path = study_file(slots="slots = 1")
    first = launch(path, display=display)
    display.told.clear()
    again = launch(path, fresh=True, display=display)
    assert len(display.told) == 6
    pd.testing.assert_frame_equal(again.trials.drop(columns="seconds"), first.trials.drop(columns="seconds"))


def test_a_reached_target_ends_the_study(study_file: Writes, display: Recorder) -> None:
    result = launch(study_file(append="", trials="trials = 500\ntarget = 0.3"), display=display)
    assert result.ended == "the target 0.3 is reached"
    assert result.best is not None
    assert result.best.value is not None
    assert result.best.value >= 0.3
    assert len(result.records) < 100
    assert all(record.state == "complete" for record in result.records)


def test_a_timeout_ends_the_study_with_its_running_trials_finished(
    study_file: Writes, display: Recorder
) -> None:
    result = launch(study_file(trials='timeout = "1s"'), display=display)
    assert result.ended == "1 s are over"
    assert result.records
    assert all(record.state == "complete" for record in result.records)


def test_a_grid_ends_with_its_last_configuration(study_file: Writes, display: Recorder) -> None:
    path = study_file(learning_rate="learning_rate = 0.1", append='\n[sampler]\nkind = "grid"\n')
    result = launch(change(path, "trials = 6", "trials = 99"), display=display)
    assert len({record.configuration for record in result.records}) == len(result.records) == 8
    assert result.ended == "every configuration of the grid was tried"


def test_enqueued_configurations_run_first(study_file: Writes, display: Recorder) -> None:
    result = launch(study_file(append="\n[[enqueue]]\nlearning_rate = 0.002\n"), display=display)
    (enqueued,) = result.enqueued
    assert enqueued.number == 0
    assert enqueued.configuration is not None
    assert enqueued.configuration.learning_rate == 0.002


def test_a_study_where_everything_diverges_is_whole_and_has_no_best(
    study_file: Writes, display: Recorder
) -> None:
    result = launch(study_file(learning_rate="learning_rate = 20.0"), display=display)
    assert result.best is None
    assert [record.state for record in result.records] == ["fail"] * 6
    assert [(failed.cause, failed.trials) for failed in result.failures] == [("diverged", tuple(range(6)))]
    assert set(result.trials["cause"]) == {"diverged"}


def test_a_bug_in_a_trainer_costs_its_trials_and_not_the_search(
    study_file: Writes, display: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_large_batches(configuration: Configuration) -> None:
        if configuration.batch_size == 32:
            raise IndexError("out of rows")

    advance_of_the_trainer(monkeypatch, refuse_large_batches)
    result = launch(study_file(trials="trials = 12"), display=display)
    states = {record.configuration.batch_size: record.state for record in result.records}  # type: ignore[union-attr]
    assert states == {16: "complete", 32: "fail"}
    assert len(result.records) == 12
    failed = next(record for record in result.records if record.state == "fail")
    assert failed.report is not None
    assert failed.report.failure is not None
    assert failed.report.failure.cause == "bug"
    assert "refuse_large_batches" in (failed.report.failure.traceback or "")


def test_trials_that_a_dead_driver_left_are_run_again_under_their_numbers(
    study_file: Writes, display: Recorder
) -> None:
    path = study_file()
    file = read_study_file(path)
    split = prepare_data(file).split
    with open_store(file, split.content_hash, facts_of(split), package_versions()) as store:
        left = [store.trials.ask() for _ in range(3)]
    result = launch(path, display=display)
    assert [record.state for record in result.records] == ["complete"] * 6
    for trial in left:
        assert trial is not None
        assert result.records[trial.number].configuration == trial.configuration
        assert result.records[trial.number].seed == trial.seed


def test_what_holds_for_a_whole_launch_is_said_once(study_file: Writes, display: Recorder) -> None:
    with open_study(read_study_file(study_file()), display) as opened:
        for note in ("Spark computes in Java", "another", "Spark computes in Java"):
            opened.note_once(note)
    assert sum("Spark computes in Java" in heard for heard in display.heard) == 1
    assert sum("another" in heard for heard in display.heard) == 1


def test_checkpoints_are_gone_when_their_trials_are_told(study_file: Writes, display: Recorder) -> None:
    path = study_file()
    launch(path, display=display)
    checkpoints = path.parent / ".search" / "checkpoints"
    assert [file for file in checkpoints.rglob("*") if file.is_file()] == []


def test_a_checkpoint_that_comes_after_its_trial_was_told_is_removed_in_the_end(
    study_file: Writes, display: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose result nobody waits for any more may still be at work."""
    path = study_file()
    told: list[int] = []

    def write_late(record: TrialRecord) -> None:
        file = read_study_file(path)
        kept = checkpoints_of(file, read_study(file).folder)
        kept.write(record.number, "late", State(epoch=9, weights=()))
        if record.number in kept.trials():
            told.append(record.number)

    monkeypatch.setattr(display, "trial_finished", write_late)
    launch(path, display=display)
    assert sorted(told) == list(range(6))
    file = read_study_file(path)
    assert checkpoints_of(file, read_study(file).folder).trials() == frozenset()


def test_other_rows_are_seen_in_the_same_process(study_file: Writes, display: Recorder) -> None:
    path = study_file()
    launch(path, display=display)
    write_rows(path.parent, rows=240)
    before = contents(path.parent)
    with pytest.raises(StorageError, match="data set was"):
        launch(path, display=display)
    assert contents(path.parent) == before
    result = launch(path, fresh=True, display=display)
    assert sum(map(sum, result.facts.counts.values())) == 240
    assert result.best is not None
    assert result.best.report is not None
    confusion = result.best.report.scores["validation"].confusion
    assert sum(map(sum, confusion)) == sum(result.facts.counts["validation"])


def test_a_study_that_was_made_differently_is_refused_before_any_trial(
    study_file: Writes, display: Recorder
) -> None:
    path = study_file()
    first = launch(path, display=display)
    display.told.clear()
    change(path, "epochs = 9", "epochs = 10")
    with pytest.raises(StorageError, match="epochs was 9, is 10"):
        launch(path, display=display)
    assert display.told == []
    change(path, "epochs = 10", "epochs = 9")
    assert report(path).records == first.records


def test_the_display_is_stopped_when_the_launch_ends_in_an_error(
    study_file: Writes, display: Recorder
) -> None:
    path = study_file()
    np.savez(path.parent / "rows.npz", X=np.zeros((20, 2), np.float32), y=np.zeros(20, np.int64))
    with pytest.raises(DataError):
        launch(path, display=display)
    assert display.heard[-1] == "stop"


def test_what_can_not_be_read_is_refused_before_the_display_starts(tmp_path: Path, display: Recorder) -> None:
    with pytest.raises(UserError, match="no such file"):
        launch(tmp_path / "missing.toml", display=display)
    assert display.heard == []
    assert list(tmp_path.iterdir()) == []


def test_a_second_driver_is_refused_while_the_first_one_runs(study_file: Writes) -> None:
    path = study_file()
    refused: list[StorageError] = []

    class Second(Recorder):
        def trial_finished(self, record: TrialRecord) -> None:
            super().trial_finished(record)
            with pytest.raises(StorageError, match="another driver") as raised:
                launch(path, display=SilentDisplay())
            refused.append(raised.value)

    result = launch(path, display=Second())
    assert len(refused) == 6
    assert [record.state for record in result.records] == ["complete"] * 6


def test_ctrl_c_belongs_to_the_driver_while_it_runs_and_not_afterwards(study_file: Writes) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    class Interrupting(Recorder):
        def trial_finished(self, record: TrialRecord) -> None:
            super().trial_finished(record)
            if len(self.told) == 1:
                signal.raise_signal(signal.SIGTERM)

    result = launch(study_file(slots="slots = 1"), display=Interrupting())
    assert result.interrupted
    assert result.ended == "interrupted"
    assert [record.state for record in result.records] in (["complete"], ["complete"] * 2)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_stopped_at_once_it_leaves_the_running_trials_to_the_next_launch(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study_file()
    training = threading.Event()
    stopped = threading.Event()

    def block(_configuration: Configuration) -> None:
        training.set()
        assert stopped.wait(60)

    class Impatient(Recorder):
        def update(self, loop: Any, now: float) -> None:
            super().update(loop, now)
            if training.is_set() and not stopped.is_set():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

        def note(self, text: str) -> None:
            super().note(text)
            if "next launch" in text:
                stopped.set()

    display = Impatient()
    with monkeypatch.context() as patch:
        advance_of_the_trainer(patch, block)
        first = launch(path, display=display)
    assert first.interrupted
    assert [record.state for record in first.records] == ["running", "running"]
    assert "trials 0, 1 resume with the next launch" in display.heard
    second = launch(path, display=display)
    assert [record.state for record in second.records] == ["complete"] * 6
    assert [record.configuration for record in second.records[:2]] == [
        record.configuration for record in first.records
    ]


def test_a_trial_that_is_drawn_while_the_search_is_stopped_is_not_forgotten(
    study_file: Writes, display: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Trials.ask

    def interrupted(trials: Trials, place: int) -> AskedTrial | UnfinishedTrial | NoTrial:
        trial = ask(trials, place)
        if isinstance(trial, AskedTrial) and trial.number == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return trial

    monkeypatch.setattr(Trials, "ask", interrupted)
    result = launch(study_file(), display=display)
    left = [str(record.number) for record in result.records if record.state == "running"]
    assert "3" in left
    assert display.heard[-2] == f"trials {', '.join(left)} resume with the next launch"


def test_one_that_waits_for_other_drivers_says_so_once(
    study_file: Writes, display: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, waits = Trials.ask, iter([True] * 3)

    def ask_later(trials: Trials, place: int = 0) -> AskedTrial | UnfinishedTrial | NoTrial:
        return NoTrial(waits_for_others=True) if next(waits, False) else ask(trials, place)

    monkeypatch.setattr(Trials, "ask", ask_later)
    monkeypatch.setattr(Trials, "news", lambda _trials: [])
    assert len(launch(study_file(), display=display).records) == 6
    assert sum("other drivers are running the last ones" in note for note in display.heard) == 1


def test_it_can_be_launched_outside_the_main_thread(study_file: Writes, display: Recorder) -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(launch(study_file(), display=display)))
    thread.start()
    thread.join(120)
    assert [record.state for record in results[0].records] == ["complete"] * 6


@given(st.integers(1, 5000))
def test_rungs_triple_from_one_and_end_with_the_last_epoch(epochs: int) -> None:
    *earlier, last = Ladder().rungs(epochs)
    assert last == epochs
    assert earlier == [3**power for power in range(len(earlier))]
    assert all(rung < epochs for rung in earlier)
    assert 3 ** len(earlier) >= epochs


@pytest.mark.parametrize("fresh", [False, True])
def test_a_launch_reads_the_data_file_once_for_its_hash(
    fresh: bool, study_file: Writes, display: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return digest_of(path)

    monkeypatch.setattr("studies.data.sources.digest_of", counting)
    path = study_file()
    for _ in range(2):  # made, and from the cache
        launch(path, display=display, fresh=fresh)
        assert len(hashed) == 1
        hashed.clear()
