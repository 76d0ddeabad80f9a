"""How the scores of several networks on the same test rows would vary together with other rows.

To first order a score is a sum over its rows of what each one does to it, its influence: the infinitesimal
jackknife of B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982, chapter 6. So
variances and covariances are sums of products of influences within each class, whose share of the rows is
fixed. They are what a bootstrap of rows converges to, without its draws: p-values have no smallest value, and
a hundred networks on 100,000 rows take seconds.

With few rows of a class all networks may be right on every one, which proves no variance of zero. So half a
row is added to each class, predicted as each class alike, in the spirit of A. Agresti and Y. Min, "Simple
improved confidence intervals for comparing matched proportions", Statistics in Medicine 24, 2005. The
networks of one group agree on it and those of two don't, so that it adds to the variance of differences too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.confusions import slopes_of

ADDED = 0.5
"""Rows that are added to each class; with one, tests of 26 positive rows lose a fifth of their power."""

BLOCK = 2_000_000
"""Influences that are multiplied at once, so that many rows need no large memory."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one network says to the test rows.

    Attributes:
        predicted: (rows,) the class.
        probability: (rows,) of the positive class; needed for the average precision alone.
    """

    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Influences:
    """Of each row, (rows,), and of the added rows of each class: (classes, places), equally likely; of the
    negative and the positive class, where ranks decide.
    """

    rows: NDArray[np.float64]
    added: NDArray[np.float64]


def row_covariance(
    labels: NDArray[np.int64],
    answers: Sequence[Answers],
    groups: Sequence[int],
    metric: str,
    classes: int,
    positive: int,
) -> NDArray[np.float64]:
    """(networks, networks): covariances of the networks' scores over samples of as many rows of each class.

    Args:
        labels: (rows,) of the test rows.
        answers: of each network.
        groups: which configuration each one is of; see the module on why.
        metric: one of :data:`workers.scores.METRICS`.
        classes: how many there are.
        positive: the class that ``metric`` is of.
    """
    if metric == "average_precision":
        found = [_of_ranks(labels == positive, one.probability) for one in answers]
    else:
        found = [
            _of_confusion(labels * classes + one.predicted, metric, classes, positive) for one in answers
        ]
    alike = np.equal.outer(np.asarray(groups), np.asarray(groups))
    covariance = np.zeros(alike.shape)
    step = max(1, BLOCK // len(found))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        sums, products = np.zeros(len(found)), np.zeros(alike.shape)
        for first in range(0, len(members), step):
            block = np.stack([one.rows[members[first : first + step]] for one in found])
            sums += block.sum(axis=1)
            products += block @ block.T
        # Ranks know two classes: the positive one, and all others.
        kind = int(label == positive) if metric == "average_precision" else label
        added = np.stack([one.added[kind] for one in found])
        means = added.mean(axis=1)
        products += ADDED * np.where(alike, added @ added.T / added.shape[1], np.outer(means, means))
        sums += ADDED * means
        covariance += products - np.outer(sums, sums) / (len(members) + ADDED)
    return covariance


def _of_confusion(cells: NDArray[np.int64], metric: str, classes: int, positive: int) -> _Influences:
    """All rows of one cell of the confusion matrix, (rows,) ``cells``, have the same influence."""
    counts = np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.float64)
    counts[counts.sum(axis=1) > 0] += ADDED / classes
    slopes = slopes_of(counts, metric, positive)
    return _Influences(slopes.ravel()[cells], slopes)


def _of_ranks(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> _Influences:
    """Of the average precision: the mean over the positive rows of A/B, where A of B rows that are ranked as
    high are positive. A row's influence is its own A/B, if it is positive, and what it does to the A and B of
    all positive rows that are ranked no higher. Of the added rows the positive ones come first or last, the
    others amid the positive ones or last: one that came first would outweigh all that were seen.
    """
    amid = np.median(probability[positive]) if positive.any() else np.inf
    ranked = np.append(probability, [amid, -np.inf, np.inf, -np.inf])
    is_positive = np.append(positive, [False, False, True, True])
    weight = np.append(np.ones(len(positive)), np.full(4, ADDED / 2.0))
    distinct, place = np.unique(-ranked, return_inverse=True)
    positives = np.bincount(place, weight * is_positive, len(distinct))
    above, reached = np.cumsum(positives), np.cumsum(np.bincount(place, weight, len(distinct)))
    precision, total = above / reached, above[-1]
    # Of all positive rows from here down: d(A/B)/dA = 1/B for a positive row, d(A/B)/dB = -A/B² for each one.
    for_above = np.cumsum((positives / reached)[::-1])[::-1]
    for_reached = np.cumsum((positives * precision / reached)[::-1])[::-1]
    average = (positives * precision).sum() / total
    found = np.where(is_positive, precision[place] + for_above[place] - average, 0.0) - for_reached[place]
    found /= total
    return _Influences(found[:-4], found[-4:].reshape(2, 2))
