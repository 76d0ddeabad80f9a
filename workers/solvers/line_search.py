"""The line search of L-BFGS: strong Wolfe conditions by cubic interpolation, as Breeze does it.

Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 3.5 (bracketing) and 3.6 (zoom) with the
interpolation (3.59). Which safeguards, factors and limits are taken, and in what order, is that of
``breeze.optimize.StrongWolfeLineSearch`` 2.1.0, which Spark 4.3 ships: with others the path is another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SUFFICIENT_DECREASE = 1e-4
"""c1 of the strong Wolfe conditions."""

CURVATURE = 0.9
"""c2 of the strong Wolfe conditions."""

BRACKETING_STEPS = 10
ZOOM_STEPS = 10

GROWTH = 1.5
"""Factor on a step that goes down enough but is still steep."""

INTERVAL_MARGIN = 0.1
"""Share of the interval at either end from which an interpolated step is moved inwards."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The objective along the search direction, at one step.

    Attributes:
        step: factor on the direction.
        value: the objective there.
        slope: its derivative by the step.
    """

    step: np.float64
    value: np.float64
    slope: np.float64


class LineSearchFailed(Exception):  # noqa: N818  an outcome of the iteration, after which the minimiser continues
    """There is no step that can be taken along this direction."""


def strong_wolfe(evaluate: Callable[[np.float64], Trial], start: Trial, first_step: float) -> Trial:
    """A step that fulfils the strong Wolfe conditions.

    Args:
        evaluate: the objective at a step. Values that aren't finite make the step shorter.
        start: the objective at step 0.
        first_step: what is tried first, above 0.

    Returns:
        The trial that was evaluated last.

    Raises:
        LineSearchFailed: where the direction goes up, or none of at most 20 steps fulfils them.
    """
    if start.slope > 0:
        raise LineSearchFailed(f"the direction goes up, with a slope of {start.slope:g}")
    search = _Search(evaluate, start)
    # Quotients of equal numbers and roots of negative ones are part of it: NaN is looked for afterwards.
    with np.errstate(all="ignore"):
        return search.run(np.float64(first_step))


def interpolate(left: Trial, right: Trial) -> np.float64:
    """The step between two trials at which the cubic through both values and slopes is least.

    It keeps a tenth of the interval away from both ends. NaN where the cubic has no least point.
    """
    width = right.step - left.step
    d1 = left.slope + right.slope - 3 * (left.value - right.value) / (left.step - right.step)
    d2 = np.sqrt(d1 * d1 - left.slope * right.slope)
    step = right.step - width * (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    lower, upper = left.step + INTERVAL_MARGIN * width, left.step + (1 - INTERVAL_MARGIN) * width
    if step < lower:
        return lower
    return upper if step > upper else step


@dataclass(frozen=True, slots=True)
class _Search:
    """One line search: what both of its phases compare with."""

    evaluate: Callable[[np.float64], Trial]
    start: Trial

    def run(self, step: np.float64) -> Trial:
        """Lengthen the step until it is acceptable or an interval must hold one that is."""
        low = self.start
        for number in range(BRACKETING_STEPS):
            trial = self.evaluate(step)
            if not np.isfinite(trial.value):
                step = step / 2
                continue
            if self._too_high(trial) or (number > 0 and trial.value >= low.value):
                return self._zoom(low, trial)
            if self._flat_enough(trial):
                return trial
            if trial.slope >= 0:
                return self._zoom(trial, low)
            low, step = trial, step * GROWTH
        raise LineSearchFailed(f"no step was found in {BRACKETING_STEPS} tries")

    def _zoom(self, low: Trial, high: Trial) -> Trial:
        """Narrow an interval that holds an acceptable step; ``low`` is the best trial so far that goes down.

        ``high`` may lie on either side of ``low``.
        """
        for _ in range(ZOOM_STEPS):
            left, right = (high, low) if low.step > high.step else (low, high)
            step = interpolate(left, right)
            if np.isnan(step):
                raise LineSearchFailed("the interpolated step is not a number")
            trial = self.evaluate(step)
            if self._too_high(trial) or trial.value >= low.value:
                high = trial
                continue
            if self._flat_enough(trial):
                return trial
            if trial.slope * (high.step - low.step) >= 0:
                high = low
            low = trial
        raise LineSearchFailed(f"no step was found in an interval in {ZOOM_STEPS} tries")

    def _too_high(self, trial: Trial) -> bool:
        start = self.start
        return bool(trial.value > start.value + SUFFICIENT_DECREASE * trial.step * start.slope)

    def _flat_enough(self, trial: Trial) -> bool:
        return bool(abs(trial.slope) <= CURVATURE * abs(self.start.slope))
