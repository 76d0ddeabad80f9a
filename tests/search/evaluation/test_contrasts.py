"""Variances of differences, held to what is known in closed form and to simulations in small."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from search.evaluation.contrasts import Part, RowNoise, half_widths, of_orders, of_seeds

STEP = np.array([[[-1.0], [1.0]]])


def normal(trainings: int, seeds: int, spread: float = 0.03) -> np.ndarray:
    draw = np.random.default_rng(trainings + seeds)
    return 0.5 + 0.1 * draw.normal(size=seeds) + spread * draw.normal(size=(trainings, 1, seeds))


def test_two_trainings_have_the_paired_t_interval() -> None:
    scores = normal(2, 3)
    part = of_seeds(scores, STEP)
    differences = scores[1, 0] - scores[0, 0]
    assert part.variances == pytest.approx([differences.var(ddof=1) / 3])
    assert part.degrees == pytest.approx([2])
    half = half_widths((part,), np.array([True])).half
    assert half == pytest.approx([stdtrit(2, 0.975) * differences.std(ddof=1) / 3**0.5], rel=0.05)


def test_equal_variances_are_pooled_over_all_trainings() -> None:
    weights = np.zeros((1, 32, 1))
    weights[0, 0], weights[0, 1] = -1.0, 1.0
    part = of_seeds(normal(32, 3), weights)
    assert part.variances == pytest.approx([2 * 0.03**2 / 3], rel=0.4)
    assert part.degrees[0] > 40


def test_seeds_that_agree_by_luck_do_not_prove_certainty() -> None:
    """Three trainings with equal scores, where others of the same kind failed with some seeds."""
    scores = np.full((8, 1, 3), 0.9)
    scores[2, 0, 0] = scores[4, 0, 1] = scores[7, 0, 2] = 0.0
    weights = np.zeros((1, 8, 1))
    weights[0, 0], weights[0, 1] = -1.0, 1.0
    assert of_seeds(scores, weights).variances[0] > 0.01


def test_a_figure_that_is_noisier_than_the_others_has_a_wider_interval() -> None:
    scores = normal(16, 5, spread=0.001)
    scores[1, 0, :2] = 0.0
    noisy, quiet = np.zeros((2, 16, 1))
    noisy[0], noisy[1] = -1.0, 1.0
    quiet[2], quiet[3] = -1.0, 1.0
    found = of_seeds(scores, np.stack([noisy, quiet]))
    assert found.variances[0] > 4 * found.variances[1] > 0


def test_another_score_of_the_same_networks_is_as_sure_as_their_difference_is() -> None:
    """What the seeds do to both scores alike is not in the difference."""
    draw = np.random.default_rng(2)
    first = 0.5 + 0.1 * draw.normal(size=(4, 6))
    scores = np.stack([first, first + 0.2 + 0.001 * draw.normal(size=(4, 6))], axis=1)
    weights = np.zeros((1, 4, 2))
    weights[0, 0] = (-1.0, 1.0)
    assert of_seeds(scores, weights).variances[0] < 1e-5


def test_orders_that_agree_by_luck_do_not_prove_certainty() -> None:
    by_pair = np.array([[0.1, 0.0, 0.3], [0.1, 0.2, 0.1], [0.1, 0.1, 0.2]])
    part = of_orders(by_pair, 5)
    own = by_pair.var(axis=0, ddof=1) / 3
    assert part.variances == pytest.approx([*(own + own.mean()) / 2, 0.0, 0.0])
    assert part.variances[0] > 0


LABELS = np.repeat([0, 1], (160, 40))


def says(right: np.ndarray) -> np.ndarray:
    return np.eye(2)[np.where(right, LABELS, 1 - LABELS)]


def row_noise(networks: list[list[np.ndarray]], metrics: tuple[str, ...], weights: np.ndarray) -> Part:
    noise = RowNoise(LABELS, 1, metrics, weights)
    for seed in range(len(networks[0])):
        for training, by_seed in enumerate(networks):
            noise.add(training, by_seed[seed])
        noise.end_seed()
    return noise.part()


def test_rows_that_two_trainings_find_hard_in_ways_of_their_own_make_differences_unsure() -> None:
    """Recall: the variance of a paired difference of proportions, with half a row for each way to differ."""
    draw = np.random.default_rng(3)
    first, second = says(draw.random(200) < 0.8), says(draw.random(200) < 0.8)
    part = row_noise([[first] * 3, [second] * 3], ("recall",), STEP)
    right = [(network.argmax(axis=1) == LABELS)[160:].astype(float) for network in (first, second)]
    expected = (right[1] - right[0]).var() / 40
    assert expected < part.variances[0] < 1.5 * expected


def test_what_rows_do_with_one_seed_alone_is_left_to_the_seeds() -> None:
    draw = np.random.default_rng(4)
    networks = [[says(draw.random(200) < 0.8) for _ in range(8)] for _ in range(2)]
    alone = row_noise([[one[0]] * 8 for one in networks], ("recall",), STEP).variances[0]
    assert row_noise(networks, ("recall",), STEP).variances[0] < alone / 2


def test_networks_that_agree_on_every_row_leave_room_for_one_more_row() -> None:
    same = [says(np.ones(200, dtype=bool))] * 3
    part = row_noise([same, same], ("f1",), STEP)
    # About a row of the forty.
    assert 0.2 / 40 < part.variances[0] ** 0.5 < 2 / 40
    # Of one network by itself nothing can differ.
    assert row_noise([same, same], ("f1",), 0.0 * STEP).variances[0] == 0.0


def test_intervals_of_many_figures_hold_at_once() -> None:
    """Forty independent figures with known variances: the widest of forty normal errors."""
    part = Part(np.eye(40), np.full(40, 1e6))
    found = half_widths((part,), np.append(np.ones(39, dtype=bool), False))
    assert found.half[0] == pytest.approx(3.22, rel=0.02)
    assert found.half[-1] == pytest.approx(1.96, rel=0.01)
    assert found.alone == pytest.approx(np.full(40, 1.96), rel=0.01)


def test_parts_add_up_and_figures_without_variance_have_no_width() -> None:
    seeds = Part(np.diag([3.0, 0.0]), np.array([5.0, 5.0]))
    rows = Part(np.diag([1.0, 0.0]), np.array([1e9, 1e9]))
    found = half_widths((seeds, rows), np.array([True, True]))
    assert found.alone[0] == pytest.approx(stdtrit(16 / (9 / 5), 0.975) * 2.0)
    assert found.half[1] == 0.0
