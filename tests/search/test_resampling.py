"""The statistics of finalists, against closed forms, laws, and truths that are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from search import resampling
from search.resampling import Table, drawn_means, drawn_scores, draws_for, holm, interval, p_value
from workers.scores import METRICS, metric_of, score


def says(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(rows, 2) probabilities of a network that is sure."""
    return np.eye(2)[classes]


def table(labels: NDArray[np.int64], *said: NDArray[np.int64]) -> Table:
    return Table(labels, [says(one) for one in said], 1)


def test_the_rows_of_each_class_vary_as_their_binomials() -> None:
    """Accuracy of n rows, n_c of each class and p_c of them hit: variance sum of n_c p_c (1 - p_c) / n²."""
    labels = np.repeat([0, 1], [160, 40])
    said = labels.copy()
    said[:30] = 1
    said[-10:] = 0
    drawn = drawn_scores(table(labels, said), "accuracy", 20_000, 1)[:, 0]
    hit = np.array([130 / 160, 30 / 40])
    variance = (np.array([160, 40]) * hit * (1 - hit)).sum() / 200**2
    assert drawn.mean() == pytest.approx(160 / 200, abs=4 * math.sqrt(variance / 20_000))
    assert drawn.var() == pytest.approx(variance, rel=0.05)
    low, high = interval(drawn, 0.0, 1.0)
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(variance), rel=0.08)


def test_recall_of_rows_that_are_drawn_within_their_class_keeps_its_denominator() -> None:
    labels = np.repeat([0, 1], [95, 5])
    drawn = drawn_scores(table(labels, labels * 0), "recall", 500, 1)
    assert (drawn == 0.0).all()
    drawn = drawn_scores(table(labels, labels), "f1", 500, 1)
    assert (drawn == 1.0).all(), "a draw without positive rows would have F1 0"


@given(seed=st.integers(0, 2**16), metric=st.sampled_from(METRICS))
def test_a_draw_is_the_score_of_the_drawn_rows(seed: int, metric: str) -> None:
    """The rows of one class are all alike, so that every draw is the rows themselves."""
    draw = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], draw.integers(1, 9, size=3))
    of_class = draw.random((4, 3, 3))
    probabilities = [one[labels] / one[labels].sum(axis=1, keepdims=True) for one in of_class]
    drawn = drawn_scores(Table(labels, probabilities, 1), metric, 20, seed)
    wanted = [metric_of(score(labels, one, 1), metric) for one in probabilities]
    np.testing.assert_allclose(drawn, np.tile(wanted, (20, 1)), atol=1e-6)


@pytest.mark.parametrize("metric", ["f1", "average_precision"])
def test_all_trainings_are_scored_on_the_same_drawn_rows(metric: str) -> None:
    draw = np.random.default_rng(2)
    labels = draw.integers(2, size=60)
    one = draw.random((60, 2))
    drawn = drawn_scores(Table(labels, [one, one], 1), metric, 200, 3)
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])
    assert len(np.unique(drawn[:, 0])) > 50


