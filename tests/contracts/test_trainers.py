"""What every trainer must hold, so that the rest of the system needs to know none of them."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from studies.data.split import Split
from studies.errors import StudyFileError
from studies.frameworks import BUILT_IN, framework_of
from studies.space.configuration import Configuration
from tests.contracts.drawn import drawn_split
from workers.checkpoints.checkpoints import Checkpoints
from workers.trainers import make_trainer
from workers.training.initialisation import initial_weights
from workers.training.scores import all_positive_f1, score
from workers.training.trainer import Deadline, State, Trainer, TrainingFailed, curve_of, layer_sizes

HIDDEN = (6,)
SEED = 11
NO_DEADLINE = Deadline()
PASSED = Deadline(at=0.0, clock=lambda: 1.0)
STOPPED = Deadline(stopped=lambda: True)

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


@dataclass(frozen=True)
class Subject:
    """A trainer, what it trains, and one whole run of it."""

    configuration: Configuration
    split: Split
    trainer: Trainer
    directory: Path
    final: State

    @property
    def layers(self) -> tuple[int, ...]:
        return layer_sizes(self.split, HIDDEN)

    def begin(self) -> State:
        return self.trainer.begin(self.configuration, SEED)

    def run(self, state: State, epoch: int) -> State:
        return self.trainer.advance(self.configuration, SEED, state, epoch, NO_DEADLINE)

    def rungs(self) -> tuple[int, ...]:
        return self.trainer.rungs(self.configuration, (1, 3, self.configuration.epochs))


@pytest.fixture(scope="module", params=list(CASES))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    configuration = CASES[request.param]
    split = drawn_split()
    directory = tmp_path_factory.mktemp("split")
    trainer = make_trainer(framework_of(configuration.framework), split, HIDDEN, directory)
    begun = trainer.begin(configuration, SEED)
    final = trainer.advance(configuration, SEED, begun, configuration.epochs, NO_DEADLINE)
    return Subject(configuration, split, trainer, directory, final)


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
    expected = initial_weights(configuration.initialisation, subject.layers, SEED, biases=biases)
    assert [array.dtype for array in state.weights] == [np.float64] * len(expected)
    assert _same_arrays(state.weights, expected)


def test_another_seed_begins_elsewhere(subject: Subject):
    other = subject.trainer.begin(subject.configuration, SEED + 1)
    assert not _same_arrays(other.weights, subject.begin().weights)


def test_training_counts_its_epochs_and_gives_at_most_one_loss_for_each(subject: Subject):
    epochs = subject.configuration.epochs
    assert subject.final.epoch == epochs
    assert 0 < len(subject.final.losses) <= epochs
    if subject.configuration.optimizer != "l-bfgs":  # which may converge before
        assert len(subject.final.losses) == epochs
    assert len(curve_of(subject.final)) == len(subject.final.losses)


def test_training_keeps_the_shapes_of_the_weights_and_stays_finite(subject: Subject):
    shapes = [array.shape for array in subject.final.weights]
    assert shapes == [array.shape for array in subject.begin().weights]
    assert all(np.isfinite(array).all() for array in subject.final.weights)


def test_losses_are_finite_and_fall_on_an_easy_problem(subject: Subject):
    losses = np.array(subject.final.losses)
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] / 2
    assert losses[-1] < 0.25  # knowing the classes' shares alone gives 0.50 nats a row


def test_training_to_an_epoch_already_done_changes_nothing(subject: Subject):
    _assert_same(subject.run(subject.final, subject.final.epoch), subject.final)


def test_training_leaves_the_state_it_was_given_as_it_was(subject: Subject):
    state = subject.begin()
    before = pickle.dumps(state)
    subject.run(state, subject.rungs()[0])
    assert pickle.dumps(state) == before


def test_the_same_inputs_give_the_same_bits_from_another_trainer(subject: Subject):
    again = make_trainer(
        framework_of(subject.configuration.framework), subject.split, HIDDEN, subject.directory
    )
    state = again.begin(subject.configuration, SEED)
    state = again.advance(subject.configuration, SEED, state, subject.configuration.epochs, NO_DEADLINE)
    _assert_same(state, subject.final)


def test_trials_in_two_threads_do_not_see_each_other(subject: Subject):
    def train(seed: int) -> State:
        state = subject.trainer.begin(subject.configuration, seed)
        return subject.trainer.advance(
            subject.configuration, seed, state, subject.configuration.epochs, NO_DEADLINE
        )

    with ThreadPoolExecutor(2) as threads:
        ours, others = threads.map(train, (SEED, SEED + 1))
    _assert_same(ours, subject.final)
    assert not _same_arrays(others.weights, subject.final.weights)


def test_rungs_are_some_of_those_wanted_and_the_last(subject: Subject):
    wanted = (1, 3, subject.configuration.epochs)
    rungs = subject.trainer.rungs(subject.configuration, wanted)
    assert rungs == tuple(sorted(set(rungs) & set(wanted)))
    assert rungs[-1] == wanted[-1]


def test_stopping_at_every_rung_gives_the_same_bits_as_not_stopping(subject: Subject):
    state = subject.begin()
    for rung in subject.rungs():
        state = subject.run(state, rung)
        assert state.epoch == rung
    _assert_same(state, subject.final)


def test_a_state_survives_pickling_and_goes_on_with_the_same_bits(subject: Subject):
    state = pickle.loads(pickle.dumps(subject.run(subject.begin(), subject.rungs()[0])))
    _assert_same(subject.run(state, subject.configuration.epochs), subject.final)


def test_a_state_survives_a_checkpoint_and_goes_on_with_the_same_bits(subject: Subject, tmp_path: Path):
    identity = subject.configuration.key()
    stopped = subject.run(subject.begin(), subject.rungs()[0])
    Checkpoints(str(tmp_path)).write(3, identity, stopped)
    state = Checkpoints(str(tmp_path)).newest(3, identity, subject.configuration.epochs)
    assert state is not None
    _assert_same(state, stopped)
    _assert_same(subject.run(state, subject.configuration.epochs), subject.final)


def test_predictions_are_probabilities(subject: Subject):
    for rows in (subject.split.train, subject.split.validation, subject.split.test):
        probabilities = subject.trainer.predict(subject.final, rows.features)
        assert probabilities.shape == (len(rows), 2)
        assert probabilities.dtype == np.float64
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_a_row_is_predicted_the_same_whatever_rows_are_beside_it(subject: Subject):
    features = subject.split.test.features
    together = subject.trainer.predict(subject.final, features)
    alone = subject.trainer.predict(subject.final, features[17:18])
    np.testing.assert_allclose(alone, together[17:18], rtol=0, atol=1e-5)


def test_an_initial_state_can_be_predicted_with(subject: Subject):
    probabilities = subject.trainer.predict(subject.begin(), subject.split.test.features)
    assert np.isfinite(probabilities).all()


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


@pytest.mark.parametrize("deadline", [PASSED, STOPPED], ids=["passed", "stopped"])
def test_a_deadline_ends_the_training_with_a_timeout(subject: Subject, deadline: Deadline):
    begun = subject.begin()
    with pytest.raises(TrainingFailed) as ended:
        subject.trainer.advance(subject.configuration, SEED, begun, subject.configuration.epochs, deadline)
    assert ended.value.failure.cause == "timeout"


def test_a_trainer_goes_on_as_before_after_a_failure(subject: Subject):
    with pytest.raises(TrainingFailed):
        subject.trainer.advance(subject.configuration, SEED, subject.begin(), 1, PASSED)
    _assert_same(subject.run(subject.begin(), subject.configuration.epochs), subject.final)


def test_names_its_device(subject: Subject):
    assert subject.trainer.device


def _same_arrays(some: tuple[np.ndarray, ...], others: tuple[np.ndarray, ...]) -> bool:
    return all(
        one.dtype == other.dtype and np.array_equal(one, other)
        for one, other in zip(some, others, strict=True)
    )


def _assert_same(state: State, other: State) -> None:
    """Bit by bit, not nearly."""
    assert (state.epoch, state.losses) == (other.epoch, other.losses)
    assert (state.activation, state.best) == (other.activation, other.best)
    assert _same_arrays(state.weights, other.weights)
    assert set(state.slots) == set(other.slots)
    names = sorted(state.slots)
    assert _same_arrays(
        tuple(state.slots[name] for name in names), tuple(other.slots[name] for name in names)
    )
