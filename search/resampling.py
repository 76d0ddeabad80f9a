"""How sure the mean score of several trainings is, and which configurations can't be told apart.

A finalist's mean has two kinds of noise: other seeds would give other networks, and other test rows other
scores of the same networks. Both are drawn anew, with replacement, as rows and columns of one table:
A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007. Rows are drawn within each
class (stratified), so that the share of positives stays; see B. Efron and R. Tibshirani, "An Introduction to
the Bootstrap", 1993, chapters 8 (two samples), 13 (percentile intervals) and 15 (significance levels).

All finalists are scored on the same drawn rows, so that their differences are compared in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from search.confusions import NAMES, score_of

DRAWS = 4000
"""Times that seeds and rows are drawn: the ends of a 95% interval then rest on 100 draws each."""

LEAST_DRAWS = 200
"""What is left of them where each one costs much."""

MOST_SUMMED = 2_000_000_000
"""Kinds of rows × trainings × draws that are added up at most: half a minute or so."""

MOST_RANKED = 500_000_000
"""The same of rows whose ranks matter, which are looked at one by one."""

BLOCK = 500_000
"""Numbers of one block of draws, so that a large test set needs no large memory."""

COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class Table:
    """What several trainings said to the same rows.

    Attributes:
        labels: (rows,).
        probabilities: of each training, (rows, classes).
        positive: the class of precision, recall and F1.
    """

    labels: NDArray[np.int64]
    probabilities: Sequence[NDArray[np.float64]]
    positive: int

    @property
    def said(self) -> NDArray[np.int64]:
        """(trainings, rows): the most probable class, the first of equal ones."""
        return np.stack([one.argmax(axis=1) for one in self.probabilities]).astype(np.int64)

    @cached_property
    def kinds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(1 + trainings, kinds) label and what each training said, and how many rows there are of each kind.

        Rows of one class to which every training said the same are interchangeable, so that only how many of
        each kind are drawn matters. There are far fewer kinds than rows.
        """
        kinds, counts = np.unique(np.vstack([self.labels, self.said]), axis=1, return_counts=True)
        return kinds, counts

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.probabilities[0].shape[1])


