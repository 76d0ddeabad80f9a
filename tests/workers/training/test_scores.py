from __future__ import annotations

import math
import pickle
import warnings
from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from studies.records.reports import Scores
from studies.sections.study import Metric
from workers.training.scores import (
    METRICS,
    SMALLEST,
    all_positive_f1,
    constant_scores,
    majority_class,
    metric_of,
    score,
)
from workers.training.trainer import TrainingFailed

Case = tuple[NDArray[np.int64], NDArray[np.float64], int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Labels, probabilities and a positive class: classes may be absent, probabilities tied, 0 or 1."""
    classes = draw(st.integers(2, 5))
    rows = draw(st.integers(1, 40))
    present = draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=classes))
    labels = draw(st.lists(st.sampled_from(present), min_size=rows, max_size=rows))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([1, 2, 4, 1_000_000]))  # few levels make many ties
    counts = generator.integers(0, levels, (rows, classes), endpoint=True).astype(np.float64)
    counts[counts.sum(axis=1) == 0, draw(st.integers(0, classes - 1))] = 1.0
    probabilities = counts / counts.sum(axis=1, keepdims=True)
    return np.array(labels, np.int64), probabilities, draw(st.integers(0, classes - 1))


def by_scikit_learn(labels: NDArray[np.int64], probabilities: NDArray[np.float64], positive: int) -> Scores:
    classes = list(range(probabilities.shape[1]))
    predictions = probabilities.argmax(axis=1)
    of_positive = {"labels": [positive], "average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of one class alone, and of no positive rows
        return Scores(
            f1=metrics.f1_score(labels, predictions, **of_positive),
            f1_macro=metrics.f1_score(labels, predictions, average="macro", zero_division=0),
            f1_weighted=metrics.f1_score(labels, predictions, average="weighted", zero_division=0),
            precision=metrics.precision_score(labels, predictions, **of_positive),
            recall=metrics.recall_score(labels, predictions, **of_positive),
            average_precision=metrics.average_precision_score(labels == positive, probabilities[:, positive]),
            mcc=metrics.matthews_corrcoef(labels, predictions),
            accuracy=metrics.accuracy_score(labels, predictions),
            log_loss=metrics.log_loss(labels, probabilities, labels=classes),
            confusion=tuple(
                tuple(int(count) for count in row)
                for row in metrics.confusion_matrix(labels, predictions, labels=classes)
            ),
        )


@given(case=cases())
@example(case=(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]), 1))
@example(case=(np.array([0]), np.array([[1.0, 0.0]]), 1))
@example(case=(np.array([1]), np.array([[1.0, 0.0]]), 1))
@settings(deadline=None)
def test_every_score_is_that_of_scikit_learn(case: Case) -> None:
    ours, theirs = score(*case), by_scikit_learn(*case)
    assert ours.confusion == theirs.confusion
    for name in [field.name for field in fields(Scores) if field.name != "confusion"]:
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-12, abs=1e-12), name


@given(case=cases())
@settings(deadline=None)
def test_scores_keep_their_bounds_and_are_plain_numbers(case: Case) -> None:
    scores = score(*case)
    for name in METRICS:
        value = metric_of(scores, name)
        assert type(getattr(scores, name)) is float
        assert (-1 if name == "mcc" else 0) - 1e-12 <= value <= 1 + 1e-12
    assert 0 <= scores.log_loss <= -math.log(SMALLEST) + 1e-12
    assert all(type(count) is int for row in scores.confusion for count in row)
    assert pickle.loads(pickle.dumps(scores)) == scores


@given(case=cases(), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_the_order_of_the_rows_changes_no_score(case: Case, seed: int) -> None:
    labels, probabilities, positive = case
    order = np.random.default_rng(seed).permutation(len(labels))
    one, other = score(labels, probabilities, positive), score(labels[order], probabilities[order], positive)
    assert one.confusion == other.confusion
    assert one.average_precision == other.average_precision
    assert one.log_loss == pytest.approx(other.log_loss, rel=1e-12, abs=1e-15)


def test_scores_of_an_example_counted_by_hand() -> None:
    # 3 true positives, 1 false positive, 2 false negatives, 4 true negatives
    labels = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0])
    positive = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1])
    scores = score(labels, np.column_stack([1 - positive, positive]), 1)
    assert scores.confusion == ((4, 1), (2, 3))
    assert scores.precision == 3 / 4
    assert scores.recall == 3 / 5
    assert scores.f1 == 2 / 3
    assert scores.accuracy == 7 / 10
    assert scores.mcc == pytest.approx((3 * 4 - 1 * 2) / math.sqrt(4 * 5 * 5 * 6))
    assert scores.average_precision == pytest.approx((1 + 1 + 1 + 4 / 5 + 5 / 6) / 5)


def test_equal_probabilities_are_predicted_as_the_first_class() -> None:
    assert score(np.array([0, 1, 2]), np.full((3, 3), 1 / 3), 0).confusion == (
        (1, 0, 0),
        (1, 0, 0),
        (1, 0, 0),
    )


def test_a_certain_and_wrong_prediction_costs_a_finite_loss() -> None:
    assert score(np.array([1]), np.array([[1.0, 0.0]]), 1).log_loss == pytest.approx(36.04, abs=0.01)


def test_the_weighted_f1_of_an_all_negative_predictor_is_high_and_its_f1_is_zero() -> None:
    labels = np.array([1] * 59 + [0] * 941)
    scores = constant_scores(labels, classes=2, predicted=0, positive=1)
    assert scores.f1 == 0
    assert scores.f1_weighted == pytest.approx(0.913, abs=1e-3)


def test_counts_too_large_for_the_products_of_64_bits_give_a_matthews_correlation() -> None:
    labels = np.tile(np.array([0, 1]), 100_000)
    probabilities = np.eye(2)[labels]
    assert score(labels, probabilities, 1).mcc == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_probabilities_that_are_not_finite_are_a_diverged_training(broken: float) -> None:
    probabilities = np.full((3, 2), 0.5)
    probabilities[1, 0] = broken
    with pytest.raises(TrainingFailed) as raised:
        score(np.array([0, 1, 0]), probabilities, 1)
    assert raised.value.failure.cause == "diverged"
    assert raised.value.failure.message == "probabilities not finite in 1 of 3 rows"


@pytest.mark.parametrize(("labels", "rows"), [(0, 0), (2, 3), (0, 3)])
def test_rows_without_their_labels_are_refused(labels: int, rows: int) -> None:
    with pytest.raises(ValueError, match=f"found {labels} labels for {rows} rows"):
        score(np.zeros(labels, np.int64), np.full((rows, 2), 0.5), 1)


def test_metric_of_knows_the_metrics_of_the_study_file_and_no_others() -> None:
    assert set(METRICS) == set(get_args(Metric))
    scores = score(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]), 1)
    assert [metric_of(scores, name) for name in METRICS] == [getattr(scores, name) for name in METRICS]
    for unknown in ("log_loss", "confusion", "f2"):
        with pytest.raises(ValueError, match=f"unknown metric '{unknown}'; allowed: f1, f1_weighted"):
            metric_of(scores, unknown)


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=50), positive=st.integers(0, 3))
@settings(deadline=None)
def test_the_closed_form_of_the_all_positive_f1_is_the_score_of_calling_all_positive(
    labels: list[int], positive: int
) -> None:
    array = np.array(labels, np.int64)
    assert all_positive_f1(array, positive) == constant_scores(array, 4, positive, positive).f1


def test_the_all_positive_f1_is_two_p_over_one_plus_p() -> None:
    assert all_positive_f1(np.array([1] * 14 + [0] * 86), 1) == pytest.approx(2 * 0.14 / 1.14)
    assert all_positive_f1(np.zeros(0, np.int64), 1) == 0.0


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=50), predicted=st.integers(0, 3))
@settings(deadline=None)
def test_constant_predictors_are_as_accurate_as_their_class_is_common(
    labels: list[int], predicted: int
) -> None:
    array = np.array(labels, np.int64)
    scores = constant_scores(array, 4, predicted, positive=1)
    assert scores.accuracy == labels.count(predicted) / len(labels)
    assert scores.mcc == 0
    assert scores.accuracy <= constant_scores(array, 4, majority_class(array, 4), positive=1).accuracy


def test_the_majority_class_is_the_first_of_equally_common_ones() -> None:
    assert majority_class(np.array([2, 1, 2, 1, 0]), 4) == 1
