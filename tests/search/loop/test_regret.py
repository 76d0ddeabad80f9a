"""The estimate on searches of known scores: what it may not miss, and when it must come down."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from search.loop import gaussian_process
from search.loop.candidates import Candidates
from search.loop.regret import FIRST, POINTS, estimate, is_due, regret_so_far
from studies.records.reports import Cause, Failure, SegmentReport
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration
from studies.space.numbers import ABSENT
from studies.space.space import SearchSpace
from tests.search.fakes import study_file

LIMIT = 0.02

SEEDS = range(8)

BATCHES = {"low": 32, "high": 128, "step": 32}

SPACE: dict[str, Any] = {
    "framework": ["tensorflow", "spark"],
    "optimizer": {"tensorflow": ["sgd", "adam"], "spark": ["l-bfgs", "gd"]},
    "initialisation": ["glorot_uniform", "he_normal"],
    "learning_rate": {"low": 1e-4, "high": 1.0, "log": True},
    "batch_size": BATCHES,
}


class Draws:
    """Stands in for an Optuna trial, and keeps what was drawn; numbers near ``centre`` where one is given."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.params.setdefault(name, self.generator.choice(choices))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        assert step is None
        assert log
        drawn = math.exp(self.generator.uniform(math.log(low), math.log(high)))
        return float(self.params.setdefault(name, drawn))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        assert not log
        return int(self.params.setdefault(name, self.generator.randrange(low, high + 1, step)))


def space() -> SearchSpace:
    return study_file({"space": SPACE}).space


def smooth(configuration: Configuration) -> float:
    """At most 0.95: TensorFlow at a learning rate of 0.03."""
    rate = configuration.learning_rate or 0.3
    worse = 0.03 if configuration.framework == "spark" else 0.0
    return 0.95 - worse - 0.04 * math.log10(rate / 0.03) ** 2


def skewed(configuration: Configuration) -> float:
    """At most 0.96, with Adam about 0.003; nothing is learnt far from each optimizer's best rate."""
    best, score = {"sgd": (0.3, 0.94), "adam": (0.003, 0.96), "gd": (0.5, 0.90)}.get(
        configuration.optimizer, (1.0, 0.93)
    )
    return max(0.0, score - 0.15 * math.log10((configuration.learning_rate or 1.0) / best) ** 2)


def drawn(
    score: Callable[[Configuration], float], count: int, seed: int = 0, noise: float = 0.0
) -> list[TrialRecord]:
    """Complete trials, drawn evenly."""
    generator, where = random.Random(seed), space()
    found = []
    for number in range(count):
        draws = Draws(generator)
        value = score(where.sample(draws)) + generator.gauss(0, noise)
        found.append(TrialRecord(number, "complete", None, None, value, None, draws.params, None, None))
    return found


def diverged(record: TrialRecord, cause: Cause = "diverged") -> TrialRecord:
    report = SegmentReport(record.number, 1, failure=Failure(cause, "it did"))
    return replace(record, state="fail", value=None, report=report)


def best(records: Sequence[TrialRecord]) -> float:
    return max(record.value for record in records if record.value is not None)


@pytest.mark.parametrize("noise", [0.0, 0.003])
@pytest.mark.parametrize(("score", "highest"), [(smooth, 0.95), (skewed, 0.96)])
def test_a_search_is_not_stopped_while_its_best_is_worse_by_the_limit_than_what_there_is(
    score: Callable[[Configuration], float], highest: float, noise: float
) -> None:
    false = 0
    for seed in SEEDS:
        told = drawn(score, 60, seed, noise)
        for count in filter(is_due, range(61)):
            found = estimate(space(), told[:count])
            if found is not None and found < LIMIT:
                false += highest - best(told[:count]) >= LIMIT
                break
    assert false == 0


@pytest.mark.parametrize(("noise", "limit"), [(0.0, 0.01), (0.003, LIMIT)])
def test_a_smooth_score_that_was_searched_well_leaves_little_to_gain(noise: float, limit: float) -> None:
    found = [estimate(space(), drawn(smooth, 100, seed, noise)) for seed in range(4)]
    assert all(regret is not None and 0 <= regret < limit for regret in found), found


def test_a_search_that_still_improves_may_gain_more() -> None:
    low = [record for record in drawn(smooth, 200) if float(record.params.get("learning_rate", 1)) < 1e-3]
    assert len(low) > FIRST
    found = estimate(space(), low)
    assert found is not None
    assert found > LIMIT


def test_no_score_can_gain_more_than_is_missing_to_1() -> None:
    found = estimate(space(), drawn(skewed, 25))
    assert found == pytest.approx(1 - best(drawn(skewed, 25)))


def test_the_estimate_depends_on_the_trials_alone() -> None:
    told = drawn(smooth, 40, noise=0.003)
    first = estimate(space(), told)
    np.random.default_rng(9).random(100)
    assert estimate(space(), told) == first


def test_too_few_trials_or_equal_scores_say_nothing() -> None:
    assert estimate(space(), []) is None
    assert estimate(space(), drawn(smooth, FIRST - 1)) is None
    assert estimate(space(), drawn(lambda _: 0.5, 40)) is None
    failed = [diverged(record, "worker died") for record in drawn(smooth, 40)]
    assert estimate(space(), failed) is None
    pruned = [
        replace(record, state="pruned", value=None, rung_scores={1: 0.3, 3: best([record])})
        for record in drawn(smooth, 40)
    ]
    assert estimate(space(), pruned) is None
    assert estimate(study_file({"space": {**dict.fromkeys(SPACE), **FIXED}}).space, drawn(smooth, 40)) is None


