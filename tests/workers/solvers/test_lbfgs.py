"""L-BFGS on functions whose minimum is known, in one run and in segments."""

from __future__ import annotations

import io
import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.solvers.history import History
from workers.solvers.lbfgs import (
    Convergence,
    LbfgsState,
    Objective,
    begin,
    convergence,
    from_arrays,
    iterations,
    step,
)
from workers.solvers.line_search import CURVATURE, SUFFICIENT_DECREASE

Array = NDArray[np.floating[Any]]


def rosenbrock(x: Array) -> tuple[float, Array]:
    """Least at (1, …, 1), at the end of a bent valley; value 0 there."""
    head, tail = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * head * (tail - head**2) - 2 * (1 - head)
    gradient[1:] += 200 * (tail - head**2)
    return float((100 * (tail - head**2) ** 2 + (1 - head) ** 2).sum()), gradient


def quadratic(size: int, seed: int, condition: float = 100.0) -> tuple[Objective, Array]:
    """A convex quadratic of value 1 at its lowest point, and that point."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(size, size)))
    hessian = basis * np.geomspace(1, condition, size) @ basis.T
    lowest = generator.normal(size=size)

    def objective(x: Array) -> tuple[float, Array]:
        H = hessian.astype(x.dtype)
        away = x - lowest.astype(x.dtype)
        return float(1 + away @ H @ away / 2), H @ away

    return objective, lowest


def run(objective: Objective, x: Array, count: int, tolerance: float = 1e-9) -> list[LbfgsState]:
    """The states from the first on, at most ``count`` of them after it."""
    first = begin(objective, x)
    return [first, *itertools.islice(iterations(objective, first, tolerance), count)]


def same(one: LbfgsState, other: LbfgsState) -> bool:
    """To the bit, with the types."""
    ours, others = one.to_arrays(), other.to_arrays()
    pairs = [(one.x, other.x), *((ours[name], others[name]) for name in ours | others)]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def stored(state: LbfgsState) -> LbfgsState:
    """The state after a way through a file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, x=state.x, **state.to_arrays())
    with np.load(io.BytesIO(file.getvalue()), allow_pickle=False) as arrays:
        return from_arrays(arrays["x"], {name: arrays[name] for name in arrays.files if name != "x"})


@pytest.mark.parametrize("size", [2, 5, 30])
def test_the_lowest_point_of_rosenbrocks_valley_is_found(size: int) -> None:
    last = run(rosenbrock, np.tile([-1.2, 1.0], size)[:size], 500)[-1]
    assert convergence(last, 1e-9) is not None
    assert last.iteration < 250
    assert last.value < 1e-9
    np.testing.assert_allclose(last.x, 1.0, atol=1e-3)


