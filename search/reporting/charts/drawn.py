"""Scales of what was drawn, and the colours of trials, as several charts need them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TypeVar

from search.reporting.charts.scales import Bands, Linear, Log, Scale
from studies.records.trials import TrialRecord
from studies.sections.distributions import Choice, Distribution, Range, Value

T = TypeVar("T")

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


def is_of(record: TrialRecord, framework: str) -> bool:
    """Whether a trial is of this framework."""
    return record.configuration is not None and record.configuration.framework == framework


GOLDEN = 0.6180339887498949
"""Its multiples, less whole numbers, each fall into the largest gap that those before left."""

PLASTIC = (0.7548776662466927, 0.5698402909980532)
"""Multiples of these two do so in a plane (powers of the plastic number: M. Roberts' sequence R2)."""


def shake(trial: int, step: float = GOLDEN) -> float:
    """From -0.5 to 0.5, and even over the trials, so that those of one value don't hide each other."""
    return (trial * step) % 1 - 0.5


class Shades:
    """Colours of scores by rank: an equal part of the trials has each, so that all can be distinguished.

    Args:
        scores: of all trials; at least one.
    """

    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = sorted(scores)

    def of(self, score: float) -> str:
        """The class of a score's colour."""
        below = bisect_left(self._scores, score)
        # The best is in the last part, whatever is tied with it.
        last = score >= self._scores[-1]
        return f"q{SHADES - 1 if last else min(SHADES - 1, below * SHADES // len(self._scores))}"

    def legend(self) -> list[tuple[str, str]]:
        """Some colours, and the scores that have them."""
        return [
            ("q0", f"worst, from {self._scores[0]:.3f}"),
            (f"q{SHADES // 2}", f"middle, {self._scores[len(self._scores) // 2]:.3f}"),
            (f"q{SHADES - 1}", f"best, to {self._scores[-1]:.3f}"),
        ]


def thinned(found: Sequence[T], most: int) -> list[T]:
    """So many at most, evenly out of all."""
    if len(found) <= most:
        return list(found)
    return [found[index * len(found) // most] for index in range(most)]
