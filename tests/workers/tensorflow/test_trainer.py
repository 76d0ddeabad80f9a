"""The TensorFlow trainer against Keras itself. What all trainers must hold is in ``tests/contracts``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from studies.data.split import Rows, Split
from studies.errors import StudyFileError
from studies.space.configuration import Configuration
from workers.checkpoints.checkpoints import Checkpoints
from workers.contract import drawn_split
from workers.tensorflow.epoch import OPTIMIZERS, EpochKey
from workers.tensorflow.network import dropout_factors
from workers.tensorflow.programs import Program, ProgramPool
from workers.tensorflow.recipe import dropout_seed, row_order
from workers.tensorflow.setup import keras, tf
from workers.tensorflow.trainer import OPTIMIZERS as TRAINED_OPTIMIZERS
from workers.tensorflow.trainer import TensorFlowTrainer
from workers.training.network import ROWS_AT_ONCE, cross_entropy, forward
from workers.training.trainer import Deadline, State, TrainingFailed

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

FILLED = 17
"""A batch size whose partial last batch, of 15 rows, is filled up."""

KERAS = {
    "sgd": lambda step: keras.optimizers.SGD(step),
    "momentum": lambda step: keras.optimizers.SGD(step, momentum=0.9),
    "nesterov": lambda step: keras.optimizers.SGD(step, momentum=0.9, nesterov=True),
    "rmsprop": lambda step: keras.optimizers.RMSprop(step),
    "adagrad": lambda step: keras.optimizers.Adagrad(step),
    "adam": lambda step: keras.optimizers.Adam(step),
    "adamw": lambda step: keras.optimizers.AdamW(step),
    "nadam": lambda step: keras.optimizers.Nadam(step),
    "lion": lambda step: keras.optimizers.Lion(step),
}

FACTORS = tf.function(dropout_factors, jit_compile=True)


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
    penalty = keras.regularizers.L2(configuration.weight_decay or 0.0)
    layers = [
        keras.layers.Dense(
            units, activation=configuration.activation or "sigmoid", kernel_regularizer=penalty
        )
        for units in HIDDEN
    ]
    last = keras.layers.Dense(len(split.classes), kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((split.features,)), *layers, last])
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
            class_weight=_scikit_weights(split) if configuration.class_weight == "balanced" else None,
        )
        losses.append(history.history["loss"][0])
    return model.get_weights(), losses


def _scikit_weights(split: Split) -> dict[int, float]:
    classes = np.arange(len(split.classes))
    return dict(enumerate(compute_class_weight("balanced", classes=classes, y=split.train.labels)))


@pytest.mark.parametrize(
    ("optimizer", "batch_size"),
    [*((name, 32) for name in sorted(OPTIMIZERS)), ("adam", FILLED), ("sgd", FILLED)],
)
def test_epochs_equal_those_of_keras_fit(
    trainer: TensorFlowTrainer, split: Split, optimizer: str, batch_size: int
):
    configuration = replace(ADAM, optimizer=optimizer, batch_size=batch_size)
    weights, losses = keras_fit(split, configuration, trainer.begin(configuration, SEED))
    state = train(trainer, configuration)
    for ours, theirs in zip(state.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(state.losses, losses, rtol=0, atol=1e-5)


@pytest.mark.parametrize("optimizer", sorted(TRAINED_OPTIMIZERS))
def test_a_run_cut_anywhere_arrives_at_the_same_bits(
    trainer: TensorFlowTrainer, optimizer: str, tmp_path: Path
):
    configuration = replace(ADAM, optimizer=optimizer)
    whole = train(trainer, configuration, epochs=9)
    checkpoints = Checkpoints(str(tmp_path))
    state = trainer.begin(configuration, SEED)
    for epoch in (1, 2, 6, 9):
        state = trainer.advance(configuration, SEED, state, epoch, Deadline())
        checkpoints.write(0, "cut", state)
        found = checkpoints.newest(0, "cut", epoch)
        assert found is not None
        state = found
    assert state.losses == whole.losses
    assert state.slots.keys() == whole.slots.keys()
    pairs = [*zip(state.weights, whole.weights, strict=True)]
    pairs += [(state.slots[name], whole.slots[name]) for name in whole.slots]
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    "change",
    [
        {"activation": "tanh"},
        {"activation": "relu"},
        {"class_weight": "balanced"},
        {"weight_decay": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.01, "activation": "tanh", "class_weight": "balanced"},
    ],
    ids=lambda change: " ".join(f"{value}" for value in change.values()),
)
def test_choices_of_the_objective_are_those_of_keras(
    trainer: TensorFlowTrainer, split: Split, change: dict[str, Any]
):
    configuration = replace(ADAM, **change)
    weights, _ = keras_fit(split, configuration, trainer.begin(configuration, SEED))
    state = train(trainer, configuration)
    for ours, theirs in zip(state.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    plain = train(trainer, ADAM)
    assert not np.allclose(state.weights[0], plain.weights[0], rtol=0, atol=1e-3)


def test_dropout_is_that_of_its_own_definition(trainer: TensorFlowTrainer, split: Split):
    """The same three epochs once more, step by step, without compiling, with masks that were drawn apart."""
    configuration = replace(SGD, dropout=0.4)
    begun = trainer.begin(configuration, SEED)
    weights = [tf.Variable(array, dtype=tf.float32) for array in begun.weights]
    losses = []
    for epoch in range(1, 4):
        order = row_order(SEED, epoch, ROWS, shuffle=True)
        for step, first in enumerate(range(0, ROWS, 32)):
            batch = order[first : first + 32]
            with tf.GradientTape() as tape:
                outputs = tf.constant(split.train.features[batch])
                for layer, units in enumerate(HIDDEN):
                    random = dropout_seed(SEED, epoch) + np.array([0, step * len(HIDDEN) + layer], np.int32)
                    factors = FACTORS((len(batch), units), tf.constant(0.4), random, 0)
                    outputs = factors * tf.sigmoid(outputs @ weights[2 * layer] + weights[2 * layer + 1])
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(
                        labels=split.train.labels[batch], logits=outputs @ weights[-2] + weights[-1]
                    )
                )
            for variable, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
                variable.assign_sub(SGD.learning_rate * gradient)
            losses.append(float(loss) * len(batch))
    state = train(trainer, configuration)
    for ours, theirs in zip(state.weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-5)
    expected = np.array(losses).reshape(3, -1).sum(axis=1) / ROWS
    np.testing.assert_allclose(state.losses, expected, rtol=0, atol=1e-5)


@given(
    rate=st.floats(0.0, 0.9375, width=32),
    seed=st.integers(0, 2**31),
    epoch=st.integers(1, 99),
    number=st.integers(0, 9),
)
@settings(max_examples=30)
def test_dropout_sets_its_share_to_zero_and_keeps_the_mean(rate: float, seed: int, epoch: int, number: int):
    random = tf.constant(dropout_seed(seed, epoch))
    left = FACTORS((200, 50), tf.constant(rate), random, tf.constant(number)).numpy()
    # Six standard deviations of a share of 10,000.
    assert (left == 0).mean() == pytest.approx(rate, abs=6 * 0.5 / 100)
    np.testing.assert_allclose(left[left != 0], 1 / (1 - np.float32(rate)), rtol=1e-6)
    assert np.array_equal(left, FACTORS((200, 50), tf.constant(rate), random, tf.constant(number)).numpy())


def test_each_step_layer_epoch_and_seed_drops_others():
    rate = tf.constant(0.5)
    draws = {
        FACTORS((8, 50), rate, tf.constant(dropout_seed(seed, epoch)), tf.constant(number)).numpy().tobytes()
        for seed in range(3)
        for epoch in range(1, 4)
        for number in range(4)
    }
    assert len(draws) == 36


def test_nothing_is_dropped_where_rows_are_predicted(trainer: TensorFlowTrainer, split: Split):
    state = train(trainer, replace(ADAM, dropout=0.5))
    expected = forward(state.weights, split.test.features)
    np.testing.assert_allclose(trainer.predict(state, split.test.features), expected, rtol=0, atol=1e-6)


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


@pytest.mark.parametrize(
    "change", [{}, {"loss_scale": 0.5}, {"class_weight": "balanced"}, {"weight_decay": 1.0}], ids=str
)
def test_losses_are_the_cross_entropy_a_row_without_any_factors(
    trainer: TensorFlowTrainer, split: Split, change: dict[str, Any]
):
    hardly_moving = replace(SGD, learning_rate=1e-9, **change)
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


def test_a_partial_batch_is_filled_up_where_that_costs_next_to_nothing():
    def key(batch_size: int, *, drop: bool = False) -> EpochKey:
        return EpochKey((6, 5, 2), ROWS, "sgd", batch_size, drop_last_batch=drop)

    assert key(FILLED).fills_partial_batch
    assert key(FILLED).batches == 6
    assert not key(32).fills_partial_batch
    assert key(32).batches == 4
    assert not key(FILLED, drop=True).fills_partial_batch
    assert not key(25).fills_partial_batch  # there is none


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
        replace(ADAM, class_weight="balanced"),
        replace(ADAM, shuffle=False),
        replace(ADAM, initialisation="spark_uniform", biases=1.0),
    ]
    states = [train(trainer, configuration) for configuration in configurations]
    assert len(pool.made) == 1
    assert len({state.losses for state in states}) == len(configurations)


@pytest.mark.parametrize("axis", ["dropout", "weight_decay"])
def test_what_costs_time_has_a_program_of_its_own_that_all_its_values_share(split: Split, axis: str):
    pool = CountingPool()
    trainer = TensorFlowTrainer(split, HIDDEN, pool)
    states = [train(trainer, replace(ADAM, **{axis: value})) for value in (0.0, None, 0.1, 0.5)]
    assert [getattr(key, axis) for key in pool.made] == [False, True]
    assert len({state.losses for state in states}) == 3


def test_threads_at_once_give_the_same_bits_as_one_after_the_other(split: Split):
    changes = ({}, {"optimizer": "momentum"}, {"dropout": 0.3})
    trials = [(replace(ADAM, **change), seed) for change in changes for seed in (1, 2)]
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


def test_a_divergence_ends_the_trial_at_the_end_of_its_own_epoch(trainer: TensorFlowTrainer):
    # The decay multiplies each matrix by 1 - 2 · 0.5 · 50 = -49 a step.
    growing = replace(SGD, weight_decay=50.0)
    with pytest.raises(TrainingFailed) as failed:
        train(trainer, growing, epochs=40)
    failure = failed.value.failure
    assert failure.cause == "diverged"
    assert failure.epoch is not None
    assert 3 < failure.epoch < 40
    before = train(trainer, growing, epochs=failure.epoch - 1)
    assert all(np.isfinite(array).all() for array in before.weights)
    with pytest.raises(TrainingFailed):
        trainer.advance(growing, SEED, before, failure.epoch, Deadline())


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


def test_an_unknown_activation_is_refused_with_those_there_are(trainer: TensorFlowTrainer):
    with pytest.raises(StudyFileError) as refused:
        train(trainer, replace(SGD, activation="tahn"))
    assert "sigmoid, tanh, relu" in refused.value.allowed
    assert "'tanh'" in refused.value.remedy


@pytest.mark.parametrize("activation", [None, "tanh", "relu"])
@pytest.mark.parametrize("rows", [0, 1, ROWS_AT_ONCE + 1])
def test_predicts_what_the_network_in_numpy_predicts(
    trainer: TensorFlowTrainer, rows: int, activation: str | None
):
    state = train(trainer, replace(ADAM, activation=activation))
    features = np.random.default_rng(1).normal(size=(rows, 6)).astype(np.float32)
    expected = forward(state.weights, features, activation or "sigmoid")
    np.testing.assert_allclose(trainer.predict(state, features), expected, rtol=0, atol=1e-6)