@given(size=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_the_lowest_point_of_a_quadratic_is_found(size: int, seed: int) -> None:
    objective, lowest = quadratic(size, seed)
    last = run(objective, np.zeros(size), 300, 1e-8)[-1]
    assert convergence(last, 1e-8) is not None
    np.testing.assert_allclose(last.x, lowest, atol=1e-3)


@given(size=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_every_iteration_fulfils_the_strong_wolfe_conditions(size: int, seed: int) -> None:
    objective, _ = quadratic(size, seed)
    states = [*run(objective, np.zeros(size), 40), *run(rosenbrock, np.linspace(-1.5, 1.5, size + 1), 40)]
    for before, after in itertools.pairwise(states):
        if after.iteration != before.iteration + 1:
            continue  # a failed iteration, or the other function's start
        moved = after.x - before.x
        slope = before.gradient @ moved
        slack = 1e-12 * abs(before.value)  # the points are rounded
        assert slope < 0
        assert after.value <= before.value + SUFFICIENT_DECREASE * slope + slack
        assert abs(after.gradient @ moved) <= CURVATURE * abs(slope) + slack


def test_the_first_step_is_tried_with_length_1_and_the_next_whole() -> None:
    points = []

    def objective(x: Array) -> tuple[float, Array]:
        points.append(x)
        return float(x @ x) * 1e4, 2e4 * x

    first = begin(objective, np.array([30.0, 40.0]))
    second = step(objective, first)
    assert np.linalg.norm(points[1] - points[0]) == pytest.approx(1.0)
    tried = len(points)
    step(objective, second)
    np.testing.assert_allclose(points[tried] - second.x, second.history.direction(second.gradient))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    size=st.integers(2, 40),
    stops=st.lists(st.integers(0, 30), max_size=4).map(sorted),
    seed=st.integers(0, 2**32),
)
def test_a_run_in_segments_takes_the_same_steps_to_the_bit(
    dtype: type, size: int, stops: list[int], seed: int
) -> None:
    start = np.random.default_rng(seed).normal(size=size).astype(dtype)
    whole = run(rosenbrock, start, 30)
    state, done = whole[0], 0
    for stop in [*stops, 30]:
        state = stored(state)
        for later in itertools.islice(iterations(rosenbrock, state, 1e-9), stop - done):
            state = later
        assert same(state, whole[min(stop, len(whole) - 1)])
        done = stop


def test_iterations_leave_the_state_that_they_begin_from_as_it_was() -> None:
    state = run(rosenbrock, np.array([-1.2, 1.0, 0.5]), 5)[-1]
    before = stored(state)
    list(itertools.islice(iterations(rosenbrock, state), 5))
    assert same(state, before)


def test_the_precision_is_that_of_the_start() -> None:
    objective, lowest = quadratic(6, 1)
    last = run(objective, np.zeros(6, np.float32), 60, 1e-7)[-1]
    arrays = [last.x, last.gradient, *last.history.steps, *last.history.gradient_changes]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    np.testing.assert_allclose(last.x, lowest, atol=1e-2)


def lying(x: Array) -> tuple[float, Array]:
    """Goes up where its gradient says down: no line search can succeed."""
    return float(-(x @ x)) / 2, np.asarray(x.copy())


def test_two_failures_in_a_row_end_the_run_where_it_was() -> None:
    objective, _ = quadratic(4, 2)
    state = run(objective, np.zeros(4), 3)[-1]
    flip: Objective = lambda x: (-objective(x)[0], objective(x)[1])  # noqa: E731
    state = LbfgsState(state.x, *flip(state.x), state.history, state.iteration, state.initial_value)
    first, second = iterations(flip, state, 0.0)
    assert (first.failed_once, first.search_failed, len(first.history.steps)) == (True, False, 0)
    assert (second.failed_once, second.search_failed) == (True, True)
    assert convergence(second, 0.0) is Convergence.SEARCH_FAILED
    assert second.iteration == first.iteration == state.iteration
    assert second.value == state.value
    assert np.array_equal(second.x, state.x)
    assert list(iterations(flip, second)) == []


def test_after_one_failure_the_run_goes_on_down_the_gradient() -> None:
    right, lowest = quadratic(6, 4)
    calls = itertools.count()

    def objective(x: Array) -> tuple[float, Array]:
        value, gradient = right(x)
        # The ten tries of the line search of the fifth iteration or so.
        return (math.nan if 8 <= next(calls) < 18 else value), gradient

    states = run(objective, np.zeros(6), 60)
    failures = [number for number, state in enumerate(states) if state.failed_once]
    assert len(failures) == 1
    before, failed, after = states[failures[0] - 1 : failures[0] + 2]
    assert len(before.history.steps) > 0
    assert failed.history.steps == ()
    assert (failed.value, failed.iteration) == (before.value, before.iteration)
    moved = after.x - failed.x
    cosine = -moved @ failed.gradient / np.linalg.norm(moved) / np.linalg.norm(failed.gradient)
    assert cosine == pytest.approx(1.0)
    assert not after.failed_once
    assert after.iteration == failed.iteration + 1
    np.testing.assert_allclose(states[-1].x, lowest, atol=1e-3)


def test_a_failure_survives_being_stored() -> None:
    failed = step(lying, begin(lying, np.array([1.0, 2.0])))
    assert failed.failed_once
    assert same(stored(failed), failed)
    assert step(lying, stored(failed)).search_failed


@pytest.mark.parametrize(("value", "slope"), [(math.nan, math.nan), (math.inf, math.nan)])
def test_a_start_without_a_finite_value_ends_after_two_failures(value: float, slope: float) -> None:
    def objective(x: Array) -> tuple[float, Array]:
        return value, np.full_like(x, slope)

    states = run(objective, np.ones(3), 10)
    assert [state.iteration for state in states] == [0, 0, 0]
    assert states[-1].search_failed


@pytest.mark.parametrize(("distance", "failed"), [(1e-9, False), (1e-11, True)])
def test_a_step_too_short_to_be_one_counts_as_a_failure(distance: float, failed: bool) -> None:
    def objective(x: Array) -> tuple[float, Array]:
        return float(x @ x) / 2, x.copy()

    state = replace(begin(objective, np.array([distance])), iteration=1)
    after = step(objective, state)
    assert after.failed_once is failed
    assert after.x[0] == (distance if failed else 0.0)


def of(value: float, *recent: float, gradient: float = 1.0, initial: float = 1.0) -> LbfgsState:
    x = np.zeros(1)
    return LbfgsState(x, value, np.array([gradient]), History(), len(recent), initial, recent)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (of(0.5, math.inf, 0.5), None),  # infinity stands there for the first iterations
        (of(0.5, *[0.5] * 19, 0.5), Convergence.VALUES),
        (of(0.5, *[0.5 + 2e-6] * 19, 0.5), None),
        (of(0.5, *[0.5 + 2e-6] * 19, 0.5, initial=3.0), Convergence.VALUES),  # relative to the start
        (of(0.5, math.inf, 0.5, gradient=4e-7), Convergence.GRADIENT),
        (of(0.5, math.inf, 0.5, gradient=6e-7), None),  # relative to the value
        (of(0.0, math.inf, 0.0, gradient=9e-9), Convergence.GRADIENT),
        (of(0.0, math.inf, 0.0, gradient=2e-8), None),
    ],
)
def test_converges_as_breeze_does(state: LbfgsState, reason: Convergence | None) -> None:
    assert convergence(state, 1e-6) is reason


def test_values_are_compared_from_the_twentieth_iteration_on() -> None:
    # Until then infinity is among them, so that no value counts as near to the highest.
    states = run(rosenbrock, np.linspace(-1.5, 1.5, 8), 30, tolerance=0.0)
    assert [state.iteration for state in states] == list(range(31))
    values = [state.value for state in states]
    for number, state in enumerate(states):
        newest = values[max(1, number - 19) : number + 1]
        assert state.recent_values == ((math.inf, *newest) if number < 20 else tuple(newest))
