from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import optuna
import pytest

from search.importance.ped_anova import divergences, grid_of, to_optuna
from search.importance.ped_shares import best_count, best_of, shares_of
from studies.sections.distributions import Choice, Range
from tests.search import fakes

SPACE = fakes.study_file().space.parameters()

KINDS: dict[str, Choice | Range] = {
    "whole": Range(1, 10, step=4),
    "float": Range(0.0, 1.0, step=0.3),
    "plain": Range(-1.0, 3.0),
    "many": Range(1, 500),
    "log": Range(1, 100, log=True),
    "log_float": Range(1e-4, 1.0, log=True),
    "flag": Choice((True, False)),
    "mixed": Choice(("scheme", 1.0)),
}


def drawn(generator: random.Random) -> dict[str, Any]:
    values = {
        "whole": generator.choice([1, 5, 9]),
        "float": generator.choice([0.0, 0.3, 0.6]),
        "plain": generator.uniform(-1, 3),
        "many": generator.randint(1, 500),
        "log": generator.randint(1, 100),
        "log_float": 10 ** generator.uniform(-4, 0),
        "flag": generator.random() < 0.5,
        "mixed": generator.choice(["scheme", 1.0]),
    }
    return {name: value for name, value in values.items() if generator.random() < 0.8}


@pytest.mark.parametrize("trials", [12, 60, 400])
def test_divergences_are_those_of_optunas_evaluator(trials: int) -> None:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    generator = random.Random(trials)
    params = [drawn(generator) for _ in range(trials)]
    scores = np.array([generator.random() + p.get("plain", 0.0) for p in params])
    best = best_count(trials)
    distributions = {name: to_optuna(kind) for name, kind in KINDS.items()}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.create_trial(value=s, params=p, distributions={name: distributions[name] for name in p})
            for p, s in zip(params, scores, strict=True)
        ]
    )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(best - 0.5) / trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = get_param_importances(
            study, evaluator=evaluator, target=lambda trial: -trial.value, normalize=False
        )
    every = np.ones((1, trials))
    for name, kind in KINDS.items():
        grid = grid_of([p.get(name) for p in params], kind)
        ours = divergences(grid, every, best_of(every, scores, best))[0]
        assert ours * (best / trials) ** 2 == pytest.approx(theirs[name], rel=1e-9)


def test_a_trial_that_counts_twice_is_like_two_trials() -> None:
    generator = random.Random(0)
    values = [generator.uniform(-1, 3) for _ in range(30)]
    scores = np.array([generator.random() for _ in range(30)])
    counts = np.array([generator.randrange(3) for _ in range(30)], dtype=float)
    counts[0] = 2
    again = np.repeat(np.arange(30), counts.astype(int))
    weighted = divergences(grid_of(values, KINDS["plain"]), counts[None], best_of(counts[None], scores, 8))
    every = np.ones((1, len(again)))
    listed = divergences(
        grid_of([values[i] for i in again], KINDS["plain"]), every, best_of(every, scores[again], 8)
    )
    assert weighted == pytest.approx(listed)


def test_intervals_hold_the_mean_share_of_many_studies_about_as_often_as_they_say() -> None:
    found = []
    for seed in range(30):
        records = fakes.trials(60, seed=seed)
        grids = {
            name: grid_of([record.params.get(name) for record in records], kind)
            for name, kind in SPACE.items()
            if isinstance(kind, (Choice, Range))
        }
        scores = np.array([record.value for record in records])
        found.append({share.axis: share for share in shares_of(grids, scores)})
    for name in found[0]:
        mean = np.mean([shares[name].share for shares in found])
        held = np.mean([shares[name].low <= mean <= shares[name].high for shares in found])
        assert held >= 0.8, name
