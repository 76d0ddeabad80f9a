from __future__ import annotations

import numpy as np
import pytest

from search.importance import fanova as fanova_shares
from search.importance.fanova import Fanova
from studies.space.numbers import ABSENT, FREE, MISSING, Branches, Floats

BOX = Branches.one_box((0, 0, 0))


def fanova(trials: int, seed: int, noise: float = 0.1) -> Fanova:
    """Of y = 2 x0 + x1 + noise, where x2 does nothing."""
    generator = np.random.default_rng(seed)
    X = generator.random((trials, 3))
    return Fanova(X, 2 * X[:, 0] + X[:, 1] + generator.normal(0, noise, trials), (0, 0, 0), BOX)


def test_intervals_hold_the_mean_of_many_studies_about_as_often_as_they_say() -> None:
    found = [[fanova(60, seed).share(axis) for axis in range(2)] for seed in range(40)]
    for axis in range(2):
        estimates = [shares[axis] for shares in found]
        mean = np.mean([estimate.value for estimate in estimates])
        held = np.mean([estimate.low <= mean <= estimate.high for estimate in estimates])
        assert held >= 0.85
        # Nor are they wide enough to hold anything.
        spread = np.std([estimate.value for estimate in estimates])
        width = np.mean([estimate.high - estimate.low for estimate in estimates])
        assert width < 8 * spread


def test_intervals_are_narrower_with_more_trials_and_hold_the_estimate() -> None:
    few, many = fanova(40, 1).share(0), fanova(400, 1).share(0)
    assert many.high - many.low < (few.high - few.low) / 2
    for share in (few, many):
        assert 0 <= share.low <= share.value <= share.high <= 1


def test_the_curve_of_a_line_is_a_line_and_rises_as_far_in_the_scores_own_unit() -> None:
    cells = fanova(300, 2, noise=0.02).curve(0, np.linspace(0, 1, 6))
    assert [cell.value for cell in cells] == pytest.approx([0.7, 1.1, 1.5, 1.9, 2.3], abs=0.1)
    assert all(cell.low < cell.value < cell.high for cell in cells)


def test_what_the_forest_explains_is_of_trials_that_it_has_not_seen() -> None:
    assert fanova(200, 3, noise=0.02).explained > 0.95
    generator = np.random.default_rng(0)
    X: Floats = generator.random((100, 3))
    assert Fanova(X, generator.random(100), (0, 0, 0), BOX).explained < 0.1


def test_the_same_trials_give_the_same_figures() -> None:
    one, other = fanova(50, 4), fanova(50, 4)
    assert one.share(0) == other.share(0)
    assert one.interaction(0, 1) == other.interaction(0, 1)


def test_with_many_trials_each_tree_draws_a_part_of_them_and_the_shares_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = fanova(800, 5)
    monkeypatch.setattr(fanova_shares, "MOST_ROWS", 300)
    part = fanova(800, 5)
    assert (whole.rows_per_tree, part.rows_per_tree) == (400, 300)
    for axis in range(3):
        assert part.share(axis).value == pytest.approx(whole.share(axis).value, abs=0.03)


def test_noise_as_large_as_the_signal_leaves_the_shares_where_they_are_and_intervals_hold_the_truth() -> None:
    # y = 2 x0 + x1 has a variance of 5/12, of which x0 makes 4/5.
    found = [
        [fanova(200, seed, noise=(5 / 12) ** 0.5).share(axis) for axis in range(3)] for seed in range(12)
    ]
    for axis, truth in enumerate((0.8, 0.2, 0.0)):
        estimates = [shares[axis] for shares in found]
        assert np.mean([one.value for one in estimates]) == pytest.approx(truth, abs=0.07)
        assert sum(one.low <= truth <= one.high for one in estimates) >= 10
        assert np.mean([one.high - one.low for one in estimates]) < 0.6


def test_a_product_has_an_interaction_and_main_parts_of_the_closed_form() -> None:
    X = np.random.default_rng(5).random((600, 3))
    found = Fanova(X, X[:, 0] * X[:, 1], (0, 0, 0), BOX)
    assert [found.share(axis).value for axis in range(3)] == pytest.approx([3 / 7, 3 / 7, 0], abs=0.03)
    # Trees smooth an interaction: its share comes out too low, never too high.
    assert 0.07 < found.interaction(0, 1).value < 1 / 7


def test_parameters_that_some_lack_have_the_part_that_they_have_where_they_are() -> None:
    # Two optimizers, the first of which alone has a rate: parts are 0.09, 1/6 and nothing.
    generator = np.random.default_rng(3)
    optimizer = generator.integers(0, 2, 400)
    rate = np.where(optimizer == 0, generator.random(400), ABSENT)
    table = np.column_stack([optimizer, rate, generator.random(400)])
    y = np.where(optimizer == 0, 2 * rate, 0.4) + generator.normal(0, 0.3, 400)
    branches = Branches(np.array([0.5, 0.5]), np.array([[0, FREE, FREE], [1, MISSING, FREE]]), (2, 0, 0))
    found = Fanova(table, y, (2, 0, 0), branches)
    shares = np.array([0.09, 1 / 6, 0]) / (0.09 + 1 / 6)
    for axis, truth in enumerate(shares):
        estimate = found.share(axis)
        assert estimate.value == pytest.approx(truth, abs=0.06)
        assert estimate.low - 1e-9 <= truth <= estimate.high
