"""TPE over a part of the study: what is in the part, and that it draws what Optuna's own TPE draws."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.bounded_tpe import BEST, LATEST, BoundedTPESampler, best_and_latest
from studies.experimental import experimental_allowed

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


@pytest.mark.parametrize("others", [{}, {"group": True}])
def test_a_study_that_fits_is_drawn_from_as_optuna_does(others: dict[str, bool]) -> None:
    drawn = []
    for kind in (TPESampler, BoundedTPESampler):
        with experimental_allowed():
            sampler = kind(n_startup_trials=5, seed=3, multivariate=True, **others)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        for _ in range(25):
            asked = study.ask(SPACE)
            study.tell(asked, -abs(asked.params["rate"] - 0.1) - (asked.params["scheme"] == "b"))
        drawn.append([one.params for one in study.trials])
    assert drawn[0] == drawn[1]


def test_a_long_study_is_drawn_from_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        part = best_and_latest(trials, best=5, latest=20)
        seen.append(len(part))
        return part

    monkeypatch.setattr("studies.bounded_tpe.best_and_latest", counted)
    with experimental_allowed():
        sampler = BoundedTPESampler(seed=3, multivariate=True, group=True)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.add_trials([trial(number, number % 7 / 7) for number in range(60)])
    asked = study.ask(SPACE)
    assert set(asked.params) == set(SPACE)
    assert seen == [25]  # once a trial; the one that is drawn is the latest of all
