from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.data.split import Rows, Split
from studies.errors import StudyFileError
from studies.space.configuration import Configuration
from tests.hostile import FOLDER
from workers.solvers.mllib import BLOCK_SIZE, PARTITIONS
from workers.spark import session as spark_session
from workers.spark.fit import fit
from workers.spark.rows import load, write_once
from workers.spark.settings import SparkSettings
from workers.spark.trainer import OPTIMIZERS, SparkTrainer
from workers.training.network import cross_entropy, flatten
from workers.training.trainer import Deadline, State, TrainingFailed

HIDDEN = (5,)
LBFGS = Configuration("spark", "spark_uniform", "l-bfgs", epochs=6)
GD = Configuration("spark", "glorot_uniform", "gd", epochs=6, learning_rate=0.3)


def rows(count: int, seed: int, classes: int = 3) -> Rows:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, 4)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.int64) + (features[:, 1] > 0.5) * (classes - 2)
    return Rows(features, labels.astype(np.int64))


def split_of(train: Rows) -> Split:
    return Split(train, rows(20, 2), rows(20, 3), ("a", "b", "c"), 1, "hash")


@pytest.fixture(scope="module")
def split() -> Split:
    # More than two blocks a partition, the last one short, so that MLlib's weighting of blocks matters.
    return split_of(rows(2 * (2 * BLOCK_SIZE) + 77, 1))


@pytest.fixture(scope="module")
def trainer(split: Split, tmp_path_factory: pytest.TempPathFactory) -> SparkTrainer:
    return SparkTrainer(split, HIDDEN, tmp_path_factory.mktemp("split"))


def train(trainer: SparkTrainer, configuration: Configuration, stops: Sequence[int], seed: int = 7) -> State:
    state = trainer.begin(configuration, seed)
    for epoch in stops:
        state = trainer.advance(configuration, seed, state, epoch, Deadline())
    return state


def failure_of(trainer: SparkTrainer, configuration: Configuration, state: State, cause: str) -> str:
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(configuration, 7, state, state.epoch + 2, Deadline())
    assert caught.value.failure.cause == cause
    assert caught.value.failure.epoch is not None
    return caught.value.failure.message


def same(one: State, other: State) -> bool:
    return (
        all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))
        and one.losses == other.losses
    )


def mllib_objective(state: State, train: Rows, partitions: int = PARTITIONS) -> float:
    """What MLlib minimises: the mean over the blocks of each block's mean cross-entropy."""
    means = []
    for part in np.array_split(np.arange(len(train)), partitions):
        for first in range(0, len(part), BLOCK_SIZE):
            block = part[first : first + BLOCK_SIZE]
            means.append(cross_entropy(state.weights, train.features[block], train.labels[block]))
    return float(np.mean(means))


@pytest.mark.parametrize("configuration", [LBFGS, GD], ids=OPTIMIZERS)
def test_predictions_equal_sparks_own(
    trainer: SparkTrainer, split: Split, tmp_path: Path, configuration: Configuration
) -> None:
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.linalg import Vectors

    state = train(trainer, configuration, [6])
    frame = load(spark_session.start(), write_once(split.validation, tmp_path / FOLDER))
    # A step of size nearly 0 from the trained weights is MLlib's own way to make a model of them.
    model = MultilayerPerceptronClassifier(
        layers=[4, *HIDDEN, 3],
        maxIter=1,
        solver="gd",
        stepSize=1e-300,
        initialWeights=Vectors.dense(flatten(state.weights)),
    ).fit(frame)
    assert np.array_equal(model.weights.toArray(), flatten(state.weights))
    theirs = np.array([row.probability.toArray() for row in model.transform(frame).collect()])
    ours = trainer.predict(state, split.validation.features)
    assert ours.dtype == np.float64
    assert np.abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("configuration", [LBFGS, GD], ids=OPTIMIZERS)
def test_losses_are_the_objective_after_each_iteration(
    trainer: SparkTrainer, split: Split, configuration: Configuration
) -> None:
    state = train(trainer, configuration, [6])
    assert len(state.losses) == 6
    assert state.losses[-1] == pytest.approx(mllib_objective(state, split.train), rel=1e-12)
    assert state.losses[-1] < mllib_objective(trainer.begin(configuration, 7), split.train)


