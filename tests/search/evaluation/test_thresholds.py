"""The tuned threshold is the best there is, and nothing else is predicted at it than was counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.evaluation.thresholds import predicted_at, tuned_threshold
from workers.training.confusions import NAMES, score_of
from workers.training.scores import confusion_of


@given(
    classes=st.integers(2, 4),
    rows=st.integers(1, 25),
    seed=st.integers(0, 2**16),
    metric=st.sampled_from(NAMES),
)
def test_no_other_threshold_does_better_on_these_rows(
    classes: int, rows: int, seed: int, metric: str
) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(classes, size=rows)
    probabilities = draw.random((rows, classes)).round(1)  # many ties
    probabilities[draw.random(rows) < 0.1, 1] = 1.0
    probabilities[draw.random(rows) < 0.1, 1] = 0.0

    def at(threshold: float) -> float:
        predicted = predicted_at(probabilities, 1, threshold)
        return float(score_of(confusion_of(labels, predicted, classes), metric, 1))

    best = tuned_threshold(labels, probabilities, 1, metric)
    assert at(best) >= max(at(threshold) for threshold in np.linspace(0.0, 1.1, 111)) - 1e-12


def test_among_equal_thresholds_the_nearest_to_a_half_is_taken() -> None:
    labels = np.array([0, 0, 1, 1])
    positive = np.array([0.1, 0.2, 0.7, 0.9])
    probabilities = np.stack([1 - positive, positive], axis=1)
    assert tuned_threshold(labels, probabilities, 1, "f1") == pytest.approx(0.45)


def test_a_network_that_is_too_careful_gets_a_lower_threshold() -> None:
    labels = np.array([0] * 8 + [1] * 4)
    positive = np.array([0.01] * 8 + [0.1, 0.2, 0.3, 0.4])
    probabilities = np.stack([1 - positive, positive], axis=1)
    threshold = tuned_threshold(labels, probabilities, 1, "average_precision")
    assert threshold == pytest.approx(0.055)
    np.testing.assert_array_equal(predicted_at(probabilities, 1, threshold), labels)


def test_neighbouring_numbers_are_told_apart() -> None:
    low = 0.25
    high = np.nextafter(low, 1.0)
    positive = np.array([low, high])
    probabilities = np.stack([1 - positive, positive], axis=1)
    threshold = tuned_threshold(np.array([0, 1]), probabilities, 1, "f1")
    np.testing.assert_array_equal(predicted_at(probabilities, 1, threshold), [0, 1])


def test_below_the_threshold_the_most_probable_other_class_is_said() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.1, 0.8, 0.1]])
    np.testing.assert_array_equal(predicted_at(probabilities, 1, 0.6), [2, 1])
