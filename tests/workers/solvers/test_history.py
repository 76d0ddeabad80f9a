"""The two-loop recursion against the matrix that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.solvers.history import CORRECTIONS, History, HistoryFailed


def drawn_pairs(
    count: int, size: int, seed: int
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Steps on a convex quadratic and what they do to its gradient."""
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(size, size))
    hessian = root @ root.T / size + np.eye(size)
    steps = [generator.normal(size=size) for _ in range(count)]
    return steps, [hessian @ step for step in steps]


def history_of(steps: list[NDArray[np.float64]], changes: list[NDArray[np.float64]]) -> History:
    history = History()
    for step, change in zip(steps, changes, strict=True):
        history = history.updated(step, change)
    return history


def inverse_hessian(
    steps: list[NDArray[np.float64]], changes: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Nocedal and Wright (6.17), update after update, oldest first, from the scaled unit matrix (7.20)."""
    size = steps[-1].size
    H = np.eye(size) * (steps[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for s, y in zip(steps, changes, strict=True):
        V = np.eye(size) - np.outer(y, s) / (y @ s)
        H = V.T @ H @ V + np.outer(s, s) / (y @ s)
    return H


@given(count=st.integers(1, CORRECTIONS + 5), size=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_the_direction_is_minus_the_inverse_hessian_times_the_gradient(
    count: int, size: int, seed: int
) -> None:
    steps, changes = drawn_pairs(count, size, seed)
    gradient = np.random.default_rng(seed + 1).normal(size=size)
    kept = slice(-CORRECTIONS, None)
    expected = -inverse_hessian(steps[kept], changes[kept]) @ gradient
    direction = history_of(steps, changes).direction(gradient)
    np.testing.assert_allclose(direction, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    assert direction @ gradient < 0


def test_without_a_history_it_is_minus_the_gradient_in_memory_of_its_own() -> None:
    gradient = np.array([1.0, -2.0])
    direction = History().direction(gradient)
    assert direction.tolist() == [-1.0, 2.0]
    assert gradient.tolist() == [1.0, -2.0]


def test_the_newest_pairs_are_kept_the_newest_first() -> None:
    vectors = [np.full(2, number) for number in range(CORRECTIONS + 3)]
    history = history_of(vectors, [10 * vector for vector in vectors])
    assert [step[0] for step in history.steps] == list(range(CORRECTIONS + 2, 2, -1))
    assert [change[0] for change in history.gradient_changes] == [10 * step[0] for step in history.steps]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_direction_has_the_precision_of_the_gradient_and_changes_nothing(dtype: type) -> None:
    steps, changes = drawn_pairs(4, 6, 3)
    history = history_of([s.astype(dtype) for s in steps], [y.astype(dtype) for y in changes])
    gradient = np.ones(6, dtype)
    before = [array.copy() for array in (*history.steps, *history.gradient_changes)]
    direction = history.direction(gradient)
    assert direction.dtype == dtype
    assert (gradient == 1).all()
    after = (*history.steps, *history.gradient_changes)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    exact = history_of(steps, changes).direction(np.ones(6))
    np.testing.assert_allclose(direction, exact, rtol=1e-3 if dtype is np.float32 else 1e-12)


def test_a_negative_curvature_is_refused() -> None:
    step = np.array([1.0, 0.0])
    with pytest.raises(HistoryFailed, match="curvature is -1"):
        History().updated(step, -step).direction(np.ones(2))


def test_a_history_that_is_not_numbers_is_refused() -> None:
    step = np.array([1.0, 0.0])
    with pytest.raises(HistoryFailed, match="nan"):
        History().updated(step, step * np.nan).direction(np.ones(2))
    older = np.zeros(2)  # a curvature of 0 / 0
    with pytest.raises(HistoryFailed, match="not a number"):
        History().updated(older, older).updated(step, step).direction(np.ones(2))
