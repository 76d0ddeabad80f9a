"""The TensorFlow trainer against Keras itself. What all trainers must hold is in ``tests/contracts``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.configuration import Configuration
from studies.data.split import Rows, Split
from studies.errors import StudyFileError
from tests.contracts.drawn import drawn_split
from workers.network import ROWS_AT_ONCE, cross_entropy, forward
from workers.tensorflow_epoch import OPTIMIZERS, EpochKey
from workers.tensorflow_programs import Program, ProgramPool
from workers.tensorflow_setup import keras, tf
from workers.tensorflow_trainer import TensorFlowTrainer, row_order
from workers.trainer import Deadline, State, TrainingFailed

ROWS = 100
HIDDEN = (5, 4)
SEED = 3
ADAM = Configuration(
    framework="tensorflow",
    initialisation="glorot_uniform",
    optimizer="adam",
    epochs=3,
    learning_rate=0.02,
    batch_size=32,
    shuffle=True,
    drop_last_batch=False,
    loss_scale=1.0,
)
SGD = replace(ADAM, optimizer="sgd", learning_rate=0.5)

KERAS = {
    "sgd": lambda step: keras.optimizers.SGD(step),
    "momentum": lambda step: keras.optimizers.SGD(step, momentum=0.9),
    "nesterov": lambda step: keras.optimizers.SGD(step, momentum=0.9, nesterov=True),
    "rmsprop": lambda step: keras.optimizers.RMSprop(step),
    "adagrad": lambda step: keras.optimizers.Adagrad(step),
    "adam": lambda step: keras.optimizers.Adam(step),
    "adamw": lambda step: keras.optimizers.AdamW(step),
    "nadam": lambda step: keras.optimizers.Nadam(step),
}


class CountingPool(ProgramPool):
    """Remembers the keys of the programs that it had to make."""

    def __init__(self) -> None:
        self.made: list[EpochKey] = []

        def make(key: EpochKey) -> Program:
            self.made.append(key)
            return Program(key)

        super().__init__(make=make)


@pytest.fixture(scope="module")
def split() -> Split:
    return drawn_split(rows=ROWS, features=6)


@pytest.fixture(scope="module")
def trainer(split: Split) -> TensorFlowTrainer:
    return TensorFlowTrainer(split, HIDDEN)


def train(
    trainer: TensorFlowTrainer, configuration: Configuration, seed: int = SEED, epochs: int | None = None
) -> State:
    begun = trainer.begin(configuration, seed)
    return trainer.advance(configuration, seed, begun, epochs or configuration.epochs, Deadline())


def keras_fit(
    split: Split, configuration: Configuration, begun: State
) -> tuple[list[np.ndarray], list[float]]:
    """Weights and losses of ``keras.Model.fit`` from the same weights, on the trainer's orders of rows."""
    layers = [keras.layers.Dense(units, activation="sigmoid") for units in HIDDEN]
    model = keras.Sequential(
        [keras.Input((split.features,)), *layers, keras.layers.Dense(len(split.classes))]
    )
    model.set_weights([array.astype(np.float32) for array in begun.weights])
    model.compile(
        optimizer=KERAS[configuration.optimizer](configuration.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = []
    for epoch in range(1, configuration.epochs + 1):
        order = row_order(SEED, epoch, len(split.train), bool(configuration.shuffle))
        history = model.fit(
            split.train.features[order],
            split.train.labels[order],
            batch_size=configuration.batch_size,
            shuffle=False,
            verbose=0,
        )
        losses.append(history.history["loss"][0])
    return model.get_weights(), losses


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_epochs_equal_those_of_keras_fit(trainer: TensorFlowTrainer, split: Split, optimizer: str):
    configuration = replace(ADAM, optimizer=optimizer)
    weights, losses = keras_fit(split, configuration, trainer.begin(configuration, SEED))
    state = train(trainer, configuration)
    for ours, theirs in zip(state.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(state.losses, losses, rtol=0, atol=1e-5)


def test_without_shuffling_the_batches_are_those_of_the_source(trainer: TensorFlowTrainer, split: Split):
    configuration = replace(SGD, shuffle=False)
    weights, _ = keras_fit(split, configuration, trainer.begin(configuration, SEED))
    for ours, theirs in zip(train(trainer, configuration).weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@given(seed=st.integers(0, 2**31), epoch=st.integers(1, 500), rows=st.integers(1, 300))
def test_an_order_has_each_row_once_and_depends_on_seed_and_epoch_alone(seed: int, epoch: int, rows: int):
    order = row_order(seed, epoch, rows, shuffle=True)
    assert sorted(order) == list(range(rows))
    assert np.array_equal(order, row_order(seed, epoch, rows, shuffle=True))
    assert np.array_equal(row_order(seed, epoch, rows, shuffle=False), np.arange(rows))


def test_each_epoch_and_each_seed_has_an_order_of_its_own():
    orders = {tuple(row_order(seed, epoch, 50, shuffle=True)) for seed in range(5) for epoch in range(1, 6)}
    assert len(orders) == 25


def test_half_the_loss_scale_is_half_the_gradient(trainer: TensorFlowTrainer):
    whole = train(trainer, SGD)
    half = train(trainer, replace(SGD, loss_scale=0.5, learning_rate=2 * SGD.learning_rate))
    for ours, theirs in zip(half.weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    unlike = train(trainer, replace(SGD, loss_scale=0.5))
    assert not np.allclose(unlike.weights[0], whole.weights[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("loss_scale", [1.0, 0.5])
def test_losses_are_the_unscaled_cross_entropy_a_row(
    trainer: TensorFlowTrainer, split: Split, loss_scale: float
):
    hardly_moving = replace(SGD, learning_rate=1e-9, loss_scale=loss_scale)
    state = train(trainer, hardly_moving, epochs=1)
    expected = cross_entropy(trainer.begin(SGD, SEED).weights, split.train.features, split.train.labels)
    assert state.losses == pytest.approx([expected], abs=1e-6)


def test_a_partial_last_batch_is_a_step_unless_it_is_dropped(trainer: TensorFlowTrainer):
    assert train(trainer, SGD, epochs=2).slots["iteration"] == 2 * 4
    assert train(trainer, replace(SGD, drop_last_batch=True), epochs=2).slots["iteration"] == 2 * 3


def test_the_rows_of_a_dropped_batch_are_not_trained_on(trainer: TensorFlowTrainer, split: Split):
    configuration = replace(SGD, drop_last_batch=True, shuffle=False)
    first = replace(split, train=Rows(split.train.features[:96], split.train.labels[:96]))
    expected = train(TensorFlowTrainer(first, HIDDEN), configuration)
    state = train(trainer, configuration)
    for ours, theirs in zip(state.weights, expected.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert state.losses == pytest.approx(expected.losses, abs=1e-6)


def test_dropping_the_only_batch_is_refused(trainer: TensorFlowTrainer):
    with pytest.raises(TrainingFailed) as failed:
        train(trainer, replace(SGD, batch_size=128, drop_last_batch=True))
    assert failed.value.failure.cause == "data"
    assert "100 training rows" in failed.value.failure.message
    assert "128" in failed.value.failure.message


def test_no_training_rows_are_refused(split: Split):
    empty = replace(split, train=Rows(split.train.features[:0], split.train.labels[:0]))
    with pytest.raises(TrainingFailed) as failed:
        train(TensorFlowTrainer(empty, HIDDEN), SGD)
    assert failed.value.failure.cause == "data"


def test_a_batch_of_more_rows_than_there_are_is_one_batch(split: Split):
    pool = CountingPool()
    trainer = TensorFlowTrainer(split, HIDDEN, pool)
    assert train(trainer, replace(SGD, batch_size=512), epochs=1).slots["iteration"] == 1
    assert train(trainer, replace(SGD, batch_size=ROWS), epochs=1).slots["iteration"] == 1
    assert len(pool.made) == 1


def test_what_only_changes_numbers_is_not_compiled_again(split: Split):
    pool = CountingPool()
    trainer = TensorFlowTrainer(split, HIDDEN, pool)
    configurations = [
        ADAM,
        replace(ADAM, learning_rate=0.3),
        replace(ADAM, loss_scale=0.5),
        replace(ADAM, shuffle=False),
        replace(ADAM, initialisation="spark_uniform", biases=1.0),
    ]
    states = [train(trainer, configuration) for configuration in configurations]
    assert len(pool.made) == 1
    assert len({state.losses for state in states}) == len(configurations)


def test_threads_at_once_give_the_same_bits_as_one_after_the_other(split: Split):
    trials = [(replace(ADAM, optimizer=name), seed) for name in ("adam", "momentum") for seed in (1, 2, 3)]
    alone = [train(TensorFlowTrainer(split, HIDDEN), *trial, epochs=20) for trial in trials]
    shared = TensorFlowTrainer(split, HIDDEN, ProgramPool())
    with ThreadPoolExecutor(len(trials)) as threads:
        together = list(threads.map(lambda trial: train(shared, *trial, epochs=20), trials))
    for one, other in zip(together, alone, strict=True):
        assert one.losses == other.losses
        assert all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


def test_a_divergence_says_after_which_epoch(trainer: TensorFlowTrainer):
    with pytest.raises(TrainingFailed) as failed:
        train(trainer, replace(SGD, learning_rate=1e38, biases=1.0))
    assert failed.value.failure.cause == "diverged"
    assert failed.value.failure.epoch == 1


def test_too_little_memory_is_a_failure_and_not_an_exception(split: Split):
    def make(_key: EpochKey) -> Program:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with pytest.raises(TrainingFailed) as failed:
        train(TensorFlowTrainer(split, HIDDEN, ProgramPool(make=make)), SGD)
    assert failed.value.failure.cause == "out of memory"
    assert "OOM" in failed.value.failure.message


def test_an_unknown_optimizer_is_refused_with_those_there_are(trainer: TensorFlowTrainer):
    with pytest.raises(StudyFileError) as refused:
        train(trainer, replace(SGD, optimizer="adamm"))
    assert "adamm" in refused.value.problem
    assert "nadam" in refused.value.allowed
    assert "'adam'" in refused.value.remedy


@pytest.mark.parametrize("missing", ["learning_rate", "batch_size"])
def test_a_configuration_without_a_needed_number_is_refused(trainer: TensorFlowTrainer, missing: str):
    with pytest.raises(ValueError, match="learning rate and a batch size"):
        train(trainer, replace(SGD, **{missing: None}))


def test_a_state_of_another_optimizer_is_refused(trainer: TensorFlowTrainer):
    state = train(trainer, SGD, epochs=1)
    with pytest.raises(ValueError, match="slots"):
        trainer.advance(ADAM, SEED, state, 2, Deadline())


@pytest.mark.parametrize("rows", [0, 1, ROWS_AT_ONCE + 1])
def test_predicts_what_the_network_in_numpy_predicts(trainer: TensorFlowTrainer, rows: int):
    state = train(trainer, ADAM)
    features = np.random.default_rng(1).normal(size=(rows, 6)).astype(np.float32)
    expected = forward(state.weights, features)
    np.testing.assert_allclose(trainer.predict(state, features), expected, rtol=0, atol=1e-6)
