from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.importance import ImportanceGroup, best_count, importance
from studies.distributions import Choice, Range
from studies.trial_record import TrialRecord
from tests.search import fakes

SPACE = fakes.study_file().space.parameters()


def shares(group: ImportanceGroup) -> dict[str, float]:
    return {share.axis: share.share for share in group.shares}


def with_values(records: list[TrialRecord], values: list[float]) -> list[TrialRecord]:
    return [replace(record, value=value) for record, value in zip(records, values, strict=True)]


def test_the_parameter_that_decides_the_score_has_the_largest_share_everywhere() -> None:
    found = importance(fakes.trials(60), SPACE)
    assert found.overall.shares[0].axis == "learning_rate"
    assert not found.overall.shares[0].by_chance
    tensorflow = next(group for group in found.frameworks if group.framework == "tensorflow")
    assert tensorflow.shares[0].axis == "learning_rate"


def test_the_framework_that_decides_the_score_has_the_largest_share() -> None:
    generator = random.Random(1)
    records = [fakes.complete(number, 0.5, fakes.draw(generator)) for number in range(40)]
    values = [
        (0.9 if record.params["framework"] == "spark" else 0.3) + generator.gauss(0, 0.01)
        for record in records
    ]
    assert importance(with_values(records, values), SPACE).overall.shares[0].axis == "framework"


def test_axes_of_one_framework_are_named_without_it_inside_and_with_it_overall() -> None:
    found = importance(fakes.trials(60), SPACE)
    assert {"optimizer.tensorflow", "optimizer.spark", "framework"} <= set(shares(found.overall))
    for group in found.frameworks:
        assert "optimizer" in shares(group)
        assert "framework" not in shares(group)
    spark = next(group for group in found.frameworks if group.framework == "spark")
    assert "batch_size" not in shares(spark)


def test_each_group_rests_on_its_own_complete_trials() -> None:
    records = fakes.trials(30)
    broken = fakes.failed(30, "diverged", "loss not finite", fakes.draw(random.Random(0)))
    found = importance([*records, broken], SPACE)
    assert found.overall.trials == 30
    assert sum(group.trials for group in found.frameworks) == 30


def test_one_framework_alone_has_no_groups() -> None:
    records = [r for r in fakes.trials(60) if r.params["framework"] == "spark"]
    found = importance(records, SPACE)
    assert found.overall.shares
    assert found.frameworks == ()


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_too_few_trials_give_a_reason_with_both_numbers_and_no_shares(count: int) -> None:
    group = importance(fakes.trials(count), SPACE).overall
    assert group.shares == ()
    assert group.reason == f"needs 10 complete trials, there are {count}"


def test_equal_scores_give_a_reason_and_no_shares() -> None:
    group = importance(with_values(fakes.trials(20), [0.5] * 20), SPACE).overall
    assert (group.shares, group.reason) == ((), "every trial has the same score")


def test_trials_that_are_all_alike_give_a_reason_and_no_shares() -> None:
    one = fakes.draw(random.Random(0))
    group = importance([fakes.complete(n, 0.5 + n / 100, one) for n in range(12)], SPACE).overall
    assert (group.shares, group.reason) == ((), "no choice differs between the trials")


def test_the_many_trials_tied_at_the_worst_score_do_not_count_as_the_best() -> None:
    values = [0.9, 0.8, 0.7] + [0.0] * 17
    assert importance(with_values(fakes.trials(20), values), SPACE).overall.best == 3


def test_trials_tied_with_the_last_of_the_best_count_as_the_best() -> None:
    values = [0.9] * 9 + [0.1] * 11
    assert importance(with_values(fakes.trials(20), values), SPACE).overall.best == 9


def test_scores_that_depend_on_nothing_are_seldom_told_from_chance() -> None:
    marked = []
    for seed in range(20):
        generator = random.Random(seed)
        values = [generator.random() for _ in range(40)]
        group = importance(with_values(fakes.trials(40, seed=seed), values), SPACE).overall
        marked += [share.by_chance for share in group.shares]
    assert sum(marked) / len(marked) > 0.85


def test_trials_outside_an_edited_space_are_left_out() -> None:
    narrow = {**SPACE, "learning_rate": Range(1e-4, 1e-3, log=True)}
    records = fakes.trials(60)
    inside = [r for r in records if r.params.get("learning_rate", 1e-4) <= 1e-3]
    assert 0 < len(inside) < 60
    assert importance(records, narrow).overall.trials == len(inside)


def test_every_kind_of_distribution_is_understood() -> None:
    space = {
        "whole": Range(1, 10, step=4),
        "float": Range(0.0, 1.0, step=0.3),
        "log": Range(1, 100, log=True),
        "flag": Choice((True, False)),
        "mixed": Choice(("scheme", 1.0)),
    }
    generator = random.Random(0)
    records = []
    for number, record in enumerate(fakes.trials(30)):
        params = {
            "whole": generator.choice([1, 5, 9]),
            "float": generator.choice([0.0, 0.3, 0.6]),
            "log": generator.randint(1, 100),
            "flag": generator.random() < 0.5,
            "mixed": generator.choice(["scheme", 1.0]),
        }
        records.append(replace(record, params=params, value=float(params["whole"]) + number / 1000))
    assert importance(records, space).overall.shares[0].axis == "whole"


@settings(max_examples=15, deadline=None)
@given(st.integers(10, 50), st.integers(0, 1000), st.sampled_from([1, 2, 5, 100]))
def test_shares_are_positive_fall_and_sum_to_one(count: int, seed: int, levels: int) -> None:
    generator = random.Random(seed)
    values = [generator.randrange(levels) / levels for _ in range(count)]
    found = importance(with_values(fakes.trials(count, seed=seed), values), SPACE)
    for group in (found.overall, *found.frameworks):
        given_shares = [share.share for share in group.shares]
        assert bool(given_shares) != bool(group.reason)
        if given_shares:
            assert math.isclose(sum(given_shares), 1.0)
            assert given_shares == sorted(given_shares, reverse=True)
            assert given_shares[-1] >= 0
            assert 0 < group.best < group.trials


@given(st.integers(10, 100_000))
def test_the_best_are_at_least_five_and_at_most_half(trials: int) -> None:
    best = best_count(trials)
    assert 5 <= best <= trials / 2
    if trials >= 200:
        assert best == trials // 10
