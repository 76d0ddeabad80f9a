"""What ``search explain`` finds out, as plain records, and how it is put together from scores. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from search.attribution import (
    Changed,
    Parts,
    Values,
    interval,
    mean,
    parts_of_order,
    sampled_shapley,
    sets_of_order,
    shapley,
    total,
)
from search.differences import Between, Difference, Side


@dataclass(frozen=True)
class Measured:
    """A figure over the seeds.

    Attributes:
        value: its mean.
        low, high: 95% interval of the mean over the seeds; ``None`` with one seed.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """What the interval allows to be said: ``none``, ``within noise``, ``more`` or ``less``.

        With one seed there is no interval, and the figure is taken at its word.
        """
        if self.low is None or self.high is None:
            return "none" if self.value == 0 else "more" if self.value > 0 else "less"
        if self.value == self.low == self.high == 0:
            return "none"
        if self.low <= 0 <= self.high:
            return "within noise"
        return "more" if self.value > 0 else "less"


@dataclass(frozen=True)
class Contribution(Measured):
    """What one change contributed to the gap.

    Attributes:
        difference: the change.
        error: standard error from drawing orders; ``None`` where every order, or one alone, was looked at.
    """

    difference: Difference
    error: float | None = None


@dataclass(frozen=True)
class Step(Contribution):
    """A change on the greedy path; its value is by how much the score moved.

    Attributes:
        after: mean score once it is made.
    """

    after: float = 0.0


@dataclass(frozen=True)
class SideResult:
    """How one side scored.

    Attributes:
        side: what it is.
        value: its own score, over the seeds.
        by_seed: the same, seed by seed.
        scores: means over the seeds of every score that is one number, by name; empty where no training came
            to an end.
        diverged: trainings that diverged, which count as a program that always says the commonest class.
    """

    side: Side
    value: Measured
    by_seed: tuple[float, ...]
    scores: Mapping[str, float]
    diverged: int = 0


@dataclass(frozen=True)
class Trap:
    """Something that leads people astray, and that was seen here: its name, and a sentence or two."""

    name: str
    text: str


@dataclass(frozen=True)
class Rows:
    """The rows that everything was scored on: how many, how many of the positive class, and its name."""

    count: int
    positives: int
    positive: str


@dataclass(frozen=True)
class Explanation:
    """How the gap between two sides is made up. All values are on the validation rows.

    Attributes:
        study: its name.
        start, end: the two sides.
        seeds: that every mixture was trained with.
        gap: the end's score less the start's, each by its own definition.
        path: the greedy path, from the start to the end.
        shares: Shapley values, in the order of the changes.
        orders: how many orders the Shapley values were averaged over; 0 where it was all of them.
        mixtures: sets of changes whose score was used.
        trainings: different trainings that these needed, seeds counted.
        trained: how many of them were run now; the others were kept from before.
        without_spark: what Spark lacks, so that mixtures with it were trained by TensorFlow; empty where it
            lacks nothing.
        remainder: what of the gap neither attribution explains: the larger of the two, exactly.
        traps: what was seen of the known ones.
    """

    study: str
    start: SideResult
    end: SideResult
    rows: Rows
    seeds: tuple[int, ...]
    gap: Measured
    path: tuple[Step, ...]
    shares: tuple[Contribution, ...]
    orders: int
    mixtures: int
    trainings: int
    trained: int
    without_spark: str
    remainder: float
    traps: tuple[Trap, ...] = ()

    @property
    def measuring(self) -> float:
        """What of the gap is the score's definition alone."""
        return sum(one.value for one in self.shares if one.difference.is_measuring)

    @property
    def training(self) -> float:
        """What of the gap is how the networks were trained."""
        return sum(one.value for one in self.shares if not one.difference.is_measuring)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        plain = asdict(self)
        for name in ("path", "shares"):
            for values, one in zip(plain[name], getattr(self, name), strict=True):
                values["verdict"] = one.verdict
        return plain | {"measuring": self.measuring, "training": self.training}


@dataclass(frozen=True)
class Attribution:
    """Both ways of dealing out a gap.

    Attributes:
        order: the greedy path's, by number of the change.
        path: what each change contributed on it, by number.
        shares: Shapley values, by number.
        errors: their standard errors from drawing orders; empty where none were drawn.
    """

    order: tuple[int, ...]
    path: Parts
    shares: Parts
    errors: tuple[float, ...] = ()

    def remainder(self, gap: Values) -> Fraction:
        """What the parts leave of the gap: the larger of the two remainders, over all seeds."""
        left = [
            abs(whole - part)
            for parts in (self.path, self.shares)
            for whole, part in zip(gap, total(parts), strict=True)
        ]
        return max(left)


def attribute(
    order: Sequence[int], drawn: Sequence[Sequence[int]], values: Mapping[Changed, Values]
) -> Attribution:
    """Deal out the gap along ``order``, and over the ``drawn`` orders, or over all where none were drawn."""
    path = parts_of_order(order, values)
    if drawn:
        shares, errors = sampled_shapley(drawn, values)
        return Attribution(tuple(order), path, shares, errors)
    return Attribution(tuple(order), path, shapley(len(order), values))


def measured(values: Values) -> Measured:
    """Mean and interval over the seeds."""
    return Measured(float(mean(values)), *(interval(values) or (None, None)))


def steps_of(between: Between, found: Attribution, values: Mapping[Changed, Values]) -> tuple[Step, ...]:
    """The greedy path in words and figures."""
    steps = []
    for change, made in zip(found.order, sets_of_order(found.order)[1:], strict=True):
        one = measured(found.path[change])
        after = float(mean(values[made]))
        steps.append(Step(one.value, one.low, one.high, between.differences[change], after=after))
    return tuple(steps)


def shares_of(between: Between, found: Attribution) -> tuple[Contribution, ...]:
    """The Shapley values in words and figures."""
    errors: Sequence[float | None] = found.errors or [None] * len(found.shares)
    return tuple(
        Contribution(one.value, one.low, one.high, difference, error)
        for difference, one, error in zip(
            between.differences, map(measured, found.shares), errors, strict=True
        )
    )
