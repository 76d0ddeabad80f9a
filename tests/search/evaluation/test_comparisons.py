"""Means and differences over seeds and rows, against closed forms and known truths."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as students_t

from search.evaluation.comparisons import LEVEL, Scored, Spread, holm, mean_interval, of_new_network

SCORES = (0.70, 0.74, 0.79, 0.81, 0.90)
WITHOUT_ROWS = np.zeros((5, 5))


def test_without_noise_of_rows_a_mean_has_students_interval() -> None:
    spread = Scored([SCORES], WITHOUT_ROWS).of_mean(0)
    low, high = mean_interval(float(np.mean(SCORES)), spread, (0.78, 0.79), 0.0, (0.0, 1.0))
    error = float(np.std(SCORES, ddof=1)) / math.sqrt(5)
    assert (low, high) == pytest.approx(students_t.interval(0.95, 4, np.mean(SCORES), error))


def test_two_configurations_without_noise_of_rows_are_compared_by_welch() -> None:
    """B. L. Welch, "The generalization of Student's problem", Biometrika 34, 1947; as in scipy.stats."""
    from scipy.stats import ttest_ind

    other = (0.60, 0.61, 0.66)
    scored = Scored([SCORES, other], np.zeros((8, 8)))
    spread = scored.of_difference(0, 1)
    value = scored.mean(0) - scored.mean(1)
    assert spread.p_value(value) == pytest.approx(ttest_ind(SCORES, other, equal_var=False).pvalue)


def test_rows_that_all_networks_share_cancel_in_a_difference() -> None:
    covariance = np.full((4, 4), 0.0004)
    scored = Scored([(0.8, 0.82), (0.7, 0.72)], covariance)
    assert scored.of_mean(0).rows == pytest.approx(0.0004)
    assert scored.of_difference(0, 1).rows == 0.0


def test_what_a_row_is_to_one_network_alone_counts_once() -> None:
    """Networks share half of their variance by rows: the other half is what seeds are seen to vary by."""
    block = np.full((3, 3), 0.0002) + np.diag(np.full(3, 0.0002))
    scored = Scored([(0.80, 0.83, 0.86)], block)
    spread = scored.of_mean(0)
    assert spread.seeds == pytest.approx(0.03**2 / 3)
    assert spread.rows == pytest.approx(0.0002)
    assert scored.row_share(0) == pytest.approx(0.5)


def test_seeds_that_agree_by_luck_vary_no_less_than_their_rows_do() -> None:
    block = np.full((3, 3), 0.0002) + np.diag(np.full(3, 0.0003))
    assert Scored([(0.8, 0.8, 0.8)], block).of_mean(0).seeds == pytest.approx(0.0003 / 3)


def test_a_single_training_varies_as_the_others_do_by_seed_and_alone_by_rows() -> None:
    assert Scored([(0.8,)], np.array([[0.0004]])).of_mean(0) == Spread(0.0, 0.0004, math.inf)
    both = Scored([(0.8, 0.82, 0.84), (0.7,)], np.zeros((4, 4)))
    assert both.of_mean(1).seeds == pytest.approx(0.02**2)
    assert Scored([(0.8, 0.82, 0.84), (0.7,)], np.zeros((4, 4)), fixed=[1]).of_mean(1).seeds == 0.0


def test_a_new_network_on_new_rows_varies_by_its_own_seed_and_rows_too() -> None:
    new = of_new_network(Spread(0.0002, 0.0003, 4.0), 5)
    assert new.seeds == pytest.approx(0.001 + 0.0002)
    assert new.rows == pytest.approx(0.0006)
    assert new.freedom == 4.0


def test_without_a_spread_only_no_difference_is_no_difference() -> None:
    nothing = Spread(0.0, 0.0, math.inf)
    assert nothing.p_value(0.0) == 1.0
    assert nothing.p_value(0.1) == 0.0


def test_an_interval_leans_as_that_of_rows_does_and_stays_within_bounds() -> None:
    low, high = mean_interval(0.97, Spread(0.0, 0.0004, math.inf), (0.90, 0.99), 1.0, (0.0, 1.0))
    assert (low, high) == pytest.approx((0.90, 0.99))
    assert mean_interval(0.97, Spread(0.04, 0.0, 2.0), (0.9, 0.99), 1.0, (0.0, 1.0)) == pytest.approx(
        (0.11, 1), abs=0.02
    )


@given(seeds=st.floats(1e-8, 0.1), rows=st.floats(0, 0.1), freedom=st.floats(1, 50), value=st.floats(-1, 1))
def test_an_interval_leaves_out_zero_just_where_the_p_value_is_small(
    seeds: float, rows: float, freedom: float, value: float
) -> None:
    spread = Spread(seeds, rows, freedom)
    half = spread.quantile() * spread.error
    if abs(abs(value) - half) > 1e-9:
        assert (abs(value) > half) == (spread.p_value(value) < LEVEL)


def test_holm_by_hand() -> None:
    assert holm([]) == ()
    assert holm([0.04]) == (1.0,)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((3.0, 1.5, 2.0))
    assert holm([0.0, 0.0]) == (2.0, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    factors = holm(p_values)
    assert all(1.0 - 1e-12 <= factor <= len(p_values) + 1e-12 for factor in factors)
    corrected = [factor * p for factor, p in zip(factors, p_values, strict=True)]
    by_raw = sorted(range(len(p_values)), key=lambda index: p_values[index])
    ordered = [corrected[index] for index in by_raw]
    assert all(one <= other * (1 + 1e-12) for one, other in pairwise(ordered))
