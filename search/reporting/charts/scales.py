"""Where values lie along an axis, from 0 to 1, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Protocol

from studies.sections.distributions import Value


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, from 0 to 1, and what is written there."""

    part: float
    label: str


class Scale(Protocol):
    """An axis of a chart."""

    def part(self, value: Value) -> float:
        """Where a value lies, from 0 to 1."""
        ...

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """Places that are labelled; about ``most`` at most."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Numbers from ``low`` to ``high``, equally far apart; ``suffix`` follows each label."""

    low: float
    high: float
    suffix: str = ""

    def part(self, value: Value) -> float:
        """As :class:`Scale` says; the middle where the axis has one value only."""
        span = self.high - self.low
        return (float(value) - self.low) / span if span else 0.5

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """At multiples of 1, 2 or 5 times a power of ten."""
        return tuple(
            Tick(self.part(value), f"{label}{self.suffix}")
            for value, label in _round(self.low, self.high, most)
        )


@dataclass(frozen=True, slots=True)
class Log:
    """Positive numbers, equally far apart where their ratio is equal.

    ``at`` are values to label, where they are few enough; by default round ones.
    """

    low: float
    high: float
    at: tuple[float, ...] = ()

    def part(self, value: Value) -> float:
        """As :class:`Scale` says."""
        span = math.log(self.high / self.low)
        return math.log(float(value) / self.low) / span if span else 0.5

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """At powers of ten, or within them where these are few; at round numbers where there is none."""
        if 0 < len(self.at) <= most:
            return tuple(Tick(self.part(value), _plain(value)) for value in self.at)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = self._at(steps)
            if len(found) <= most:
                break
        if len(found) < 2:
            return tuple(Tick(self.part(value), label) for value, label in _round(self.low, self.high, most))
        every = math.ceil(len(found) / most)
        return tuple(Tick(self.part(value), _plain(value)) for value in found[::every])

    def _at(self, steps: Sequence[int]) -> list[float]:
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = [step * 10.0**power for power in range(low, high + 1) for step in steps]
        inside = (self.low * (1 - 1e-9), self.high * (1 + 1e-9))
        return [value for value in values if inside[0] <= value <= inside[1]]


@dataclass(frozen=True, slots=True)
class Bands:
    """Categories one beside the other, each in the middle of a band of equal width."""

    values: tuple[Value, ...]

    def part(self, value: Value) -> float:
        """As :class:`Scale` says; a number takes the band of the nearest, which rounding may have moved."""
        if value in self.values or isinstance(value, str):
            return (self.values.index(value) + 0.5) / len(self.values)
        apart = [abs(float(each) - float(value)) for each in self.values]
        return (apart.index(min(apart)) + 0.5) / len(self.values)

    def ticks(self, most: int) -> tuple[Tick, ...]:  # noqa: ARG002  the protocol's signature
        """Every category; leaving some out would leave a band without a name."""
        return tuple(Tick(self.part(value), category(value)) for value in self.values)


def score_scale(values: Sequence[float]) -> Linear:
    """An axis that holds these scores, with some air, and no more of [0, 1] than that takes."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    air = max(0.02, 0.06 * (high - low))
    inside = low >= 0 and high <= 1
    return Linear(
        max(0.0, low - air) if inside else low - air, min(1.0, high + air) if inside else high + air
    )


def near_the_best(values: Sequence[float]) -> Linear:
    """An axis of scores that leaves room for the differences between the good ones.

    Where a few scores lie far below the others (a network that learnt nothing has F1 0), they would press all
    others into a line. The axis begins two interquartile ranges below the lower quartile, or at the least
    score where that is higher; what is lower is drawn on its floor.
    """
    if len(values) < 4:
        return score_scale(values)
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    floor = lower - 2 * max(upper - lower, 0.02)
    return score_scale([floor, max(values)]) if min(values) < floor else score_scale(values)


def category(value: Value) -> str:
    """A value of an axis as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _plain(value) if isinstance(value, float) else str(value)


def _round(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], and how they are written."""
    if high <= low:
        return [(low, _plain(low))]
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(index * step, f"{index * step + 0.0:,.{decimals}f}") for index in range(first, last + 1)]


def _plain(value: float) -> str:
    """``0.001``, ``0.25``, ``1,000``; powers only where zeros would have to be counted."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
