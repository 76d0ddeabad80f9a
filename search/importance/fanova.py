"""fANOVA of some trials: shares, the strongest interaction and curves, with 95% intervals.

**What the shares are of.** Trees that are grown to the end fit the noise of the scores too, and a variance of
predictions counts that noise as an effect of everything. Here each part is a covariance over the space of two
predictions that share no trial: of the halves of a random split, meaned over :data:`SPLITS` splits. Their
noise is independent, so its product is nothing on average, and what is left is the variance that the choices
explain. Shares are parts of that; noise is in none of them. (Covariances of independent halves are how
psychometrics takes noise out of a variance: C. Spearman and W. Brown, 1910.)

**What predicts.** An additive fit (:mod:`search.importance.additive`), and a tree that is grown on the scores
and whose leaves hold what the fit leaves over: the tree finds interactions, and the fit keeps the trees'
smoothing from lowering weak effects (regression-adjusted matching: A. Abadie and G. Imbens, 2011).

**What the intervals mean.** How far a share may be from that of the scores' function over the whole space,
for the errors that come from sampling trials and from noise. Each half of a split is split again, and gives
the same figures from half as many trials: half the difference of two halves is as large as the error of both
together (the delete-half jackknife, J. Shao and C. F. J. Wu, 1989). A share is a ratio, and its interval is
E. C. Fieller's (1954). Where what the choices explain isn't significant, it is all from 0 to 1. How
often the intervals hold the truth, and where they do less often than they should, is measured by
benchmarks/known_truth/importance.py.

**With many trials** every tree samples :data:`MOST_ROWS` of its half, or half as many of its quarter. So all
trials contribute but a tree's cost does not grow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.importance.additive import Basis
from search.importance.forest import Forest, grow
from search.importance.marginals import Marginals
from studies.space.numbers import Branches, Floats

SPLITS = 16
"""Random splits of the trials into halves; a tree for each half."""

MOST_ROWS = 1000
"""Trials that a tree samples at most of a half."""

MOST_ASKED = 2000
"""So many trials, up to twice as many, show how well the forest predicts what it has not seen."""

DEVIATIONS = 2.3
"""Half of an interval, in standard errors: Student's t with 8 degrees of freedom. Those of :data:`SPLITS`
splits of the same trials are fewer than their number, and were determined by simulation."""

CELLS = 24
"""Cells of an axis of numbers that parts are computed on."""

POINTS = 1024
"""Configurations, sampled from the space, that the variance of all interactions together is computed on."""

COARSE = 12
"""Cells of an axis of numbers in a plane of two axes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95% interval; see the module for what that means."""

    value: float
    low: float
    high: float


class Fits:
    """Fits to samples of the trials: an additive one each, and a tree.

    Args:
        table: (trials, axes) as :func:`studies.space.numbers.table_of` makes it.
        scores: (trials,), or (samples, trials) where each sample has its own; of variance 1.
        samples: (samples, trials) whether each has a trial, and whether its tree has it.
        categories: (axes,) how many each has, absence counted; 0 for an axis of numbers.
        branches: the space that the trials are of.
        seed: of the trees' ties.
    """

    def __init__(
        self,
        table: Floats,
        scores: Floats,
        samples: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        categories: Sequence[int],
        branches: Branches,
        seed: int = 0,
    ) -> None:
        members, counts = samples
        self.branches, self._basis = branches, Basis(branches)
        functions = self._basis.of(table)
        first = scores if scores.ndim == 1 else scores[0]
        self.coefficients = self._basis.fit(
            functions, scores, members, self._basis.penalty(functions, first)[0]
        )
        rest = scores - self.coefficients @ functions.T
        self.forest: Forest = grow(table, scores, counts.astype(np.intp), categories, seed, values=rest)
        self._marginals = Marginals(self.forest, branches)

    def predict(self, table: Floats, samples: int | None = None) -> Floats:
        """(rows, samples) by the first samples, or by all of them."""
        count, rows = samples or self.forest.trees, len(table)
        asked = np.repeat(np.arange(rows), count), np.tile(np.arange(count), rows)
        of_trees = self.forest.predict(table, *asked).reshape(rows, count)
        predicted: Floats = of_trees + self._basis.of(table) @ self.coefficients[:count].T
        return predicted

    def curve(self, axis: int, edges: Floats) -> Floats:
        """(samples, cells) the mean prediction in each cell of an axis, over all else, where it is there.

        NaN for a category that no configuration has.
        """
        means: Floats = self._marginals.curve(axis, edges)
        return means + self._basis.curve(self.coefficients, axis, _middles(edges))

    def plane(self, axes: tuple[int, int], edges: tuple[Floats, Floats]) -> Floats:
        """(samples, cells, cells) the same over two axes; NaN where no configuration has both."""
        means: Floats = self._marginals.planes(axes, edges)
        return means + self._basis.plane(self.coefficients, axes, (_middles(edges[0]), _middles(edges[1])))

    def part(self, axis: int) -> tuple[Floats, Floats]:
        """(samples, cells) what an axis adds alone in each cell, and (cells,) how likely these are."""
        means = np.nan_to_num(self.curve(axis, self.edges(axis, CELLS)))
        measure = self.branches.measure((axis,), means.shape[1:])
        return means - (means @ measure / max(measure.sum(), 1e-300))[:, None], measure

    def beyond(self, axes: tuple[int, int]) -> tuple[Floats, Floats]:
        """What two axes add together, less what each adds alone where both are there.

        Returns:
            (samples, cells, cells) in each cell, and (cells, cells) how likely these are.
        """
        edges = self.edges(axes[0], COARSE), self.edges(axes[1], COARSE)
        # Without the additive fits: these have no interactions.
        means = np.nan_to_num(self._marginals.planes(axes, edges))
        measure = self.branches.measure(axes, means.shape[1:])
        weighted = means * measure
        first = _over(weighted.sum(axis=2), measure.sum(axis=1))
        second = _over(weighted.sum(axis=1), measure.sum(axis=0))
        all_over = weighted.sum(axis=(1, 2)) / max(measure.sum(), 1e-300)
        return means - first[:, :, None] - second[:, None, :] + all_over[:, None, None], measure

    def edges(self, axis: int, cells: int) -> Floats:
        """(cells + 1,) of an axis of numbers."""
        return np.empty(0) if self.branches.choices[axis] else np.linspace(0, 1, cells + 1)


class Fanova:
    """What some trials show about each axis.

    Args:
        table: (trials, axes) as :func:`studies.space.numbers.table_of` makes it.
        scores: (trials,) not all equal.
        categories: (axes,) how many each has, absence counted; 0 for an axis of numbers.
        branches: the space that the trials are of.
        seed: fixed, so that a report that is printed twice is the same.
    """

    def __init__(
        self, table: Floats, scores: Floats, categories: Sequence[int], branches: Branches, seed: int = 0
    ) -> None:
        generator = np.random.default_rng(seed)
        members = _samples(len(scores), generator)
        halves, quarters = members[: 2 * SPLITS], members[2 * SPLITS :]
        rows = at_most(halves, MOST_ROWS, generator), at_most(quarters, MOST_ROWS // 2, generator)
        self._center, self._scale = float(np.mean(scores)), float(np.std(scores))
        scaled = (scores - self._center) / self._scale
        self._fits = Fits(table, scaled, (members, np.concatenate(rows)), categories, branches, seed)
        self.rows_per_tree = int(rows[0][0].sum())
        self.explained = _explained(self._fits, table, scaled, halves)
        parts = [self._fits.part(axis) for axis in range(len(categories))]
        self._parts = [covariances(*part) for part in parts]
        remainder = _remainder(self._fits, [values for values, _ in parts], generator)
        self._total = np.sum(self._parts, axis=0) + remainder
        # The interactions' part is 0 at least, so that shares never sum to more than all.
        alone = np.stack(self._parts)[:, :SPLITS].mean(axis=1)
        self._whole = max(float(self._total[:SPLITS].mean()), float(np.maximum(alone, 0.0).sum()))

    def share(self, axis: int) -> Estimate:
        """The axis's part of the variance that the choices explain."""
        return _ratio(self._parts[axis], self._total, self._whole)

    def interaction(self, first: int, second: int) -> Estimate:
        """What two axes add together to the parts that each has alone."""
        return _ratio(covariances(*self._fits.beyond((first, second))), self._total, self._whole)

    def curve(self, axis: int, edges: Floats) -> list[Estimate]:
        """The mean predicted score in each cell of an axis, all else sampled from the space.

        NaN for a category that makes a branch which the space lacks.
        """
        cells = self._fits.curve(axis, edges)
        halves = cells[2 * SPLITS :].reshape(SPLITS, 2, 2, -1).mean(axis=2)
        error = np.sqrt(((halves[:, 0] - halves[:, 1]) ** 2).mean(axis=0)) / 2
        means = cells[: 2 * SPLITS].mean(axis=0)
        return [self._score(mean, DEVIATIONS * half) for mean, half in zip(means, error, strict=True)]

    def plane(self, axes: tuple[int, int], edges: tuple[Floats, Floats]) -> Floats:
        """(cells, cells) the mean predicted score in each cell of two axes; NaN where none has both."""
        means = self._fits.plane(axes, edges)[: 2 * SPLITS].mean(axis=0)
        scores: Floats = self._center + self._scale * means
        return scores

    def _score(self, value: float, half: float) -> Estimate:
        middle = self._center + self._scale * value
        return Estimate(middle, middle - self._scale * half, middle + self._scale * half)


