"""Intervals of one network's score over rows, against the posterior's closed forms and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from search.evaluation.row_noise import logit_interval, row_interval
from workers.training.confusions import NAMES, score_of


def test_recall_has_jeffreys_interval() -> None:
    """With half a row of each kind added a share is of a beta distribution."""
    low, high = beta.ppf([0.025, 0.975], 18.5, 7.5)
    assert row_interval([[90, 4], [7, 18]], "recall", 1) == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize("metric", sorted(set(NAMES) - {"mcc"}))
def test_four_rows_all_wrong_or_all_right_leave_room(metric: str) -> None:
    wrong, right = row_interval([[0, 4], [4, 0]], metric, 1), row_interval([[4, 0], [0, 4]], metric, 1)
    assert wrong is not None
    assert right is not None
    assert wrong[0] == 0.0
    assert wrong[1] > 0.25
    assert right[0] < 0.8
    assert right[1] == 1.0


def test_a_score_that_needs_probabilities_and_no_rows_at_all_have_none() -> None:
    assert row_interval([[4, 0], [0, 4]], "average_precision", 1) is None
    assert row_interval([[0, 0], [0, 0]], "f1", 1) is None
    assert row_interval([[10, 0], [0, 0]], "recall", 1) == (0.0, 0.0)


@given(classes=st.integers(2, 4), metric=st.sampled_from(NAMES), seed=st.integers(0, 2**16))
def test_it_holds_the_score_and_stays_within_what_that_can_be(classes: int, metric: str, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 5, (classes, classes))
    found = row_interval(counts, metric, 1)
    if found is not None:
        assert -1.0 <= found[0] <= float(score_of(counts, metric, 1)) <= found[1] <= 1.0


def test_a_share_of_few_rows_is_covered() -> None:
    """Recall 0.8 of 6 rows: the chances of each count, and whether its interval holds 0.8."""
    held = 0.0
    for hits in range(7):
        low, high = row_interval([[40, 0], [6 - hits, hits]], "recall", 1) or (0.0, 0.0)
        chance = [0.000064, 0.001536, 0.01536, 0.08192, 0.24576, 0.393216, 0.262144][hits]
        held += chance * (low <= 0.8 <= high)
    assert 0.92 <= held <= 0.99


def test_hundreds_of_classes_are_drawn_less_often() -> None:
    counts = 3 * np.eye(150) + np.eye(150, k=1)
    low, high = row_interval(counts, "f1_macro", 1) or (0.0, 0.0)
    middle = float(score_of(counts, "f1_macro", 1))
    assert middle - low == pytest.approx(high - middle, rel=0.8)


def test_all_other_classes_are_one_where_only_the_positive_one_counts() -> None:
    counts = [[40, 1, 9], [2, 6, 0], [12, 2, 30]]
    assert row_interval(counts, "f1", 1) == row_interval([[91, 3], [2, 6]], "f1", 1)


def test_a_score_of_ranks_has_the_interval_of_its_logit() -> None:
    low, high = logit_interval(0.9, 0.0004, 130)
    assert 0.9 - low == pytest.approx(0.049, abs=0.002)
    assert 0.9 - low > high - 0.9
    assert logit_interval(1.0, 0.0004, 6)[1] == 1.0
    assert logit_interval(0.0, 0.0, 6)[0] == 0.0