FIXED = {
    "framework": "tensorflow",
    "optimizer": "adam",
    "initialisation": "he_normal",
    "learning_rate": 0.1,
    "batch_size": 32,
}


def test_pruned_and_diverged_trials_count() -> None:
    told = drawn(smooth, 60)
    without = [record for record in told if record.params["framework"] == "tensorflow"]
    for change in (
        diverged,
        lambda record: replace(record, state="pruned", value=None, rung_scores={1: 0.1, 3: 0.8}),
    ):
        others = [record if record in without else change(record) for record in told]
        with_others, alone = estimate(space(), others), estimate(space(), without)
        assert with_others is not None
        assert alone is not None
        assert with_others != alone


def test_trials_that_failed_through_no_fault_of_their_configuration_do_not_count() -> None:
    told = drawn(smooth, 60)
    without = [record for record in told if record.params["framework"] == "tensorflow"]
    died = [record if record in without else diverged(record, "worker died") for record in told]
    assert estimate(space(), died) == estimate(space(), without)


def test_of_many_trials_as_many_are_looked_at_as_can_be_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fit = gaussian_process.fit

    def counted(X: Any, y: Any, categorical: Any) -> Any:
        seen.append(len(y))
        return fit(X, y, categorical)

    monkeypatch.setattr("search.loop.gaussian_process.fit", counted)
    assert estimate(space(), drawn(smooth, 1000, noise=0.003)) is not None
    assert POINTS * 0.9 < seen[0] <= POINTS + 1


def test_an_estimate_is_due_every_few_trials() -> None:
    assert [told for told in range(160) if is_due(told)] == [*range(20, 101, 5), 125, 150]


def test_a_study_that_had_stopped_stays_so_though_more_trials_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    regrets = {20: 0.3, 25: 0.009, 30: 0.2}
    monkeypatch.setattr("search.loop.regret.estimate", lambda _space, told: regrets[len(told)])
    told = drawn(smooth, 32)
    assert regret_so_far(space(), told, 0.01) == 0.009
    assert regret_so_far(space(), told, 0.001) == 0.2
    assert regret_so_far(space(), told[:19], 0.01) is None


def test_candidates_are_configurations_of_the_space() -> None:
    candidates = Candidates.of(space())
    generator = np.random.default_rng(0)
    drawn_rows = candidates.draw(400, generator)
    rows = np.concatenate([drawn_rows, candidates.near(drawn_rows, generator)])
    names = [axis.name for axis in candidates.axes]
    column = {name: rows[:, place] for place, name in enumerate(names)}
    spark = column["framework"] == 1
    assert 0.4 < spark[:400].mean() < 0.6
    np.testing.assert_array_equal(spark[:400], spark[400:])
    np.testing.assert_array_equal(column["optimizer.spark"] == 2, ~spark)
    np.testing.assert_array_equal(column["optimizer.tensorflow"] == 2, spark)
    np.testing.assert_array_equal(column["batch_size"] == ABSENT, spark)
    np.testing.assert_array_equal(column["learning_rate"] == ABSENT, spark & (column["optimizer.spark"] == 0))
    assert set(column["batch_size"][~spark]) == {0.125, 0.375, 0.625, 0.875}
    assert set(column["initialisation"]) == {0, 1}
    assert not np.array_equal(rows[:400], rows[400:])
    exact = candidates.rows([record.params for record in drawn(smooth, 50)])
    assert set(exact[:, names.index("batch_size")]) <= {ABSENT, 0.125, 0.375, 0.625, 0.875}


def test_the_gradient_of_the_likelihood_is_that_of_its_value() -> None:
    rows = Candidates.of(space()).draw(30, np.random.default_rng(1))
    kinds = Candidates.of(space()).categorical
    y = np.random.default_rng(2).normal(size=30)
    gaps = gaussian_process.squared_gaps(rows, rows, kinds)
    centre, spread = np.zeros(len(kinds) + 2), np.full(len(kinds) + 2, 2.0)
    at = np.linspace(-1.0, 0.5, len(centre))

    def value(at: Any) -> float:
        return gaussian_process._unlikelihood(at, gaps, y, centre, spread)[0]

    gradient = gaussian_process._unlikelihood(at, gaps, y, centre, spread)[1]
    np.testing.assert_allclose(gradient, optimize.approx_fprime(at, value, 1e-6), rtol=1e-3, atol=1e-4)


def test_the_process_passes_through_scores_without_noise_and_is_unsure_elsewhere() -> None:
    X = np.linspace(0, 1, 12)[:, None]
    y = np.sin(6 * X[:, 0])
    process = gaussian_process.fit(X, (y - y.mean()) / y.std(), (False,))
    mean, deviation = process.predict(X)
    np.testing.assert_allclose(mean * y.std() + y.mean(), y, atol=0.05)
    between, unsure = process.predict(np.array([[0.5]]))
    assert abs(float(between[0]) * y.std() + y.mean() - math.sin(3.0)) < 0.05
    assert deviation.max() < 0.1
    assert float(unsure[0]) > float(deviation.mean())


def test_covariances_of_conditional_spaces_have_no_negative_eigenvalue() -> None:
    candidates = Candidates.of(space())
    rows = candidates.draw(200, np.random.default_rng(3))
    gaps = gaussian_process.squared_gaps(rows, rows, candidates.categorical)
    for weight in (0.01, 1.0, 100.0):
        correlation, _ = gaussian_process._matern(np.full(len(gaps), weight), gaps)
        assert np.linalg.eigvalsh(correlation).min() > -1e-9
