"""What finalists are worth, where it is known what they say to each row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray

from search.evaluation import Candidate, Trained, evaluate
from studies.configuration import Configuration
from studies.data.split import Rows, Split
from studies.finalists_record import Finalists
from studies.records import SCORE_NAMES
from workers.scores import score

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
    return evaluate(candidates, SPLIT, metric, 7, ("a", "b"))


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
