"""What finalists are worth, where it is known what they say to each row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.evaluation.finalists import Candidate, Trained, evaluate
from search.reporting.finalist_words import (
    comparisons,
    coverage,
    finalist_sentences,
    over_logistic,
    thresholds,
)
from studies.data.split import Rows, Split
from studies.records.finalists import Finalists
from studies.records.reports import SCORE_NAMES
from studies.space.configuration import Configuration
from workers.training.scores import METRICS, score

CONFIGURATION = Configuration("tensorflow", "he_normal", "adam", 9, learning_rate=0.1, batch_size=16)
DRAW = np.random.default_rng(3)


def rows(count: int) -> Rows:
    labels = (np.arange(count) % 5 == 0).astype(np.int64)
    features = DRAW.normal(size=(count, 2)).astype(np.float32) + labels[:, np.newaxis]
    return Rows(features.astype(np.float32), labels)


SPLIT = Split(rows(200), rows(100), rows(300), ("ham", "spam"), 1, "hash")


def answers(labels: NDArray[np.int64], wrong: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Probabilities of a network that is wrong in so many rows, and not equally sure of all."""
    said = labels.copy()
    missed = draw.choice(len(labels), wrong, replace=False)
    said[missed] = 1 - said[missed]
    positive = np.where(said == 1, draw.uniform(0.6, 0.9, len(said)), draw.uniform(0.1, 0.4, len(said)))
    return np.stack([1 - positive, positive], axis=1)


def candidate(trial: int, found: float, validation: Sequence[int], test: Sequence[int]) -> Candidate:
    """One whose networks are wrong in so many validation and test rows each."""
    draw = np.random.default_rng(trial)
    trained = []
    for place, wrong in enumerate(zip(validation, test, strict=True)):
        of_both = zip((SPLIT.validation, SPLIT.test), wrong, strict=True)
        trained.append(
            Trained(100 + place, 2.0 + place, *(answers(one.labels, n, draw) for one, n in of_both))
        )
    return Candidate(trial, CONFIGURATION, found, tuple(trained))


GOOD = candidate(3, 0.95, (6, 7, 8), (20, 22, 24))
AS_GOOD = candidate(8, 0.99, (7, 8, 9), (20, 22, 25))
BAD = candidate(5, 0.97, (30, 31, 32), (90, 95, 100))
FAILED = Candidate(9, CONFIGURATION, 0.9, (), ("diverged", "diverged"))


def of(*candidates: Candidate, metric: str = "f1") -> Finalists:
    return evaluate(candidates, SPLIT, metric, ("a", "b"))


def test_they_are_ranked_by_new_seeds_on_the_validation_rows_and_told_apart_by_the_test_rows() -> None:
    found = of(BAD, AS_GOOD, GOOD)
    assert [(one.trial, one.verdict) for one in found.finalists] == [(3, "best"), (8, "tied"), (5, "worse")]
    assert [one.trial for one in found.tied] == [3, 8]
    best, tied, worse = found.finalists
    assert best.p_value is None
    assert best.difference is None
    assert tied.p_value is not None
    assert tied.p_value > 0.3
    assert worse.p_value is not None
    assert worse.p_value < 0.01
    assert worse.difference is not None
    assert worse.difference.high < 0
    assert found.winner.trial == 8
    assert found.asked == ("a", "b")


def test_one_that_the_test_rows_like_better_is_said_to_be() -> None:
    lucky = candidate(4, 0.9, (9, 10, 11), (3, 3, 4))
    unlucky = candidate(6, 0.9, (1, 2, 1), (90, 91, 92))
    found = of(lucky, unlucky)
    assert [(one.trial, one.verdict) for one in found.finalists] == [(6, "best"), (4, "better")]


@pytest.mark.parametrize("metric", ["f1", "mcc", "average_precision"])
def test_scores_are_the_means_of_each_training_and_lie_in_their_interval(metric: str) -> None:
    (one,) = of(GOOD, metric=metric).finalists
    scores = [score(SPLIT.test.labels, each.test, 1) for each in GOOD.trained]
    assert one.test == tuple(getattr(each, metric) for each in scores)
    assert one.scores == {
        name: pytest.approx(np.mean([getattr(s, name) for s in scores])) for name in SCORE_NAMES
    }
    assert one.interval.low < one.test_mean < one.interval.high
    np.testing.assert_array_equal(one.confusion, np.sum([each.confusion for each in scores], axis=0))
    assert one.seeds == (100, 101, 102)
    assert one.train_seconds == 3.0