def test_average_precision_of_drawn_rows_is_that_of_rows_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(4)
    labels, probabilities = draw.integers(2, size=25), draw.random((25, 2)).round(1)
    seen = []

    class Ranking(resampling._Ranking):
        def average_precision(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
            found = super().average_precision(weights)
            seen.append((weights, found))
            return found

    monkeypatch.setattr(resampling, "_Ranking", Ranking)
    drawn_scores(Table(labels, [probabilities], 1), "average_precision", 30, 5)
    ((weights, found),) = seen
    for times, value in zip(weights.T, found, strict=True):
        rows = np.repeat(np.arange(25), times.astype(np.int64))
        wanted = score(labels[rows], probabilities[rows], 1).average_precision
        assert value == pytest.approx(wanted, rel=1e-5)


def test_seeds_alone_vary_as_a_mean_of_few_does_and_a_students_interval_wider() -> None:
    """Without noise of rows the draws' variance is s²/n times the square of t over z."""
    scores = np.tile([0.70, 0.74, 0.79, 0.81, 0.90], (200_000, 1))
    drawn = drawn_means(scores, 6)
    variance = scores[0].var(ddof=1) / 5
    assert drawn.mean() == pytest.approx(scores[0].mean(), abs=1e-3)
    assert drawn.var() == pytest.approx(variance * (2.776 / 1.960) ** 2, rel=0.02)


def test_one_training_has_the_noise_of_rows_alone() -> None:
    scores = np.random.default_rng(7).random((50, 1))
    np.testing.assert_array_equal(drawn_means(scores, 8), scores[:, 0])


def coverage(seed_noise: float, rows: int, trainings: int, studies: int) -> float:
    """The share of drawn studies whose interval of the mean accuracy holds the true one, 0.8.

    A row is hard or not for all networks alike, and each network has a skill of its own.
    """
    draw = np.random.default_rng(9)
    held = 0
    for study in range(studies):
        skill = 0.8 + seed_noise * draw.normal(size=trainings)
        hardness = draw.random(rows)
        noise = draw.random((trainings, rows))
        wrong = np.where(draw.random((trainings, rows)) < 0.5, hardness, noise) > skill[:, np.newaxis]
        labels = np.zeros(rows, dtype=np.int64)
        drawn = drawn_scores(table(labels, *wrong.astype(np.int64)), "accuracy", 500, study)
        low, high = interval(drawn_means(drawn, study), 0.0, 1.0)
        held += low <= 0.8 <= high
    return held / studies


@pytest.mark.parametrize(
    ("seed_noise", "rows", "trainings"), [(0.0, 400, 5), (0.03, 400, 5), (0.05, 2000, 3), (0.02, 100, 5)]
)
def test_an_interval_holds_the_truth_nineteen_times_of_twenty(
    seed_noise: float, rows: int, trainings: int
) -> None:
    """Of 200 studies the share has a standard error of 0.015; few seeds make it too wide."""
    assert 0.91 <= coverage(seed_noise, rows, trainings, 200) <= 1.0


def test_equal_finalists_are_told_apart_once_in_twenty_and_others_nearly_always() -> None:
    draw = np.random.default_rng(10)

    def told_apart(better: float) -> float:
        told = 0
        for study in range(150):
            hardness = draw.random(600)
            wrong = [
                np.where(draw.random(600) < 0.3, draw.random(600), hardness) > 0.8 + bonus
                for bonus in (0.0, 0.0, 0.0, better, better, better)
            ]
            labels = np.zeros(600, dtype=np.int64)
            drawn = drawn_scores(
                table(labels, *(one.astype(np.int64) for one in wrong)), "accuracy", 500, study
            )
            told += p_value(drawn_means(drawn[:, 3:], 1) - drawn_means(drawn[:, :3], 2)) < 0.05
        return told / 150

    assert told_apart(0.0) <= 0.1
    assert told_apart(0.1) >= 0.9


def test_a_p_value_is_never_below_what_the_draws_can_show() -> None:
    assert p_value(np.ones(99)) == pytest.approx(0.02)
    assert p_value(-np.ones(99)) == pytest.approx(0.02)
    assert p_value(np.zeros(99)) == 1.0
    assert p_value(np.array([-1.0] * 10 + [1.0] * 189)) == pytest.approx(2 * 11 / 200)


def test_holm_by_hand() -> None:
    assert holm([]) == ()
    assert holm([0.04]) == (0.04,)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for raw, one in zip(p_values, corrected, strict=True):
        assert raw <= one <= min(1.0, raw * len(p_values)) + 1e-15
    by_raw = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [corrected[index] for index in by_raw] == sorted(corrected)


def test_an_interval_stays_within_what_a_score_can_be() -> None:
    assert interval(np.array([-0.2, 0.4, 1.3]), 0.0, 1.0) == (0.0, 1.0)


def test_what_costs_much_is_drawn_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "MOST_SUMMED", 1_000_000)
    monkeypatch.setattr(resampling, "MOST_RANKED", 1_000_000)
    few, many = np.zeros(10, dtype=np.int64), np.zeros(1000, dtype=np.int64)
    assert draws_for(table(few, few, few), "average_precision") == resampling.DRAWS
    assert draws_for(table(many, many, many), "average_precision") == 500
    assert draws_for(table(many, many, many), "f1") == resampling.DRAWS, "all rows are of one kind"
    assert draws_for(table(many, *[many] * 20), "average_precision") == resampling.LEAST_DRAWS


def test_draws_in_blocks_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(11)
    labels, said = draw.integers(2, size=80), draw.integers(2, size=80)
    monkeypatch.setattr(resampling, "BLOCK", 16)
    drawn = drawn_scores(table(labels, said), "f1", 103, 1)
    assert drawn.shape == (103, 1)
    assert np.unique(drawn).size > 20
