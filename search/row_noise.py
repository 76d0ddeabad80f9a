"""How far a score could be another with other rows of the same kind: a bootstrap of the scored rows.

Rows are drawn again within each class (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993,
section 8.3: strata are resampled apart). A score that is read off the confusion matrix needs no rows for
that: drawing a class's rows with replacement makes its row of the matrix multinomial, exactly. What training
again with another seed would change is not in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.confusions import score_of
from studies.records import Scores

RESAMPLES = 4000
"""Draws that the ends of an interval are read from; they move by less than a hundredth of its width."""

METRICS = frozenset({"f1", "f1_weighted", "precision", "recall", "accuracy"})
"""The scores that have an interval."""


def row_interval(scores: Scores, metric: str, positive: int) -> tuple[float, float] | None:
    """The middle 95% of a score over rows drawn again; ``None`` for a score that needs more than counts.

    Args:
        scores: of the rows.
        metric: which score.
        positive: the class that it is of.
    """
    confusion = np.array(scores.confusion, dtype=np.int64)
    if metric not in METRICS or not confusion.sum():
        return None
    generator = np.random.default_rng(0)  # fixed, so that a report that is printed twice says the same
    drawn = np.stack([_row(row, generator) for row in confusion], axis=1)
    low, high = np.quantile(score_of(drawn, metric, positive), [0.025, 0.975])
    return float(low), float(high)


def _row(row: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """(resamples, classes) one class's rows, drawn again."""
    total = int(row.sum())
    if not total:
        return np.zeros((RESAMPLES, len(row)), dtype=np.int64)
    return generator.multinomial(total, row / total, size=RESAMPLES).astype(np.int64)