def test_optimism_is_what_the_search_promised_and_new_seeds_do_not_keep() -> None:
    (one,) = of(GOOD).finalists
    validation = np.mean([score(SPLIT.validation.labels, each.validation, 1).f1 for each in GOOD.trained])
    assert one.optimism == (pytest.approx(0.95 - validation), pytest.approx(0.95 - one.test_mean))


def test_a_threshold_that_validation_likes_better_is_used_and_the_other_kept_beside_it() -> None:
    draw = np.random.default_rng(1)

    def careful(rows: Rows) -> NDArray[np.float64]:
        """Everything halved: nothing reaches 0.5, and the order is as it was."""
        positive = answers(rows.labels, 2, draw)[:, 1] / 2
        return np.stack([1 - positive, positive], axis=1)

    halved = tuple(Trained(seed, 1.0, careful(SPLIT.validation), careful(SPLIT.test)) for seed in (1, 2))
    (found,) = of(Candidate(1, CONFIGURATION, 0.9, halved)).finalists
    assert found.scores["f1"] == 0.0
    assert found.tuned.scores["f1"] > 0.95
    assert found.tuned.recommended
    assert all(0.2 <= threshold <= 0.3 for threshold in found.tuned.thresholds)
    assert np.sum(found.tuned.confusion) == 2 * len(SPLIT.test)


def test_the_curve_goes_from_sure_to_everything() -> None:
    (one,) = of(GOOD).finalists
    recalls = [point.recall for point in one.curve]
    thresholds = [point.threshold for point in one.curve]
    assert recalls == sorted(recalls)
    assert thresholds == sorted(thresholds, reverse=True)
    assert recalls[-1] == 1.0
    assert one.curve[-1].precision >= 0.2
    assert 20 < len(one.curve) <= 102


def test_those_without_a_training_are_listed_with_their_causes() -> None:
    found = of(FAILED, GOOD)
    assert found.failed == {9: ("diverged", "diverged")}
    assert [one.trial for one in found.finalists] == [3]


def test_the_logistic_regression_is_trained_on_the_training_rows() -> None:
    found = of(GOOD)
    assert 0.3 < found.logistic.f1 < 0.9
    assert np.sum(found.logistic.confusion) == len(SPLIT.test)


def test_it_goes_to_json_and_back_and_the_same_rows_give_the_same() -> None:
    found = of(BAD, AS_GOOD, GOOD, FAILED)
    assert Finalists.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert asdict(of(BAD, AS_GOOD, GOOD, FAILED)) == asdict(found)


def test_a_study_of_earlier_code_is_read_and_shows_what_it_had() -> None:
    """Neither prediction intervals nor paired differences, and a number of bootstrap draws."""
    stored = json.loads(json.dumps(of(GOOD, AS_GOOD).to_dict())) | {"draws": 4000}
    for name in ("over_logistic", "margin"):
        del stored[name]
    for one in stored["finalists"]:
        for name in ("prediction", "luck_of_seeds", "luck_of_rows"):
            del one[name]
        for name in ("metric", "difference"):
            del one["tuned"][name]
    found = Finalists.from_dict(stored)
    assert [one.verdict for one in found.finalists] == ["best", "tied"]
    assert found.over_logistic is None
    assert [words for words in finalist_sentences(found, 300) if "prediction" in words] == []
    assert thresholds(found.finalists[0]) is None
    assert not found.finalists[0].tuned.recommended


def test_the_best_is_compared_with_the_logistic_regression_on_the_same_rows() -> None:
    found = of(GOOD)
    assert found.over_logistic is not None
    assert found.over_logistic.value == pytest.approx(found.finalists[0].test_mean - found.logistic.f1)
    assert found.over_logistic.significant
    assert "is significantly better: +0." in str(over_logistic(found))


def test_a_threshold_is_recommended_only_where_its_gain_is_significant() -> None:
    (good,) = of(GOOD).finalists
    assert good.tuned.difference is not None
    assert good.tuned.difference.value == pytest.approx(good.tuned.scores["f1"] - good.scores["f1"])
    assert not good.tuned.recommended
    assert "not recommended" in str(thresholds(good))


def test_luck_is_split_into_seeds_and_rows_and_both_have_intervals() -> None:
    (one,) = of(GOOD).finalists
    assert one.luck_of_seeds is not None
    assert one.luck_of_rows is not None
    assert one.luck_of_seeds.low < one.found - one.validation_mean < one.luck_of_seeds.high
    assert one.luck_of_rows.low < one.validation_mean - one.test_mean < one.luck_of_rows.high
    assert one.luck_of_rows.high - one.luck_of_rows.low > one.luck_of_seeds.high - one.luck_of_seeds.low
    (wild,) = of(candidate(1, 0.95, (2, 95, 50), (20, 22, 24))).finalists
    assert wild.luck_of_seeds is not None
    assert wild.luck_of_seeds.low >= 0.95 - 1.0
    assert wild.luck_of_seeds.high <= 0.95