def test_gd_takes_plain_gradient_steps_on_all_rows(trainer: SparkTrainer, split: Split) -> None:
    start = trainer.begin(GD, 7)
    state = trainer.advance(GD, 7, start, 1, Deadline())
    moved = state.weights[-1] - start.weights[-1]
    delta = 1e-6
    for unit in range(3):
        biases = start.weights[-1].copy()
        biases[unit] += delta
        up = mllib_objective(replace(start, weights=(*start.weights[:-1], biases)), split.train)
        biases[unit] -= 2 * delta
        down = mllib_objective(replace(start, weights=(*start.weights[:-1], biases)), split.train)
        assert moved[unit] == pytest.approx(-GD.learning_rate * (up - down) / (2 * delta), abs=1e-8)


def test_gd_cut_into_segments_is_bit_identical(trainer: SparkTrainer) -> None:
    assert trainer.rungs(GD, (1, 3, 6)) == (1, 3, 6)
    assert same(train(trainer, GD, [6]), train(trainer, GD, [1, 3, 6]))


def test_l_bfgs_stops_at_its_last_rung_alone(trainer: SparkTrainer) -> None:
    assert trainer.rungs(LBFGS, (1, 3, 6)) == (6,)
    assert trainer.rungs(LBFGS, ()) == ()
    whole, cut = train(trainer, LBFGS, [6]), train(trainer, LBFGS, [3, 6])
    assert not np.array_equal(whole.weights[0], cut.weights[0])


@pytest.mark.parametrize("configuration", [LBFGS, GD], ids=OPTIMIZERS)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(
    trainer: SparkTrainer, configuration: Configuration
) -> None:
    first = train(trainer, configuration, [6])
    assert same(first, train(trainer, configuration, [6]))
    assert not np.array_equal(first.weights[0], train(trainer, configuration, [6], seed=8).weights[0])


def test_another_trainer_on_the_same_rows_gives_the_same_bits(
    trainer: SparkTrainer, split: Split, tmp_path: Path
) -> None:
    assert same(train(trainer, LBFGS, [6]), train(SparkTrainer(split, HIDDEN, tmp_path), LBFGS, [6]))


