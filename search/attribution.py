"""Deals the difference between two scores out to the changes that lead from one to the other. Pure.

A *set* is a frozen set of changes, by number, that have been made; its *value* is the score then, one for
each seed. Sums are made of fractions, so that parts add up to the whole gap exactly, not to within rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from scipy.special import stdtrit

Changed = frozenset[int]
Values = tuple[Fraction, ...]
"""One score for each seed, in the seeds' order."""

Ask = Callable[[Collection[Changed]], Mapping[Changed, Values]]
"""Gives the values of sets, training what is not known yet; all that are asked for at once run together."""

Parts = tuple[Values, ...]
"""By change: what it contributed, for each seed."""

MOST_EXACT = 6
"""Changes up to which Shapley values are computed from every set: 64 of them."""


def every_set(count: int) -> tuple[Changed, ...]:
    """All sets of ``count`` changes, smaller ones first."""
    return tuple(
        frozenset(chosen)
        for size in range(count + 1)
        for chosen in itertools.combinations(range(count), size)
    )


def greedy_order(count: int, ask: Ask) -> tuple[int, ...]:
    """The order in which each change moves the mean score furthest towards the end of the path.

    C. Fawcett and H. Hoos, "Analysing differences between algorithm configurations through ablation", Journal
    of Heuristics 22, 2016. Of changes that move it equally far the first comes first.
    """
    nothing, everything = frozenset[int](), frozenset(range(count))
    ends = ask((nothing, everything))
    sign = 1 if mean(ends[everything]) >= mean(ends[nothing]) else -1
    order: tuple[int, ...] = ()
    while len(order) < count:
        left = [change for change in range(count) if change not in order]
        values = ask([frozenset((*order, change)) for change in left])
        order += (max(left, key=lambda change: sign * mean(values[frozenset((*order, change))])),)
    return order


def sets_of_order(order: Sequence[int]) -> tuple[Changed, ...]:
    """The sets that a path goes through, from none to all."""
    return tuple(frozenset(order[:length]) for length in range(len(order) + 1))


def parts_of_order(order: Sequence[int], values: Mapping[Changed, Values]) -> Parts:
    """By change: by how much the score moved when it was made in this order."""
    steps = itertools.pairwise(sets_of_order(order))
    moved = {
        change: _less(values[after], values[before])
        for change, (before, after) in zip(order, steps, strict=True)
    }
    return tuple(moved[change] for change in range(len(order)))


def shapley(count: int, values: Mapping[Changed, Values]) -> Parts:
    """By change: its mean contribution over all orders, from the values of every set.

    L. Shapley, "A value for n-person games", Contributions to the Theory of Games II, 1953: a set S of the
    other changes comes before a change in |S|! (n - |S| - 1)! of the n! orders.
    """
    seeds = len(values[frozenset()])
    parts = [[Fraction(0)] * seeds for _ in range(count)]
    for made in every_set(count):
        if len(made) == count:
            continue
        weight = Fraction(
            math.factorial(len(made)) * math.factorial(count - len(made) - 1), math.factorial(count)
        )
        for change in set(range(count)) - made:
            for seed, gain in enumerate(_less(values[made | {change}], values[made])):
                parts[change][seed] += weight * gain
    return tuple(tuple(one) for one in parts)


def drawn_orders(count: int, pairs: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """``pairs`` orders drawn evenly from all, each followed by its reverse.

    J. Castro, D. Gómez and J. Tejada, "Polynomial calculation of the Shapley value based on sampling",
    Computers & Operations Research 36, 2009. An order and its reverse together err less than two of their own
    would.
    """
    generator = np.random.default_rng(seed)
    drawn = (tuple(int(change) for change in generator.permutation(count)) for _ in range(pairs))
    return tuple(itertools.chain.from_iterable((order, order[::-1]) for order in drawn))


def sampled_shapley(
    orders: Sequence[Sequence[int]], values: Mapping[Changed, Values]
) -> tuple[Parts, tuple[float, ...]]:
    """The mean contributions over orders that :func:`drawn_orders` gave, and their standard errors.

    Each order's contributions add up to the gap, and so do their means. The errors are those of drawing
    orders, of the means over the seeds; those of the seeds are in :func:`interval`.
    """
    by_order = [parts_of_order(order, values) for order in orders]
    count = len(by_order[0])
    parts = tuple(_mean_of([parts[change] for parts in by_order]) for change in range(count))
    pairs = [
        [mean(_mean_of([one[change], other[change]])) for change in range(count)]
        for one, other in zip(by_order[::2], by_order[1::2], strict=True)
    ]
    errors = tuple(_standard_error([pair[change] for pair in pairs]) for change in range(count))
    return parts, errors


def mean(values: Sequence[Fraction]) -> Fraction:
    """The exact mean."""
    return sum(values, Fraction(0)) / len(values)


def interval(values: Sequence[Fraction]) -> tuple[float, float] | None:
    """95% interval of the mean over seeds, by Student's t; ``None`` for one seed, which shows no noise."""
    if len(values) < 2:
        return None
    centre = float(mean(values))
    half = float(stdtrit(len(values) - 1, 0.975)) * _standard_error(values)
    return centre - half, centre + half


def total(parts: Iterable[Values]) -> Values:
    """The sum of parts, for each seed."""
    return tuple(sum(column, Fraction(0)) for column in zip(*parts, strict=True))


def _standard_error(values: Sequence[Fraction]) -> float:
    if len(values) < 2:
        return math.nan
    centre = mean(values)
    variance = sum(((value - centre) ** 2 for value in values), Fraction(0)) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def _less(values: Values, others: Values) -> Values:
    return tuple(value - other for value, other in zip(values, others, strict=True))


def _mean_of(several: Sequence[Values]) -> Values:
    return tuple(mean(column) for column in zip(*several, strict=True))
