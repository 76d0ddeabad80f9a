"""What mattered: fANOVA against Optuna's evaluator on 1,000 trials with 4 parameters, and the whole section.

Both grow 64 trees to the end on the same trials, whose score depends on all four, with an interaction and
noise. Values are compared as means over two seeds each, because one forest differs from the next. The closed
form is of a product of two numbers without noise: each explains 3/7 alone, and both together 1/7 more.
"""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import optuna
from _drawn import Drawn
from _figures import Figure, run
from numpy.typing import NDArray

from search.importance.forest import grow
from search.importance.importance import importance
from search.importance.marginals import Marginals
from studies.records.trials import TrialRecord
from studies.sections.study import Study
from studies.space.numbers import Branches
from studies.space.space import SearchSpace

TREES = 64
"""As many as Optuna's evaluator grows."""

TRIALS = 1000
SEEDS = 2
BOX = Branches.one_box((0, 0, 0, 0))

Floats = NDArray[np.float64]
T = TypeVar("T")


def measure() -> Sequence[Figure]:
    """All figures."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, y = _trials()
    study = _study(X, y)
    _ours(X[:100], y[:100], 0)  # the first call loads and allocates
    _theirs(_study(X[:50], y[:50]), 0)
    ours, seconds = zip(*(_timed(lambda seed=seed: _ours(X, y, seed)) for seed in range(SEEDS)), strict=True)
    theirs, waited = zip(
        *(_timed(lambda seed=seed: _theirs(study, seed)) for seed in range(SEEDS)), strict=True
    )
    apart = np.abs(np.mean(ours, axis=0) - np.mean(theirs, axis=0)).max()
    figures = [
        Figure("fANOVA, 1,000 trials, 4 parameters", min(seconds), "s", at_most=2.0),
        Figure("Optuna's evaluator on the same", min(waited), "s"),
        Figure("Optuna / ours, seconds", min(waited) / min(seconds), at_least=8.0),
        Figure("largest difference of a share, means of 2 seeds", float(apart), "of 1", at_most=0.02),
        Figure("largest difference between Optuna's seeds", float(np.ptp(theirs, axis=0).max()), "of 1"),
    ]
    for trials, bound in ((250, 0.06), (1000, 0.03), (4000, 0.015)):
        name = f"a product's shares, {trials:,} trials, from the closed form"
        figures.append(Figure(name, _product_error(trials), "of 1", at_most=bound))
    for trials, limit in ((1000, 2.0), (10_000, 4.0)):
        records, space = _records(trials)
        _, waited_for = min(
            (_timed(lambda r=records, s=space: importance(r, s)) for _ in range(3)), key=_last
        )
        name = f"whole section, {trials:,} trials, two frameworks"
        figures.append(Figure(name, waited_for, "s", at_most=limit))
    return figures


def _last(pair: tuple[object, float]) -> float:
    return pair[1]


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    found = call()
    return found, time.perf_counter() - begun


def _trials() -> tuple[Floats, Floats]:
    generator = np.random.default_rng(0)
    X = generator.random((TRIALS, 4))
    wave = np.sin(6 * X[:, 3]) / 2
    return X, 2 * X[:, 0] + 3 * X[:, 1] * X[:, 2] + wave + generator.normal(0, 0.1, TRIALS)


def _study(X: Floats, y: Floats) -> optuna.Study:
    study = optuna.create_study()
    names = [f"x{axis}" for axis in range(X.shape[1])]
    distributions = {name: optuna.distributions.FloatDistribution(0, 1) for name in names}
    study.add_trials(
        [
            optuna.create_trial(
                value=float(score),
                params=dict(zip(names, map(float, row), strict=True)),
                distributions=distributions,
            )
            for row, score in zip(X, y, strict=True)
        ]
    )
    return study


def _ours(X: Floats, y: Floats, seed: int) -> list[float]:
    found = Marginals(grow(X, y, _bootstrap(len(y), seed), (0, 0, 0, 0), seed), BOX)
    return [float(found.shares(axis).mean()) for axis in range(4)]


def _bootstrap(trials: int, seed: int) -> NDArray[np.intp]:
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, trials, (TREES, trials))
    return np.stack([np.bincount(drawn, minlength=trials) for drawn in draws])


def _theirs(study: optuna.Study, seed: int) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed).evaluate(study)
    return [found[f"x{axis}"] for axis in range(4)]


def _product_error(trials: int) -> float:
    X = np.random.default_rng(trials).random((trials, 2))
    forest = grow(X, X[:, 0] * X[:, 1], _bootstrap(trials, 0), (0, 0), 0)
    found = Marginals(forest, Branches.one_box((0, 0)))
    shares = [found.shares(0).mean(), found.shares(1).mean(), found.interaction(0, 1).mean()]
    return float(np.abs(np.array(shares) - [3 / 7, 3 / 7, 1 / 7]).max())


def _records(trials: int) -> tuple[list[TrialRecord], SearchSpace]:
    """Trials of the default space; the score depends on the learning rate and the optimizer, with noise."""
    space = SearchSpace(Study.model_validate({"name": "made-up", "data": {"source": "sms-spam"}}))
    generator = random.Random(0)
    found = []
    for number in range(trials):
        drawn = Drawn(generator)
        configuration = space.sample(drawn)
        rate = configuration.learning_rate or 0.01
        score = 0.9 - 0.2 * abs(math.log10(rate) + 2) + 0.05 * (configuration.optimizer == "adam")
        score += generator.gauss(0, 0.05)
        found.append(TrialRecord(number, "complete", configuration, 7, score, None, drawn.params, None, None))
    return found, space


if __name__ == "__main__":
    run(__doc__ or "", measure)
