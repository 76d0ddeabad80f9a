"""Where trials always did well or badly: the best and the worst regions of the space, each as one sentence.

A region is given by one or two conditions: a category, or a stretch of numbers between round values. The
search tests every region of at least :data:`FEWEST` trials, and reports a region only if it is significant.
Of m trials in a region, the best is the k-th worst of all n. If scores had nothing to do with the
choices, the m trials would lie among the k worst with probability C(k, m) / C(n, m), exactly, whatever k
turns out to be. A region passes where that is below its part of a 5% chance that any region passes
(Bonferroni, over all regions that were looked at: half for the best and half for the worst, and of that half
for single conditions, so that these are not drowned by the many pairs).

A second condition has to earn its place: where only the learning rate matters, every second condition makes a
region of a low learning rate that is at least as bad. So a pair also passes the same test twice more, each
condition on the trials that meet the other: of the trials with the first condition, those that meet the
second too lie among the worst, and the other way round. What is irrelevant given the other condition picks
some of its trials at random, so that the probability of one such test is again exact for random samples. Both
must pass (an intersection-union test, R. L. Berger, Technometrics 24, 1982), each corrected for the number of
conditions. There are more pairs than conditions, but most are the same trials but for a few: that a condition
without effect is named in at most 5% of studies is measured, not proven (benchmarks/known_truth/regions.py).

Of those that pass, the first reported is the one with the most trials × distance of its bound from the median
trial; others follow where they share less than half of their trials with each one reported before. Trials
that diverged count as worse than all others, pruned ones with the score that they were heading for
(:mod:`search.importance.scores`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from studies.sections.distributions import Choice, Range, Value
from studies.space.numbers import Axis, Flags, Floats, Ints

FEWEST = 5
"""Trials that a region has at least."""

FALSE_ALARMS = 0.05
"""The probability of a sentence where scores have nothing to do with the choices."""

MOST_BAD, MOST_GOOD = 2, 1
"""Regions that are reported. Scores often fall at both ends of an axis, and rise to one top."""

MOST_CUTS = 10
"""Round values that an axis of numbers is cut at, at most."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a region asks of one parameter: one value, or ``low`` and above and below ``high``."""

    parameter: str
    value: Value | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the space whose trials all lie on one side of a bound.

    Attributes:
        good: whether all reached ``bound``; else none passed it.
        bound: a score; ``None`` where all trials of a bad region diverged.
        conditions: one or two.
        trials: how many it rests on.
        diverged, stopped: how many of them diverged, and were pruned.
    """

    good: bool
    bound: float | None
    conditions: tuple[Condition, ...]
    trials: int
    diverged: int
    stopped: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial: its parameters, and its score, which is ``None`` where it diverged."""

    params: Mapping[str, Value]
    score: float | None
    stopped: bool = False


def significant_regions(outcomes: Sequence[Outcome], axes: Sequence[Axis]) -> tuple[Region, ...]:
    """The regions to report, the worst ones first; none where scores may be chance."""
    known = [each.score for each in outcomes if each.score is not None]
    if len(outcomes) < 2 * FEWEST or not known:
        return ()
    # What has no score is put below all others, as far as these are apart.
    diverged = min(known) - (max(known) - min(known) or 1.0)
    scores = np.array([diverged if each.score is None else each.score for each in outcomes])
    order = np.argsort(scores, kind="stable")
    ordered = [outcomes[place] for place in order]
    conditions, masks = _conditions(ordered, axes)
    regions: list[Region] = []
    for good in (False, True):
        chosen_masks: list[Flags] = []
        for mask, chosen in _passing(masks, conditions, scores[order], good):
            if all((mask & before).sum() * 2 < mask.sum() for before in chosen_masks):
                chosen_masks.append(mask)
                regions.append(_region(mask, chosen, ordered, good))
            if len(chosen_masks) == (MOST_GOOD if good else MOST_BAD):
                break
    return tuple(regions)


def _passing(
    masks: Flags, conditions: Sequence[Condition], scores: Floats, good: bool
) -> Iterator[tuple[Flags, tuple[Condition, ...]]]:
    """Significant regions, the most informative first.

    Args:
        masks: (conditions, trials) which trials meet each; trials by rising score, as ``scores``.
    """
    if not len(masks):
        return
    # A good region is a bad one seen from the other end.
    seen = masks[:, ::-1] if good else masks
    rising = -scores[::-1] if good else scores
    level = float(np.median(rising))
    met: Ints = np.pad(np.cumsum(seen, axis=1, dtype=np.intp), ((0, 0), (1, 0)))
    candidates = []
    everyone = np.arange(len(masks))
    for together in ((everyone,), _pairs(conditions)):
        sizes, last = _sizes_and_last(seen, together[0], together[-1])
        possible = np.flatnonzero((sizes >= FEWEST) & (sizes < len(rising)))
        if not len(possible):
            continue
        size, bound = sizes[possible], rising[last[possible]]
        below = np.searchsorted(rising, bound, side="right")
        surprise = _log_chance(below, np.full_like(size, len(rising)), size)
        passes = surprise <= math.log(FALSE_ALARMS / 4 / len(possible))
        for condition in together if len(together) > 1 else ():
            own = condition[possible]
            among = _log_chance(met[own, below], met[own, -1], size)
            passes &= among <= math.log(FALSE_ALARMS / 4 / len(masks))
        depth = size * (level - bound)
        for place in np.flatnonzero(passes & (depth > 0)):
            chosen = tuple(sorted(int(condition[possible[place]]) for condition in together))
            candidates.append((-depth[place], len(chosen), chosen))
    for _, _, chosen in sorted(candidates):
        yield np.logical_and.reduce(masks[list(chosen)]), tuple(conditions[index] for index in chosen)


