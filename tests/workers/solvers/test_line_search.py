"""The line search: what it returns fulfils the strong Wolfe conditions, and what it can't find it says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial

from workers.solvers.line_search import (
    BRACKETING_STEPS,
    CURVATURE,
    SUFFICIENT_DECREASE,
    ZOOM_STEPS,
    LineSearchFailed,
    Trial,
    interpolate,
    strong_wolfe,
)

COEFFICIENT = st.floats(-10, 10)
POSITIVE = st.floats(0.01, 100)


class Along:
    """A function of the step, which counts and keeps what it is asked for."""

    def __init__(self, value: Callable[[float], float], slope: Callable[[float], float]) -> None:
        self._value, self._slope = value, slope
        self.steps: list[float] = []

    def __call__(self, step: np.float64) -> Trial:
        self.steps.append(float(step))
        return self.at(float(step))

    def at(self, step: float) -> Trial:
        return Trial(np.float64(step), np.float64(self._value(step)), np.float64(self._slope(step)))


def parabola(lowest: float, width: float = 1.0) -> Along:
    return Along(lambda t: width * (t - lowest) ** 2, lambda t: 2 * width * (t - lowest))


def of_polynomial(polynomial: Polynomial) -> Along:
    return Along(polynomial, polynomial.deriv())


@given(st.lists(COEFFICIENT, min_size=1, max_size=4), POSITIVE, POSITIVE)
def test_what_is_returned_fulfils_the_strong_wolfe_conditions(
    coefficients: list[float], highest: float, first: float
) -> None:
    # An even degree with a positive first coefficient: bounded from below, so that such a step exists.
    degree = 2 * math.ceil((len(coefficients) + 1) / 2)
    polynomial = Polynomial([*coefficients, *[0.0] * (degree - len(coefficients)), highest])
    if polynomial.deriv()(0.0) > 0:
        polynomial = polynomial(Polynomial([0, -1]))
    along = of_polynomial(polynomial)
    start = along.at(0.0)
    assume(start.slope < -1e-6)
    try:
        found = strong_wolfe(along, start, first)
    except LineSearchFailed:
        # Both limits are Breeze's; a first step that is off by some powers of ten runs into them.
        assert len(along.steps) >= ZOOM_STEPS
        return
    assert found == along.at(along.steps[-1])
    assert found.step > 0
    assert found.value <= start.value + SUFFICIENT_DECREASE * found.step * start.slope
    assert abs(found.slope) <= CURVATURE * abs(start.slope)


@given(lowest=st.floats(0.05, 20), width=POSITIVE)
def test_a_parabola_is_always_searched_with_success(lowest: float, width: float) -> None:
    along = parabola(lowest, width)
    found = strong_wolfe(along, along.at(0.0), 1.0)
    assert abs(found.slope) <= CURVATURE * abs(along.at(0.0).slope)


def test_a_first_step_that_fulfils_them_is_taken_as_it_is() -> None:
    along = parabola(1.2)
    assert strong_wolfe(along, along.at(0.0), 1.0).step == 1.0
    assert along.steps == [1.0]


def test_a_step_that_is_too_short_grows_by_half() -> None:
    along = parabola(1000.0)
    strong_wolfe(along, along.at(0.0), 20.0)
    assert along.steps == [20.0, 30.0, 45.0, 67.5, 101.25]


def test_a_step_past_the_lowest_point_is_interpolated() -> None:
    along = parabola(0.5)
    found = strong_wolfe(along, along.at(0.0), 4.0)
    assert along.steps == [4.0, pytest.approx(0.5)]
    assert found.slope == pytest.approx(0.0)


@pytest.mark.parametrize("beyond", [math.inf, math.nan])
def test_values_that_are_not_finite_halve_the_step(beyond: float) -> None:
    inner = parabola(1.0)
    along = Along(lambda t: beyond if t > 2 else float(inner.at(t).value), lambda t: float(inner.at(t).slope))
    strong_wolfe(along, along.at(0.0), 12.0)
    assert along.steps == [12.0, 6.0, 3.0, 1.5]


def test_a_direction_that_goes_up_is_refused_without_a_try() -> None:
    along = parabola(-1.0)
    with pytest.raises(LineSearchFailed, match="slope of 2"):
        strong_wolfe(along, along.at(0.0), 1.0)
    assert along.steps == []


def test_a_line_that_falls_for_ever_is_given_up() -> None:
    along = Along(lambda t: -t, lambda _: -1.0)
    with pytest.raises(LineSearchFailed, match="10 tries"):
        strong_wolfe(along, along.at(0.0), 1.0)
    assert len(along.steps) == BRACKETING_STEPS
    assert along.steps[-1] == pytest.approx(1.5**9)


def test_a_slope_that_lies_is_given_up() -> None:
    along = Along(lambda t: t, lambda _: -1.0)
    with pytest.raises(LineSearchFailed, match="interval"):
        strong_wolfe(along, along.at(0.0), 1.0)
    assert len(along.steps) == 1 + ZOOM_STEPS


def test_an_interval_that_nothing_can_be_interpolated_in_is_given_up() -> None:
    along = Along(lambda t: 0.0 if t == 0 else 1.0, lambda t: -1.0 if t == 0 else math.nan)
    with pytest.raises(LineSearchFailed, match="not a number"):
        strong_wolfe(along, along.at(0.0), 1.0)


@given(st.lists(COEFFICIENT, min_size=4, max_size=4), st.floats(0, 5), POSITIVE)
def test_interpolation_finds_the_lowest_point_of_a_cubic_within_the_margins(
    coefficients: list[float], left: float, width: float
) -> None:
    cubic = Polynomial(coefficients)
    along = of_polynomial(cubic)
    right = left + width
    assume(abs(coefficients[3]) > 0.1)
    roots = cubic.deriv().roots()
    assume(np.isreal(roots).all() and abs(roots[0] - roots[1]) > 0.1)
    lowest = float(next(root.real for root in roots if cubic.deriv(2)(root.real) > 0))
    bounds = left + 0.1 * width, left + 0.9 * width
    found = interpolate(along.at(left), along.at(right))
    assert found == pytest.approx(np.clip(lowest, *bounds), rel=1e-4, abs=1e-4)