@pytest.mark.parametrize("metric", ["f1", "mcc", "average_precision"])
def test_a_new_network_is_expected_in_a_wider_interval_than_the_mean(metric: str) -> None:
    (one,) = of(GOOD, metric=metric).finalists
    assert one.prediction is not None
    assert one.prediction.low < one.interval.low
    assert one.prediction.high > one.interval.high


def test_one_training_each_has_intervals_of_rows_alone_and_says_so() -> None:
    found = of(candidate(1, 0.9, (6,), (20,)), candidate(2, 0.9, (9,), (26,)))
    assert all(one.prediction is None and one.luck_of_seeds is None for one in found.finalists)
    assert "cover the test rows alone" in coverage(found)
    assert all(one.interval.low < one.test_mean < one.interval.high for one in found.finalists)


def test_a_training_that_failed_leaves_the_others_comparable() -> None:
    found = of(candidate(1, 0.9, (6, 7, 8), (20, 22, 21)), candidate(2, 0.9, (9,), (26,)))
    assert found.finalists[1].verdict == "tied"
    assert found.finalists[1].interval.high > found.finalists[1].interval.low


@given(
    wrong=st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=3), min_size=2, max_size=4),
    metric=st.sampled_from(METRICS),
)
@settings(max_examples=25)
def test_intervals_of_differences_agree_with_p_values_and_with_what_scores_can_be(
    wrong: list[list[int]], metric: str
) -> None:
    ones = [candidate(trial, 0.9, tuple(each), tuple(each)) for trial, each in enumerate(wrong)]
    best, *others = of(*ones, metric=metric).finalists
    for one in others:
        assert one.difference is not None
        assert one.p_value is not None
        assert one.difference.low <= one.test_mean - best.test_mean + 1e-12
        assert one.difference.high >= one.test_mean - best.test_mean - 1e-12
        assert one.difference.low >= min(
            0.0, one.test_mean - best.test_mean, one.interval.low - best.interval.high
        )
        assert one.difference.high <= max(
            0.0, one.test_mean - best.test_mean, one.interval.high - best.interval.low
        )
        assert (one.difference.low > 0 or one.difference.high < 0) == (one.p_value < 0.05)
        assert (one.verdict in ("better", "worse")) == (one.p_value < 0.05)


def test_four_positive_rows_that_all_are_missed_leave_room_above_and_no_difference_beyond_one() -> None:
    few = Rows(SPLIT.test.features[:40], np.repeat([0, 1], [36, 4]))
    split = replace(SPLIT, test=few, validation=few)

    def network(said: NDArray[np.int64]) -> Trained:
        return Trained(1, 1.0, np.eye(2)[said], np.eye(2)[said])

    right, missed = few.labels, few.labels * 0
    ones = [
        Candidate(trial, CONFIGURATION, 0.9, (network(said), network(said)))
        for trial, said in ((1, right), (2, missed))
    ]
    best, other = evaluate(ones, split, "f1", ()).finalists
    assert best.interval.low < 0.85
    assert other.interval.low == 0.0
    assert other.interval.high > 0.3
    assert other.difference is not None
    assert -1.0 <= other.difference.low < other.difference.high <= 1.0


def test_two_are_called_equivalent_only_where_the_difference_is_within_the_margin() -> None:
    """6,000 rows, and networks of two configurations that differ in a handful of them."""
    many = rows(6000)
    split = replace(SPLIT, test=many)
    draw = np.random.default_rng(8)
    base = answers(many.labels, 300, draw)

    def near(trial: int) -> Candidate:
        trained = []
        for seed in range(5):
            test = base.copy()
            moved = draw.choice(len(many), 6, replace=False)
            test[moved] = test[moved, ::-1]
            trained.append(Trained(seed, 1.0, GOOD.trained[0].validation, test))
        return Candidate(trial, CONFIGURATION, 0.9, tuple(trained))

    found = evaluate([near(1), near(2)], split, "f1", ())
    other = found.finalists[1]
    assert other.verdict == "equivalent"
    assert other.difference is not None
    assert max(-other.difference.low, other.difference.high) < 0.01
    assert "is equivalent to trial" in " ".join(comparisons(found))
