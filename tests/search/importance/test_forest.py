from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.importance.forest import Forest, grow
from studies.space.numbers import ABSENT, Floats

MIXED = (0, 3, 0)
"""An axis of numbers, one of three categories, and one of numbers that some trials don't have."""


def mixed(trials: int, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    numbers = generator.random((trials, 2)).round(2)
    absent = np.where(generator.random(trials) < 0.3, ABSENT, numbers[:, 1])
    return np.column_stack([numbers[:, 0], generator.integers(0, 3, trials), absent])


def bootstrap(trials: int, trees: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack(
        [np.bincount(generator.integers(0, trials, trials), minlength=trials) for _ in range(trees)]
    )


def holds(forest: Forest, X: Floats, categories: Sequence[int]) -> np.ndarray:
    """(leaves, rows) whether a leaf's box has a row."""
    found = np.ones((len(forest.leaf), len(X)), dtype=bool)
    offset = 0
    for axis, count in enumerate(categories):
        if count:
            found &= forest.allowed[:, offset + X[:, axis].astype(int)]
        else:
            low, high = forest.low[:, axis, None], forest.high[:, axis, None]
            found &= ((low < X[:, axis]) | (X[:, axis] == ABSENT) & (low == ABSENT)) & (X[:, axis] <= high)
        offset += count
    return found


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000), st.sampled_from([1, 2, 5, 1000]))
def test_every_point_lies_in_one_leaf_of_every_tree_and_is_predicted_its_value(
    trials: int, seed: int, levels: int
) -> None:
    X, everywhere = mixed(trials, seed), mixed(50, seed + 1)
    y = np.random.default_rng(seed).integers(0, levels, trials) / levels
    forest = grow(X, y, bootstrap(trials, 3, seed), MIXED, seed)
    inside = holds(forest, everywhere, MIXED)
    for tree in range(3):
        own = np.flatnonzero(forest.tree == tree)
        assert (inside[own].sum(axis=0) == 1).all()
        values = forest.value[forest.leaf[own[np.argmax(inside[own], axis=0)]]]
        rows = np.arange(50)
        assert np.array_equal(forest.predict(everywhere, rows, np.full(50, tree)), values)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000))
def test_a_tree_says_the_weighted_mean_of_the_trials_that_it_drew_there(trials: int, seed: int) -> None:
    X = mixed(trials, seed)
    X[1] = X[0]  # two trials of one configuration can't be told apart
    y = np.random.default_rng(seed).random(trials)
    counts = bootstrap(trials, 2, seed)
    forest = grow(X, y, counts, MIXED, seed)
    for tree in range(2):
        said = forest.predict(X, np.arange(trials), np.full(trials, tree))
        for row in np.flatnonzero(counts[tree]):
            same = (X[row] == X).all(axis=1)
            assert said[row] == pytest.approx(np.average(y[same], weights=counts[tree][same]))


def test_trees_are_as_good_as_scikit_learns_on_trials_that_they_have_not_seen() -> None:
    from sklearn.ensemble import RandomForestRegressor

    generator = np.random.default_rng(0)
    X = generator.random((400, 4))
    y = 2 * X[:, 0] + X[:, 1] * X[:, 2] + generator.normal(0, 0.2, 400)
    new = generator.random((1000, 4))
    truth = 2 * new[:, 0] + new[:, 1] * new[:, 2]
    forest = grow(X, y, bootstrap(400, 64, 1), (0, 0, 0, 0), 1)
    trees, rows = np.divmod(np.arange(64_000), 1000)
    ours = forest.predict(new, rows, trees).reshape(64, 1000).mean(axis=0)
    theirs = RandomForestRegressor(64, random_state=0).fit(X, y)
    assert np.mean((ours - truth) ** 2) == pytest.approx(
        np.mean((theirs.predict(new) - truth) ** 2), rel=0.15
    )
    leaves = np.mean([tree.tree_.n_leaves for tree in theirs.estimators_])
    assert len(forest.leaf) / 64 == pytest.approx(leaves, rel=0.02)


def test_equal_scores_and_equal_configurations_are_not_split() -> None:
    counts = np.ones((2, 30), dtype=int)
    assert len(grow(mixed(30, 0), np.full(30, 0.7), counts, MIXED, 0).leaf) == 2
    same = np.repeat(mixed(1, 0), 30, axis=0)
    forest = grow(same, np.arange(30.0), counts, MIXED, 0)
    assert forest.value.tolist() == [14.5, 14.5]


def test_axes_that_separate_two_trials_equally_well_are_drawn_equally_often() -> None:
    X = np.array([[0.2, 0.0, 0.2], [0.8, 1.0, 0.8]])
    forest = grow(X, np.array([0.0, 1.0]), np.ones((3000, 2), dtype=int), MIXED, 5)
    assert np.bincount(forest.axis[:3000]) / 3000 == pytest.approx([1 / 3] * 3, abs=0.04)
