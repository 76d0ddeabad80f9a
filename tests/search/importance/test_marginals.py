"""Means of a forest along its axes: against closed forms, and against the trees asked point by point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.importance.forest import Forest, grow
from search.importance.marginals import Marginals
from studies.space.numbers import ABSENT, FREE, MISSING, Branches, Floats
from tests.search.importance.test_forest import MIXED, bootstrap, mixed

STEPS = 8
MIDDLES = (np.arange(STEPS) + 0.5) / STEPS
EDGES = np.linspace(0, 1, STEPS + 1)
NONE = np.empty(0)


def whole(X: Floats, y: Floats, categories: Sequence[int], branches: Branches) -> Marginals:
    """Two trees that have every trial once: on a full grid, the function itself."""
    return Marginals(grow(X, y, np.ones((2, len(X)), dtype=int), categories, 0), branches)


def grid(*axes: Sequence[float]) -> Floats:
    return np.array(list(itertools.product(*axes)))


def test_the_means_of_a_product_on_a_grid_are_exact() -> None:
    factor = np.array([0.2, 1.0, 2.0, 0.4])
    X = grid(MIDDLES, range(4))
    y = X[:, 0] * factor[X[:, 1].astype(int)]
    marginals = whole(X, y, (0, 4), Branches.one_box((0, 4)))
    assert marginals.curve(0, EDGES)[0] == pytest.approx(MIDDLES * factor.mean())
    assert marginals.curve(1, NONE)[1] == pytest.approx(factor / 2)


def conditional() -> tuple[Floats, Branches]:
    """Two optimizers, the first of which alone has a learning rate, and three schemes."""
    X = np.concatenate([grid([0], MIDDLES, range(3)), grid([1], [ABSENT], range(3))])
    return X, Branches(np.array([0.5, 0.5]), np.array([[0, FREE, FREE], [1, MISSING, FREE]]), (2, 0, 3))


def test_the_mean_along_an_axis_that_not_all_have_is_over_those_that_have_it() -> None:
    X, branches = conditional()
    scheme = np.array([0.0, 0.3, 0.9])
    rate = np.where(X[:, 0] == 0, 2 * X[:, 1], 0.0)
    y = rate + X[:, 0] * 0.4 + scheme[X[:, 2].astype(int)]
    marginals = whole(X, y, (2, 0, 3), branches)
    assert marginals.curve(0, NONE)[0] == pytest.approx(np.array([1.0, 0.4]) + scheme.mean())
    assert marginals.curve(1, EDGES)[0] == pytest.approx(2 * MIDDLES + scheme.mean())
    assert marginals.curve(2, NONE)[0] == pytest.approx(scheme + (1.0 + 0.4) / 2)


def brute(forest: Forest, tree: int, branches: Branches, axis: int, cells: int) -> Floats:
    """(cells,) E[f | axis] where the axis is there, by asking the tree at a fine grid of points."""
    fine = (np.arange(100) + 0.5) / 100
    places = [fine if not count else np.arange(count) for count in branches.choices]
    absent = [count if count else ABSENT for count in branches.choices]
    sums, weights = np.zeros(cells), np.zeros(cells)
    for probability, modes in zip(branches.probability, branches.modes, strict=True):
        if modes[axis] == MISSING:
            continue
        values = [
            {FREE: places[other], MISSING: [absent[other]]}.get(int(mode), [mode])
            for other, mode in enumerate(modes)
        ]
        points = grid(*values)
        predicted = forest.predict(points, np.arange(len(points)), np.full(len(points), tree))
        cell = (points[:, axis] * (1 if branches.choices[axis] else cells)).astype(int)
        sums += np.bincount(cell, predicted, cells) * probability / len(points)
        weights += np.bincount(cell, minlength=cells) * probability / len(points)
    return sums / weights


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_means_are_those_of_the_tree_itself_asked_point_by_point(seed: int) -> None:
    X = mixed(25, seed)
    y = np.random.default_rng(seed).random(25)
    modes = np.array([[FREE, 0, FREE], [FREE, 1, MISSING], [FREE, 2, FREE]])
    branches = Branches(np.array([0.3, 0.5, 0.2]), modes, (0, 3, 0))
    # Rounded to hundredths, cuts lie on or between the grid's borders: as many points as it takes.
    X[:, [0, 2]] = np.where(X[:, [0, 2]] < 0, ABSENT, (X[:, [0, 2]] * 50).round() / 50)
    forest = grow(X, y, bootstrap(25, 2, seed), MIXED, seed)
    marginals = Marginals(forest, branches)
    for axis, cells in enumerate((20, 3, 20)):
        means = marginals.curve(axis, np.linspace(0, 1, cells + 1))
        for tree in range(2):
            assert means[tree] == pytest.approx(brute(forest, tree, branches, axis, cells), abs=1e-9)


def test_the_plane_of_two_axes_is_the_mean_over_all_others() -> None:
    X = grid(MIDDLES, range(3), MIDDLES)
    effect = np.array([0.0, 1.0, -2.0])
    y = X[:, 0] * effect[X[:, 1].astype(int)] + 5 * X[:, 2]
    marginals = whole(X, y, (0, 3, 0), Branches.one_box((0, 3, 0)))
    first = marginals.planes((0, 1), (EDGES, NONE))[1]
    assert first == pytest.approx(np.outer(MIDDLES, effect) + 2.5)
    other = marginals.planes((1, 0), (NONE, EDGES))[0]
    assert other == pytest.approx(np.outer(effect, MIDDLES) + 2.5)
    halves = marginals.planes((0, 2), (EDGES[::4], EDGES[::4]))[0]
    expected = np.outer([0.25, 0.75], [1, 1]) * effect.mean() + 5 * np.array([0.25, 0.75])
    assert halves == pytest.approx(expected)


def test_a_plane_has_no_score_where_no_configuration_has_both() -> None:
    X, branches = conditional()
    y = X[:, 0] + np.where(X[:, 1] == ABSENT, 0.0, X[:, 1])
    means = whole(X, y, (2, 0, 3), branches).planes((0, 1), (NONE, EDGES))[0]
    assert means[0] == pytest.approx(MIDDLES)
    assert np.isnan(means[1]).all()
