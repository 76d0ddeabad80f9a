"""How far a score could be another with other rows of the same kind: a bootstrap of the scored rows.

Rows are drawn again within each class (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993,
section 8.3: strata are resampled apart). A score that is read off the confusion matrix needs no rows for
that: drawing a class's rows with replacement makes its row of the matrix multinomial, exactly. What training
again with another seed would change is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from studies.records import Scores

RESAMPLES = 4000
"""Draws that the ends of an interval are read from; they move by less than a hundredth of its width."""

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def row_interval(scores: Scores, metric: str, positive: int) -> tuple[float, float] | None:
    """The middle 95% of a score over rows drawn again; ``None`` for a score that needs more than counts.

    Args:
        scores: of the rows.
        metric: which score.
        positive: the class that it is of.
    """
    score = _SCORES.get(metric)
    confusion = np.array(scores.confusion, dtype=np.int64)
    if score is None or not confusion.sum():
        return None
    generator = np.random.default_rng(0)  # fixed, so that a report that is printed twice says the same
    drawn = np.stack([_row(row, generator) for row in confusion], axis=1)
    low, high = np.quantile(score(drawn, positive), [0.025, 0.975])
    return float(low), float(high)


def _row(row: Counts, generator: np.random.Generator) -> Counts:
    """(resamples, classes) one class's rows, drawn again."""
    total = int(row.sum())
    if not total:
        return np.zeros((RESAMPLES, len(row)), dtype=np.int64)
    return generator.multinomial(total, row / total, size=RESAMPLES).astype(np.int64)


def _f1(drawn: Counts, positive: int) -> Floats:
    hits = drawn[:, positive, positive]
    both = drawn[:, positive].sum(axis=1) + drawn[:, :, positive].sum(axis=1)
    return _ratio(2 * hits, both)


def _f1_weighted(drawn: Counts, _positive: int) -> Floats:
    classes = range(drawn.shape[1])
    parts = [_f1(drawn, index) * drawn[:, index].sum(axis=1) for index in classes]
    weighted: Floats = np.sum(parts, axis=0) / drawn.sum(axis=(1, 2))
    return weighted


def _precision(drawn: Counts, positive: int) -> Floats:
    return _ratio(drawn[:, positive, positive], drawn[:, :, positive].sum(axis=1))


def _recall(drawn: Counts, positive: int) -> Floats:
    return _ratio(drawn[:, positive, positive], drawn[:, positive].sum(axis=1))


def _accuracy(drawn: Counts, _positive: int) -> Floats:
    hits = np.trace(drawn, axis1=1, axis2=2)
    return _ratio(hits, drawn.sum(axis=(1, 2)))


def _ratio(numerator: Counts, denominator: Counts) -> Floats:
    return numerator / np.where(denominator > 0, denominator, 1) * (denominator > 0)


_SCORES: Mapping[str, Callable[[Counts, int], Floats]] = {
    "f1": _f1,
    "f1_weighted": _f1_weighted,
    "precision": _precision,
    "recall": _recall,
    "accuracy": _accuracy,
}
