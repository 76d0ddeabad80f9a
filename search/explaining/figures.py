"""The figures of an explanation with their intervals: shares, steps, the gap and both sides' scores. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.evaluation.contrasts import Floats, Part, half_widths, of_orders, of_seeds
from search.explaining.attribution import Attribution, Changed, Values, Weights, mean, weighted

LOWEST: Mapping[str, float] = {"mcc": -1.0}
"""The least that a score can be, where it isn't 0; all are 1 at most."""


@dataclass(frozen=True)
class Errors:
    """Standard errors of a figure, by what they come from: other seeds, other rows, other sampled orders."""

    seeds: float
    rows: float
    orders: float = 0.0


@dataclass(frozen=True)
class Measured:
    """A figure: the mean over the seeds.

    Attributes:
        value: the mean.
        low, high: 95% interval over seeds, rows and sampled orders, that holds for all figures of the
            explanation at once; of a side's own score, by itself. ``None`` with one seed.
        errors: the standard errors that it is made of; ``None`` with one seed.
        same: whether it compares networks with themselves: nothing else than 0 is possible.
    """

    value: float
    low: float | None = None
    high: float | None = None
    errors: Errors | None = None
    same: bool = False

    @property
    def verdict(self) -> str:
        """What may be said of it: ``same``, ``one seed``, ``within noise``, ``more`` or ``less``.

        ``same`` is that the networks are the same; ``within noise``, that no difference is significant.
        """
        if self.same:
            return "same"
        if self.low is None or self.high is None:
            return "one seed"
        if self.low <= 0 <= self.high:
            return "within noise"
        return "more" if self.value > 0 else "less"


@dataclass(frozen=True)
class Layout:
    """Which training each set of changes is, and the score that it is judged by.

    Sets that differ in the score alone are one training, and so are those whose networks are the same.

    Attributes:
        places: training and metric of each set, by number.
        trainings: how many.
        metrics: names of the scores.
    """

    places: Mapping[Changed, tuple[int, int]]
    trainings: int
    metrics: tuple[str, ...]

    def weights(self, several: Sequence[Weights]) -> Floats:
        """(figures, trainings, metrics) of the means over the seeds."""
        table = np.zeros((len(several), self.trainings, len(self.metrics)))
        for row, weights in enumerate(several):
            for place in {self.places[made] for made in weights}:
                # Exact sums: what cancels leaves nothing.
                exact = sum(weight for made, weight in weights.items() if self.places[made] == place)
                table[row][place] = float(exact)
        return table


class Figures:
    """Every figure of an explanation.

    Args:
        attribution: how the gap is dealt out.
        layout: of the sets that it used.
    """

    def __init__(self, attribution: Attribution, layout: Layout) -> None:
        self._attribution, self._layout = attribution, layout
        sides = (
            {made: weight**2} for made, weight in sorted(attribution.gap.items(), key=lambda one: len(one[0]))
        )
        # What the greedy path compared counts too: it chose the steps by it.
        self._all = (*attribution.shares, *attribution.path, attribution.gap, *attribution.compared, *sides)
        self.weights = layout.weights(self._all)
        """(figures, trainings, metrics)"""

    def measured(
        self, values: Mapping[Changed, Values], scores: Floats, rows: Part | None
    ) -> tuple[Measured, ...]:
        """All figures, in the order of :class:`Judged`.

        Args:
            values: of the sets.
            scores: (trainings, metrics, seeds) of the layout.
            rows: the part of the rows in the variance, of :attr:`weights`; ``None`` leaves it out.
        """
        centres = [float(mean(weighted(figure, values))) for figure in self._all]
        if scores.shape[2] < 2:
            return tuple(Measured(centre) for centre in centres)
        parts = self.parts(values, scores, rows)
        # Whether a side's score is 0 is not tested.
        looked_at = np.arange(len(centres)) < len(centres) - 2
        intervals = half_widths(parts, looked_at)
        lowest, highest = self._bounds()
        errors = np.sqrt([part.variances for part in parts]).T
        return tuple(
            Measured(
                value=centre,
                low=float(max(centre - half, min(low, centre))),
                high=float(min(centre + half, max(high, centre))),
                errors=Errors(*map(float, error)),
                same=not weights.any(),
            )
            for centre, half, low, high, error, weights in zip(
                centres, intervals.half, lowest, highest, errors, self.weights, strict=True
            )
        )

    def judged(self, values: Mapping[Changed, Values], scores: Floats, rows: Part | None) -> Judged:
        """The figures by what they are."""
        figures, count = self.measured(values, scores, rows), len(self._attribution.order)
        return Judged(figures[:count], figures[count : 2 * count], figures[2 * count], figures[-2:])

    def parts(self, values: Mapping[Changed, Values], scores: Floats, rows: Part | None) -> tuple[Part, ...]:
        """What the variances are made of: seeds, rows, sampled orders. Arguments as of :meth:`measured`."""
        none = Part(np.zeros((len(self._all), len(self._all))), np.ones(len(self._all)))
        return of_seeds(scores, self.weights), rows or none, self._orders(values, none)

    def _orders(self, values: Mapping[Changed, Values], none: Part) -> Part:
        if not self._attribution.pairs:
            return none
        by_pair = [
            [float(mean(weighted(figure, values))) for figure in pair] for pair in self._attribution.pairs
        ]
        return of_orders(np.array(by_pair), len(self._all))

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each figure can be: a difference no more than the scores' range, a side's score within it."""
        lowest = min(LOWEST.get(metric, 0.0) for metric in self._layout.metrics)
        high = np.full(len(self._all), 1.0 - lowest)
        low = -high
        low[-2:], high[-2:] = lowest, 1.0
        return low, high


@dataclass(frozen=True)
class Judged:
    """The figures of an explanation.

    Attributes:
        shares: Shapley values, by change.
        path: what each change contributes on the greedy path, by change.
        gap: the end's score less the start's.
        sides: the two scores.
    """

    shares: tuple[Measured, ...]
    path: tuple[Measured, ...]
    gap: Measured
    sides: tuple[Measured, ...]
