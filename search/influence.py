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

from search.confusions import NAMES, score_of
from workers.scores import confusion_of

HALF = 0.5
"""Rows added to each cell of a confusion matrix before derivatives are taken, as in Jeffreys's prior: where
no row was wrong, being wrong has a derivative all the same."""

STEP = 0.01
"""Rows by which a cell is moved to either side for its derivative."""


@dataclass(frozen=True, eq=False)
class Influence:
    """How one predictor's score depends on its rows.

    Attributes:
        rows: (rows,) by how much the score moves for each unit of weight that a row gains.
        right: (classes,) the same of one more row of a class that is predicted rightly.
        wrong: (classes,) of one that is predicted wrongly; if it isn't of the positive class, as positive.
    """

    rows: NDArray[np.float64]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]


def influence(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], metric: str, positive: int
) -> Influence:
    """The influence of each row on one of :data:`workers.scores.METRICS`.

    Args:
        labels: (rows,).
        probabilities: (rows, classes).
        metric: of which score.
        positive: the class of precision, recall, F1 and average precision.
    """
    if metric in NAMES:
        return _by_confusion(labels, probabilities, metric, positive)
    return _by_rank(labels == positive, probabilities[:, positive], positive, probabilities.shape[1])


def _by_confusion(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], metric: str, positive: int
) -> Influence:
    classes = probabilities.shape[1]
    said = probabilities.argmax(axis=1)
    counts = confusion_of(labels, said, classes) + HALF
    moves = STEP * np.eye(classes * classes).reshape(-1, classes, classes)
    ahead, back = (score_of(counts + sign * moves, metric, positive) for sign in (1.0, -1.0))
    by_cell = ((ahead - back) / (2.0 * STEP)).reshape(classes, classes)
    others = np.eye(classes) == 0
    wrong = np.array([by_cell[one][others[one]].mean() for one in range(classes)])
    wrong[others[positive]] = by_cell[others[positive], positive]
    return Influence(by_cell[labels, said], np.diagonal(by_cell).copy(), wrong)


def _by_rank(
    is_positive: NDArray[np.bool_], probability: NDArray[np.float64], positive: int, classes: int
) -> Influence:
    """Of average precision.

    With N positive rows, and the precision P among the M rows that rank no lower than one of them, the score
    is the mean of P over the N. A row with more weight counts in N, and in P wherever it ranks no lower.
    """
    total = int(is_positive.sum())
    if not total:
        return Influence(np.zeros(len(probability)), np.zeros(classes), np.zeros(classes))
    order = np.argsort(-probability, kind="stable")
    falling, hits = probability[order], is_positive[order]
    last_of_ties = np.searchsorted(-falling, -falling, side="right") - 1
    above = last_of_ties + 1.0
    precision = np.cumsum(hits)[last_of_ties] / above
    average = float(precision[hits].mean())
    # What a row adds to the precision at every positive row that is not above it, ties included.
    first_of_ties = np.searchsorted(-falling, -falling, side="left")
    gains, losses = (
        np.append(np.cumsum((hits * part / above)[::-1])[::-1], 0.0)[first_of_ties]
        for part in (np.ones(len(hits)), precision)
    )
    sorted_rows = (hits * (precision - average + gains) - losses) / total
    rows = np.empty(len(probability))
    rows[order] = sorted_rows
    # At the top a weight's derivative is far more than what a row does: these are of half a row.
    found = np.cumsum(hits)[last_of_ties]
    on_top = ((found + HALF) / (above + HALF))[hits].sum() + HALF
    before_all = (found / (above + HALF))[hits].mean()
    right, wrong = np.zeros(classes), np.full(classes, (before_all - average) / HALF)
    right[positive] = (on_top / (total + HALF) - average) / HALF
    wrong[positive] = (total / len(hits) - average) / total
    return Influence(rows, right, wrong)
