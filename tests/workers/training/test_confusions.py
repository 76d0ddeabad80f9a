"""Scores of many confusion matrices are those of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.training.confusions import NAMES, score_of, slopes_of
from workers.training.scores import confusion_of, score


@given(classes=st.integers(2, 4), rows=st.integers(1, 30), seed=st.integers(0, 2**16))
def test_they_are_those_that_trials_get(classes: int, rows: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(classes, size=rows)
    probabilities = draw.random((5, rows, classes))
    probabilities /= probabilities.sum(axis=2, keepdims=True)
    stacked = np.stack([confusion_of(labels, one.argmax(axis=1), classes) for one in probabilities])
    for name in NAMES:
        found = score_of(stacked, name, 1)
        wanted = [getattr(score(labels, one, 1), name) for one in probabilities]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_nothing_to_divide_by_is_zero() -> None:
    empty = np.zeros((2, 2), dtype=np.int64)
    assert [float(score_of(empty, name, 1)) for name in NAMES] == [0.0] * len(NAMES)


def test_a_score_that_ranks_decide_is_refused() -> None:
    with pytest.raises(ValueError, match="average_precision"):
        score_of(np.eye(2), "average_precision", 1)


@given(
    classes=st.integers(2, 4),
    name=st.sampled_from(NAMES),
    cell=st.tuples(*[st.integers(0, 1)] * 3),
    seed=st.integers(0, 2**16),
)
def test_slopes_are_what_a_row_predicted_as_another_class_changes(
    classes: int, name: str, cell: tuple[int, int, int], seed: int
) -> None:
    counts = np.random.default_rng(seed).integers(1, 30, (3, classes, classes)).astype(np.float64)
    row, column, other = cell
    step = np.zeros((classes, classes))
    step[row, column] += 1e-5
    step[row, other] -= 1e-5
    slopes = slopes_of(counts, name, 1)
    assert slopes.shape == counts.shape
    change = score_of(counts + step, name, 1) - score_of(counts - step, name, 1)
    np.testing.assert_allclose(change / 2e-5, slopes[:, row, column] - slopes[:, row, other], atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_of_nothing_are_zero(name: str) -> None:
    assert not slopes_of(np.zeros((2, 2)), name, 1).any()
