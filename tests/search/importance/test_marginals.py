from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.importance.forest import Forest, grow
from search.importance.marginals import Marginals
from studies.space.numbers import ABSENT, FREE, MISSING, Branches, Floats
from tests.search.importance.test_forest import MIXED, bootstrap, mixed

STEPS = 8
MIDDLES = (np.arange(STEPS) + 0.5) / STEPS


def whole(X: Floats, y: Floats, categories: Sequence[int], branches: Branches) -> Marginals:
    """Two trees that drew every trial once: on a full grid, the function itself."""
    return Marginals(grow(X, y, np.ones((2, len(X)), dtype=int), categories, 0), branches)


def grid(*axes: Sequence[float]) -> Floats:
    return np.array(list(itertools.product(*axes)))


def exactly(found: Floats, share: float) -> None:
    assert found == pytest.approx(np.full(len(found), share), abs=1e-9)


def test_the_shares_of_a_sum_on_a_grid_are_exact() -> None:
    X = grid(MIDDLES, MIDDLES, range(3))
    effect = np.array([0.0, 0.1, 0.5])
    y = 3 * X[:, 0] + X[:, 1] ** 2 + effect[X[:, 2].astype(int)]
    parts = [9 * np.var(MIDDLES), np.var(MIDDLES**2), np.var(effect)]
    found = whole(X, y, (0, 0, 3), Branches.one_box((0, 0, 3)))
    for axis, part in enumerate(parts):
        exactly(found.shares(axis), part / sum(parts))
    for pair in ((0, 1), (0, 2), (2, 1)):
        exactly(found.interaction(*pair), 0.0)
    exactly(found.mean, y.mean())


def test_the_shares_of_a_product_on_a_grid_are_exact() -> None:
    factor = np.array([0.2, 1.0, 2.0, 0.4])
    X = grid(MIDDLES, range(4))
    y = X[:, 0] * factor[X[:, 1].astype(int)]
    found = whole(X, y, (0, 4), Branches.one_box((0, 4)))
    a, b = np.var(MIDDLES), np.var(factor)
    total = a * factor.mean() ** 2 + b * 0.25 + a * b
    exactly(found.shares(0), a * factor.mean() ** 2 / total)
    exactly(found.shares(1), b * 0.25 / total)
    exactly(found.interaction(0, 1), a * b / total)
    assert found.curve(0, np.linspace(0, 1, STEPS + 1))[0] == pytest.approx(MIDDLES * factor.mean())
    assert found.curve(1, np.empty(0))[1] == pytest.approx(factor / 2)


