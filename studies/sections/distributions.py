"""What one axis of the space may be: a fixed value, a list of choices, or a range of numbers."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from studies.printable import as_toml, printable

Value = str | int | float | bool

RANGE_KEYS = ("low", "high", "log", "step")

_MOST_STEPS = 2**53
"""Whole numbers up to here are floats, so that steps can be counted."""


class Suggest(Protocol):
    """What samples an axis: an Optuna trial, or a fake in tests."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of ``choices``."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number in [low, high]."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number in [low, high]."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """One value; not a parameter of the study, so that importance is not diluted."""

    value: Value

    def sample(self, name: str, suggest: Suggest) -> Value:  # noqa: ARG002  the signature is the union's
        """The value."""
        return self.value

    def values(self) -> tuple[Value, ...]:
        """The value alone."""
        return (self.value,)

    def count(self) -> int:
        """One."""
        return 1

    def contains(self, value: Value) -> bool:
        """Whether ``value`` may be sampled."""
        return _same(self.value, value)

    def own(self, value: Value) -> Value:  # noqa: ARG002  the signature is the union's
        """The value."""
        return self.value

    def describe(self) -> str:
        """What may be sampled, for a person."""
        return as_toml(self.value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, without order."""

    choices: tuple[Value, ...]

    def sample(self, name: str, suggest: Suggest) -> Value:
        """Ask for one of the choices."""
        value: Value = suggest.suggest_categorical(name, list(self.choices))
        return value

    def values(self) -> tuple[Value, ...]:
        """All choices, in the study file's order."""
        return self.choices

    def count(self) -> int:
        """Number of choices."""
        return len(self.choices)

    def contains(self, value: Value) -> bool:
        """Whether ``value`` may be sampled."""
        return any(_same(choice, value) for choice in self.choices)

    def own(self, value: Value) -> Value:
        """The choice that is the same as ``value``: 32 for 32.0."""
        return next(choice for choice in self.choices if _same(choice, value))

    def describe(self) -> str:
        """What may be sampled, for a person."""
        return "one of " + ", ".join(
            printable(choice) if isinstance(choice, str) else as_toml(choice) for choice in self.choices
        )


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole numbers where both bounds are."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are sampled."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def sample(self, name: str, suggest: Suggest) -> Value:
        """Ask for a number in the range."""
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return suggest.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return suggest.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> tuple[Value, ...] | None:
        """Every value in the range, or ``None`` where they can't be counted."""
        count = self.count()
        if count is None:
            return None
        # min: the last of them may pass `high` by a rounding error.
        return tuple(min(self.low + index * (self.step or 1), self.high) for index in range(count))

    def count(self) -> int | None:
        """How many values there are, or ``None`` where they can't be counted."""
        if self.low == self.high:
            return 1
        if self.step is None and not self.whole:
            return None
        return math.floor((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def contains(self, value: Value) -> bool:
        """Whether ``value`` may be sampled."""
        if isinstance(value, (bool, str)) or not self.low <= value <= self.high:
            return False
        if self.whole and value != int(value):
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9

    def own(self, value: Value) -> Value:
        """``value`` in the type that is sampled: 1.0 for 1 between 0.1 and 2.0, 32 for 32.0 among wholes."""
        return int(value) if self.whole else float(value)

    def describe(self) -> str:
        """What may be sampled, for a person."""
        if self.low == self.high:
            return f"{self.low:g} alone"
        text = f"{self.low:g} to {self.high:g}"
        if self.log:
            text += ", log"
        if self.step is not None:
            text += f", step {self.step:g}"
        return text


Distribution = Fixed | Choice | Range


def parse_distribution(raw: Any) -> Distribution:
    """The distribution that a TOML value means.

    Raises:
        ValueError: with one sentence for a person, where it means none.
    """
    if isinstance(raw, (Fixed, Choice, Range)):
        return raw
    if isinstance(raw, list):
        return _parse_choice(raw)
    if isinstance(raw, Mapping):
        return _parse_range(raw)
    if isinstance(raw, (str, bool, int, float)):
        return Fixed(raw)
    raise ValueError(f"found {as_toml(raw)}; allowed: a value, a list, or {{low, high, log, step}}")


def _parse_choice(raw: list[Any]) -> Distribution:
    if not raw:
        raise ValueError("found an empty list, which leaves nothing to sample; allowed: one value or more")
    for position, item in enumerate(raw):
        if not isinstance(item, (str, bool, int, float)):
            raise ValueError(
                f"found {as_toml(item)} in the list; allowed there: strings, numbers, true, false"
            )
        if any(_same(item, earlier) for earlier in raw[:position]):
            raise ValueError(f"found {as_toml(item)} twice in the list; name each value once")
    return Fixed(raw[0]) if len(raw) == 1 else Choice(tuple(raw))


def _parse_range(raw: Mapping[str, Any]) -> Range:
    unknown = sorted(set(raw) - set(RANGE_KEYS))
    if unknown:
        raise ValueError(
            f"found the unknown key '{printable(unknown[0])}' in a range; allowed: {', '.join(RANGE_KEYS)}"
        )
    for name in ("low", "high"):
        if name not in raw:
            raise ValueError(
                f"a range needs '{name}'; found only {', '.join(map(printable, sorted(raw))) or 'nothing'}"
            )
    low, high, log, step = raw["low"], raw["high"], raw.get("log", False), raw.get("step")
    for name, value in (("low", low), ("high", high), ("step", step)):
        if value is not None and not is_finite(value):
            raise ValueError(f"{name} = {as_toml(value)} is not a finite number")
    if not isinstance(log, bool):
        raise ValueError(f"log = {as_toml(log)} is not true or false")
    if low > high:
        raise ValueError(f"low = {low:g} is above high = {high:g}; swap them")
    if log and low <= 0:
        raise ValueError(f"log = true needs low above 0, found low = {low:g}; use for example 1e-6")
    if step is not None and step <= 0:
        raise ValueError(f"step = {step:g} must be above 0")
    if step is not None and (high - low) / step > _MOST_STEPS:
        raise ValueError(f"step = {step:g} is too small between {low:g} and {high:g}")
    if log and step is not None:
        raise ValueError("log and step can't be used together; leave one out")
    whole = isinstance(low, int) and isinstance(high, int)
    if whole and step is not None and step != int(step):
        raise ValueError(f"step = {step:g} is not whole, but low and high are; write those with a point")
    return Range(low, high, log, step) if whole else Range(float(low), float(high), log, step)


def is_finite(value: Any) -> bool:
    """Whether ``value`` is a number that a float can hold; whole numbers of TOML may be longer."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def _same(first: Value, second: Value) -> bool:
    # True == 1 in Python, but not in a study file.
    return isinstance(first, bool) == isinstance(second, bool) and first == second
