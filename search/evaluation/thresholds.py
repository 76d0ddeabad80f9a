"""The probability from which a row is predicted positive, tuned on the validation rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.training.confusions import NAMES, score_of

AS_TRAINED = 0.5
"""The threshold of two classes without tuning: the more probable one is predicted."""


def tuned_threshold(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], positive: int, metric: str
) -> float:
    """The threshold with the best score on these rows; of equal ones the nearest to 0.5.

    Candidates lie halfway between neighbouring probabilities, so that the rows that it is tuned on don't
    touch it.

    Args:
        labels: (rows,), of the validation rows.
        probabilities: (rows, classes), of the same.
        positive: the class that has the threshold.
        metric: what is best; F1 of the positive class where a threshold decides nothing of it.
    """
    name = metric if metric in NAMES else "f1"
    classes = probabilities.shape[1]
    order = np.argsort(-probabilities[:, positive], kind="stable")
    falling = probabilities[order, positive]
    ahead = labels[order] * classes + positive
    behind = labels[order] * classes + _other(probabilities, positive)[order]
    # After k rows in falling order: those k are predicted positive, the others as the next probable class.
    counts = np.zeros((len(order) + 1, classes * classes), dtype=np.int64)
    counts[0] = np.bincount(behind, minlength=classes * classes)
    rows = np.arange(1, len(order) + 1)
    np.add.at(counts, (rows, ahead), 1)
    np.subtract.at(counts, (rows, behind), 1)
    scores = score_of(np.cumsum(counts, axis=0).reshape(-1, classes, classes), name, positive)
    above, below = np.append(np.nextafter(1.0, 2.0), falling), np.append(falling, 0.0)
    middle = (above + below) / 2.0
    candidates = np.where(middle > below, middle, above)  # of neighbouring numbers the middle may be one
    cuts = np.append(True, np.append(falling[1:] < falling[:-1], True))  # not between equal probabilities
    best = np.flatnonzero(cuts & (scores >= scores[cuts].max()))
    return float(min(candidates[best], key=lambda threshold: (abs(threshold - AS_TRAINED), threshold)))


def predicted_at(probabilities: NDArray[np.float64], positive: int, threshold: float) -> NDArray[np.int64]:
    """(rows,): the positive class from the threshold on, below it the most probable other one."""
    return np.where(probabilities[:, positive] >= threshold, positive, _other(probabilities, positive))


def _other(probabilities: NDArray[np.float64], positive: int) -> NDArray[np.int64]:
    masked = probabilities.copy()
    masked[:, positive] = -1.0
    other: NDArray[np.int64] = masked.argmax(axis=1)
    return other
