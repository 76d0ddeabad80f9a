"""TPE over a part of the study: what is in the part, and that it draws what Optuna's own TPE draws."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.samplers.bounded_tpe import (
    BEST,
    LATEST,
    REUSE,
    RUNNING_REUSE,
    BoundedTPESampler,
    best_and_latest,
)
from studies.samplers.experimental import experimental_allowed

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "scheme": CategoricalDistribution(("a", "b", "c")),
}


def trial(number: int, score: float, state: TrialState = TrialState.COMPLETE, steps: int = 1) -> FrozenTrial:
    made = create_trial(
        state=state,
        params={"rate": 10 ** (-4 * score), "scheme": "abc"[number % 3]},
        distributions=SPACE,
        value=score if state == TrialState.COMPLETE else None,
        intermediate_values={steps: score},
    )
    made.number = number
    return made


STATES = st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING])


@given(st.lists(st.tuples(STATES, st.integers(0, 6), st.integers(1, 3)), max_size=60))
def test_the_part_has_the_trials_that_tpe_ranks_highest(rows: list[tuple[TrialState, int, int]]) -> None:
    trials = [trial(number, score / 6, state, steps) for number, (state, score, steps) in enumerate(rows)]
    part = best_and_latest(trials, best=5, latest=10)

    numbers = [one.number for one in part]
    assert numbers == sorted(set(numbers))
    assert numbers[-10:] == [one.number for one in trials[-10:]]
    running = {one.number for one in trials if one.state == TrialState.RUNNING}
    assert running <= set(numbers)
    assert len(part) <= 15 + len(running)
    study = optuna.create_study(direction="maximize")
    assert ranks(study, part) == ranks(study, trials)


def ranks(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[tuple[TrialState, float, int]]:
    """What TPE's first density is of, but for which of equals."""
    below, _ = _split_trials(study, list(trials), 5)
    return sorted((one.state, *reversed(max(one.intermediate_values.items()))) for one in below)


def test_the_best_that_tpe_models_are_never_left_out() -> None:
    assert default_gamma(10**6) == 25
    assert default_gamma(LATEST) == 25
    assert BEST >= 25


def draw(asked: optuna.Trial) -> float:
    """A space in which some parameters occur with others alone; the score of what was drawn."""
    scheme = asked.suggest_categorical("scheme", ["a", "b", "c"])
    rate = asked.suggest_float("rate", 1e-4, 1.0, log=True)
    epochs = asked.suggest_categorical("epochs", [1, 3, 9])
    score = -abs(rate - 0.1) - (scheme == "b") + epochs / 10
    if scheme != "c":
        score -= asked.suggest_float(f"decay {scheme}", 0.0, 1.0)
        score += asked.suggest_int("width", 1, 64, log=True) / 64
    return score


FATES = st.sampled_from(["complete", "complete", "pruned", "pruned at once", "failed", "runs"])


HYPERBAND = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
"""Gives samplers a study of one bracket. TPE reads the trials of all of them."""


@pytest.mark.parametrize("pruner", [None, HYPERBAND], ids=["no brackets", "brackets"])
@given(st.lists(FATES, min_size=12, max_size=30), st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_a_study_that_fits_is_sampled_from_as_optuna_does(
    pruner: optuna.pruners.BasePruner | None, fates: list[str], seed: int
) -> None:
    with experimental_allowed():
        plain = TPESampler(n_startup_trials=5, seed=seed, multivariate=True, group=True)
    drawn = []
    for sampler in (plain, BoundedTPESampler(n_startup_trials=5, seed=seed)):
        study = optuna.create_study(
            study_name="one", sampler=sampler, pruner=copy.deepcopy(pruner), direction="maximize"
        )
        for fate in fates:
            asked = study.ask()
            score = draw(asked)
            if fate == "complete":
                study.tell(asked, score)
            elif fate == "pruned":
                asked.report(score, asked.number % 3)
                asked.should_prune()  # Hyperband has no brackets before
            if fate.startswith("pruned"):
                study.tell(asked, state=TrialState.PRUNED)
            elif fate == "failed":
                study.tell(asked, state=TrialState.FAIL)
        drawn.append([one.params for one in study.trials])
    assert drawn[0] == drawn[1]


def test_a_long_study_is_drawn_from_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        part = best_and_latest(trials, best=5, latest=20)
        seen.append(len(part))
        return part

    monkeypatch.setattr("studies.samplers.bounded_tpe.best_and_latest", counted)
    sampler = BoundedTPESampler(n_startup_trials=10, seed=3)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.add_trials([trial(number, number % 7 / 7) for number in range(60)])
    asked = study.ask(SPACE)
    assert set(asked.params) == set(SPACE)
    assert seen == [25]  # once a trial; the one that is drawn is the latest of all


@pytest.mark.parametrize(("ended", "running"), [(3 * REUSE, 0), (20, 3 * RUNNING_REUSE)])
def test_a_large_study_is_read_once_for_some_trials_and_each_of_them_is_another(
    ended: int, running: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counted(trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        seen.append(len(trials))
        return trials

    monkeypatch.setattr("studies.samplers.bounded_tpe.best_and_latest", counted)
    study = optuna.create_study(sampler=BoundedTPESampler(n_startup_trials=10, seed=3), direction="maximize")
    study.add_trials([trial(number, number % 7 / 7) for number in range(ended)])
    for _ in range(running):
        study.ask()
    seen.clear()
    drawn = [study.ask(SPACE).params["rate"] for _ in range(7)]
    there = ended + running
    assert seen == [there + 1, there + 4, there + 7]  # the one that is drawn is among them
    assert len(set(drawn)) == 7
