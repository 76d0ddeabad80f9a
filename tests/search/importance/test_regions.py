from __future__ import annotations

import random

import optuna
import pytest

from search.importance.regions import FEWEST, Condition, Outcome, round_values, significant_regions
from search.importance.sentences import sentence
from studies.sections.distributions import Range
from studies.space.numbers import axes_of
from tests.search import fakes

SPACE = fakes.study_file().space
AXES = axes_of(SPACE.parameters())


def meets(outcome: Outcome, condition: Condition) -> bool:
    value = outcome.params.get(condition.parameter)
    if condition.value is not None or value is None:
        return value is not None and value == condition.value
    low = float("-inf") if condition.low is None else condition.low
    high = float("inf") if condition.high is None else condition.high
    return low <= float(value) < high


def planted(trials: int, seed: int) -> list[Outcome]:
    """A small learning rate with sgd is always bad; all else is chance."""
    generator = random.Random(seed)
    found = []
    for record in fakes.trials(trials, seed=seed):
        bad = record.params.get("optimizer.tensorflow") == "sgd" and record.params["learning_rate"] < 0.01
        found.append(Outcome(record.params, generator.uniform(0, 0.1) if bad else generator.uniform(0.2, 1)))
    return found


def test_a_planted_region_is_found_and_told_of() -> None:
    outcomes = planted(400, 1)
    worst = significant_regions(outcomes, AXES)[0]
    assert not worst.good
    assert {condition.parameter for condition in worst.conditions} == {
        "learning_rate",
        "optimizer.tensorflow",
    }
    assert sentence(worst, "F1").startswith(
        "learning_rate below 0.01 with tensorflow sgd never passed F1 0.098:"
    )
    assert worst.trials > 10


@pytest.mark.parametrize("trials", [12, 60, 300])
def test_what_a_sentence_says_is_true_of_every_trial(trials: int) -> None:
    records = fakes.trials(trials)
    outcomes = [Outcome(record.params, record.value) for record in records]
    for region in significant_regions(outcomes, AXES):
        members = [each for each in outcomes if all(meets(each, one) for one in region.conditions)]
        assert len(members) == region.trials >= FEWEST
        scores = [each.score for each in members if each.score is not None]
        assert region.bound == (min(scores) if region.good else max(scores))


def test_scores_that_are_chance_give_a_sentence_in_at_most_one_study_of_twenty() -> None:
    alarms = 0
    for seed in range(150):
        generator = random.Random(seed)
        outcomes = [Outcome(record.params, generator.random()) for record in fakes.trials(60, seed=seed)]
        alarms += bool(significant_regions(outcomes, AXES))
    assert alarms <= 8


def test_a_sampler_that_follows_chance_gives_no_sentence_either() -> None:
    alarms = 0
    for seed in range(12):
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        generator, outcomes = random.Random(seed), []
        for _ in range(50):
            trial = study.ask()
            SPACE.sample(trial)
            score = generator.random()
            study.tell(trial, score)
            outcomes.append(Outcome(trial.params, score))
        alarms += bool(significant_regions(outcomes, AXES))
    assert alarms <= 2


def test_a_condition_that_does_nothing_is_no_second_one() -> None:
    named = set()
    for seed in range(12):
        generator = random.Random(seed)
        outcomes = []
        for record in fakes.trials(150, seed=seed):
            bad = record.params.get("learning_rate", 1.0) < 0.01
            outcomes.append(Outcome(record.params, generator.gauss(0.2 if bad else 0.8, 0.1)))
        found = significant_regions(outcomes, AXES)
        assert found
        named |= {each.parameter for region in found for each in region.conditions}
    assert named == {"learning_rate"}


def test_trials_that_diverged_are_the_worst_and_forbid_a_good_sentence() -> None:
    good = [Outcome({"optimizer.spark": "gd", "learning_rate": 0.02}, 0.9 + n / 1000) for n in range(20)]
    bad = [Outcome({"optimizer.spark": "gd", "learning_rate": 0.5}, None) for _ in range(20)]
    worst, best = significant_regions([*good, *bad], AXES)
    assert sentence(worst, "F1") == "learning_rate of 0.3 and above always diverged: 20 trials"
    assert sentence(best, "F1").endswith("always reached F1 0.900: 20 trials")
    spoiled = [*good, *bad, Outcome({"optimizer.spark": "gd", "learning_rate": 0.02}, None)]
    assert not any(region.good for region in significant_regions(spoiled, AXES))


def test_pruned_trials_are_counted_in_the_sentence() -> None:
    outcomes = [
        Outcome(each.params, each.score, stopped=each.score is not None and each.score < 0.05)
        for each in planted(400, 1)
    ]
    worst = significant_regions(outcomes, AXES)[0]
    assert 0 < worst.stopped < worst.trials
    assert f"({worst.stopped} pruned)" in sentence(worst, "F1")


def test_few_trials_and_equal_scores_give_no_sentence() -> None:
    assert significant_regions([], AXES) == ()
    assert significant_regions(planted(9, 0), AXES) == ()
    assert significant_regions([Outcome(each.params, 0.5) for each in planted(100, 0)], AXES) == ()


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        (Range(1e-4, 1.0, log=True), [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]),
        (Range(0.0, 0.5), [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]),
        (Range(1, 4), [2.0, 3.0, 4.0]),
        (Range(0.2, 0.2), []),
    ],
)
def test_axes_are_cut_at_round_values(axis: Range, values: list[float]) -> None:
    assert round_values(axis) == pytest.approx(values)
