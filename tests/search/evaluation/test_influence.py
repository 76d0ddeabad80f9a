"""A row's influence is what it does to the score, and its squares add up to the bootstrap's variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from search.evaluation.influence import Answers, Influence
from search.evaluation.influence import influence as influence_of
from studies.records.reports import Scores
from workers.training.scores import METRICS, metric_of, score

ROWS, CLASSES, POSITIVE = 400, 3, 2


def influence(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], metric: str, positive: int
) -> Influence:
    answers = Answers(probabilities.argmax(axis=1), probabilities[:, positive])
    return influence_of(labels, answers, metric, probabilities.shape[1], positive)


@dataclass(frozen=True)
class Table:
    """What a network says to some rows."""

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@pytest.fixture(scope="module")
def table() -> Table:
    """Three classes, with many ties among the probabilities."""
    draw = np.random.default_rng(0)
    labels = draw.choice(CLASSES, ROWS, p=[0.6, 0.25, 0.15])
    z = draw.normal(size=(ROWS, CLASSES))
    z[np.arange(ROWS), labels] += 1.5
    probabilities = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return Table(labels, probabilities.round(2))


@pytest.fixture(scope="module")
def bootstrap(table: Table) -> list[Scores]:
    """Scores of 1,500 samples of rows, within classes."""
    draw = np.random.default_rng(1)
    classes = [np.flatnonzero(table.labels == one) for one in range(CLASSES)]
    samples = (np.concatenate([draw.choice(rows, len(rows)) for rows in classes]) for _ in range(1500))
    return [score(table.labels[rows], table.probabilities[rows], POSITIVE) for rows in samples]


@pytest.mark.parametrize("metric", METRICS)
def test_the_variance_over_rows_is_that_of_the_bootstrap(
    table: Table, bootstrap: list[Scores], metric: str
) -> None:
    found = influence(table.labels, table.probabilities, metric, POSITIVE).rows
    variance = sum(
        ((found[table.labels == one] - found[table.labels == one].mean()) ** 2).sum()
        for one in range(CLASSES)
    )
    assert variance**0.5 == pytest.approx(np.std([metric_of(one, metric) for one in bootstrap]), rel=0.07)


@pytest.mark.parametrize("metric", METRICS)
def test_it_is_what_a_row_in_the_place_of_another_of_its_class_does_to_the_score(
    table: Table, metric: str
) -> None:
    """With the rows a hundred times, two copies of one row for two of another weigh 0.02."""
    labels, probabilities = np.tile(table.labels, 100), np.tile(table.probabilities, (100, 1))
    found = influence(table.labels, table.probabilities, metric, POSITIVE).rows
    before = metric_of(score(labels, probabilities, POSITIVE), metric)
    for label in range(CLASSES):
        one, other, *_ = np.flatnonzero(table.labels == label)
        moved = probabilities.copy()
        moved[[other, other + ROWS]] = table.probabilities[one]
        after = metric_of(score(labels, moved, POSITIVE), metric)
        # Half a row that is added to each class moves the influences by a hundredth or so.
        expected = found[one] - found[other]
        assert (after - before) / 0.02 == pytest.approx(expected, rel=0.05, abs=1e-4), label


def test_where_nothing_is_wrong_being_wrong_would_still_cost() -> None:
    labels = np.repeat([0, 1], (20, 4))
    right = np.eye(2)[labels]
    for metric in METRICS:
        found = influence(labels, right, metric, 1)
        assert found.wrong[1] < found.right[1], metric
        # Recall is of the positive rows alone.
        assert found.wrong[0] < found.right[0] or metric == "recall", metric


def test_without_positive_rows_nothing_moves_their_average_precision() -> None:
    found = influence(np.zeros(5, dtype=np.int64), np.full((5, 2), 0.5), "average_precision", 1)
    assert np.ptp(found.rows) == 0.0
