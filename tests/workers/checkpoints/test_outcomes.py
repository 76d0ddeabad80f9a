"""What a training leaves behind comes back as it was, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.data import prepare
from studies.errors import CheckpointError
from studies.space.configuration import Configuration
from studies.study_file import read_study_file
from workers import process
from workers.checkpoints.outcomes import Outcome, Outcomes, outcome_key, outcomes_of
from workers.task import Segment, run_segment
from workers.training.analytic_trainer import AnalyticTrainer
from workers.training.trainer import Deadline

CONFIGURATION = Configuration("analytic", "he_normal", "adam", epochs=9, learning_rate=0.1, batch_size=16)
KEY = outcome_key(CONFIGURATION, 3, (3, 4, 2), "hash")


def drawn() -> Outcome:
    draw = np.random.default_rng(1)
    weights = tuple(draw.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4,), (4, 2), (2,)))
    return Outcome(weights, "tanh", {"validation": draw.random((5, 2)), "test": draw.random((7, 2))})


@pytest.mark.parametrize("place", ["{}", "memory://{}/outcomes"])
def test_an_outcome_comes_back_to_the_last_bit(place: str, tmp_path: Path) -> None:
    outcomes, kept = Outcomes(place.format(tmp_path)), drawn()
    assert outcomes.read(KEY) is None
    outcomes.write(KEY, kept)
    found = outcomes.read(KEY)
    assert found is not None
    assert found.activation == "tanh"
    for one, other in zip(found.weights, kept.weights, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert set(found.probabilities) == {"validation", "test"}
    for name, probabilities in kept.probabilities.items():
        np.testing.assert_array_equal(found.probabilities[name], probabilities)
    outcomes.clear()
    assert outcomes.read(KEY) is None


def test_a_damaged_file_and_anothers_are_none(tmp_path: Path) -> None:
    outcomes = Outcomes(str(tmp_path))
    outcomes.write(KEY, drawn())
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    other = outcome_key(CONFIGURATION, 4, (3, 4, 2), "hash")
    path.with_name(f"{other}.npz").write_bytes(whole)
    assert outcomes.read(other) is None
    for damaged in (whole[:-10], b"", whole.replace(b"\x00", b"\x01", 40)):
        path.write_bytes(damaged)
        assert outcomes.read(KEY) is None


def test_a_place_that_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(CheckpointError, match="the outcome can't be written"):
        Outcomes(str(tmp_path / "file")).write(KEY, drawn())


def test_only_the_same_training_on_the_same_rows_has_the_same_key() -> None:
    other = replace(CONFIGURATION, batch_size=32)
    keys = {
        KEY,
        outcome_key(other, 3, (3, 4, 2), "hash"),
        outcome_key(CONFIGURATION, 4, (3, 4, 2), "hash"),
        outcome_key(CONFIGURATION, 3, (3, 5, 2), "hash"),
        outcome_key(CONFIGURATION, 3, (3, 4, 2), "other"),
    }
    assert len(keys) == 5
    assert outcome_key(replace(CONFIGURATION), 3, [3, 4, 2], "hash") == KEY


def test_they_lie_beside_the_checkpoints_apart_for_each_study(study_file: Callable[..., Path]) -> None:
    path = study_file()
    place = path.parent / ".search" / "outcomes" / "small-1a2b"
    assert outcomes_of(read_study_file(path), "small-1a2b").url == str(place)
    elsewhere = read_study_file(study_file(append='\n[checkpoints]\nurl = "s3://bucket/folder/"\n'))
    assert outcomes_of(elsewhere, "small-1a2b").url == "s3://bucket/folder/.outcomes/small-1a2b"


@pytest.fixture
def segment(study_file: Callable[..., Path], tmp_path: Path) -> Segment:
    file = read_study_file(study_file())
    study = file.study
    prepared = prepare(study.data, study.features, study.seed, file.directory, file.work_directory / "data")
    process.go_on()
    return Segment(
        study="small",
        trial=0,
        configuration=CONFIGURATION,
        seed=3,
        rungs=(1, 3, 9),
        hidden=(4,),
        metric="f1",
        split=str(prepared.directory),
        checkpoints=None,
        until=9,
        outcomes=str(tmp_path / "outcomes"),
        name="replica-12",
    )


def test_a_finished_segment_leaves_its_outcome_and_scores_no_test_row(segment: Segment) -> None:
    report = run_segment(segment)
    assert report.failure is None
    assert set(report.scores) == {"train", "validation"}
    assert segment.key == "small/replica-12/rung-9"
    split = process.split_at(segment.split)
    found = Outcomes(str(segment.outcomes)).read(outcome_key(CONFIGURATION, 3, (3, 4, 2), split.content_hash))
    assert found is not None
    trainer = AnalyticTrainer(split, (4,))
    state = trainer.advance(CONFIGURATION, 3, trainer.begin(CONFIGURATION, 3), 9, Deadline())
    for one, other in zip(found.weights, state.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.probabilities["test"], trainer.predict(state, split.test.features))
    assert len(found.probabilities["validation"]) == len(split.validation)


def test_an_unfinished_segment_leaves_none(segment: Segment, tmp_path: Path) -> None:
    report = run_segment(replace(segment, until=3, checkpoints=str(tmp_path / "checkpoints")))
    assert not report.finished
    assert not (tmp_path / "outcomes").exists()


def test_without_a_place_for_its_outcome_a_segment_fails_of_the_disk(
    segment: Segment, tmp_path: Path
) -> None:
    (tmp_path / "outcomes").write_text("no directory")
    report = run_segment(segment)
    assert report.failure is not None
    assert report.failure.cause == "disk"
    assert report.failure.message.startswith("the outcome can't be written: ")
    assert str(tmp_path) in report.failure.message
