"""A row's influence is the derivative of the score, and its squares add up to the bootstrap's variance."""

from __future__ import annotations

import numpy as np
import pytest

from search.influence import influence
from search.resampling import Table, drawn_scores
from workers.scores import METRICS, metric_of, score

ROWS, CLASSES, POSITIVE = 400, 3, 2


@pytest.fixture(scope="module")
def table() -> Table:
    """Three classes, with many ties among the probabilities."""
    draw = np.random.default_rng(0)
    labels = draw.choice(CLASSES, ROWS, p=[0.6, 0.25, 0.15])
    z = draw.normal(size=(ROWS, CLASSES))
    z[np.arange(ROWS), labels] += 1.5
    probabilities = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return Table(labels, [probabilities.round(2)], POSITIVE)


@pytest.mark.parametrize("metric", METRICS)
def test_the_variance_over_rows_is_that_of_the_bootstrap(table: Table, metric: str) -> None:
    found = influence(table.labels, table.probabilities[0], metric, POSITIVE).rows
    variance = sum(
        ((found[table.labels == one] - found[table.labels == one].mean()) ** 2).sum()
        for one in range(CLASSES)
    )
    assert variance**0.5 == pytest.approx(drawn_scores(table, metric, 1500, 1).std(), rel=0.07)


@pytest.mark.parametrize("metric", METRICS)
def test_it_is_what_rows_that_count_more_do_to_the_score(table: Table, metric: str) -> None:
    """With the rows a hundred times, two copies more of one row are a weight of 0.02."""
    labels, probabilities = np.tile(table.labels, 100), np.tile(table.probabilities[0], (100, 1))
    found = influence(table.labels, table.probabilities[0], metric, POSITIVE).rows
    before = metric_of(score(labels, probabilities, POSITIVE), metric)
    for row in (*range(3), *np.flatnonzero(table.labels == POSITIVE)[:3]):
        more = np.append(labels, [labels[row]] * 2), np.vstack([probabilities, [probabilities[row]] * 2])
        after = metric_of(score(*more, POSITIVE), metric)
        assert (after - before) / 0.02 == pytest.approx(found[row], abs=2e-4), row


def test_where_nothing_is_wrong_being_wrong_would_still_cost() -> None:
    labels = np.repeat([0, 1], (20, 4))
    right = np.eye(2)[labels]
    for metric in METRICS:
        found = influence(labels, right, metric, 1)
        assert found.wrong[1] < found.right[1] + 1e-12, metric
        assert found.wrong.min() < 0 or metric == "recall", metric


def test_without_positive_rows_nothing_moves_their_average_precision() -> None:
    found = influence(np.zeros(5, dtype=np.int64), np.full((5, 2), 0.5), "average_precision", 1)
    assert not found.rows.any()
