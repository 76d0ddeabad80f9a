"""Scales of what was drawn, and the colours of trials, as several charts need them."""

from __future__ import annotations

from collections.abc import Sequence

from search.page.scales import Bands, Linear, Log, Scale
from studies.distributions import Choice, Distribution, Range, Value
from studies.trial_record import TrialRecord

SHADES = 7
"""Steps from the worst score to the best; the page has a colour for each."""


def scale_of(distribution: Distribution) -> Scale:
    """The axis of a parameter, as the space draws it."""
    if isinstance(distribution, Choice):
        return Bands(distribution.choices)
    if isinstance(distribution, Range):
        low, high = float(distribution.low), float(distribution.high)
        return Log(low, high) if distribution.log else Linear(low, high)
    return Bands((distribution.value,))


def placed(record: TrialRecord, name: str, distribution: Distribution) -> Value | None:
    """What a trial drew; ``None`` where it has no such parameter, or the space had another then."""
    value: Value | None = record.params.get(name)
    return value if value is not None and distribution.contains(value) else None


def shake(trial: int) -> float:
    """From -0.5 to 0.5, and even over the trials, so that those of one value don't hide each other.

    Multiples of the golden ratio, of which each falls into the largest gap that those before it left.
    """
    return (trial * 0.6180339887498949) % 1 - 0.5


def shade(score: float, low: float, high: float) -> str:
    """The class of a score's colour, of those from ``low`` to ``high``."""
    part = (score - low) / (high - low) if high > low else 1.0
    return f"q{min(SHADES - 1, max(0, int(part * SHADES)))}"


def thinned(found: Sequence[TrialRecord], most: int) -> list[TrialRecord]:
    """So many at most, evenly out of all."""
    if len(found) <= most:
        return list(found)
    return [found[index * len(found) // most] for index in range(most)]
