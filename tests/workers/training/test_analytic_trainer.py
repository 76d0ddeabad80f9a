from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studies.data.split import Rows, Split
from studies.errors import StudyFileError
from studies.space.configuration import Configuration
from workers.training.analytic_trainer import OPTIMIZERS, AnalyticTrainer
from workers.training.initialisation import initial_weights
from workers.training.scores import score
from workers.training.trainer import Deadline, State, Trainer, TrainingFailed

HIDDEN = (4,)
BASE = Configuration("analytic", "glorot_uniform", "adam", epochs=27, learning_rate=0.1, batch_size=32)
NO_DEADLINE = Deadline()


def split_of(
    rows: int = 120, classes: int = 2, distance: float = 3.0, seed: int = 0, features: int = 3
) -> Split:
    """Normal clouds, one a class, around centres ``distance`` along an axis of their own."""
    generator = np.random.default_rng(seed)
    centres = distance * np.eye(classes, features)

    def draw() -> Rows:
        labels = generator.integers(0, classes, rows)
        noise = generator.standard_normal((rows, features))
        return Rows((centres[labels] + noise).astype(np.float32), labels)

    names = tuple(f"class {index}" for index in range(classes))
    return Split(draw(), draw(), draw(), names, 1, content_hash=f"drawn {seed}")


SPLIT = split_of()
TRAINER = AnalyticTrainer(SPLIT, HIDDEN)


def trained(configuration: Configuration = BASE, epoch: int = 9, seed: int = 1) -> State:
    begun = TRAINER.begin(configuration, seed)
    return TRAINER.advance(configuration, seed, begun, epoch, NO_DEADLINE)


def quality(configuration: Configuration, epoch: int = 9) -> float:
    return float(trained(configuration, epoch).slots["quality"])


def assert_same(one: State, other: State) -> None:
    assert (one.epoch, one.losses, one.validation_scores) == (
        other.epoch,
        other.losses,
        other.validation_scores,
    )
    assert set(one.slots) == set(other.slots)
    for left, right in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    for name in one.slots:
        np.testing.assert_array_equal(one.slots[name], other.slots[name])


def test_it_is_a_trainer() -> None:
    trainer: Trainer = TRAINER
    assert trainer.device == "CPU"
    assert trainer.rungs(BASE, (1, 3, 9, 27)) == (1, 3, 9, 27)


def test_training_begins_at_the_initial_weights_with_nothing_learnt() -> None:
    configuration = replace(BASE, initialisation="spark_uniform", biases=0.5)
    state = TRAINER.begin(configuration, 3)
    for found, drawn in zip(state.weights, initial_weights("spark_uniform", (3, 4, 2), 3, 0.5), strict=True):
        np.testing.assert_array_equal(found, drawn)
    assert (state.epoch, state.losses, dict(state.slots)) == (0, (), {})


@given(cuts=st.lists(st.integers(0, 12), max_size=5), seed=st.integers(0, 99))
@settings(deadline=None)
def test_cut_anywhere_it_gives_the_same_bits_as_not_cut(cuts: list[int], seed: int) -> None:
    state = TRAINER.begin(BASE, seed)
    for epoch in [*sorted(cuts), 12]:
        state = TRAINER.advance(BASE, seed, state, epoch, NO_DEADLINE)
        assert state.epoch == epoch
    assert_same(state, trained(epoch=12, seed=seed))


def test_another_trainer_of_the_same_rows_gives_the_same_bits() -> None:
    again = AnalyticTrainer(split_of(), HIDDEN)
    state = again.advance(BASE, 1, again.begin(BASE, 1), 9, NO_DEADLINE)
    assert_same(state, trained())


@given(
    classes=st.integers(2, 4),
    distance=st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    rows=st.integers(2, 80),
    seed=st.integers(0, 10_000),
    learning_rate=st.sampled_from([1e-4, 1e-2, 0.1, 10.0]),
)
@settings(deadline=None)
def test_losses_never_rise_on_whatever_rows(
    classes: int, distance: float, rows: int, seed: int, learning_rate: float
) -> None:
    trainer = AnalyticTrainer(split_of(rows, classes, distance, seed), HIDDEN)
    configuration = replace(BASE, learning_rate=learning_rate)
    state = trainer.advance(configuration, seed, trainer.begin(configuration, seed), 27, NO_DEADLINE)
    assert len(state.losses) == 27
    assert max(np.diff(state.losses)) <= 1e-12


def test_losses_are_the_cross_entropy_of_its_own_predictions_of_the_training_rows() -> None:
    state = trained()
    probabilities = TRAINER.predict(state, SPLIT.train.features)
    assert state.losses[-1] == pytest.approx(score(SPLIT.train.labels, probabilities, 1).log_loss, rel=1e-9)
    assert state.losses[-1] < state.losses[0]


def test_it_learns_what_can_be_learnt_and_starts_without_knowing_it() -> None:
    def accuracy(state: State) -> float:
        test = SPLIT.test
        return score(test.labels, TRAINER.predict(state, test.features), SPLIT.positive).accuracy

    assert accuracy(TRAINER.begin(BASE, 1)) < 0.7
    assert accuracy(trained(epoch=81)) > 0.9


def test_it_predicts_from_features_alone() -> None:
    state = trained()
    features = SPLIT.test.features
    order = np.random.default_rng(0).permutation(len(features))
    np.testing.assert_allclose(
        TRAINER.predict(state, features)[order], TRAINER.predict(state, features[order]), rtol=1e-9
    )


