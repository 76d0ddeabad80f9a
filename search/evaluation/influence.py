"""By how much each row of a table moves a score: its influence.

The influence of a row is the derivative of the score by the weight of that row, at equal weights (F. Hampel,
"The influence curve and its role in robust estimation", JASA 69, 1974). The variance of a score over other
rows of the same kind is the sum of squared influences, each less the mean of its class where rows are sampled
within classes: the infinitesimal jackknife (B. Efron, "The Jackknife, the Bootstrap and Other Resampling
Plans", 1982, chapter 6). Nothing is resampled, and differences of scores follow from the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.training.confusions import slopes_of

ADDED = 0.5
"""Rows that are added to each class: where none was wrong, being wrong has a derivative all the same. With
one, tests of 26 positive rows lose a fifth of their power."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one network predicts for the test rows.

    Attributes:
        predicted: (rows,) the class.
        probability: (rows,) of the positive class; needed for the average precision alone.
    """

    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Influence:
    """How a network's score depends on its rows, and on one that is added.

    Attributes:
        rows: (rows,) by how much the score moves for each unit of weight that a row gains from others of its
            class; up to a number for each class, which has no effect while the classes' sizes are fixed.
        added: (classes, places) the same of one more row of a class in places that are equally likely:
            predicted as each class, or where ranks decide, high or low.
        right: (classes,) of one that is predicted rightly.
        wrong: (classes,) of one that is predicted wrongly; if it isn't of the positive class, as positive.
    """

    rows: NDArray[np.float64]
    added: NDArray[np.float64]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]


def influence(
    labels: NDArray[np.int64], answers: Answers, metric: str, classes: int, positive: int
) -> Influence:
    """The influence of each row on one of :data:`workers.training.scores.METRICS`.

    Args:
        labels: (rows,).
        answers: of the network to these rows.
        metric: of which score.
        classes: how many there are.
        positive: the class of precision, recall, F1 and average precision.
    """
    if metric == "average_precision":
        return _of_ranks(labels == positive, answers.probability, classes, positive)
    return _of_confusion(labels * classes + answers.predicted, metric, classes, positive)


def _of_confusion(cells: NDArray[np.int64], metric: str, classes: int, positive: int) -> Influence:
    """All rows of one cell of the confusion matrix, (rows,) ``cells``, have the same influence."""
    counts = np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.float64)
    counts[counts.sum(axis=1) > 0] += ADDED / classes
    slopes = slopes_of(counts, metric, positive)
    others = np.eye(classes) == 0
    wrong = np.array([slopes[index][others[index]].mean() for index in range(classes)])
    wrong[others[positive]] = slopes[others[positive], positive]
    return Influence(slopes.ravel()[cells], slopes, np.diagonal(slopes), wrong)


def _of_ranks(
    is_of_class: NDArray[np.bool_], probability: NDArray[np.float64], classes: int, positive: int
) -> Influence:
    """Of the average precision: the mean over the positive rows of A/B, where A of B rows that are ranked as
    high are positive. A row's influence is its own A/B, if it is positive, and what it does to the A and B of
    all positive rows that are ranked no higher. Of the added rows the positive ones come first or last, the
    others amid the positive ones or last: one that came first would outweigh all actual rows.
    """
    amid = np.median(probability[is_of_class]) if is_of_class.any() else np.inf
    ranked = np.append(probability, [amid, -np.inf, np.inf, -np.inf])
    is_positive = np.append(is_of_class, [False, False, True, True])
    weight = np.append(np.ones(len(is_of_class)), np.full(4, ADDED / 2.0))
    distinct, place = np.unique(-ranked, return_inverse=True)
    positives = np.bincount(place, weight * is_positive, len(distinct))
    above, reached = np.cumsum(positives), np.cumsum(np.bincount(place, weight, len(distinct)))
    precision, total = above / reached, above[-1]
    # Of all positive rows from here down: d(A/B)/dA = 1/B for a positive row, d(A/B)/dB = -A/B² for each one.
    for_above = np.cumsum((positives / reached)[::-1])[::-1]
    for_reached = np.cumsum((positives * precision / reached)[::-1])[::-1]
    average = (positives * precision).sum() / total
    influence = np.where(is_positive, precision[place] + for_above[place] - average, 0.0) - for_reached[place]
    influence /= total
    added = np.tile(influence[-4:-2], (classes, 1))
    added[positive] = influence[-2:]
    right, wrong = added[:, 1].copy(), added[:, 0].copy()
    right[positive], wrong[positive] = added[positive]
    return Influence(influence[:-4], added, right, wrong)
