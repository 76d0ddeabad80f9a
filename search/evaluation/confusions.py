"""Scores of many confusion matrices at once, as :mod:`workers.training.scores` has them for one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
"""(…, classes, classes): rows of class i that were said to be of class j, in the last two axes."""

NAMES = ("f1", "f1_macro", "f1_weighted", "precision", "recall", "mcc", "accuracy")
"""The scores that a confusion matrix decides."""


def score_of(counts: Counts, name: str, positive: int) -> NDArray[np.float64]:
    """(…) one of :data:`NAMES`; 0 where it has nothing to divide by.

    Raises:
        ValueError: where a confusion matrix doesn't decide it.
    """
    counts = np.asarray(counts, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    support, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    if name == "accuracy":
        return _ratio(hits.sum(axis=-1), support.sum(axis=-1))
    if name == "precision":
        return _ratio(hits[..., positive], predicted[..., positive])
    if name == "recall":
        return _ratio(hits[..., positive], support[..., positive])
    if name == "mcc":
        return _matthews(hits, support, predicted)
    f1 = _ratio(2.0 * hits, support + predicted)
    if name == "f1":
        return np.asarray(f1[..., positive])
    if name == "f1_macro":
        return _ratio(f1.sum(axis=-1), ((support + predicted) > 0).sum(axis=-1))
    if name == "f1_weighted":
        return _ratio((f1 * support).sum(axis=-1), support.sum(axis=-1))
    raise ValueError(f"found the score '{name}'; allowed: {', '.join(NAMES)}")


def slopes_of(counts: Counts, name: str, positive: int) -> NDArray[np.float64]:
    """(…, classes, classes): by how much :func:`score_of` changes with each cell, per row in it.

    How many rows each class has is fixed, so that slopes matter only against others of their class: a row of
    class i that is predicted as j instead of k changes the score by about ``[i, j] - [i, k]``.
    """
    counts = np.asarray(counts, dtype=np.float64)
    classes = counts.shape[-1]
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    support, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    rows = support.sum(axis=-1)[..., np.newaxis, np.newaxis]
    right = np.eye(classes)
    if name == "accuracy":
        return np.broadcast_to(_ratio(right, rows), counts.shape)
    if name == "mcc":
        return _matthews_slopes(counts)
    # The others are sums over classes k of weight_k · numerator·hits_k / (a·support_k + b·predicted_k).
    numerator, a, b = {"precision": (1.0, 0.0, 1.0), "recall": (1.0, 1.0, 0.0)}.get(name, (2.0, 1.0, 1.0))
    under = a * support + b * predicted
    value = _ratio(numerator * hits, under)
    if name == "f1_macro":
        weight = _ratio(1.0, ((support + predicted) > 0).sum(axis=-1, keepdims=True)) * np.ones(classes)
    elif name == "f1_weighted":
        weight = _ratio(support, support.sum(axis=-1, keepdims=True))
    else:
        weight = right[positive]
    by_column = _ratio(weight, under)[..., None, :]
    return by_column * (numerator * right - b * value[..., None, :])


def _matthews_slopes(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariance's slope is rows·[i = j] - support_j; the divisor falls by predicted_j."""
    classes = counts.shape[-1]
    support, predicted = counts.sum(axis=-1)[..., np.newaxis, :], counts.sum(axis=-2)[..., np.newaxis, :]
    rows = support.sum(axis=-1, keepdims=True)
    hits = np.trace(counts, axis1=-2, axis2=-1)[..., np.newaxis, np.newaxis]
    of_labels = rows**2 - (support**2).sum(axis=-1, keepdims=True)
    of_predictions = rows**2 - (predicted**2).sum(axis=-1, keepdims=True)
    covariance = rows * hits - (support * predicted).sum(axis=-1, keepdims=True)
    slopes = rows * np.eye(classes) - support + _ratio(covariance, of_predictions) * predicted
    return _ratio(slopes, np.sqrt(of_labels * of_predictions))


def _matthews(
    hits: NDArray[np.float64], support: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """As in :func:`workers.training.scores.score`, which says where the formula is from."""
    rows = support.sum(axis=-1)
    covariance = rows * hits.sum(axis=-1) - (support * predicted).sum(axis=-1)
    of_labels = rows**2 - (support**2).sum(axis=-1)
    of_predictions = rows**2 - (predicted**2).sum(axis=-1)
    return _ratio(covariance, np.sqrt(of_labels * of_predictions))


def _ratio(numerator: Any, denominator: Any) -> NDArray[np.float64]:
    zero = np.zeros(np.broadcast(numerator, denominator).shape)
    quotient: NDArray[np.float64] = np.divide(
        numerator, denominator, out=zero, where=np.asarray(denominator) != 0
    )
    return quotient
