"""What mattered: shares, interactions and headlines of functions whose true importance is known.

Three kinds of truth. Numbers in a box (sums, a product, with noise of no or of the signal's own deviation):
shares have closed forms. The default space, in which most parameters belong to one framework or optimizer:
the score depends on the learning rate and on Spark's optimizer, and true shares are integrals over the space.
And noise, drawn at random and by the product's own TPE, in which nothing is to be named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from common.figures import Figure, share
from common.simulated_studies import (
    SPACE,
    Truth,
    drawn_evenly,
    learning_rate_alone,
    nothing,
    random_study,
    tpe_study,
)
from numpy.typing import NDArray

from search.importance.fanova import Estimate, Fanova
from search.importance.interactions import strongest_interaction
from search.importance.ped_anova import grid_of
from search.importance.ped_shares import Share, shares_of
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration
from studies.space.numbers import Branches, axes_of, branches_of, table_of

STUDIES = 40
"""Simulated studies a cell, where each is a forest; five times as many where it is only shuffled."""

AXES = axes_of(SPACE.parameters())
BOX = Branches.one_box((0,) * 5)
PAIRS = list(combinations(range(4), 2))

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]
Study = Callable[[int, int, Truth, float], list[TrialRecord]]


def measure(repetitions: int) -> Sequence[Figure]:
    """All cells."""
    studies = STUDIES * repetitions
    figures: list[Figure] = []
    for name, function, truth in (("sum", _sum, SUM), ("product", _product, PRODUCT)):
        for trials, noise in ((40, 1.0), (300, 0.0), (300, 1.0)):
            where = f"{name}, {trials} trials, noise {noise:g} of the signal"
            figures += _shares(
                where, lambda seed, n=trials, s=noise, f=function: _in_box(f, n, s, seed), truth, studies
            )
    figures += _shares("default space, 200 trials, noise 1 of the signal", _in_space, _true_shares(), studies)
    for name, function, bounds in (
        ("sum", _sum, (15.0, None)),
        ("cliff", _cliff, (15.0, None)),
        ("product", _product, (None, 85.0)),
    ):
        claims = sum(_interacts(function, 100, 0.5, seed) for seed in range(studies))
        what = "rightly" if bounds[1] else "falsely"
        figures.append(
            share(
                f"{name}, 100 trials: an interaction claimed, {what}",
                claims,
                studies,
                at_most=bounds[0],
                at_least=bounds[1],
            )
        )
    return [*figures, *_headlines(repetitions)]


def _headlines(repetitions: int) -> Sequence[Figure]:
    """How often a headline names a parameter that does nothing, and one that does something."""
    many = 5 * STUDIES * repetitions
    figures = []
    for where, study, trials, studies in (
        ("random", random_study, 60, many),
        ("TPE's", tpe_study, 60, many // 2),
    ):
        found = [_tested(study(trials, seed, nothing, 1.0)) for seed in range(studies)]
        name = f"noise, {trials} {where} trials: "
        named = sum(any(one.significant for one in shares) for shares in found)
        uncorrected = sum(any(not one.by_chance for one in shares) for shares in found)
        figures += [
            share(f"{name}a parameter named", named, studies, at_most=10.0),
            share(f"{name}one that is not marked '?'", uncorrected, studies),
        ]
    for where, study, studies in (("random", random_study, many // 4), ("TPE's", tpe_study, many // 8)):
        found = [_tested(study(60, seed, learning_rate_alone, 0.6)) for seed in range(studies)]
        right = sum(
            any(one.significant and one.axis == "learning_rate" for one in shares) for shares in found
        )
        figures.append(share(f"learning rate alone, 60 {where} trials: named", right, studies, at_least=60.0))
    return figures


def _shares(
    name: str, study: Callable[[int], Sequence[Estimate]], truth: Sequence[float], studies: int
) -> Sequence[Figure]:
    """The mean share of what matters most, with its truth in the name, and how often intervals hold."""
    found = [study(seed) for seed in range(studies)]
    most = int(np.argmax(truth))
    values = np.array([[one.value for one in each] for each in found])
    held = sum(
        one.low - 1e-3 <= true <= one.high + 1e-3
        for each in found
        for one, true in zip(each, truth, strict=True)
    )
    largest = sum(each[most].low - 1e-3 <= truth[most] <= each[most].high + 1e-3 for each in found)
    error = float(values[:, most].std(ddof=1) / studies**0.5)
    return [
        Figure(f"{name}: share of {truth[most]:.2f}", float(values[:, most].mean()), "of 1", error=error),
        share(f"{name}: its interval holds", largest, studies, at_least=85.0),
        share(f"{name}: all intervals hold", held, studies * len(truth), at_least=90.0),
    ]


def _sum(X: Floats) -> Floats:
    summed: Floats = 2 * X[:, 0] + X[:, 1] + X[:, 2] / 2
    return summed


SUM = (4 / 5.25, 1 / 5.25, 0.25 / 5.25, 0.0, 0.0)


def _product(X: Floats) -> Floats:
    product: Floats = X[:, 0] * X[:, 1]
    return product


PRODUCT = (3 / 7, 3 / 7, 0.0, 0.0, 0.0)


def _cliff(X: Floats) -> Floats:
    return np.where(X[:, 0] < 0.3, 1.0, 0.0) + X[:, 1]


def _drawn(function: Function, trials: int, noise: float, seed: int) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    X = generator.random((trials, 5))
    signal = float(np.std(function(np.random.default_rng(0).random((10_000, 5)))))
    return X, function(X) + generator.normal(0, 1, trials) * noise * signal


def _in_box(function: Function, trials: int, noise: float, seed: int) -> Sequence[Estimate]:
    X, y = _drawn(function, trials, noise, seed)
    fanova = Fanova(X, y, (0,) * 5, BOX)
    return [fanova.share(axis) for axis in range(5)]


def _interacts(function: Function, trials: int, noise: float, seed: int) -> bool:
    X, y = _drawn(function, trials, noise, seed)
    return strongest_interaction(X, y, (0,) * 5, BOX, PAIRS) is not None


def _rate_and_optimizer(configuration: Configuration) -> float:
    """Adds up: a slope along the learning rate, and l-bfgs of Spark is good, its gd bad."""
    rate = configuration.learning_rate
    slope = 0.0 if rate is None else 0.3 * (np.log10(rate) + 2)
    spark = (
        {"l-bfgs": 0.5, "gd": -0.5}[configuration.optimizer] if configuration.framework == "spark" else 0.0
    )
    return float(slope + spark)


def _signal() -> float:
    return float(np.std([_rate_and_optimizer(each) for each in drawn_evenly(4000)]))


def _true_shares() -> Sequence[float]:
    """Variances over the space: P(there) × Var(E[score | value] over where it is there)."""
    slope, rate_there = 0.09 * 4**2 / 12, 0.1 * 4 + 0.25  # four decades; sgd to adam, and Spark's gd
    spark = 0.5 * 0.5**2  # half of the space, the slope's mean over gd's rates being 0
    parts = {"learning_rate": rate_there * slope, "optimizer.spark": spark}
    total = sum(parts.values())
    return [parts.get(axis.name, 0.0) / total for axis in AXES]


def _in_space(seed: int) -> Sequence[Estimate]:
    records = random_study(200, seed, _rate_and_optimizer, _signal())
    table, categories = table_of(AXES, [record.params for record in records])
    scores = np.array([record.value for record in records])
    fanova = Fanova(table, scores, categories, branches_of(AXES, SPACE.branches()))
    return [fanova.share(axis) for axis in range(len(AXES))]


def _tested(records: Sequence[TrialRecord]) -> Sequence[Share]:
    grids = {
        axis.name: grid_of([record.params.get(axis.name) for record in records], axis.distribution)
        for axis in AXES
    }
    return shares_of(grids, np.array([record.value for record in records]))
