"""What every trainer must hold, so that the rest of the system needs to know none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.errors import StudyFileError
from studies.frameworks import BUILT_IN, framework_of
from studies.space.configuration import Configuration
from workers.contract import NO_DEADLINE, PROMISES, SEED, Subject, drawn_split, same_arrays
from workers.trainers import make_trainer
from workers.training.initialisation import initial_weights
from workers.training.scores import all_positive_f1, score
from workers.training.trainer import TrainingFailed, curve_of, layer_sizes

HIDDEN = (6,)

CASES = {
    "analytic": Configuration(
        "analytic", "glorot_uniform", "adam", epochs=9, learning_rate=0.1, batch_size=32
    ),
    "tensorflow-adam": Configuration(
        "tensorflow", "glorot_uniform", "adam", epochs=9, learning_rate=0.03, batch_size=32
    ),
    "tensorflow-momentum": Configuration(
        "tensorflow", "he_normal", "momentum", epochs=9, learning_rate=0.05, batch_size=64, shuffle=False
    ),
    "tensorflow-dropout": Configuration(
        "tensorflow",
        "glorot_uniform",
        "nadam",
        epochs=12,
        learning_rate=0.02,
        batch_size=32,
        activation="tanh",
        class_weight="balanced",
        weight_decay=1e-4,
        dropout=0.1,
    ),
    "tensorflow-l-bfgs": Configuration("tensorflow", "spark_uniform", "l-bfgs", epochs=15, weight_decay=1e-4),
    "tensorflow-gd": Configuration("tensorflow", "spark_uniform", "gd", epochs=60, learning_rate=2.0),
    "spark-l-bfgs": Configuration("spark", "spark_uniform", "l-bfgs", epochs=15),
    "spark-gd": Configuration("spark", "spark_uniform", "gd", epochs=60, learning_rate=2.0),
}


@pytest.fixture(scope="module", params=list(CASES))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    configuration, split = CASES[request.param], drawn_split()
    framework, directory = framework_of(configuration.framework), tmp_path_factory.mktemp("split")
    return Subject(configuration, split, lambda: make_trainer(framework, split, HIDDEN, directory))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_keeps_its_promises(promise: Callable[[Subject], None], subject: Subject):
    promise(subject)


def test_one_loss_for_each_epoch_that_was_trained(subject: Subject):
    assert subject.final.losses
    if subject.configuration.optimizer != "l-bfgs":  # which may converge before
        assert len(subject.final.losses) == subject.configuration.epochs
    assert len(curve_of(subject.final)) == len(subject.final.losses)


def test_the_cases_cover_every_framework():
    assert {configuration.framework for configuration in CASES.values()} == {
        framework.name for framework in BUILT_IN
    }


def test_an_unknown_framework_is_refused_with_those_there_are():
    with pytest.raises(StudyFileError) as refused:
        framework_of("tensorflw")
    assert "tensorflw" in refused.value.problem
    assert all(framework.name in refused.value.allowed for framework in BUILT_IN)
    assert "'tensorflow'" in refused.value.remedy


@pytest.mark.parametrize("biases", [None, 0.5])
def test_begins_at_epoch_0_with_the_initial_weights_and_nothing_else(subject: Subject, biases: float | None):
    configuration = replace(subject.configuration, biases=biases)
    state = subject.trainer.begin(configuration, SEED)
    assert (state.epoch, state.losses, dict(state.slots)) == (0, (), {})
    expected = initial_weights(
        configuration.initialisation, layer_sizes(subject.split, HIDDEN), SEED, biases=biases
    )
    assert [array.dtype for array in state.weights] == [np.float64] * len(expected)
    assert same_arrays(state.weights, expected)


def test_another_seed_begins_elsewhere(subject: Subject):
    other = subject.trainer.begin(subject.configuration, SEED + 1)
    assert not same_arrays(other.weights, subject.begin().weights)


def test_losses_are_finite_and_fall_on_an_easy_problem(subject: Subject):
    losses = np.array(subject.final.losses)
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] / 2
    assert losses[-1] < 0.25  # knowing the classes' shares alone gives 0.50 nats a row


def test_predictions_are_probabilities(subject: Subject):
    for rows in (subject.split.train, subject.split.validation, subject.split.test):
        probabilities = subject.trainer.predict(subject.final, rows.features)
        assert probabilities.shape == (len(rows), 2)
        assert probabilities.dtype == np.float64
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_learns_an_easy_problem(subject: Subject):
    test, positive = subject.split.test, subject.split.positive
    scores = score(test.labels, subject.trainer.predict(subject.final, test.features), positive)
    assert scores.f1 > 0.9
    assert all_positive_f1(test.labels, positive) < 0.4


def test_three_classes_are_learned(subject: Subject, tmp_path: Path):
    split = drawn_split(shares=(0.5, 0.3, 0.2))
    trainer = make_trainer(framework_of(subject.configuration.framework), split, HIDDEN, tmp_path)
    state = trainer.begin(subject.configuration, SEED)
    state = trainer.advance(subject.configuration, SEED, state, subject.configuration.epochs, NO_DEADLINE)
    probabilities = trainer.predict(state, split.test.features)
    assert probabilities.shape == (len(split.test), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert score(split.test.labels, probabilities, split.positive).accuracy > 0.85


@pytest.mark.parametrize("change", [{"learning_rate": 1e30}, {"biases": 1e300}], ids=["step", "biases"])
def test_numbers_that_are_not_finite_never_come_back_as_a_state(subject: Subject, change: dict[str, float]):
    if subject.configuration.learning_rate is None:
        change = {"biases": 1e300}  # l-bfgs has no learning rate
    configuration = replace(subject.configuration, **change)
    state = subject.trainer.begin(configuration, SEED)
    failure = None
    try:
        state = subject.trainer.advance(configuration, SEED, state, configuration.epochs, NO_DEADLINE)
    except TrainingFailed as failed:
        failure = failed.failure
    if failure is None:
        assert all(np.isfinite(array).all() for array in state.weights)
        assert np.isfinite(state.losses).all()
    else:
        assert failure.cause == "diverged"
        assert failure.epoch in range(configuration.epochs + 1)