def test_with_more_trials_the_shares_come_to_those_of_the_function() -> None:
    errors = []
    for trials in (100, 400, 1600):
        X = np.random.default_rng(trials).random((trials, 3))
        y = 2 * X[:, 0] + X[:, 1]
        found = Marginals(grow(X, y, bootstrap(trials, 32, 0), (0, 0, 0), 0), Branches.one_box((0, 0, 0)))
        shares = np.array([found.shares(axis).mean() for axis in range(3)])
        errors.append(np.abs(shares - [0.8, 0.2, 0.0]).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def conditional() -> tuple[Floats, Branches]:
    """Two optimizers, the first of which alone has a learning rate, and three schemes."""
    X = np.concatenate([grid([0], MIDDLES, range(3)), grid([1], [ABSENT], range(3))])
    return X, Branches(np.array([0.5, 0.5]), np.array([[0, FREE, FREE], [1, MISSING, FREE]]), (2, 0, 3))


def test_parts_of_a_parameter_that_not_all_have_count_where_it_is_there_and_do_not_overlap() -> None:
    X, branches = conditional()
    scheme = np.array([0.0, 0.3, 0.9])
    rate = np.where(X[:, 0] == 0, 2 * X[:, 1], 0.0)
    y = rate + X[:, 0] * 0.4 + scheme[X[:, 2].astype(int)]
    found = whole(X, y, (2, 0, 3), branches)
    # E[f | optimizer] is 1 + mean(scheme) with the first, 0.4 + mean(scheme) with the second.
    parts = [np.var([1.0, 0.4]), 0.5 * 4 * np.var(MIDDLES), np.var(scheme)]
    for axis, part in enumerate(parts):
        exactly(found.shares(axis), part / sum(parts))
    for pair in itertools.combinations(range(3), 2):
        exactly(found.interaction(*pair), 0.0)
    rates = found.curve(1, np.linspace(0, 1, STEPS + 1))
    assert rates[0] == pytest.approx(2 * MIDDLES + scheme.mean())


def test_an_interaction_with_the_choice_that_decides_is_told_from_it() -> None:
    X, branches = conditional()
    scheme = np.array([-1.0, 0.0, 1.0])
    y = scheme[X[:, 2].astype(int)] * (1 + X[:, 0])
    found = whole(X, y, (2, 0, 3), branches)
    total = np.var(scheme) * (1.5**2 + 0.5**2)
    exactly(found.shares(2), np.var(scheme) * 1.5**2 / total)
    exactly(found.interaction(0, 2), np.var(scheme) * 0.5**2 / total)
    exactly(found.shares(0), 0.0)


Predict = Callable[[Floats], Floats]


def brute(forest: Forest, tree: int, branches: Branches, axes: Sequence[int]) -> float:
    """Variance of E[f | axes] where all of them are there, by asking the tree at a fine grid of points."""
    fine = (np.arange(100) + 0.5) / 100
    places = [fine if not count else np.arange(count) for count in branches.choices]
    sums: dict[tuple[float, ...], list[float]] = {}
    for probability, modes in zip(branches.probability, branches.modes, strict=True):
        if any(modes[axis] == MISSING for axis in axes):
            continue
        absent = [count if count else ABSENT for count in branches.choices]
        values = [
            {FREE: places[axis], MISSING: [absent[axis]]}.get(int(mode), [mode])
            for axis, mode in enumerate(modes)
        ]
        points = grid(*values)
        said = forest.predict(points, np.arange(len(points)), np.full(len(points), tree))
        keys = points[:, list(axes)]
        for key in np.unique(keys, axis=0):
            here = said[(keys == key).all(axis=1)]
            weight = probability * len(here) / len(points)
            old = sums.setdefault(tuple(key), [0.0, 0.0])
            old[0] += weight * float(here.mean())
            old[1] += weight
    weights = np.array([weight for _, weight in sums.values()])
    means = np.array([total / weight for total, weight in sums.values()])
    return float(weights @ (means - weights @ means / weights.sum()) ** 2)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_marginals_are_those_of_the_tree_itself_asked_point_by_point(seed: int) -> None:
    X = mixed(25, seed)
    y = np.random.default_rng(seed).random(25)
    modes = np.array([[FREE, 0, FREE], [FREE, 1, MISSING], [FREE, 2, FREE]])
    branches = Branches(np.array([0.3, 0.5, 0.2]), modes, (0, 3, 0))
    # Rounded to hundredths, cuts lie on or between the grid's borders: as many points as it takes.
    X[:, [0, 2]] = np.where(X[:, [0, 2]] < 0, ABSENT, (X[:, [0, 2]] * 50).round() / 50)
    forest = grow(X, y, bootstrap(25, 2, seed), MIXED, seed)
    found = Marginals(forest, branches)
    for axis in range(3):
        shares = found.shares(axis)
        for tree in range(2):
            expected = brute(forest, tree, branches, [axis])
            assert shares[tree] * found.variance[tree] == pytest.approx(expected, abs=1e-9)
    both = found.interaction(0, 2)
    assert ((both >= 0) & (both <= 1)).all()


@pytest.mark.slow
def test_shares_are_those_of_optunas_evaluator() -> None:
    from optuna.importance import FanovaImportanceEvaluator

    generator = np.random.default_rng(3)
    X = np.column_stack([generator.random((150, 3)), generator.integers(0, 2, 150)])
    y = 2 * X[:, 0] + 3 * X[:, 1] * X[:, 3] + np.sin(6 * X[:, 2]) / 2 + generator.normal(0, 0.1, 150)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        f"x{axis}": optuna.distributions.FloatDistribution(0, 1) for axis in range(3)
    }
    # To Optuna's evaluator a whole number is a stretch of [0, 1], cut in the middle: two equal halves.
    distributions["x3"] = optuna.distributions.IntDistribution(0, 1)
    study = optuna.create_study()
    for row, score in zip(X, y, strict=True):
        params = {f"x{axis}": float(row[axis]) if axis < 3 else int(row[axis]) for axis in range(4)}
        study.add_trial(optuna.create_trial(value=score, params=params, distributions=distributions))
    ours, theirs = [], []
    for seed in range(3):
        forest = grow(X, y, bootstrap(150, 64, seed), (0, 0, 0, 0), seed)
        found = Marginals(forest, Branches.one_box((0, 0, 0, 0)))
        ours.append([found.shares(axis).mean() for axis in range(4)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = FanovaImportanceEvaluator(seed=seed).evaluate(study)
        theirs.append([shares[f"x{axis}"] for axis in range(4)])
    assert np.mean(ours, axis=0) == pytest.approx(np.mean(theirs, axis=0), abs=0.02)


def test_the_plane_of_two_axes_is_the_mean_over_all_others() -> None:
    X = grid(MIDDLES, range(3), MIDDLES)
    effect = np.array([0.0, 1.0, -2.0])
    y = X[:, 0] * effect[X[:, 1].astype(int)] + 5 * X[:, 2]
    edges = np.linspace(0, 1, STEPS + 1)
    marginals = whole(X, y, (0, 3, 0), Branches.one_box((0, 3, 0)))
    first = marginals.planes((0, 1), (edges, np.empty(0)))[1]
    assert first == pytest.approx(np.outer(MIDDLES, effect) + 2.5)
    other = marginals.planes((1, 0), (np.empty(0), edges))[0]
    assert other == pytest.approx(np.outer(effect, MIDDLES) + 2.5)
    halves = marginals.planes((0, 2), (edges[::4], edges[::4]))[0]
    expected = np.outer([0.25, 0.75], [1, 1]) * effect.mean() + 5 * np.array([0.25, 0.75])
    assert halves == pytest.approx(expected)


def test_a_plane_has_no_score_where_no_configuration_has_both() -> None:
    X, branches = conditional()
    y = X[:, 0] + np.where(X[:, 1] == ABSENT, 0.0, X[:, 1])
    edges = np.empty(0), np.linspace(0, 1, STEPS + 1)
    found = whole(X, y, (2, 0, 3), branches).planes((0, 1), edges)[0]
    assert found[0] == pytest.approx(MIDDLES)
    assert np.isnan(found[1]).all()
