from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.importance.importance import ImportanceGroup, importance
from search.importance.ped_shares import best_count
from search.importance.variance import MOST_IN_PAIRS
from studies.records.trials import TrialRecord
from tests.search import fakes

SPACE = fakes.study_file().space


class Drawing:
    """Draws at random what a trial is asked for, and lets the trial remember it."""

    def __init__(self, generator: random.Random, trial: optuna.Trial) -> None:
        self._sampler = optuna.samplers.RandomSampler(generator.randrange(1000))
        self._trial = trial
        self._trial.study.sampler = self._sampler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)


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


def test_the_headline_names_the_parameter_that_decides_the_score() -> None:
    found = importance(fakes.trials(60), SPACE)
    assert found.overall.most == "learning_rate"
    significant = [share.axis for share in found.overall.shares if share.significant]
    assert significant[0] == "learning_rate"
    assert "batch_size" not in significant
    assert "initialisation" not in significant


def test_trials_outside_an_edited_space_are_left_out() -> None:
    narrow = fakes.study_file({"space": {"learning_rate": {"low": 1e-4, "high": 1e-3, "log": True}}}).space
    records = fakes.trials(60)
    inside = [r for r in records if r.params.get("learning_rate", 1e-4) <= 1e-3]
    assert 0 < len(inside) < 60
    assert importance(records, narrow).overall.trials == len(inside)


def test_every_kind_of_axis_is_understood() -> None:
    space = fakes.study_file(
        {
            "space": {
                "framework": "tensorflow",
                "optimizer": ["sgd", "adam"],
                "epochs": {"low": 1, "high": 9, "step": 4},
                "dropout": {"low": 0.0, "high": 0.5, "step": 0.25},
                "batch_size": {"low": 1, "high": 100, "log": True},
                "weight_decay": {"low": 0.0, "high": 0.1},
                "shuffle": [True, False],
                "biases": ["scheme", 1.0],
            }
        }
    ).space
    generator = random.Random(0)
    records = []
    for number, record in enumerate(fakes.trials(40)):
        trial = optuna.create_study().ask()
        configuration = space.sample(Drawing(generator, trial))
        value = configuration.epochs + number / 1000
        records.append(replace(record, configuration=configuration, params=trial.params, value=value))
    found = importance(records, space).overall
    assert found.shares[0].axis == found.variance.effects[0].axes[0] == "epochs"
    assert len(found.shares) == len(found.variance.curves) == len(space.parameters())
    epochs = found.variance.curves[0].cells
    assert [(cell.first, cell.last) for cell in epochs] == [(1, 1), (5, 5), (9, 9)]
    assert [cell.mean for cell in epochs] == pytest.approx([1, 5, 9], abs=1.5)
    for curve in found.variance.curves:
        assert sum(cell.trials for cell in curve.cells) == 40


def test_effects_are_parts_of_one_variance_and_curves_follow_them() -> None:
    for group in (
        importance(fakes.trials(60), SPACE).overall,
        *importance(fakes.trials(60), SPACE).frameworks,
    ):
        parts = [effect.share for effect in group.variance.effects]
        assert parts == sorted(parts, reverse=True)
        assert 0 < sum(parts) <= 1 + 1e-9
        assert [curve.axis for curve in group.variance.curves] == [e.axes[0] for e in group.variance.effects]
        assert group.variance.pairs > 0
        both = group.variance.interaction
        assert both is None or set(both.axes) <= {e.axes[0] for e in group.variance.effects[:MOST_IN_PAIRS]}


def test_branches_without_trials_do_not_count() -> None:
    # The space has l-bfgs for TensorFlow, and no trial drew it: what is said of it would be made up.
    tensorflow = next(
        g for g in importance(fakes.trials(200), SPACE).frameworks if g.framework == "tensorflow"
    )
    optimizer = next(e for e in tensorflow.variance.effects if e.axes == ("optimizer",))
    assert optimizer.share < 0.05
    assert tensorflow.variance.effects[0].share > 0.9


def test_scores_that_a_forest_can_not_predict_have_no_effects_and_a_reason() -> None:
    generator = random.Random(0)
    records = with_values(fakes.trials(60), [generator.random() for _ in range(60)])
    found = importance(records, SPACE).overall.variance
    assert found.effects == found.curves == ()
    assert found.explained <= 0
    assert "no better than their mean" in found.reason


def test_given_scores_are_used_and_trials_without_one_have_no_part() -> None:
    records = fakes.trials(60)
    scores = {record.number: -record.value for record in records[:40] if record.value is not None}
    found = importance(records, SPACE, scores)
    assert found.overall.trials == 40
    assert found.overall.variance.curves[0].cells[0].mean < 0


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


def test_a_category_of_no_trial_has_no_mean_in_the_curve_where_it_makes_a_branch() -> None:
    records = fakes.trials(80)
    values = [
        0.9 if record.params.get("optimizer.tensorflow") in ("adam", "sgd") else 0.2 + number / 1000
        for number, record in enumerate(records)
    ]
    found = importance(with_values(records, values), SPACE)
    tensorflow = next(group for group in found.frameworks if group.framework == "tensorflow")
    curve = next(curve for curve in tensorflow.variance.curves if curve.axis == "optimizer")
    means = {cell.first: cell.mean for cell in curve.cells}
    assert math.isnan(means["l-bfgs"])
    assert means["adam"] > 0.8 > 0.4 > means["rmsprop"]
