"""How much a network's score could differ on other rows of the same kind.

A confusion matrix says how many rows of each class were predicted as what. With the number of rows of each
class given, the shares in which they are predicted have a Dirichlet posterior, from which a score's follows:
C. Goutte and E. Gaussier, "A probabilistic interpretation of precision, recall and F-score", ECIR 2005. Its
prior for two classes is half a row of each kind, Jeffreys', whose intervals cover well with few rows (L.
Brown, T. Cai and A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001).
So a network without mistakes on four rows is not known to make none. Of more classes, all but the positive
one are one class, where that is enough; else about one row is added to the whole matrix, because a row for
each class would lower a mean over many classes by more than its interval is wide. It doesn't include what
retraining with another seed would change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

from workers.training.confusions import NAMES, score_of

SAMPLES = 4000
"""Of the posterior; an interval's ends move by less than a hundredth of its width."""

MOST_NUMBERS = 5_000_000
"""Sampled numbers at most, for a hundred classes and more: fewer samples then, a second at most."""

ENDS = (0.025, 0.975)
"""Of a 95% interval."""


def row_interval(confusion: ArrayLike, metric: str, positive: int) -> tuple[float, float] | None:
    """The middle 95% of a score over what rows there could be; it holds the score itself.

    Args:
        confusion: (classes, classes) rows of class i that were predicted as class j; means over networks too.
        metric: which score.
        positive: the class that it is of.

    Returns:
        Its ends, or ``None`` where a confusion matrix doesn't decide the score, or there are no rows.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if metric not in NAMES or not counts.sum():
        return None
    if metric in ("f1", "precision", "recall"):
        counts, positive = _against_all_others(counts, positive), 1
    generator = np.random.default_rng(0)  # fixed, so that a report that is printed twice is the same
    samples = min(SAMPLES, max(200, MOST_NUMBERS // counts.size))
    matrices = np.stack([_row(row, samples, generator) for row in counts], axis=1)
    low, high = np.quantile(score_of(matrices, metric, positive), ENDS)
    seen = float(score_of(counts, metric, positive))
    return min(float(low), seen), max(float(high), seen)


def logit_interval(score: float, variance: float, rows: int) -> tuple[float, float]:
    """The same of a score within 0 and 1 whose variance over rows is known, by the normal distribution of its
    logit, after half a row of each kind is added to ``rows``.
    """
    middle = (score * rows + 0.5) / (rows + 1.0)
    half = ndtri(ENDS[1]) * np.sqrt(variance) / (middle * (1.0 - middle))
    low, high = expit(logit(middle) - half), expit(logit(middle) + half)
    return min(float(low), score), max(float(high), score)


def _against_all_others(counts: NDArray[np.float64], positive: int) -> NDArray[np.float64]:
    """(2, 2) rows of the positive class, the second one, and of all others."""
    hit, row, column = counts[positive, positive], counts[positive].sum(), counts[:, positive].sum()
    return np.array([[counts.sum() - row - column + hit, column - hit], [row - hit, hit]])


def _row(row: NDArray[np.float64], samples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """(samples, classes) how one class's rows are predicted."""
    if not row.sum():
        return np.zeros((samples, len(row)))
    counts: NDArray[np.float64] = row.sum() * generator.dirichlet(row + _added(len(row)), size=samples)
    return counts


def _added(classes: int) -> float:
    """Rows that are added to each cell: a half for two classes, and to the whole matrix one to two."""
    return 1.0 / (classes * (classes - 1))
