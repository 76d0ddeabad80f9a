"""L-BFGS as Spark MLlib runs it, one iteration at a time, with all that it carries in plain arrays.

MLlib's ``mllib.optimization.LBFGS`` calls ``breeze.optimize.LBFGS`` with 10 corrections. What is followed
here is Breeze 2.1.0, which Spark 4.3 ships: ``FirstOrderMinimizer`` for the order of things, for when it has
converged and for what it does where an iteration fails; ``LBFGS`` for the first step and the smallest. From
the same start the objectives are those of Spark until rounding parts the two paths, some tens of iterations
later. The algorithm itself is Liu and Nocedal, On the limited memory BFGS method for large scale
optimization, Mathematical Programming 45 (1989); Nocedal and Wright, Numerical Optimization, 2nd edition,
algorithm 7.5.

An iteration depends on nothing but the state and the objective. A run that is stopped and resumes from its
state takes the same steps, to the bit, as one that isn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.solvers.history import History, HistoryFailed, Vector, inner_product
from workers.solvers.line_search import LineSearchFailed, Trial, strong_wolfe

TOLERANCE = 1e-6
"""MLlib's default tol."""

VALUES_COMPARED = 20
"""Objectives among which the last must be no news for a run to count as converged."""

SMALLEST_GRADIENT = 1e-8
"""Norm of the gradient at which a run counts as converged at any tolerance."""

SMALLEST_STEP = 1e-10
"""Step length times norm of the gradient below which a step counts as none."""

Objective = Callable[[Vector], tuple[float, Vector]]
"""(parameters,) → value and gradient, in the same precision; the gradient in memory of its own."""


class Convergence(StrEnum):
    """Why a run ends by itself."""

    VALUES = "function values converged"
    GRADIENT = "gradient converged"
    SEARCH_FAILED = "line search failed"


@dataclass(frozen=True, eq=False, slots=True)
class LbfgsState:
    """Where a run is, and all that its next iteration depends on.

    Attributes:
        x: the point.
        value, gradient: the objective there.
        history: curvature of the last iterations.
        iteration: iterations done; one that failed counts for none.
        initial_value: the objective at iteration 0.
        recent_values: the last objectives, the newest last; infinity in place of the initial one.
        failed_once: whether the iteration before failed, so that the history was dropped.
        search_failed: whether two failed in a row, which ends the run.
    """

    x: Vector
    value: float
    gradient: Vector
    history: History
    iteration: int
    initial_value: float
    recent_values: tuple[float, ...] = (float("inf"),)
    failed_once: bool = False
    search_failed: bool = False

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """All but the point, by name, as :func:`from_arrays` takes it; the history as (pairs, parameters)."""
        return {
            "gradient": self.gradient,
            "steps": _stacked(self.history.steps, self.x),
            "gradient_changes": _stacked(self.history.gradient_changes, self.x),
            "curvatures": np.array(self.history.curvatures, dtype=np.float64),
            "value": np.array(self.value, dtype=np.float64),
            "initial_value": np.array(self.initial_value, dtype=np.float64),
            "recent_values": np.array(self.recent_values, dtype=np.float64),
            "iteration": np.array(self.iteration, dtype=np.int64),
            "failed_once": np.array(self.failed_once),
            "search_failed": np.array(self.search_failed),
        }


def from_arrays(x: Vector, arrays: Mapping[str, NDArray[Any]]) -> LbfgsState:
    """The state at ``x`` that :meth:`LbfgsState.to_arrays` took apart. It shares memory with the arrays."""
    return LbfgsState(
        x=x,
        value=float(arrays["value"]),
        gradient=arrays["gradient"],
        history=History(
            tuple(arrays["steps"]), tuple(arrays["gradient_changes"]), tuple(arrays["curvatures"])
        ),
        iteration=int(arrays["iteration"]),
        initial_value=float(arrays["initial_value"]),
        recent_values=tuple(arrays["recent_values"].tolist()),
        failed_once=bool(arrays["failed_once"]),
        search_failed=bool(arrays["search_failed"]),
    )


