"""Deals the difference between two scores out to the changes that lead from one to the other. Pure.

A *set* is a frozen set of changes, by number, that have been made; its *value* is the score then, one for
each seed. Each change's part is a weighted sum of the sets' values. Sums are made of fractions, so that parts
add up to the whole gap exactly, not to within rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

Changed = frozenset[int]
Values = tuple[Fraction, ...]
"""One score for each seed, in the seeds' order."""

Ask = Callable[[Collection[Changed]], Mapping[Changed, Values]]
"""Gives the values of sets, training what is not known yet; all that are asked for at once run together."""

Parts = tuple[Values, ...]
"""By change: what it contributed, for each seed."""

Weights = Mapping[Changed, Fraction]
"""By how much each set's value counts in a figure; the other sets don't count."""

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
        remaining = [change for change in range(count) if change not in order]
        values = ask([frozenset((*order, change)) for change in remaining])
        order += (max(remaining, key=lambda change: sign * mean(values[frozenset((*order, change))])),)
    return order


def sets_of_order(order: Sequence[int]) -> tuple[Changed, ...]:
    """The sets that a path goes through, from none to all."""
    return tuple(frozenset(order[:length]) for length in range(len(order) + 1))


def step_weights(order: Sequence[int]) -> tuple[Weights, ...]:
    """By change: by how much the score moved when it was made in this order."""
    steps = zip(order, itertools.pairwise(sets_of_order(order)), strict=True)
    weights = {change: {after: Fraction(1), before: Fraction(-1)} for change, (before, after) in steps}
    return tuple(weights[change] for change in range(len(order)))


def shapley_weights(count: int) -> tuple[Weights, ...]:
    """By change: its mean contribution over all orders.

    L. Shapley, "A value for n-person games", Contributions to the Theory of Games II, 1953: a set S of the
    other changes comes before a change in |S|! (n - |S| - 1)! of the n! orders.
    """
    weights: list[dict[Changed, Fraction]] = [{} for _ in range(count)]
    for made in every_set(count):
        for change in made:
            before = len(made) - 1
            orders = math.factorial(before) * math.factorial(count - before - 1)
            weight = Fraction(orders, math.factorial(count))
            # A set is what one change led to, and what another one starts from: each pair is met once.
            weights[change][made], weights[change][made - {change}] = weight, -weight
    return tuple(weights)


def sampled_orders(count: int, pairs: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """``pairs`` orders sampled uniformly from all, each followed by its reverse.

    J. Castro, D. Gómez and J. Tejada, "Polynomial calculation of the Shapley value based on sampling",
    Computers & Operations Research 36, 2009. An order and its reverse together err less than two of their own
    would.
    """
    generator = np.random.default_rng(seed)
    orders = (tuple(int(change) for change in generator.permutation(count)) for _ in range(pairs))
    return tuple(itertools.chain.from_iterable((order, order[::-1]) for order in orders))


def mean_weights(several: Sequence[Sequence[Weights]]) -> tuple[Weights, ...]:
    """By change: the mean of what several ways of dealing out give it, such as several orders."""
    return tuple(
        {made: total / len(several) for made, total in _summed(weights).items()}
        for weights in zip(*several, strict=True)
    )


def weighted(weights: Weights, values: Mapping[Changed, Values]) -> Values:
    """The figure that the weights make of the sets' values, for each seed."""
    columns = zip(*(values[made] for made in weights), strict=True)
    return tuple(
        sum((weight * value for weight, value in zip(weights.values(), column, strict=True)), Fraction(0))
        for column in columns
    )


@dataclass(frozen=True)
class Attribution:
    """Both ways of dealing out a gap.

    Attributes:
        order: the greedy path's, by number of the change.
        path: what each change contributes on it, by number.
        shares: Shapley values, by number.
        pairs: the same of each pair of orders, where they are sampled; else empty.
        compared: what the greedy path compared before it took what moves the score most.
        gap: the end's value less the start's.
    """

    order: tuple[int, ...]
    path: tuple[Weights, ...]
    shares: tuple[Weights, ...]
    pairs: tuple[tuple[Weights, ...], ...]
    compared: tuple[Weights, ...]
    gap: Weights

    def remainder(self, values: Mapping[Changed, Values]) -> Fraction:
        """What the parts leave of the gap: the larger of the two remainders, over all seeds."""
        gap = weighted(self.gap, values)
        return max(
            abs(whole - part)
            for parts in (self.path, self.shares)
            for whole, part in zip(gap, total(weighted(weights, values) for weights in parts), strict=True)
        )


def attribute(order: Sequence[int], sampled: Sequence[Sequence[int]] = ()) -> Attribution:
    """Deal the gap out along ``order``, and over the ``sampled`` orders; over all where none were sampled."""
    count = len(order)
    by_order = [step_weights(each) for each in sampled]
    pairs = tuple(map(mean_weights, zip(by_order[::2], by_order[1::2], strict=True)))
    return Attribution(
        order=tuple(order),
        path=step_weights(order),
        shares=mean_weights(pairs) if pairs else shapley_weights(count),
        pairs=pairs,
        compared=tuple(_compared(order)),
        gap={frozenset(range(count)): Fraction(1), frozenset(): Fraction(-1)},
    )


def mean(values: Sequence[Fraction]) -> Fraction:
    """The exact mean."""
    return sum(values, Fraction(0)) / len(values)


def total(parts: Iterable[Values]) -> Values:
    """The sum of parts, for each seed."""
    return tuple(sum(column, Fraction(0)) for column in zip(*parts, strict=True))


def _summed(several: Sequence[Weights]) -> dict[Changed, Fraction]:
    totals: dict[Changed, Fraction] = {}
    for weights in several:
        for made, weight in weights.items():
            totals[made] = totals.get(made, Fraction(0)) + weight
    return totals


def _compared(order: Sequence[int]) -> Iterator[Weights]:
    for place, before in enumerate(sets_of_order(order)[:-1]):
        for change in order[place:]:
            yield {before | {change}: Fraction(1), before: Fraction(-1)}
