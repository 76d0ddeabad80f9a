"""Scores that a confusion matrix decides, of one or of many at once, and how they change with each cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
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
    if name not in _SCORES:
        raise ValueError(f"found the score '{name}'; allowed: {', '.join(NAMES)}")
    return _SCORES[name](_Margins(counts), positive)


def scores_of(counts: Counts, positive: int) -> dict[str, NDArray[np.float64]]:
    """All of :data:`NAMES`."""
    margins = _Margins(counts)
    return {name: score(margins, positive) for name, score in _SCORES.items()}


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


class _Margins:
    """What scores are made of: (…, classes) rows of each class that were hit, are there, are predicted."""

    def __init__(self, counts: Counts) -> None:
        counts = np.asarray(counts, dtype=np.float64)
        self.hits = np.diagonal(counts, axis1=-2, axis2=-1)
        self.support, self.predicted = counts.sum(axis=-1), counts.sum(axis=-2)
        self.rows = self.support.sum(axis=-1)

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """Of each class."""
        return _ratio(2.0 * self.hits, self.support + self.predicted)


def _f1(of: _Margins, positive: int) -> NDArray[np.float64]:
    return np.asarray(of.f1[..., positive])


def _f1_macro(of: _Margins, _positive: int) -> NDArray[np.float64]:
    # A class that is neither there nor predicted has no F1 to average; scikit-learn leaves it out too.
    return _ratio(of.f1.sum(axis=-1), ((of.support + of.predicted) > 0).sum(axis=-1))


def _f1_weighted(of: _Margins, _positive: int) -> NDArray[np.float64]:
    return _ratio((of.f1 * of.support).sum(axis=-1), of.rows)


def _precision(of: _Margins, positive: int) -> NDArray[np.float64]:
    return _ratio(of.hits[..., positive], of.predicted[..., positive])


def _recall(of: _Margins, positive: int) -> NDArray[np.float64]:
    return _ratio(of.hits[..., positive], of.support[..., positive])


def _matthews(of: _Margins, _positive: int) -> NDArray[np.float64]:
    """Matthews's correlation for any number of classes: J. Gorodkin, "Comparing two K-category assignments
    by a K-category correlation coefficient", Computational Biology and Chemistry 28, 2004, equation 8.

    0 where all rows are of one class or are given one.
    """
    covariance = of.rows * of.hits.sum(axis=-1) - (of.support * of.predicted).sum(axis=-1)
    of_labels = of.rows**2 - (of.support**2).sum(axis=-1)
    of_predictions = of.rows**2 - (of.predicted**2).sum(axis=-1)
    return _ratio(covariance, np.sqrt(of_labels * of_predictions))


def _accuracy(of: _Margins, _positive: int) -> NDArray[np.float64]:
    return _ratio(of.hits.sum(axis=-1), of.rows)


def _ratio(numerator: Any, denominator: Any) -> NDArray[np.float64]:
    """The quotient; 0 where there is nothing to divide by."""
    nothing = np.asarray(denominator) == 0
    quotient: NDArray[np.float64] = np.where(nothing, 0.0, numerator / np.where(nothing, 1.0, denominator))
    return quotient


_SCORES: Mapping[str, Callable[[_Margins, int], NDArray[np.float64]]] = {
    "f1": _f1,
    "f1_macro": _f1_macro,
    "f1_weighted": _f1_weighted,
    "precision": _precision,
    "recall": _recall,
    "mcc": _matthews,
    "accuracy": _accuracy,
}
"""Those of :data:`NAMES`."""
