"""Covariances of scores over rows, against a bootstrap of rows and closed forms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.evaluation import row_covariance as module
from search.evaluation.influence import Answers
from search.evaluation.row_covariance import row_covariance
from studies.records.reports import Scores
from workers.training.scores import METRICS, metric_of, score


def networks(labels: NDArray[np.int64], count: int, draw: np.random.Generator) -> list[NDArray[np.float64]]:
    """(rows, 2) probabilities of networks for which rows are hard together."""
    z = draw.normal(size=(count, len(labels))) * 0.7 + draw.normal(size=len(labels)) + 1.5 * labels
    positive = 1.0 / (1.0 + np.exp(1.0 - z))
    return [np.stack([1.0 - one, one], axis=1) for one in positive]


def answers(probabilities: list[NDArray[np.float64]]) -> list[Answers]:
    return [Answers(one.argmax(axis=1), one[:, 1]) for one in probabilities]


LABELS = np.repeat([0, 1], [240, 60])
NETWORKS = networks(LABELS, 3, np.random.default_rng(5))


@cache
def bootstrap() -> list[list[Scores]]:
    """The networks' scores on 1,500 samples of rows."""
    draw = np.random.default_rng(6)
    samples = (np.concatenate([draw.choice(240, 240), 240 + draw.choice(60, 60)]) for _ in range(1500))
    return [[score(LABELS[rows], one[rows], 1) for one in NETWORKS] for rows in samples]


@pytest.mark.parametrize("metric", METRICS)
def test_it_is_what_a_bootstrap_of_rows_within_classes_gives(metric: str) -> None:
    found = row_covariance(LABELS, answers(NETWORKS), [0, 0, 1], metric, 2, 1)
    drawn = [[metric_of(scores, metric) for scores in sample] for sample in bootstrap()]
    # A variance that is estimated by 1,500 draws is off by 4%, and the first order by some more.
    np.testing.assert_allclose(found, np.cov(np.transpose(drawn)), rtol=0.2)


@given(metric=st.sampled_from(METRICS), classes=st.integers(2, 3), seed=st.integers(0, 2**16))
def test_it_is_a_covariance_and_equal_networks_of_a_group_never_differ(
    metric: str, classes: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, draw.integers(1, 30))
    probabilities = list(draw.random((3, len(labels), classes)).round(1))
    probabilities.append(probabilities[0])
    found = row_covariance(
        labels,
        [Answers(one.argmax(axis=1), one[:, 1]) for one in probabilities],
        [0, 1, 2, 0],
        metric,
        classes,
        1,
    )
    assert np.isfinite(found).all()
    assert np.linalg.eigvalsh(found).min() > -1e-12
    np.testing.assert_allclose(found[0], found[3], atol=1e-15)


def test_no_mistakes_on_few_rows_prove_no_certainty() -> None:
    """Half of a row of each class is predicted as either, by each configuration on its own."""
    labels = np.repeat([0, 1], [26, 4])
    right = answers([np.eye(2)[labels]] * 2)
    of_groups = row_covariance(labels, right, [0, 1], "f1", 2, 1)
    difference = of_groups[0, 0] + of_groups[1, 1] - 2.0 * of_groups[0, 1]
    assert of_groups[0, 0] > 0.05**2
    assert difference > of_groups[0, 0]
    of_one_group = row_covariance(labels, right, [0, 0], "f1", 2, 1)
    np.testing.assert_allclose(of_one_group, np.full((2, 2), of_groups[0, 0]))


def test_accuracy_varies_as_its_binomials() -> None:
    labels = np.repeat([0, 1], [1600, 400])
    said = labels.copy()
    said[:300] = 1
    said[-100:] = 0
    found = row_covariance(labels, [Answers(said, said * 1.0)], [0], "accuracy", 2, 1)
    hit = np.array([1300 / 1600, 300 / 400])
    assert found[0, 0] == pytest.approx((np.array([1600, 400]) * hit * (1 - hit)).sum() / 2000**2, rel=0.01)


@pytest.mark.parametrize("metric", ["mcc", "average_precision"])
def test_rows_in_blocks_are_whole(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 2, 200)
    given_answers = answers(networks(labels, 2, draw))
    whole = row_covariance(labels, given_answers, [0, 1], metric, 2, 1)
    monkeypatch.setattr(module, "BLOCK", 14)
    np.testing.assert_allclose(row_covariance(labels, given_answers, [0, 1], metric, 2, 1), whole, rtol=1e-10)