def halves_of(members: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.bool_]:
    """(2 × samples, trials) each sample split at random into two, which lie beside each other."""
    order = np.where(members, generator.random(members.shape), 2.0)
    rank = np.argsort(np.argsort(order, axis=1), axis=1)
    size = members.sum(axis=1, keepdims=True)
    first = members & (rank < size // 2)
    return np.stack([first, members & ~first], axis=1).reshape(-1, members.shape[1])


def at_most(members: NDArray[np.bool_], most: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(samples, trials) a random part of each sample, where it has more trials than so many."""
    if members.sum(axis=1).max() <= most:
        return members
    order = np.where(members, generator.random(members.shape), 2.0)
    limit = np.partition(order, most - 1, axis=1)[:, most - 1 : most]
    return members & (order <= limit)


def _samples(trials: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(samples, trials) the halves of all splits, and then the halves of each of these; in pairs."""
    everyone = np.ones((SPLITS, trials), dtype=bool)
    halves = halves_of(everyone, generator)
    return np.concatenate([halves, halves_of(halves, generator)])


def covariances(values: Floats, measure: Floats) -> Floats:
    """(pairs,) the covariance over the space of the predictions from both samples of each pair."""
    products = values[0::2] * values[1::2] * measure
    sums: Floats = products.reshape(len(products), -1).sum(axis=1)
    return sums


def _remainder(fits: Fits, parts: Sequence[Floats], generator: np.random.Generator) -> Floats:
    """(pairs,) the covariance of all that is no single axis's part."""
    points = fits.branches.sample(POINTS, generator)
    predicted = fits.predict(points)
    for axis, (part, choices) in enumerate(zip(parts, fits.branches.choices, strict=True)):
        present = points[:, axis] < choices if choices else points[:, axis] >= 0
        place = points[:, axis] if choices else points[:, axis] * CELLS
        cell = np.clip(place.astype(np.intp), 0, part.shape[1] - 1)
        predicted = predicted - np.where(present[:, None], part.T[cell], 0.0)
    predicted = predicted - predicted.mean(axis=0)
    covariance: Floats = (predicted[:, 0::2] * predicted[:, 1::2]).mean(axis=0)
    return covariance


def _ratio(part: Floats, total: Floats, reference: float) -> Estimate:
    """A share and Fieller's interval, from covariances of the splits' halves and of the halves of those.

    Args:
        part: (pairs,) of one axis, or of two.
        total: (pairs,) of all.
        reference: what the share is of, which ``total`` comes to but for noise.
    """
    both = np.stack([part, total])
    whole = both[:, :SPLITS].mean(axis=1)
    apart = np.diff(both[:, SPLITS:].reshape(2, SPLITS, 2), axis=2)[:, :, 0] / 2
    (in_part, together), (_, in_total) = DEVIATIONS**2 * (apart @ apart.T) / SPLITS
    value = float(np.clip(whole[0] / reference, 0.0, 1.0)) if reference > 0 else 0.0
    square = whole[1] ** 2 - in_total
    middle = whole[0] * whole[1] - together
    root = middle**2 - square * (whole[0] ** 2 - in_part)
    if square <= 0 or whole[1] <= 0 or root < 0:
        return Estimate(value, 0.0, 1.0)
    low, high = (middle - math.sqrt(root)) / square, (middle + math.sqrt(root)) / square
    return Estimate(value, float(min(max(0.0, low), value)), float(max(min(1.0, high), value)))


def _explained(fits: Fits, table: Floats, scores: Floats, members: NDArray[np.bool_]) -> float:
    """The part of the scores' variance explained by fits that did not see the trial; below 0: none.

    Where there are many trials, it is of :data:`MOST_ASKED` or more of them, evenly out of all.
    """
    asked = np.arange(len(scores))[:: max(1, len(scores) // MOST_ASKED)]
    predicted, unseen = fits.predict(table[asked], len(members)), ~members[:, asked].T
    mean = (predicted * unseen).sum(axis=1) / unseen.sum(axis=1)
    return float(1 - np.mean((mean - scores[asked]) ** 2) / np.var(scores[asked]))


def _middles(edges: Floats) -> Floats:
    middles: Floats = (edges[1:] + edges[:-1]) / 2
    return middles


def _over(sums: Floats, measure: Floats) -> Floats:
    """Means; 0 where no configuration lies, which has no weight in what follows."""
    return sums / np.where(measure > 0, measure, 1.0) * (measure > 0)
