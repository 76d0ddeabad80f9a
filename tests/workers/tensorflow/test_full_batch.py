"""l-bfgs and gd as a trainer's trials run them: ends, weights of classes, and checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.space.configuration import Configuration
from workers.checkpoints.checkpoints import Checkpoints
from workers.contract import drawn_split
from workers.solvers.mllib import BLOCK_SIZE, PARTITIONS
from workers.tensorflow.full_batch import FullBatchTraining
from workers.tensorflow.objective import FullBatchObjective, FullBatchRows, mllib_row_weights
from workers.tensorflow.trainer import TensorFlowTrainer
from workers.training.network import class_weights, cross_entropy, flatten, forward
from workers.training.trainer import Deadline, State, TrainingFailed, layer_sizes

LBFGS = Configuration("tensorflow", "glorot_uniform", "l-bfgs", 60)
GD = Configuration("tensorflow", "glorot_uniform", "gd", 30, learning_rate=0.5)
SPLIT = drawn_split()
LAYERS = layer_sizes(SPLIT, (6,))
NO_DEADLINE = Deadline()


def begun(configuration: Configuration = LBFGS) -> State:
    return TensorFlowTrainer(SPLIT, (6,)).begin(configuration, 3)


def test_a_run_that_converges_has_fewer_losses_than_epochs_and_counts_as_done() -> None:
    training = FullBatchTraining(SPLIT.train, LAYERS, "float64")
    asked = replace(LBFGS, epochs=1000, weight_decay=0.01)
    state = training.advance(asked, begun(), 1000, NO_DEADLINE)
    assert state.epoch == 1000
    assert 20 < len(state.losses) < 1000
    assert all(later <= earlier for earlier, later in zip(state.losses, state.losses[1:], strict=False))
    again = training.advance(asked, replace(state, epoch=999), 1000, NO_DEADLINE)
    assert again.losses == state.losses


def test_the_last_loss_is_mllibs_objective_of_the_weights() -> None:
    state = FullBatchTraining(SPLIT.train, LAYERS, "float64").advance(LBFGS, begun(), 5, NO_DEADLINE)
    features, labels = SPLIT.train.features, SPLIT.train.labels
    probabilities = forward(state.weights, features)
    losses = -np.log(probabilities[np.arange(len(labels)), labels])
    assert state.losses[-1] == pytest.approx(
        float(losses @ mllib_row_weights(len(labels), BLOCK_SIZE, PARTITIONS)), rel=1e-12
    )
    assert state.losses[-1] == pytest.approx(cross_entropy(state.weights, features, labels), rel=0.05)


def test_gd_takes_the_step_that_the_configuration_names_down_mllibs_objective() -> None:
    training = FullBatchTraining(SPLIT.train, LAYERS, "float64")
    labels = SPLIT.train.labels
    objective = FullBatchObjective(
        FullBatchRows(SPLIT.train, "float64"),
        LAYERS,
        weights=mllib_row_weights(len(labels), BLOCK_SIZE, PARTITIONS),
    )
    state = training.advance(GD, begun(), 3, NO_DEADLINE)
    x = flatten(begun().weights)
    losses = []
    for _ in range(3):
        x = x - 0.5 * objective(x)[1]
        losses.append(objective(x)[0])
    np.testing.assert_allclose(flatten(state.weights), x, rtol=0, atol=1e-14)
    assert state.losses == pytest.approx(losses, rel=1e-14)


def test_gd_takes_all_its_steps_also_where_they_change_nothing() -> None:
    training = FullBatchTraining(SPLIT.train, LAYERS)
    state = training.advance(replace(GD, learning_rate=1e-30), begun(), 30, NO_DEADLINE)
    assert state.epoch == len(state.losses) == 30
    assert len(set(state.losses)) == 1


def test_gd_without_a_learning_rate_is_refused() -> None:
    training = FullBatchTraining(SPLIT.train, LAYERS)
    with pytest.raises(ValueError, match="a learning rate is needed"):
        training.advance(replace(GD, learning_rate=None), begun(), 3, NO_DEADLINE)


def test_weights_that_are_not_finite_are_a_divergence() -> None:
    training = FullBatchTraining(SPLIT.train, LAYERS)
    with pytest.raises(TrainingFailed) as failed:
        training.advance(replace(GD, learning_rate=1e300), begun(), 3, NO_DEADLINE)
    assert failed.value.failure.cause == "diverged"
    assert failed.value.failure.epoch == 1


def test_balanced_classes_weigh_the_rare_class_up() -> None:
    balanced = replace(LBFGS, class_weight="balanced")
    training = FullBatchTraining(SPLIT.train, LAYERS, "float64")
    state = training.advance(balanced, begun(), 1, NO_DEADLINE)
    labels = SPLIT.train.labels
    factors = class_weights("balanced", labels, LAYERS[-1])
    weights = mllib_row_weights(len(labels), BLOCK_SIZE, PARTITIONS) * factors[labels]
    probabilities = forward(state.weights, SPLIT.train.features)
    losses = -np.log(probabilities[np.arange(len(labels)), labels])
    assert state.losses[-1] == pytest.approx(float(losses @ weights), rel=1e-12)


@pytest.mark.parametrize("configuration", [LBFGS, GD], ids=["l-bfgs", "gd"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_through_checkpoints_it_arrives_at_the_same_bits(
    precision: str, configuration: Configuration, tmp_path: Path
) -> None:
    training = FullBatchTraining(SPLIT.train, LAYERS, precision)  # type: ignore[arg-type]
    whole = training.advance(configuration, begun(), 30, NO_DEADLINE)
    checkpoints = Checkpoints(str(tmp_path))
    state = begun()
    for epoch in (1, 7, 30):
        state = training.advance(configuration, state, epoch, NO_DEADLINE)
        checkpoints.write(0, configuration.key(), state)
        found = checkpoints.newest(0, configuration.key(), epoch)
        assert found is not None
        state = found
    assert state.losses == whole.losses
    for one, other in zip(state.weights, whole.weights, strict=True):
        assert one.dtype == other.dtype == np.dtype(precision)
        assert np.array_equal(one, other)
