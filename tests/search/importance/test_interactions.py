from __future__ import annotations

from itertools import combinations

import numpy as np

from search.importance.interactions import strongest_interaction
from studies.space.numbers import Branches, Floats

PAIRS = list(combinations(range(4), 2))
BOX = Branches.one_box((0,) * 4)


def drawn(trials: int, seed: int) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    return generator.random((trials, 4)), generator.normal(0, 0.1, trials)


def test_additive_scores_have_an_interaction_about_as_often_as_chance_gives_one() -> None:
    claims = 0
    for seed in range(20):
        X, noise = drawn(80, seed)
        y = 2 * X[:, 0] + (X[:, 1] > 0.4) + np.sin(6 * X[:, 2]) + noise
        claims += strongest_interaction(X, y, (0,) * 4, BOX, PAIRS) is not None
    assert claims <= 4


def test_two_choices_that_only_work_together_are_named_among_others() -> None:
    for seed in range(5):
        X, noise = drawn(120, seed)
        y = X[:, 3] + 3 * X[:, 0] * X[:, 2] + noise
        assert strongest_interaction(X, y, (0,) * 4, BOX, PAIRS) == (0, 2)


def test_without_pairs_there_is_nothing_to_find() -> None:
    X, noise = drawn(30, 0)
    assert strongest_interaction(X, noise, (0,) * 4, BOX, []) is None
