"""Studies of the default space, both frameworks in it, whose scores are a known function of the choices.

Trials are drawn at random, or by the product's own TPE, which is told the scores one by one: what it draws
then depends on them, as in a search.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optuna

from common.drawn import Drawn
from studies.records.trials import TrialRecord
from studies.samplers.bounded_tpe import BoundedTPESampler
from studies.sections.study import Study
from studies.space.configuration import Configuration
from studies.space.space import SearchSpace

SPACE = SearchSpace(Study.model_validate({"name": "simulated", "data": {"source": "sms-spam"}}))

STARTUP = 10
"""Trials that TPE draws at random first: the default of the study file."""

Truth = Callable[[Configuration], float]


def random_study(trials: int, seed: int, truth: Truth, noise: float) -> list[TrialRecord]:
    """Trials that are drawn evenly.

    Args:
        trials: how many.
        seed: of all that is drawn.
        truth: the score without noise.
        noise: its standard deviation.
    """
    draws, errors = random.Random(seed), np.random.default_rng(seed)
    found = []
    for number in range(trials):
        drawn = Drawn(draws)
        configuration = SPACE.sample(drawn)
        found.append(_record(number, configuration, drawn.params, truth, noise * errors.normal()))
    return found


def tpe_study(trials: int, seed: int, truth: Truth, noise: float) -> list[TrialRecord]:
    """The same, drawn by TPE as a search draws them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler, errors = BoundedTPESampler(n_startup_trials=STARTUP, seed=seed), np.random.default_rng(seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    found = []
    for number in range(trials):
        trial = study.ask()
        configuration = SPACE.sample(trial)
        record = _record(number, configuration, dict(trial.params), truth, noise * errors.normal())
        study.tell(trial, record.value)
        found.append(record)
    return found


def drawn_evenly(draws: int) -> Iterator[Configuration]:
    """Configurations of the space, for what is true of all of it."""
    generator = random.Random(0)
    return (SPACE.sample(Drawn(generator)) for _ in range(draws))


def nothing(_configuration: Configuration) -> float:
    """The score depends on no choice."""
    return 0.0


def learning_rate_alone(configuration: Configuration) -> float:
    """Rises to a learning rate of 0.01 and falls again; what has none is at the middle of that."""
    rate = configuration.learning_rate
    return -1.0 if rate is None else -abs(math.log10(rate) + 2.0)


def _record(
    number: int, configuration: Configuration, params: dict[str, Any], truth: Truth, error: float
) -> TrialRecord:
    score = truth(configuration) + error
    return TrialRecord(number, "complete", configuration, 7, score, None, params, None, None)
