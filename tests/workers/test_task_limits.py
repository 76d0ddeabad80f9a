"""What ends a trial before its last epoch: patience and a time limit; and segments of both kinds of end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.data import prepare
from studies.records.reports import SegmentReport
from studies.sections.study import Data, Features
from studies.space.configuration import Configuration
from tests.conftest import write_rows
from workers import process, task
from workers.task import Segment, run_segment
from workers.training.scores import score
from workers.training.trainer import Deadline

ANALYTIC = Configuration("analytic", "glorot_uniform", "adam", 9, learning_rate=0.05, batch_size=16)
TENSORFLOW = Configuration(
    "tensorflow", "glorot_uniform", "adam", 30, learning_rate=0.2, batch_size=16, dropout=0.2
)


@pytest.fixture(scope="module")
def split_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    write_rows(directory, rows=200)
    return prepare(Data(path="rows.npz"), Features(), 3, directory, directory / "cache").directory


@pytest.fixture
def segment(split_directory: Path, tmp_path: Path) -> Callable[..., Segment]:
    def make(configuration: Configuration = ANALYTIC, **changes: object) -> Segment:
        rungs = (1, 3, configuration.epochs)
        plain = Segment(
            "s",
            7,
            configuration,
            3,
            rungs,
            (4,),
            "f1",
            str(split_directory),
            str(tmp_path / "checkpoints"),
            until=configuration.epochs,
        )
        return replace(plain, **changes)

    return make


def without_seconds(report: SegmentReport) -> str:
    return json.dumps(report.to_dict() | {"ledger": None}, sort_keys=True)


def test_scores_at_each_rung_and_at_the_end(segment: Callable[..., Segment]) -> None:
    report = run_segment(segment())
    assert report.failure is None
    assert [point.epoch for point in report.curve if point.validation_score is not None] == [1, 3, 9]
    assert report.curve[-1].validation_score == report.scores["validation"].f1
    assert report.notes == ()
    assert report.ledger.train > 0


@pytest.mark.parametrize("configuration", [ANALYTIC, TENSORFLOW], ids=["analytic", "tensorflow"])
@pytest.mark.parametrize("patience", [None, 4])
def test_segments_give_the_report_of_an_uncut_run(
    segment: Callable[..., Segment], tmp_path: Path, configuration: Configuration, patience: int | None
) -> None:
    last = configuration.epochs
    whole = run_segment(
        segment(configuration, rungs=(1, 3, 9, last), patience=patience, checkpoints=str(tmp_path / "whole"))
    )
    for until in (1, 3, 9, last, last):
        cut = run_segment(segment(configuration, rungs=(1, 3, 9, last), until=until, patience=patience))
        assert cut.failure is None
    assert without_seconds(cut) == without_seconds(whole)


def test_patience_ends_a_trial_and_scores_its_best_epoch(segment: Callable[..., Segment]) -> None:
    subject = segment(TENSORFLOW, patience=3)
    report = run_segment(subject)
    scores = [point.validation_score for point in report.curve]
    assert None not in scores
    best = 1 + int(np.argmax(scores))
    assert report.epoch == best + 3 < TENSORFLOW.epochs
    assert f"scores are those of epoch {best}" in report.notes[0]
    split, trainer = process.split_at(subject.split), process.trainer_for("tensorflow", subject.split, (4,))
    state = trainer.advance(TENSORFLOW, 3, trainer.begin(TENSORFLOW, 3), best, Deadline())
    for name in ("train", "validation"):
        rows = getattr(split, name)
        assert report.scores[name] == score(
            rows.labels, trainer.predict(state, rows.features), split.positive
        )


def test_patience_that_is_over_ends_the_trial_before_the_rung_of_its_segment(
    segment: Callable[..., Segment], tmp_path: Path
) -> None:
    patient = {"patience": 1, "rungs": (1, 8, 27, 81)}
    slow = replace(ANALYTIC, epochs=81, learning_rate=0.1)
    whole = run_segment(segment(slow, until=81, checkpoints=str(tmp_path / "whole"), **patient))
    assert whole.finished
    assert whole.epoch < 81
    assert whole.epoch not in patient["rungs"], "it ends between two rungs"
    reports = []
    for until in patient["rungs"]:
        reports.append(run_segment(segment(slow, until=until, **patient)))
        if reports[-1].finished:
            break
    assert [report.finished for report in reports] == [False] * (len(reports) - 1) + [True]
    assert all(report.epoch == until for report, until in zip(reports[:-1], patient["rungs"], strict=False))
    # The one says that it was asked for a rung in between, the other for the last; all else is alike.
    assert reports[-1].assignment != whole.assignment
    ended = replace(reports[-1], assignment=whole.assignment)
    assert without_seconds(ended) == without_seconds(whole)
    assert set(reports[-1].scores) == {"train", "validation"}


def test_patience_that_lasts_changes_the_epoch_that_is_scored_and_nothing_else(
    segment: Callable[..., Segment], tmp_path: Path
) -> None:
    plain = run_segment(segment(TENSORFLOW))
    patient = run_segment(segment(TENSORFLOW, patience=99, checkpoints=str(tmp_path / "patient")))
    assert patient.epoch == plain.epoch == TENSORFLOW.epochs
    assert [one.train_loss for one in patient.curve] == [one.train_loss for one in plain.curve]
    assert patient.scores["validation"].f1 == max(point.validation_score or 0 for point in patient.curve)
    assert patient.scores["validation"].f1 >= plain.scores["validation"].f1


def test_a_checkpoint_without_patience_is_not_gone_on_with_by_a_patient_trial(
    segment: Callable[..., Segment],
) -> None:
    run_segment(segment(until=3))
    report = run_segment(segment(patience=9))
    assert all(point.validation_score is not None for point in report.curve)


class Clock:
    """A minute goes by whenever somebody looks."""

    def __init__(self) -> None:
        self.minutes = 0

    def __call__(self) -> float:
        self.minutes += 1
        return 60.0 * self.minutes


def test_a_trial_that_trains_for_too_long_fails_with_a_timeout(
    segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "CLOCK", Clock())
    report = run_segment(segment(trial_timeout=250.0))
    assert report.failure is not None
    assert (report.failure.cause, report.failure.epoch) == ("timeout", 4)
    assert not report.scores


def test_a_trial_that_trains_for_less_than_its_time_ends_well(
    segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "CLOCK", Clock())
    assert run_segment(segment(trial_timeout=9 * 60.0)).failure is None