def _pairs(conditions: Sequence[Condition]) -> tuple[Ints, Ints]:
    """Every two conditions on different parameters."""
    names = np.array([condition.parameter for condition in conditions])
    first, second = np.triu_indices(len(names), k=1)
    apart = names[first] != names[second]
    return first[apart], second[apart]


def _sizes_and_last(masks: Flags, first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """How many trials meet both conditions, and the place of the last that does."""
    sizes, last = np.zeros(len(first), dtype=np.intp), np.zeros(len(first), dtype=np.intp)
    for index in np.unique(first):
        where = np.flatnonzero(first == index)
        both = masks[second[where]] & masks[index]
        sizes[where] = np.count_nonzero(both, axis=1)
        last[where] = masks.shape[1] - 1 - np.argmax(both[:, ::-1], axis=1)
    return sizes, last


def _log_chance(worst: Ints, of: Ints, chosen: Ints) -> Floats:
    """The logarithm of the probability that trials chosen at random all lie among the worst."""
    return _log_choose(worst, chosen) - _log_choose(of, chosen)


def _log_choose(of: Ints, chosen: Ints) -> Floats:
    logarithm: Floats = gammaln(of + 1.0) - gammaln(chosen + 1.0) - gammaln(of - chosen + 1.0)
    return logarithm


def _region(mask: Flags, chosen: tuple[Condition, ...], ordered: Sequence[Outcome], good: bool) -> Region:
    members = [each for each, meets in zip(ordered, mask, strict=True) if meets]
    scores = [each.score for each in members if each.score is not None]
    bound = (min(scores) if good else max(scores)) if scores else None
    return Region(
        good=good,
        bound=bound,
        conditions=tuple(sorted(chosen, key=lambda condition: condition.value is not None)),
        trials=len(members),
        diverged=sum(each.score is None for each in members),
        stopped=sum(each.stopped for each in members),
    )


def _conditions(outcomes: Sequence[Outcome], axes: Sequence[Axis]) -> tuple[list[Condition], Flags]:
    """Every condition that some trials meet and others don't, each set of trials once, and which meet it."""
    by_mask: dict[bytes, tuple[Condition, Flags]] = {}
    for axis in axes:
        values = [outcome.params.get(axis.name) for outcome in outcomes]
        for condition, mask in _of_axis(axis, values):
            if FEWEST <= mask.sum() < len(mask):
                by_mask.setdefault(np.packbits(mask).tobytes(), (condition, mask))
    conditions = [condition for condition, _ in by_mask.values()]
    masks = np.array([mask for _, mask in by_mask.values()], dtype=bool).reshape(len(by_mask), len(outcomes))
    return conditions, masks


def _of_axis(axis: Axis, values: Sequence[Value | None]) -> Iterator[tuple[Condition, Flags]]:
    if isinstance(axis.distribution, Choice):
        place = axis.places(values)
        for index, choice in enumerate(axis.distribution.choices):
            yield Condition(axis.name, value=choice), place == index
        return
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    ends = [None, *round_values(axis.distribution), None]
    # The narrowest first: of stretches with the same trials, it claims nothing about values not tried.
    for length in range(1, len(ends) - 1):
        for low, high in zip(ends, ends[length:], strict=False):
            mask = np.isfinite(numbers)
            mask &= numbers >= (-np.inf if low is None else low)
            mask &= numbers < (np.inf if high is None else high)
            yield Condition(axis.name, low=low, high=high), mask


def round_values(axis: Range) -> list[float]:
    """Round numbers inside a range, evenly spread over it, known before any trial is."""
    if axis.log:
        decades = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
        for digits in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            values = [digit * 10.0**decade for decade in decades for digit in digits]
            inside = [float(f"{value:.6g}") for value in values if axis.low < value < axis.high]
            if len(inside) <= MOST_CUTS:
                return inside
        return inside[:: math.ceil(len(inside) / MOST_CUTS)]
    span = axis.high - axis.low
    if span <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(span / MOST_CUTS))
    step = next(power * digit for digit in (1, 2, 5, 10) if span / (power * digit) <= MOST_CUTS)
    if axis.whole:
        step = max(step, 1.0)
    first = math.floor(axis.low / step) + 1
    values = [float(f"{index * step:.6g}") for index in range(first, math.ceil(axis.high / step))]
    # The last value of a range with steps is a value: there "20 and above" means something.
    return [*values, float(axis.high)] if axis.whole or axis.step else values