def test_only_the_training_rows_are_learnt_from() -> None:
    unseen = Rows(np.zeros((5, 3), np.float32), np.zeros(5, np.int64))
    other = AnalyticTrainer(replace(SPLIT, validation=unseen, test=unseen), HIDDEN)
    assert_same(other.advance(BASE, 1, other.begin(BASE, 1), 9, NO_DEADLINE), trained())


@given(epoch=st.integers(0, 81), seed=st.integers(0, 99))
@settings(deadline=None)
def test_predictions_are_probabilities(epoch: int, seed: int) -> None:
    probabilities = TRAINER.predict(trained(epoch=epoch, seed=seed), SPLIT.validation.features)
    assert probabilities.shape == (len(SPLIT.validation), 2)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
    assert (probabilities >= 0).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("learning_rate", [1e-3, 0.1, 3.0])
@pytest.mark.parametrize("batch_size", [8, 512])
def test_quality_follows_the_closed_form(optimizer: str, learning_rate: float, batch_size: int) -> None:
    configuration = replace(BASE, optimizer=optimizer, learning_rate=learning_rate, batch_size=batch_size)
    rate = {"sgd": 0.1, "adam": 0.2}[optimizer]
    rate *= math.exp(-(math.log10(learning_rate / 0.1) ** 2) / 2) * (32 / batch_size) ** 0.25
    assert quality(configuration, 5) == pytest.approx(1 - math.exp(-rate * 5), rel=1e-12)


@given(one=st.floats(-4, 1), other=st.floats(-4, 1))
@settings(deadline=None)
def test_the_nearer_the_learning_rate_is_to_a_tenth_the_faster_it_learns(one: float, other: float) -> None:
    nearer, farther = sorted((one, other), key=lambda power: abs(power + 1))
    slower = quality(replace(BASE, learning_rate=10**farther))
    assert quality(replace(BASE, learning_rate=10**nearer)) >= slower - 1e-12


def test_what_a_configuration_leaves_out_is_the_best_learning_rate_and_all_rows_a_step() -> None:
    bare = replace(BASE, learning_rate=None, batch_size=None)
    assert quality(bare) == quality(replace(BASE, batch_size=len(SPLIT.train)))


def test_seeds_change_the_predictions_and_not_what_is_learnt_in_the_end() -> None:
    features = SPLIT.test.features
    early, other = (TRAINER.predict(trained(epoch=2, seed=seed), features) for seed in (1, 2))
    assert not np.allclose(early, other)
    late, other = (TRAINER.predict(trained(epoch=500, seed=seed), features) for seed in (1, 2))
    np.testing.assert_allclose(late, other, atol=0.05)


def test_a_learning_rate_above_ten_diverges_in_its_first_epoch() -> None:
    assert trained(replace(BASE, learning_rate=10.0)).epoch == 9
    with pytest.raises(TrainingFailed) as raised:
        trained(replace(BASE, learning_rate=10.01))
    assert (raised.value.failure.cause, raised.value.failure.epoch) == ("diverged", 1)


def test_the_deadline_is_checked_before_every_epoch() -> None:
    checked: list[int] = []

    class Recording(Deadline):
        def check(self, epoch: int) -> None:
            checked.append(epoch)
            super().check(epoch)

    ticks = iter(range(100))
    with pytest.raises(TrainingFailed) as raised:
        TRAINER.advance(
            BASE, 1, TRAINER.begin(BASE, 1), 27, Recording(at=3.5, clock=lambda: float(next(ticks)))
        )
    assert (raised.value.failure.cause, raised.value.failure.epoch) == ("timeout", 4)
    assert checked == [0, 1, 2, 3, 4]


def test_scores_on_the_way_are_carried_along() -> None:
    state = replace(trained(epoch=3), validation_scores=((3, 0.5),))
    assert TRAINER.advance(BASE, 1, state, 9, NO_DEADLINE).validation_scores == ((3, 0.5),)


def test_an_unknown_optimizer_is_named_with_those_that_are_known() -> None:
    with pytest.raises(StudyFileError) as raised:
        trained(replace(BASE, optimizer="adamw"))
    assert raised.value.allowed == "sgd, adam"
    assert raised.value.remedy == "did you mean 'adam'?"


@pytest.mark.parametrize(
    "features",
    [np.zeros((6, 2)), np.ones((6, 2)), np.array([[1e30, 0.0]] * 3 + [[-1e30, 0.0]] * 3)],
    ids=["zero", "equal", "huge"],
)
def test_rows_that_teach_nothing_or_too_much_give_finite_numbers(features: NDArray[np.float64]) -> None:
    rows = Rows(features.astype(np.float32), np.array([0, 0, 0, 1, 1, 1]))
    trainer = AnalyticTrainer(Split(rows, rows, rows, ("a", "b"), 1, ""), HIDDEN)
    state = trainer.advance(BASE, 1, trainer.begin(BASE, 1), 27, NO_DEADLINE)
    assert np.isfinite(state.losses).all()
    assert np.isfinite(trainer.predict(state, rows.features)).all()


@pytest.mark.parametrize("present", [[0], [2], [0, 2]])
def test_a_class_without_training_rows_is_not_predicted_in_the_end(present: list[int]) -> None:
    labels = np.array(present * 12)
    features = np.random.default_rng(0).standard_normal((len(labels), 3)) + labels[:, np.newaxis]
    rows = Rows(features.astype(np.float32), labels)
    trainer = AnalyticTrainer(Split(rows, rows, rows, ("a", "b", "c"), 2, ""), HIDDEN)
    state = trainer.advance(BASE, 1, trainer.begin(BASE, 1), 81, NO_DEADLINE)
    predictions = trainer.predict(state, rows.features).argmax(axis=1)
    assert set(predictions.tolist()) <= set(present)
