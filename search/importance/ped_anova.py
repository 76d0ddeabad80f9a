"""PED-ANOVA: how far the best trials lie from all of them along each axis, for many reweightings at once.

The method is S. Watanabe's, A. Bansal's and F. Hutter's (IJCAI 2023, arXiv 2304.10255; for parameters that
only some trials have, arXiv 2601.20800), with the settings of Optuna's ``PedAnovaImportanceEvaluator``, to
whose values these are equal. Each axis is a grid; the trials on it are smoothed with a Parzen estimator; the
measure is the Pearson divergence of the best trials' density from that of all. Optuna's own code computes one
study at a time; a bootstrap needs the divergences of hundreds of reweighted studies, and only counts on the
grid differ between them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.special import ndtr

from studies.sections.distributions import Choice, Range

Floats = NDArray[np.float64]

Counts = NDArray[np.floating[Any]]
"""Whole numbers, which numbers of four bytes hold as well as those of eight, in half of the memory."""

CELLS = 50
"""Cells of an axis of numbers, or as many as it has values."""

NARROWEST = 0.5 / 1.64
"""Standard deviation of a kernel at least, in cells: 90% of it lie in its own."""

FEWEST_WITH_PARAMETER = 2
"""Trials below which a parameter has no density."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where trials lie on one axis.

    Attributes:
        cell: (trials,) the cell of each; -1 where it has no such parameter.
        cells: how many there are.
        ordered: whether neighbouring cells are near each other.
    """

    cell: NDArray[np.intp]
    cells: int
    ordered: bool


def grid_of(values: Sequence[Any], sampled_from: Choice | Range) -> Grid:
    """The grid of one parameter; ``None`` among its values means a trial without it."""
    distribution = to_optuna(sampled_from)
    present = np.array([value is not None for value in values])
    cell = np.full(len(values), -1, dtype=np.intp)
    given = [value for value in values if value is not None]
    if isinstance(distribution, CategoricalDistribution):
        cell[present] = [int(distribution.to_internal_repr(value)) for value in given]
        return Grid(cell, len(distribution.choices), ordered=False)
    low, high, cells = float(distribution.low), float(distribution.high), CELLS
    if isinstance(distribution, IntDistribution) and distribution.log:
        cells = min(math.ceil(math.log(high - low + 1) / math.log(2)) + 1, CELLS)
    elif distribution.step is not None:
        cells = min(round((high - low) / distribution.step) + 1, CELLS)
    numbers = np.array(given, dtype=np.float64)
    if distribution.log:
        low, high, numbers = math.log(low), math.log(high), np.log(numbers)
    width = (high - low) / (cells - 1)
    cell[present] = np.clip(np.ceil((numbers - low) / width - 0.5), 0, cells - 1).astype(np.intp)
    return Grid(cell, cells, ordered=True)


def to_optuna(distribution: Choice | Range) -> CategoricalDistribution | IntDistribution | FloatDistribution:
    """The distribution that :meth:`studies.sections.distributions.Distribution.sample` makes Optuna store."""
    if not isinstance(distribution, Range):
        return CategoricalDistribution(distribution.choices)
    if distribution.whole:
        step = 1 if distribution.step is None else int(distribution.step)
        high = distribution.low + math.floor((distribution.high - distribution.low) / step) * step
        return IntDistribution(int(distribution.low), int(high), log=distribution.log, step=step)
    with warnings.catch_warnings():
        # Optuna warns where the step does not divide the range, as it did when the trials were sampled.
        warnings.simplefilter("ignore")
        return FloatDistribution(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )


def divergences(grid: Grid, every: Counts, best: Counts) -> Floats:
    """(studies,) how far the best trials lie from all, in each of several studies of the same trials.

    Args:
        grid: of the axis.
        every: (studies, trials) how often each trial counts; one row where that is the same in all.
        best: (studies, trials) how often it counts among the best.
    """
    present = grid.cell >= 0
    member = (grid.cell[present, None] == np.arange(grid.cells)).astype(every.dtype)
    with_it = slice(None) if present.all() else present
    of_all, of_best = ((studies[:, with_it] @ member).astype(np.float64) for studies in (every, best))
    of_all = np.broadcast_to(of_all, of_best.shape)
    count, count_best = of_all.sum(axis=1), of_best.sum(axis=1)
    enough = (count >= FEWEST_WITH_PARAMETER) & (count_best > 0)
    divergence = np.zeros(len(best))
    if enough.any():
        density = _ordered_density if grid.ordered else _unordered_density
        around, top = density(of_all[enough]) + 1e-12, density(of_best[enough]) + 1e-12
        pearson = np.sum(around * (top / around - 1) ** 2, axis=1)
        part_of_best = count_best[enough] / best[enough].sum(axis=1)
        part_of_all = count[enough] / np.broadcast_to(every.sum(axis=1), len(best))[enough]
        divergence[enough] = part_of_best**2 / part_of_all * pearson
    return divergence


def _unordered_density(counts: Floats) -> Floats:
    """(studies, cells) smoothed shares of categories, from counts; every occupied cell is one kernel."""
    total, cells = counts.sum(axis=1, keepdims=True), counts.shape[1]
    prior = 1 / ((counts > 0).sum(axis=1, keepdims=True) + 1)
    kernels = (counts + total * prior) / (1 + cells * prior)
    density: Floats = (kernels + 1 / cells) / (total + 1)
    return density


def _ordered_density(counts: Floats) -> Floats:
    """(studies, cells) a mixture of normal kernels that are cut off at the ends, and a wide prior."""
    total, cells = counts.sum(axis=1), counts.shape[1]
    deviation = _scott(counts)
    # A kernel's mass in a cell depends on the distance alone: tables of the normal distribution function at
    # the cells' borders, from -cells - 0.5 to cells + 0.5 around its middle.
    borders = ndtr((np.arange(2 * cells + 2) - cells - 0.5) / deviation[:, None])
    middle, cell = np.arange(cells)[:, None], np.arange(cells)[None, :]
    mass = borders[:, cell - middle + cells + 1] - borders[:, cell - middle + cells]
    within = borders[:, 2 * cells - np.arange(cells)] - borders[:, cells - np.arange(cells)]
    mixture = np.einsum("sm,smc->sc", counts / within, mass)
    edges = ndtr((np.arange(cells + 1) - 0.5 - (cells - 1) / 2) / cells)
    prior = np.diff(edges) / (edges[-1] - edges[0])
    density: Floats = (mixture + prior) / (total[:, None] + 1)
    return density


def _scott(counts: Floats) -> Floats:
    """(studies,) the kernels' deviation in cells, by D. W. Scott's rule (1992) as Optuna takes it."""
    total, cell = counts.sum(axis=1), np.arange(counts.shape[1])
    mean = counts @ cell / total
    spread = (counts * (cell - mean[:, None]) ** 2).sum(axis=1)
    deviation = np.sqrt(spread / np.maximum(1, total - 1))
    running, occupied = np.cumsum(counts, axis=1), counts > 0
    first = np.argmax((running >= (total // 4)[:, None]) & occupied, axis=1)
    third = np.argmax((running > (total * 3 // 4)[:, None]) & occupied, axis=1)
    estimate = 1.059 * np.minimum((third - first) / 1.34, deviation) * total**-0.2
    wide: Floats = np.maximum(estimate, NARROWEST)
    return wide