def test_several_threads_at_once_give_the_same_bits(trainer: SparkTrainer) -> None:
    expected = train(trainer, GD, [6])
    found: list[State] = []
    threads = [threading.Thread(target=lambda: found.append(train(trainer, GD, [6]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(same(expected, state) for state in found)


def test_state_goes_on_with_what_it_carries(trainer: SparkTrainer) -> None:
    start = replace(trainer.begin(GD, 7), validation_scores=((0, 0.5),))
    state = trainer.advance(GD, 7, start, 2, Deadline())
    assert state.epoch == 2
    assert state.validation_scores == ((0, 0.5),)
    assert all(array.dtype == np.float64 for array in state.weights)
    assert trainer.advance(GD, 7, state, 2, Deadline()) is state


def test_rows_lie_in_two_partitions_in_the_splits_order(split: Split, tmp_path: Path) -> None:
    from pyspark.sql.functions import spark_partition_id

    frame = load(spark_session.start(), write_once(split.train, tmp_path / FOLDER))
    collected = frame.withColumn("partition", spark_partition_id()).collect()
    assert np.array_equal([row.features.toArray() for row in collected], split.train.features)
    assert np.array_equal([row.label for row in collected], split.train.labels)
    parts = np.array_split(np.arange(len(split.train)), PARTITIONS)
    assert [row.partition for row in collected] == [number for number, part in enumerate(parts) for _ in part]
    frame.unpersist()


def test_rows_are_written_once_and_whole(split: Split, tmp_path: Path) -> None:
    files = [Path(file) for file in write_once(split.train, tmp_path / FOLDER)]
    written = [file.stat().st_mtime_ns for file in files]
    assert [str(file) for file in files] == write_once(split.train, tmp_path / FOLDER)
    assert [file.stat().st_mtime_ns for file in files] == written
    assert sorted((tmp_path / FOLDER).iterdir()) == sorted(files)


def test_a_failed_write_leaves_nothing(split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(OSError, match="no space"):
        write_once(split.train, tmp_path / FOLDER)
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_mllibs_own_initial_weights_lie_within_the_bounds_of_spark_uniform(
    split: Split, tmp_path: Path
) -> None:
    from pyspark.ml.classification import MultilayerPerceptronClassifier

    frame = load(spark_session.start(), write_once(split.train, tmp_path / FOLDER))
    layers = [4, 200, 3]
    model = MultilayerPerceptronClassifier(
        layers=layers, maxIter=1, solver="gd", stepSize=1e-300, seed=3
    ).fit(frame)
    drawn = model.weights.toArray()
    for layer, (fan_in, fan_out) in enumerate([(4, 200), (200, 3)]):
        here = drawn[: (fan_in + 1) * fan_out] if layer == 0 else drawn[-(fan_in + 1) * fan_out :]
        bound = 2.4 / math.sqrt(fan_in)
        assert 0.95 * bound < np.abs(here).max() <= bound
        # The biases, drawn like the weights, fill the same range.
        assert np.abs(here[-fan_out:]).max() <= bound
        assert np.abs(here[-fan_out:]).min() > 0
    frame.unpersist()


def test_a_huge_step_is_a_diverged_trial(trainer: SparkTrainer) -> None:
    wild = replace(GD, learning_rate=1e308)
    assert "not finite" in failure_of(trainer, wild, trainer.begin(wild, 7), "diverged")


@pytest.mark.parametrize("step", [None, 0.0, -0.1, float("inf"), float("nan")])
def test_gd_without_a_usable_step_is_refused(trainer: SparkTrainer, step: float | None) -> None:
    configuration = replace(GD, learning_rate=step)
    message = failure_of(trainer, configuration, trainer.begin(configuration, 7), "data")
    assert str(step) in message


def test_weights_of_another_width_are_refused(trainer: SparkTrainer) -> None:
    state = trainer.begin(GD, 7)
    narrow = replace(state, weights=(state.weights[0][:-1], *state.weights[1:]))
    message = failure_of(trainer, GD, narrow, "data")
    assert "(3, 5)" in message
    assert "(4, 5)" in message


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_outside_the_classes_are_refused(split: Split, tmp_path: Path, label: int) -> None:
    labels = split.train.labels.copy()
    labels[10] = label
    refusing = SparkTrainer(split_of(Rows(split.train.features, labels)), HIDDEN, tmp_path)
    message = failure_of(refusing, GD, refusing.begin(GD, 7), "data")
    assert f"the label {label}" in message
    assert "0 to 2" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(split: Split, tmp_path: Path, value: float) -> None:
    features = split.train.features.copy()
    features[11, 2] = value
    refusing = SparkTrainer(split_of(Rows(features, split.train.labels)), HIDDEN, tmp_path)
    assert "row 11" in failure_of(refusing, GD, refusing.begin(GD, 7), "data")


@pytest.mark.parametrize("count", range(PARTITIONS))
def test_fewer_rows_than_partitions_are_refused(tmp_path: Path, count: int) -> None:
    refusing = SparkTrainer(split_of(rows(count, 1)), HIDDEN, tmp_path)
    assert f"found {count}" in failure_of(refusing, GD, refusing.begin(GD, 7), "data")


def test_one_row_a_partition_is_enough(tmp_path: Path) -> None:
    state = train(SparkTrainer(split_of(rows(PARTITIONS, 1)), HIDDEN, tmp_path), GD, [3])
    assert len(state.losses) == 3


def test_an_unknown_optimizer_is_a_user_error(trainer: SparkTrainer) -> None:
    unknown = replace(GD, optimizer="lbfgs")
    with pytest.raises(StudyFileError, match="did you mean 'l-bfgs'"):
        trainer.advance(unknown, 7, trainer.begin(GD, 7), 1, Deadline())


def test_a_deadline_that_has_passed_stops_before_spark_is_asked(trainer: SparkTrainer) -> None:
    state = trainer.begin(GD, 7)
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(GD, 7, state, 1, Deadline(at=1.0, clock=lambda: 2.0))
    assert caught.value.failure.cause == "timeout"


def test_a_deadline_that_passes_during_a_fit_ends_it(trainer: SparkTrainer) -> None:
    class Stopped:
        """Says yes from the third time on: the first two are before the fit."""

        asked = 0

        def __call__(self) -> bool:
            self.asked += 1
            return self.asked > 2

    endless = replace(GD, epochs=10**6)
    stopped = Stopped()
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(endless, 7, trainer.begin(endless, 7), 10**6, Deadline(stopped=stopped))
    assert caught.value.failure.cause == "timeout"
    assert stopped.asked > 2
    # The session, its rows and this thread are as good as before.
    assert same(train(trainer, GD, [6]), train(trainer, GD, [6]))


def test_a_loss_that_is_not_finite_on_the_way_is_a_diverged_trial(
    trainer: SparkTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recovered(*_: Any) -> tuple[Any, list[float]]:
        return flatten(trainer.begin(GD, 7).weights), [0.7, math.nan, 0.6]

    monkeypatch.setattr("workers.spark.trainer.fit", recovered)
    assert "after epoch 1" in failure_of(trainer, GD, trainer.begin(GD, 7), "diverged")


def failures_logged() -> int:
    """Line searches that failed, as the JVM logged them since its start."""
    log = spark_session.start().log.fileno()
    said = os.pread(log, os.fstat(log).st_size, 0)
    return said.count(b"Failure! Resetting history") + said.count(b"Failure again! Giving up")


def test_repeats_after_a_failed_line_search_are_no_iterations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories: list[list[float]] = []

    def recorded(*arguments: Any) -> tuple[Any, list[float]]:
        vector, history = fit(*arguments)
        histories.append(history)
        return vector, history

    monkeypatch.setattr("workers.spark.trainer.fit", recorded)
    long = replace(LBFGS, epochs=40)
    for seed in range(8):
        logged = failures_logged()
        # A loss that falls to 1e-8 ends in line searches that fail, for one seed or another.
        features = np.random.default_rng(seed).normal(size=(300, 4)).astype(np.float32)
        easy = Rows(features, (features.sum(axis=1) > 0).astype(np.int64))
        state = train(SparkTrainer(split_of(easy), (100,), tmp_path / str(seed)), long, [40], seed=seed)
        assert state.epoch == 40
        assert len(state.losses) <= 40
        assert list(state.losses) == sorted(set(histories[-1][1:]) - {histories[-1][0]}, reverse=True)
        repeats = len(histories[-1]) - len(state.losses) - 1
        if repeats:
            # Breeze's own words, in the log that nobody sees, are the truth that the notes must tell.
            assert failures_logged() - logged == repeats
            times = "once" if repeats == 1 else f"{repeats} times"
            assert f"line search failed {times}" in state.notes[0]
            return
    pytest.fail("no line search failed, so that nothing was tested")


def test_l_bfgs_that_restarts_stops_at_every_rung_and_is_another_optimizer(
    trainer: SparkTrainer, split: Split, tmp_path: Path
) -> None:
    restarting = SparkTrainer(split, HIDDEN, tmp_path, SparkSettings(rungs="restart"))
    assert restarting.rungs(LBFGS, (1, 3, 6)) == (1, 3, 6)
    cut = train(restarting, LBFGS, [1, 3, 6])
    assert len(cut.losses) == 6
    assert not np.array_equal(train(trainer, LBFGS, [6]).weights[0], cut.weights[0])
    assert same(cut, train(restarting, LBFGS, [1, 3, 6]))


def test_losses_stay_with_their_epochs_where_a_segment_that_restarts_converges(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    easy = Rows(features, (features[:, 0] > 0).astype(np.int64))
    restarting = SparkTrainer(split_of(easy), (20,), tmp_path, SparkSettings(rungs="restart"))
    state = train(restarting, LBFGS, [300, 310])
    assert len(state.losses) == state.epoch == 310
    assert any("converged" in note or "gave up" in note for note in state.notes)


@pytest.mark.parametrize("partitions", [1, 3])
def test_another_number_of_partitions_is_another_objective(
    split: Split, tmp_path: Path, partitions: int
) -> None:
    other = SparkTrainer(split, HIDDEN, tmp_path, SparkSettings(partitions=partitions))
    loss = train(other, GD, [1]).losses[0]
    whole = mllib_objective(train(other, GD, [1]), split.train, partitions)
    assert loss == pytest.approx(whole, rel=1e-12)


def test_device_says_what_it_runs_on(trainer: SparkTrainer) -> None:
    assert trainer.device == "JVM CPU" + (", native BLAS" if spark_session.start().native_blas else "")
