"""Means of several trainings and their differences, as sure as seeds and test rows let them be. Pure.

Seeds are readers and test rows are cases, as in studies of radiologists: N. Obuchowski and H. Rockette,
"Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests", Communications in
Statistics: Simulation and Computation 24, 1995. The scores of one configuration's networks vary around their
mean by seeds, and by what each row is to one network alone; how all of them move together with the rows is
their covariance (:mod:`search.evaluation.row_covariance`). So nothing is counted twice. Readers are nested in
configurations: two networks with one seed and other hyperparameters have no more in common than any two.
Degrees of freedom: S. Hillis, "A comparison of denominator degrees of freedom methods for multiple observer
ROC analysis", Statistics in Medicine 26, 2007; each configuration has a variance of its own.

With one training of each, only rows vary here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

LEVEL = 0.05
"""Below this corrected p-value a difference is significant; intervals are of 1 - LEVEL."""

MOST_FREEDOM = 1e9
"""Degrees of freedom from which on Student's distribution is the normal one."""


@dataclass(frozen=True)
class Spread:
    """The variance of an estimate.

    Attributes:
        seeds: its part from seeds, with the rows' part that is each network's own.
        rows: its part from rows that networks share.
        freedom: degrees of freedom of ``seeds``.
    """

    seeds: float
    rows: float
    freedom: float

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.seeds + self.rows)

    def quantile(self, level: float = LEVEL) -> float:
        """Of Student's distribution: how many standard errors a two-sided interval of 1 - level reaches."""
        return float(stdtrit(self._freedom, 1.0 - level / 2.0))

    def p_value(self, value: float) -> float:
        """Two-sided, that the true value is 0."""
        if self.error == 0.0:
            return 1.0 if value == 0.0 else 0.0
        return float(2.0 * stdtr(self._freedom, -abs(value) / self.error))

    @property
    def _freedom(self) -> float:
        if self.seeds == 0.0:
            return MOST_FREEDOM
        return min(MOST_FREEDOM, self.freedom * ((self.seeds + self.rows) / self.seeds) ** 2)


class Scored:
    """Networks with their scores on the test rows, by configuration.

    Args:
        scores: of each configuration, of each of its trainings.
        covariance: (networks, networks) of all of them over rows, in the same order.
        fixed: configurations whose training has no seed.
    """

    def __init__(
        self,
        scores: Sequence[Sequence[float]],
        covariance: NDArray[np.float64],
        fixed: Collection[int] = (),
    ) -> None:
        self._scores = [np.asarray(own, dtype=np.float64) for own in scores]
        ends = np.cumsum([len(own) for own in scores])
        self._places = [slice(end - len(own), end) for own, end in zip(scores, ends, strict=True)]
        self._covariance = covariance
        self._fixed = frozenset(fixed)

    def mean(self, index: int) -> float:
        """Of one configuration's scores."""
        return float(self._scores[index].mean())

    def of_mean(self, index: int) -> Spread:
        """How sure the mean of one configuration is."""
        seeds, freedom = self._seeds(index)
        return Spread(seeds, max(0.0, self._rows(index)), freedom)

    def of_difference(self, index: int, other: int) -> Spread:
        """How sure the difference of two means is, on the same rows."""
        parts = [self._seeds(index), self._seeds(other)]
        seeds = sum(part for part, _ in parts)
        under = sum(part**2 / freedom for part, freedom in parts)
        between = float(self._covariance[self._places[index], self._places[other]].mean())
        rows = max(0.0, self._rows(index) + self._rows(other) - 2.0 * between)
        return Spread(seeds, rows, seeds**2 / under if under else math.inf)

    def row_share(self, index: int) -> float:
        """Part of the rows' variance of one network that its configuration's networks share."""
        variance = float(np.diagonal(self._block(index)).mean())
        return min(1.0, max(0.0, self._rows(index)) / variance) if variance else 1.0

    def _block(self, index: int) -> NDArray[np.float64]:
        return self._covariance[self._places[index], self._places[index]]

    def _rows(self, index: int) -> float:
        """What two networks of one configuration share; of a single one, all of its variance."""
        block = self._block(index)
        count = len(block)
        if count == 1:
            return float(block[0, 0])
        return float((block.sum() - np.trace(block)) / (count * (count - 1)))

    def _seeds(self, index: int) -> tuple[float, float]:
        """The variance of a mean from seeds, with its degrees of freedom.

        A single training has the variance that others have by seed, if they have several.
        """
        count = len(self._scores[index])
        if index in self._fixed:
            return 0.0, math.inf
        if count > 1:
            return self._variance(index) / count, count - 1.0
        several = [place for place, own in enumerate(self._scores) if len(own) > 1]
        if not several:
            return 0.0, math.inf
        freedom = [len(self._scores[place]) - 1.0 for place in several]
        return float(np.average([self._variance(place) for place in several], weights=freedom)), sum(freedom)

    def _variance(self, index: int) -> float:
        """Of single scores around their mean; no less than what rows alone give, which luck can."""
        block = self._block(index)
        least = float(np.diagonal(block).mean()) - self._rows(index)
        return max(float(self._scores[index].var(ddof=1)), least)


def mean_interval(
    mean: float, spread: Spread, rows: tuple[float, float], share: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    """The 95% interval of a mean, which needn't lie in its middle.

    The rows' part of it has the form of one network's interval: G. Zou and A. Donner, "Construction of
    confidence limits about effect measures", Statistics in Medicine 27, 2008.

    Args:
        mean: of the trainings' scores.
        spread: of the mean, or of another score around it.
        rows: one network's interval over rows, see :func:`search.evaluation.row_noise.row_interval`.
        share: part of its variance that is in ``spread.rows``, from :meth:`Scored.row_share`.
        bounds: what a score can be.
    """
    normal, student = float(ndtri(1.0 - LEVEL / 2.0)), spread.quantile()
    below, above = (
        student * math.sqrt(spread.seeds + share * (end / normal) ** 2)
        for end in (max(0.0, mean - rows[0]), max(0.0, rows[1] - mean))
    )
    return max(bounds[0], mean - below), min(bounds[1], mean + above)


def of_new_network(spread: Spread, trainings: int) -> Spread:
    """How far a new network's score on as many new rows may be from a mean of so many ``trainings``.

    Its own seed and rows vary as those of each training that the mean is of.
    """
    return replace(spread, seeds=spread.seeds * (trainings + 1), rows=spread.rows * 2.0)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """What each p-value is multiplied by, so that one in twenty families of comparisons errs at 0.05.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979: the k-th smallest of m times m - k + 1, and no smaller than those before it. An interval of
    1 - 0.05 / factor leaves out 0 just where the corrected p-value is below 0.05.
    """
    factors = [1.0] * len(p_values)
    so_far = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        so_far = max(so_far, (len(p_values) - place) * p_values[index])
        factors[index] = so_far / p_values[index] if p_values[index] else float(len(p_values) - place)
    return tuple(factors)
