"""What the stop by estimated regret is worth: how soon it stops, how often too soon, and what it costs.

Searches of known scores on a space of TensorFlow and Spark configurations, by TPE and at random, for some
seeds each. A stop is false where a configuration of the space scores better by the limit or more than the
best that was tried, noise left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import optuna
from common.figures import Figure, run

from search.loop.regret import estimate, is_due
from studies.records.trials import TrialRecord
from studies.samplers.samplers import make_sampler
from studies.sections.study import Study
from studies.space.configuration import Configuration
from studies.space.space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)

LIMIT = 0.02
"""The study's ``regret``."""

SEEDS = 8
MOST = 100
"""Trials after which a search that has not stopped is given up."""

BEST_OF = 5_000
"""Configurations drawn to find the best score of a surface."""

STUDY = {
    "name": "regret",
    "data": {"source": "sms-spam"},
    "space": {
        "framework": ["tensorflow", "spark"],
        "optimizer": {"tensorflow": ["sgd", "adam"], "spark": ["l-bfgs", "gd"]},
        "initialisation": ["glorot_uniform", "he_normal", "spark_uniform"],
        "learning_rate": {"low": 1e-4, "high": 1.0, "log": True},
        "batch_size": [32, 128, 512],
    },
}

Surface = Callable[[Configuration], float]


def smooth(configuration: Configuration) -> float:
    """Best at a learning rate of 0.03, a little better with small batches, worse in Spark."""
    score = 0.95 if configuration.framework == "tensorflow" else 0.92
    score -= 0.04 * _decades(configuration, 0.03) ** 2
    return score - 0.005 * math.log2((configuration.batch_size or 32) / 32)


def skewed(configuration: Configuration) -> float:
    """Nothing is learnt far from the best learning rate, which each optimizer has its own of."""
    best = {"sgd": 0.3, "adam": 0.003, "gd": 0.5}.get(configuration.optimizer, 1.0)
    score = {"sgd": 0.94, "adam": 0.96, "gd": 0.90}.get(configuration.optimizer, 0.93)
    return max(0.0, score - 0.15 * _decades(configuration, best) ** 2)


def needle(configuration: Configuration) -> float:
    """As smooth, but for a peak of 0.96, a third of a decade wide, with Adam where all else is poor."""
    peak = (
        math.exp(-((_decades(configuration, 0.0005) / 0.17) ** 2)) if configuration.optimizer == "adam" else 0
    )
    return max(0.95 * smooth(configuration), 0.96 * peak)


SURFACES: Mapping[str, tuple[Surface, float]] = {
    "smooth": (smooth, 0.0),
    "smooth, noise 0.003": (smooth, 0.003),
    "skewed": (skewed, 0.0),
    "skewed, noise 0.003": (skewed, 0.003),
    "needle": (needle, 0.0),
}
"""Scores, and the standard deviation of what is added to them."""


@dataclass(frozen=True)
class Search:
    """One search: trials when it stopped, and what the best still lacked; ``None`` where it did not stop."""

    stopped: int | None
    lacked: float


def measure() -> Sequence[Figure]:
    """Surface by surface, sampler by sampler."""
    space = SearchSpace(Study.model_validate(STUDY))
    figures = []
    for name, (surface, noise) in SURFACES.items():
        best = _best(space, surface)
        for sampler in ("tpe", "random"):
            found = [_search(space, surface, noise, sampler, seed, best) for seed in range(SEEDS)]
            stopped = [one for one in found if one.stopped is not None]
            where = f"{name}, {sampler}"
            false = sum(one.lacked >= LIMIT for one in stopped)
            figures.append(Figure(f"stopped within {MOST} trials, {where}", len(stopped) / SEEDS, "of 1"))
            bound = None if surface is needle else 0.1
            figures.append(Figure(f"stopped too soon, {where}", false / SEEDS, "of 1", at_most=bound))
            if stopped:
                trials = median(one.stopped or 0 for one in stopped)
                lacked = median(one.lacked for one in stopped)
                figures.append(Figure(f"trials when it stopped, median, {where}", trials, "trials"))
                figures.append(Figure(f"what the best lacked, median, {where}", lacked, "of the score"))
    return [*figures, *(_cost(space, count) for count in (50, 300, 2_000))]


def _search(
    space: SearchSpace, surface: Surface, noise: float, sampler: str, seed: int, best: float
) -> Search:
    told: list[TrialRecord] = []
    reached = -math.inf
    for record, score in _trials(space, surface, noise, sampler, seed):
        told.append(record)
        reached = max(reached, score)
        regret = estimate(space, told) if is_due(len(told)) else None
        if regret is not None and regret < LIMIT:
            return Search(len(told), best - reached)
    return Search(None, best - reached)


def _trials(
    space: SearchSpace, surface: Surface, noise: float, sampler: str, seed: int, most: int = MOST
) -> Iterator[tuple[TrialRecord, float]]:
    """Records of a search, each with its score without noise."""
    section = Study.model_validate({**STUDY, "sampler": {"kind": sampler}}).sampler
    study = optuna.create_study(direction="maximize", sampler=make_sampler(section, seed, 0))
    draw = np.random.default_rng(seed)
    for number in range(most):
        trial = study.ask()
        configuration = space.sample(trial)
        score = surface(configuration)
        value = score + noise * draw.standard_normal()
        study.tell(trial, value)
        record = TrialRecord(number, "complete", None, None, value, None, trial.params, None, None)
        yield record, score


def _best(space: SearchSpace, surface: Surface) -> float:
    return max(score for _, score in _trials(space, surface, 0.0, "random", 1_000_000, BEST_OF))


def _cost(space: SearchSpace, count: int) -> Figure:
    told = [record for record, _ in _trials(space, skewed, 0.003, "random", 0, count)]
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        estimate(space, told)
        seconds.append(time.perf_counter() - began)
    return Figure(f"one estimate of {count:,} trials", min(seconds) * 1000, "ms", at_most=50.0)


def _decades(configuration: Configuration, best: float) -> float:
    rate = configuration.learning_rate
    return 0.0 if rate is None else abs(math.log10(rate / best))


if __name__ == "__main__":
    run(__doc__ or "", measure)
