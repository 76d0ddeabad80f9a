"""The curvature history of L-BFGS: its last steps and what they did to the gradient.

Nocedal, Updating quasi-Newton matrices with limited storage, Mathematics of Computation 35 (1980); Nocedal
and Wright, Numerical Optimization, 2nd edition, algorithm 7.4 with the scaling (7.20). What counts as a
history that can't be used is that of ``breeze.optimize.LBFGS.ApproximateInverseHessian`` 2.1.0.

Without BLAS, whose sums depend on the number of its threads, and whose threads wait for each other where the
cores are busy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORRECTIONS = 10
"""Steps that are remembered: MLlib's numCorrections."""

Vector = NDArray[np.floating[Any]]
"""(parameters,) float32 or float64, C order; never changed once it is part of a state."""


class HistoryFailed(Exception):  # noqa: N818  an outcome of the iteration, after which the minimiser continues
    """The history describes no curvature that a minimum could have."""


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """At most :data:`CORRECTIONS` pairs, the newest first.

    Attributes:
        steps: difference between two points.
        gradient_changes: difference between the gradients there.
        curvatures: inner product of the two.
    """

    steps: tuple[Vector, ...] = ()
    gradient_changes: tuple[Vector, ...] = ()
    curvatures: tuple[np.float64, ...] = ()

    def updated(self, step: Vector, gradient_change: Vector) -> History:
        """The history with a new pair, without the oldest where there are too many."""
        return History(
            (step, *self.steps)[:CORRECTIONS],
            (gradient_change, *self.gradient_changes)[:CORRECTIONS],
            (inner_product(step, gradient_change), *self.curvatures)[:CORRECTIONS],
        )

    def direction(self, gradient: Vector) -> Vector:
        """(parameters,) minus the approximate inverse Hessian times the gradient; in memory of its own.

        Raises:
            HistoryFailed: where the newest pair has a negative curvature, or a number isn't one.
        """
        pairs = list(zip(self.steps, self.gradient_changes, self.curvatures, strict=True))
        direction = gradient.copy()
        term = np.empty_like(gradient)
        with np.errstate(all="ignore"):
            scale = self._scale()
            factors = []
            for step, change, curvature in pairs:
                factor = inner_product(step, direction) / curvature
                if np.isnan(factor):
                    raise HistoryFailed("a factor of the history is not a number")
                factors.append(factor)
                _add(direction, -factor, change, term)
            direction *= scale
            for (step, change, curvature), factor in zip(reversed(pairs), reversed(factors), strict=True):
                _add(direction, factor - inner_product(change, direction) / curvature, step, term)
        return np.negative(direction, out=direction)

    def _scale(self) -> np.float64:
        """The size that the newest pair gives the inverse Hessian: s·y / y·y."""
        if not self.curvatures:
            return np.float64(1.0)
        curvature, change = self.curvatures[0], self.gradient_changes[0]
        if curvature < 0 or np.isnan(curvature):
            raise HistoryFailed(f"the newest curvature is {curvature:g}")
        return np.float64(curvature / inner_product(change, change))


def inner_product(first: Vector, second: Vector) -> np.float64:
    """Sum of the products, in the precision of the vectors; the same bits on any number of cores."""
    return np.float64(np.einsum("i,i->", first, second))


def _add(total: Vector, factor: np.float64, vector: Vector, term: Vector) -> None:
    """Add a multiple of a vector in place; ``term`` is memory for it."""
    np.multiply(vector, factor.astype(vector.dtype), out=term)
    total += term
