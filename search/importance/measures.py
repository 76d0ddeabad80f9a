"""The measures of importance: what each says of a choice, in a row a measure.

A report has a column for each measure, with the part of every choice and its 95% interval. A new measure is
one module with a function ``Basis -> {choice: Part}``, and one row in :data:`MEASURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.importance.ped_shares import Share
from search.importance.variance import Variance
from studies.sections.distributions import Value
from studies.space.numbers import Axis, Floats
from studies.space.space import Branch


@dataclass(frozen=True, slots=True)
class Basis:
    """What a measure is computed from: some trials, and what is known of them already.

    Attributes:
        names: of the choices that differ between the trials, as the report calls them.
        axes: the same choices, in the same order.
        branches: of the space that the trials are from.
        params: what each trial has, by the names of the axes.
        scores: (trials,) not all equal.
        shares: PED-ANOVA.
        variance: fANOVA.
    """

    names: Sequence[str]
    axes: Sequence[Axis]
    branches: Sequence[Branch]
    params: Sequence[Mapping[str, Value]]
    scores: Floats
    shares: Sequence[Share]
    variance: Variance


@dataclass(frozen=True, slots=True)
class Part:
    """What a measure gives one choice, in [0, 1], with its 95% interval; ``?`` marks it if ``by_chance``."""

    share: float
    low: float
    high: float
    by_chance: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of importance.

    Attributes:
        name: heads its column.
        meaning: what its parts are parts of, in one sentence.
        parts: of each choice, by name; a choice without one has a dash, and without any there is no column.
    """

    name: str
    meaning: str
    parts: Callable[[Basis], Mapping[str, Part]]


def _ped_anova(basis: Basis) -> Mapping[str, Part]:
    return {each.axis: Part(each.share, each.low, each.high, each.by_chance) for each in basis.shares}


def _fanova(basis: Basis) -> Mapping[str, Part]:
    return {each.axes[0]: Part(each.share, each.low, each.high) for each in basis.variance.effects}


MEASURES: tuple[Measure, ...] = (
    Measure("best", "what sets the best trials apart, in shares of 100% (PED-ANOVA).", _ped_anova),
    Measure("score", "of what the choices explain of its variance, each one's own part (fANOVA).", _fanova),
)
"""In the order of the columns."""
