"""Trains on all rows at once, as Spark's two solvers do: MLlib's objective and steps, in TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from studies.data.split import Rows
from studies.records.reports import Failure
from studies.space.configuration import DEFAULT_ACTIVATION, DEFAULT_CLASS_WEIGHT, Configuration
from workers.solvers import gradient_descent, lbfgs
from workers.solvers.gradient_descent import DescentState
from workers.solvers.history import Vector
from workers.solvers.lbfgs import LbfgsState
from workers.solvers.mllib import BLOCK_SIZE, PARTITIONS
from workers.tensorflow.objective import FullBatchObjective, FullBatchRows, Precision, mllib_row_weights
from workers.training.network import class_weights, flatten, unflatten
from workers.training.trainer import Deadline, State, TrainingFailed

OPTIMIZERS = ("l-bfgs", "gd")
"""Breeze's l-bfgs, and gradient descent with a constant step: named as Spark's solvers are."""


Point = DescentState | LbfgsState
"""Where a run of either is."""


class FullBatchTraining:
    """l-bfgs and gd on the training rows of one split, with the same objective as MLlib's.

    Rows weigh what they weigh in MLlib, which averages the means of blocks, so that a run follows that of
    Spark from the same start; see :func:`workers.tensorflow.objective.mllib_row_weights`.

    Args:
        rows: to train on; copied to the device when the first trial needs them.
        layers: (features, *hidden, classes).
        precision: of weights and arithmetic. float32 is more than twice as fast; float64 follows Spark's
            weights and objectives to rounding.
    """

    def __init__(self, rows: Rows, layers: Sequence[int], precision: Precision = "float32") -> None:
        self._rows = rows
        self._layers = tuple(layers)
        self._precision: Precision = precision
        self._lock = threading.Lock()
        self._on_device: FullBatchRows | None = None

    def advance(self, configuration: Configuration, state: State, epoch: int, deadline: Deadline) -> State:
        """Iterate until ``epoch`` iterations are done in all, or l-bfgs has converged before.

        As with Spark's, a converged run has fewer losses than epochs, and a failed line search, after which
        Breeze begins a new curvature history, is no iteration. gd takes all its steps.

        Raises:
            TrainingFailed: with cause ``data`` where there are no rows, ``diverged`` where the objective
                or a weight isn't finite, ``timeout`` where the deadline passes.
            ValueError: where the configuration has gd and no learning rate.
        """
        if not len(self._rows):
            raise TrainingFailed(Failure("data", "there are no training rows", state.epoch))
        deadline.check(state.epoch)
        objective = self._objective(configuration)
        with np.errstate(over="ignore"):  # what is too large for float32 is found by the check below
            x = flatten(state.weights).astype(self._precision)
        current, following = _run(objective, x, configuration, state)
        _check_finite(current)
        losses = list(state.losses)
        if current.iteration < epoch:
            for after in following:
                if after.iteration > current.iteration:
                    losses.append(after.value)
                current = after
                _check_finite(current)
                if current.iteration == epoch:
                    break
                deadline.check(current.iteration)
        weights = unflatten(current.x, self._layers)
        return replace(
            state,
            epoch=epoch,
            weights=tuple(array.astype(self._precision) for array in weights),
            slots=current.to_arrays(),
            losses=tuple(losses),
        )

    def _objective(self, configuration: Configuration) -> FullBatchObjective:
        with self._lock:
            self._on_device = self._on_device or FullBatchRows(self._rows, self._precision)
        labels = self._rows.labels
        by_class = class_weights(configuration.class_weight or DEFAULT_CLASS_WEIGHT, labels, self._layers[-1])
        return FullBatchObjective(
            self._on_device,
            self._layers,
            weights=mllib_row_weights(len(labels), BLOCK_SIZE, PARTITIONS) * by_class[labels],
            activation=configuration.activation or DEFAULT_ACTIVATION,
            weight_decay=configuration.weight_decay or 0.0,
        )


def _run(
    objective: FullBatchObjective, x: Vector, configuration: Configuration, state: State
) -> tuple[Point, Iterator[Point]]:
    """Where the trial's optimizer is, and where it will be after each iteration from there."""
    if configuration.optimizer == "gd":
        if configuration.learning_rate is None:
            raise ValueError(f"{configuration.describe()}: a learning rate is needed")
        descent = (
            gradient_descent.from_arrays(x, state.slots)
            if state.slots
            else gradient_descent.begin(objective, x)
        )
        return descent, gradient_descent.iterations(objective, descent, configuration.learning_rate)
    start = lbfgs.from_arrays(x, state.slots) if state.slots else lbfgs.begin(objective, x)
    return start, lbfgs.iterations(objective, start)


def _check_finite(point: Point) -> None:
    """The weights too: an objective can be finite at weights that aren't."""
    finite = np.isfinite(point.x).all()
    if finite and np.isfinite(point.value):
        return
    message = f"{'objective' if finite else 'weights'} not finite after iteration {point.iteration}"
    raise TrainingFailed(Failure("diverged", message, point.iteration))
