"""Replicas run once, are kept as they come, and go on where they were stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from search import launch
from search.commands.status import status
from search.driving.display import SilentDisplay
from search.driving.opened import OpenedStudy, open_stored_study
from search.driving.replicas import NO_TRIAL, Replica, key_of, predictions_of, run_replicas
from studies.errors import CheckpointError, NotStoredError
from studies.records.replicas import ReplicaRecord
from studies.space.configuration import Configuration
from studies.stored_study import ask_to_stop, read_study
from studies.study_file import read_study_file
from tests.search.driving.test_driver import advance_of_the_trainer
from workers.checkpoints.outcomes import Outcomes, outcomes_of

Writes = Callable[..., Path]

CONFIGURATION = Configuration("analytic", "he_normal", "adam", epochs=9, learning_rate=0.1, batch_size=16)
REPLICAS = [Replica(CONFIGURATION, seed) for seed in (11, 12, 13, 14)]
STOPS = 3
"""Rungs of a training: 1, 3 and 9 epochs."""


@dataclass
class Recorder(SilentDisplay):
    heard: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.heard.append(text)

    def progress(self, text: str) -> None:
        self.shown.append(text)

    @property
    def trained(self) -> list[int]:
        """Seeds of what was trained, in the order in which it ended."""
        return [int(text.split("seed ")[1].split()[0]) for text in self.heard if "  seed " in text]


@pytest.fixture
def study(study_file: Writes) -> Path:
    path = study_file(trials="trials = 2")
    launch(path, display=SilentDisplay())
    return path


@contextmanager
def opened(path: Path) -> Iterator[tuple[OpenedStudy, Recorder]]:
    display = Recorder()
    with open_stored_study(read_study_file(path), display) as study:
        yield study, display


def test_a_replica_brings_its_scores_and_what_it_left_and_leaves_the_test_rows_alone(study: Path) -> None:
    with opened(study) as (one, display):
        results = run_replicas(one, REPLICAS, display)
        test_rows = len(one.prepared.split.test)
    assert list(results) == REPLICAS
    assert sorted(display.trained) == [11, 12, 13, 14]
    for replica, result in results.items():
        assert result.replica == replica
        assert result.report.failure is None
        assert result.report.trial == NO_TRIAL
        assert set(result.report.scores) == {"train", "validation"}
        assert result.outcome is not None
        assert len(result.outcome.probabilities["test"]) == test_rows
    losses = {result.report.curve[-1].train_loss for result in results.values()}
    assert len(losses) == 4, "the seeds did not matter"


def test_equal_replicas_run_once_and_kept_ones_not_again(study: Path) -> None:
    with opened(study) as (one, display):
        first = run_replicas(one, [*REPLICAS[:2], REPLICAS[0]], display)
        assert sorted(display.trained) == [11, 12]
    with opened(study) as (one, display):
        again = run_replicas(one, REPLICAS[:3], display)
    assert display.trained == [13]
    for replica, result in first.items():
        assert again[replica].report == result.report
    kept = read_study(read_study_file(study)).replicas
    assert {record.replica for record in kept.values()} == set(REPLICAS[:3])


def test_a_replica_whose_file_is_gone_or_lacks_the_weights_that_are_wanted_runs_again(study: Path) -> None:
    with opened(study) as (one, display):
        outcomes = outcomes_of(one.file, one.store.folder)
        small = run_replicas(one, REPLICAS[:2], display, weights=False)
        assert [result.outcome for result in small.values()] == [None, None]
        seen = [predictions_of(one, replica) for replica in REPLICAS[:2]]
        assert [outcomes.read(key_of(one, replica)).weights for replica in REPLICAS[:2]] == [(), ()]
        display.heard.clear()
        run_replicas(one, REPLICAS[:2], display, weights=False)
        assert display.trained == []
        whole = run_replicas(one, REPLICAS[:2], display)
        assert sorted(display.trained) == [11, 12]
        for replica, before in zip(REPLICAS, seen, strict=False):
            assert whole[replica].outcome.weights
            assert whole[replica].report.scores == small[replica].report.scores
            assert (predictions_of(one, replica) == before).all()
        display.heard.clear()
        # Weights and all do where less is wanted; nothing does for nothing.
        run_replicas(one, REPLICAS[:2], display, weights=False)
        assert display.trained == []
        outcomes.clear()
        with pytest.raises(
            CheckpointError, match="1 training ended, but the files with their results are missing"
        ):
            predictions_of(one, REPLICAS[0])
        again = run_replicas(one, REPLICAS[:2], display, weights=False)
    assert sorted(display.trained) == [11, 12]
    assert [one.report.scores for one in again.values()] == [one.report.scores for one in small.values()]


def test_a_failure_is_a_value_and_only_one_that_would_come_again_is_kept(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = Replica(replace(CONFIGURATION, learning_rate=20.0), 11)
    broken = Replica(replace(CONFIGURATION, batch_size=32), 11)

    def refuse(configuration: Configuration) -> None:
        if configuration.batch_size == 32:
            raise IndexError("out of rows")

    with monkeypatch.context() as patch:
        advance_of_the_trainer(patch, refuse)
        with opened(study) as (one, display):
            results = run_replicas(one, [wild, broken, REPLICAS[0]], display)
    causes = [result.report.failure and result.report.failure.cause for result in results.values()]
    assert causes == ["diverged", "bug", None]
    assert results[wild].outcome is None
    with opened(study) as (one, display):
        again = run_replicas(one, [wild, broken, REPLICAS[0]], display)
    assert len(display.trained) == 1
    assert again[broken].report.failure is None
    assert again[wild].report == results[wild].report


def test_workers_that_write_elsewhere_are_said_to(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outcomes, "write", lambda *_: None)
    with opened(study) as (one, display), pytest.raises(CheckpointError, match="2 trainings ended") as raised:
        run_replicas(one, REPLICAS[:2], display)
    assert "checkpoints.url" in raised.value.remedy
    assert sorted(display.trained) == [11, 12]


class Stopper:
    """Lets a number of steps of training through, then calls ``stop`` and holds them until it is heard."""

    def __init__(self, lets_through: int, stop: Callable[[], None]) -> None:
        self.left = lets_through
        self.stop = stop
        self.lock = threading.Lock()
        self.heard = threading.Event()

    def __call__(self, _configuration: Configuration) -> None:
        with self.lock:
            self.left -= 1
            through, asks = self.left >= 0, self.left == -1
        if asks:
            self.stop()
        if not through:
            assert self.heard.wait(60)


def interrupted_run(path: Path, stopper: Stopper, heard: Callable[[], bool]) -> Recorder:
    class Watching(Recorder):
        def progress(self, text: str) -> None:
            super().progress(text)
            if heard():
                stopper.heard.set()

    display = Watching()
    with open_stored_study(read_study_file(path), display) as one, pytest.raises(KeyboardInterrupt):
        run_replicas(one, REPLICAS, display)
    return display


def test_ctrl_c_finishes_what_runs_and_the_next_call_runs_the_rest(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study_file(trials="trials = 2", slots="slots = 1")
    launch(path, display=SilentDisplay())
    asked = threading.Event()
    stopper = Stopper(STOPS, lambda: (signal.raise_signal(signal.SIGINT), asked.set()))  # type: ignore[arg-type,return-value]
    with monkeypatch.context() as patch:
        advance_of_the_trainer(patch, stopper)
        display = interrupted_run(path, stopper, asked.is_set)
    assert display.trained == [11, 12]
    assert read_study(read_study_file(path)).ended == "interrupted"
    with opened(path) as (one, rest):
        results = run_replicas(one, REPLICAS, rest)
    assert rest.trained == [13, 14]
    assert list(results) == REPLICAS


def test_somebody_elses_wish_to_stop_is_heard_and_status_says_what_runs(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study_file(trials="trials = 2", slots="slots = 1")
    launch(path, display=SilentDisplay())
    found: list[Any] = []

    def ask() -> None:
        ask_to_stop(read_study(read_study_file(path)), now=False)

    def heard() -> bool:
        if stopper.left < 0 and not found:
            said = status(path)
            if said.doing:
                found.append(said)
        return bool(found)

    stopper = Stopper(STOPS, ask)
    with monkeypatch.context() as patch:
        patch.setattr("search.driving.status.STATUS_SECONDS", 0.0)
        advance_of_the_trainer(patch, stopper)
        display = interrupted_run(path, stopper, heard)
    assert display.trained == [11, 12]
    assert found[0].state == "running"
    assert found[0].doing.startswith("replicas: ")
    assert status(path).doing == ""


def test_the_study_says_afterwards_why_its_search_ended(study: Path) -> None:
    with opened(study) as (one, display):
        run_replicas(one, REPLICAS[:1], display)
    assert read_study(read_study_file(study)).ended == "2 trials are done"


def test_a_study_that_was_never_launched_is_not_made(study_file: Writes) -> None:
    path = study_file()
    with pytest.raises(NotStoredError), open_stored_study(read_study_file(path), SilentDisplay()):
        pass
    assert sorted(found.name for found in path.parent.iterdir()) == ["rows.npz", "small.toml"]


def test_a_record_goes_to_json_and_back(study: Path) -> None:
    with opened(study) as (one, display):
        run_replicas(one, REPLICAS[:1], display)
    (record,) = read_study(read_study_file(study)).replicas.values()
    assert ReplicaRecord.from_dict(record.to_dict()) == record