def begin(objective: Objective, x: Vector) -> LbfgsState:
    """The state before the first iteration. Evaluates the objective once.

    Args:
        objective: what to minimise.
        x: (parameters,) where to start; its precision is that of the whole run.
    """
    value, gradient = objective(x)
    return LbfgsState(x, value, gradient, History(), iteration=0, initial_value=value)


def step(objective: Objective, state: LbfgsState) -> LbfgsState:
    """One iteration. Evaluates the objective once or more, at most 20 times.

    Where it fails, for the first time in a row, the state comes back without its history, and the next
    iteration goes down the gradient. Where that fails too, it comes back with ``search_failed``.
    """
    try:
        direction = state.history.direction(state.gradient)
        x, value, gradient = _searched(objective, state, direction)
    except (LineSearchFailed, HistoryFailed):
        if state.failed_once:
            return replace(state, search_failed=True)
        return replace(state, history=History(), failed_once=True)
    return LbfgsState(
        x=x,
        value=value,
        gradient=gradient,
        history=state.history.updated(x - state.x, gradient - state.gradient),
        iteration=state.iteration + 1,
        initial_value=state.initial_value,
        recent_values=(*state.recent_values, value)[-VALUES_COMPARED:],
    )


def convergence(state: LbfgsState, tolerance: float = TOLERANCE) -> Convergence | None:
    """Why the run ends at this state, or nothing. Both of Breeze's tolerances are relative.

    Args:
        state: of any iteration.
        tolerance: for the values, of the initial objective: the last one is that near to the highest of
            :data:`VALUES_COMPARED`. For the norm of the gradient, of the objective.
    """
    with np.errstate(invalid="ignore"):  # from a start that is infinite
        news = abs(state.value - np.max(state.recent_values))
    if len(state.recent_values) >= 2 and news <= tolerance * abs(state.initial_value):
        return Convergence.VALUES
    if _norm(state.gradient) <= max(tolerance * abs(state.value), SMALLEST_GRADIENT):
        return Convergence.GRADIENT
    return Convergence.SEARCH_FAILED if state.search_failed else None


def iterations(objective: Objective, state: LbfgsState, tolerance: float = TOLERANCE) -> Iterator[LbfgsState]:
    """The states after this one, until the run ends by itself; none where it has ended.

    A state whose ``iteration`` is that of the one before is a failed iteration: it repeats the point. Breeze
    yields it as well, so that Spark's objectiveHistory has the value twice.
    """
    while convergence(state, tolerance) is None:
        state = step(objective, state)
        yield state


def _searched(objective: Objective, state: LbfgsState, direction: Vector) -> tuple[Vector, float, Vector]:
    """The point that the line search chooses along a direction, its value and its gradient."""
    last = state.x, state.value, state.gradient

    def evaluate(length: np.float64) -> Trial:
        nonlocal last
        x = direction * length.astype(direction.dtype)
        x += state.x
        value, gradient = objective(x)
        last = x, value, gradient
        return Trial(length, np.float64(value), inner_product(gradient, direction))

    with np.errstate(all="ignore"):
        start = Trial(np.float64(0.0), np.float64(state.value), inner_product(state.gradient, direction))
        first = 1.0 / _norm(direction) if state.iteration == 0 else np.float64(1.0)
        chosen = strong_wolfe(evaluate, start, first)
    if chosen.step * _norm(state.gradient) < SMALLEST_STEP:
        raise LineSearchFailed(f"the step of {chosen.step:g} is too short to be one")
    return last


def _norm(vector: Vector) -> np.float64:
    return np.float64(np.sqrt(inner_product(vector, vector)))


def _stacked(vectors: tuple[Vector, ...], like: Vector) -> Vector:
    """(vectors, parameters), also where there are none."""
    return np.stack(vectors) if vectors else np.empty((0, like.size), like.dtype)
