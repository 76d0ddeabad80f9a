"""What mattered: the whole section with its intervals, beside Optuna's fANOVA evaluator, which has none.

1,000 trials with 4 parameters, whose score depends on all four, with an interaction and noise; and the
default space of both frameworks with 1,000 and 10,000 trials. How the shares fare against known truth:
``benchmarks/truth.py --part importance``.
"""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from common.drawn import Drawn
from common.figures import Figure, run

from search.importance.importance import importance
from search.importance.variance import Variance, variance_of
from studies.records.trials import TrialRecord
from studies.sections.distributions import Range
from studies.sections.study import Study
from studies.space.numbers import Floats, axes_of
from studies.space.space import Branch, SearchSpace

TREES = 64
"""As many as Optuna's evaluator grows by default."""

TRIALS = 1000


def measure() -> Sequence[Figure]:
    """All figures."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, y = _trials()
    study = _study(X, y)
    _ours(X[:100], y[:100])  # the first call loads and allocates
    _theirs(_study(X[:50], y[:50]), 0)
    seconds = min(_seconds(lambda: _ours(X, y)) for _ in range(2))
    waited = min(_seconds(lambda seed=seed: _theirs(study, seed)) for seed in range(2))
    figures = [
        Figure("fANOVA with intervals, 1,000 trials, 4 parameters", seconds, "s", at_most=4.0),
        Figure("Optuna's evaluator on the same, without", waited, "s"),
        Figure("Optuna / ours, seconds", waited / seconds, at_least=8.0),
    ]
    for trials, limit in ((1000, 2.0), (10_000, 4.0)):
        records, space = _records(trials)
        whole = min(_seconds(lambda r=records, s=space: importance(r, s)) for _ in range(3))
        name = f"whole section, {trials:,} trials, two frameworks"
        figures.append(Figure(name, whole, "s", at_most=limit))
    return figures


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


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


def _ours(X: Floats, y: Floats) -> Variance:
    names = [f"x{axis}" for axis in range(X.shape[1])]
    axes = axes_of({name: Range(low=0.0, high=1.0) for name in names})
    branch = Branch("", 1.0, {}, frozenset(names))
    params = [dict(zip(names, map(float, row), strict=True)) for row in X]
    return variance_of(names, axes, [branch], params, y)


def _theirs(study: optuna.Study, seed: int) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed).evaluate(study)
    return [found[f"x{axis}"] for axis in range(4)]


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
