"""Gradient descent as Spark MLlib runs it, one iteration at a time, with all that it carries in plain arrays.

MultilayerPerceptronClassifier's solver ``gd`` is ``mllib.optimization.GradientDescent`` with a sample of all
rows and with ``ml.ann.ANNUpdater``, which takes a constant step and adds no penalty. The step of MLlib's
linear models, ``SimpleUpdater``'s, shrinks with the square root of the iteration; this one doesn't.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.solvers.history import Vector
from workers.solvers.lbfgs import Objective


@dataclass(frozen=True, eq=False, slots=True)
class DescentState:
    """Where a run is, and all that its next iteration depends on.

    Attributes:
        x: the point.
        value, gradient: the objective there.
        iteration: iterations done.
    """

    x: Vector
    value: float
    gradient: Vector
    iteration: int

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """All but the point, by name, as :func:`from_arrays` takes it."""
        return {
            "gradient": self.gradient,
            "value": np.array(self.value, dtype=np.float64),
            "iteration": np.array(self.iteration, dtype=np.int64),
        }


def from_arrays(x: Vector, arrays: Mapping[str, NDArray[Any]]) -> DescentState:
    """The state at ``x`` that :meth:`DescentState.to_arrays` took apart. It shares memory with the arrays."""
    return DescentState(x, float(arrays["value"]), arrays["gradient"], int(arrays["iteration"]))


def begin(objective: Objective, x: Vector) -> DescentState:
    """The state before the first iteration. Evaluates the objective once.

    Args:
        objective: what to minimise.
        x: (parameters,) where to start; its precision is that of the whole run.
    """
    return DescentState(x, *objective(x), iteration=0)


def iterations(objective: Objective, state: DescentState, step_size: float) -> Iterator[DescentState]:
    """The states after this one, without end. Each evaluates the objective once."""
    while True:
        with np.errstate(over="ignore", invalid="ignore"):  # who asked for the step looks at the numbers
            x = state.x - state.gradient * state.gradient.dtype.type(step_size)
        state = DescentState(x, *objective(x), iteration=state.iteration + 1)
        yield state
