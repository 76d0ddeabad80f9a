"""Gradient descent on a bowl whose path is known."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.solvers.gradient_descent import begin, from_arrays, iterations

CURVATURES = np.array([1.0, 4.0, 0.5])
START = np.array([1.0, -2.0, 3.0])


class Bowl:
    """Half the weighted sum of squares, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, x: NDArray[np.floating]) -> tuple[float, NDArray[np.floating]]:
        self.asked += 1
        curvatures = CURVATURES.astype(x.dtype)
        return float(0.5 * (curvatures * x * x).sum()), curvatures * x


def test_every_step_is_as_long_as_the_first() -> None:
    bowl = Bowl()
    states = list(islice(iterations(bowl, begin(bowl, START), 0.1), 12))
    assert [state.iteration for state in states] == list(range(1, 13))
    for state in states:
        np.testing.assert_allclose(state.x, START * (1 - 0.1 * CURVATURES) ** state.iteration, rtol=1e-14)
        assert state.value == pytest.approx(0.5 * (CURVATURES * state.x**2).sum(), rel=1e-14)
    assert bowl.asked == 13


def test_a_run_that_stops_goes_on_with_the_same_bits_and_asks_for_nothing_again() -> None:
    bowl = Bowl()
    whole = list(islice(iterations(bowl, begin(bowl, START), 0.3), 9))[-1]
    asked = bowl.asked
    stopped = list(islice(iterations(bowl, begin(bowl, START), 0.3), 4))[-1]
    again = from_arrays(stopped.x, stopped.to_arrays())
    last = list(islice(iterations(bowl, again, 0.3), 5))[-1]
    assert bowl.asked == 2 * asked
    assert last.iteration == whole.iteration == 9
    assert last.value == whole.value
    assert np.array_equal(last.x, whole.x)


def test_the_precision_is_that_of_the_start() -> None:
    bowl = Bowl()
    state = next(iterations(bowl, begin(bowl, START.astype(np.float32)), 0.1))
    assert state.x.dtype == state.gradient.dtype == np.float32


def test_a_step_past_all_numbers_gives_no_warning() -> None:
    bowl = Bowl()
    with np.errstate(over="ignore"):
        state = next(iterations(bowl, begin(bowl, START.astype(np.float32)), 1e300))
    assert not np.isfinite(state.x).any()
