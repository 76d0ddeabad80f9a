"""Scores of many confusion matrices are those of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.confusions import NAMES, score_of
from workers.scores import confusion_of, score


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