def draws_for(table: Table, metric: str) -> int:
    """How many draws are made: fewer than :data:`DRAWS` only where there are very many kinds of rows, or rows
    where their ranks matter.
    """
    most, kinds = (MOST_SUMMED, len(table.kinds[1])) if metric in NAMES else (MOST_RANKED, len(table.labels))
    return int(min(DRAWS, max(LEAST_DRAWS, most // (kinds * len(table.probabilities)))))


def drawn_scores(table: Table, metric: str, draws: int, seed: int) -> NDArray[np.float64]:
    """(draws, trainings): the metric of each training on rows that are drawn anew within each class.

    Args:
        metric: one of :data:`workers.scores.METRICS`.
        draws: how many.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    if metric in NAMES:
        return _drawn_by_confusion(table, metric, draws, generator)
    return _drawn_by_rank(table, draws, generator)


def drawn_means(scores: NDArray[np.float64], draws_seed: int) -> NDArray[np.float64]:
    """(draws,): the mean over trainings that are drawn anew too, of (draws, trainings) scores.

    Few drawn trainings vary less than as many new ones, by (s - 1)/s in variance, and a spread that is known
    from few of them isn't known well. So what a draw is off the mean of all is stretched for both: by the
    root of s/(s - 1) and by Student's quantile over the normal one, as in the expanded percentile interval of
    T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015. One
    training alone says nothing of seeds, and only the rows vary.
    """
    draws, trainings = scores.shape
    means: NDArray[np.float64] = scores.mean(axis=1)
    if trainings == 1:
        return means
    picked = np.random.default_rng(draws_seed).integers(trainings, size=(draws, trainings))
    drawn = np.take_along_axis(scores, picked, axis=1).mean(axis=1)
    end = (1.0 + COVERAGE) / 2.0
    students = float(stdtrit(trainings - 1, end) / ndtri(end))
    stretched: NDArray[np.float64] = means + math.sqrt(trainings / (trainings - 1)) * students * (
        drawn - means
    )
    return stretched


def interval(means: NDArray[np.float64], lowest: float, highest: float) -> tuple[float, float]:
    """The middle 95% of (draws,) means, within what the score can be."""
    low, high = np.quantile(means, [(1.0 - COVERAGE) / 2.0, (1.0 + COVERAGE) / 2.0])
    return float(np.clip(low, lowest, highest)), float(np.clip(high, lowest, highest))


def p_value(differences: NDArray[np.float64]) -> float:
    """Two-sided level at which the interval of (draws,) differences just leaves 0 out: 2/(draws + 1) or more.

    With one added to both counts, because no number of draws can show that something never happens: A. C.
    Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section 4.2.
    """
    beyond = min(np.count_nonzero(differences <= 0.0), np.count_nonzero(differences >= 0.0))
    return float(min(1.0, 2.0 * (beyond + 1) / (len(differences) + 1)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for their number, so that one in twenty families of comparisons errs at 0.05.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979: the k-th smallest of m times m - k + 1, and no smaller than those before it.
    """
    corrected = [0.0] * len(p_values)
    so_far = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        so_far = max(so_far, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = so_far
    return tuple(corrected)


def _drawn_by_confusion(
    table: Table, metric: str, draws: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """How many rows of each kind are drawn is a multinomial number."""
    kinds, counts = table.kinds
    classes = table.classes
    scores = np.empty((draws, len(kinds) - 1))
    for block, weights in _blocks(kinds[0], counts, draws, max(len(counts), classes**2), generator):
        for training, of_kinds in enumerate(kinds[1:]):
            cells = _summed(weights, kinds[0] * classes + of_kinds, classes**2)
            confusions = cells.reshape(len(weights), classes, classes)
            scores[block, training] = score_of(confusions, metric, table.positive)
    return scores


def _drawn_by_rank(table: Table, draws: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Average precision, as in :mod:`workers.scores`, of rows that count as often as they are drawn."""
    labels = table.labels
    ranked = [_Ranking(labels == table.positive, one[:, table.positive]) for one in table.probabilities]
    scores = np.empty((draws, len(ranked)))
    once = np.ones(len(labels), dtype=np.int64)
    for block, weights in _blocks(labels, once, draws, len(labels), generator):
        beside = np.ascontiguousarray(weights.T, dtype=np.float32)
        for training, ranking in enumerate(ranked):
            scores[block, training] = ranking.average_precision(beside)
    return scores


class _Ranking:
    """The rows by falling probability."""

    def __init__(self, positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> None:
        self._order = np.argsort(-probability)
        falling = probability[self._order]
        self._last_of_ties = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
        self._positive = positive[self._order]

    def average_precision(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """(draws,) of (rows, draws) numbers of times that each row counts: side by side they add up fast."""
        ranked = weights[self._order]
        passed = np.cumsum(ranked, axis=0)[self._last_of_ties]
        ranked[~self._positive] = 0.0
        found = np.cumsum(ranked, axis=0, out=ranked)[self._last_of_ties]
        total = found[-1].astype(np.float64)
        gained = np.diff(found, axis=0, prepend=np.float32(0.0))
        area = (gained * (found / np.maximum(passed, 1.0))).sum(axis=0, dtype=np.float64)
        return np.where(total > 0, area / np.maximum(total, 1.0), 0.0)


def _blocks(
    labels: NDArray[np.int64],
    counts: NDArray[np.int64],
    draws: int,
    width: int,
    generator: np.random.Generator,
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Which draws, and how often each kind of rows is drawn in them, (draws, kinds).

    Each class is drawn as often as it is there.
    """
    step = max(1, BLOCK // width)
    for first in range(0, draws, step):
        block = slice(first, min(first + step, draws))
        weights = np.zeros((block.stop - first, len(counts)), dtype=np.int64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            rows = counts[members].sum()
            weights[:, members] = generator.multinomial(rows, counts[members] / rows, size=len(weights))
        yield block, weights


def _summed(weights: NDArray[np.int64], cells: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """(draws, number): the (draws, kinds) weights of all kinds of each cell."""
    order = np.argsort(cells, kind="stable")
    present, starts = np.unique(cells[order], return_index=True)
    sums = np.zeros((len(weights), number), dtype=np.int64)
    sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums
