"""What ``search explain`` finds out, as plain records, and how it is put together from scores. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search.explaining.attribution import Attribution, Changed, Values, mean, sets_of_order
from search.explaining.differences import Between, Difference, Side
from search.explaining.figures import Judged, Measured

CLEAR_GAP = 0.2
"""Least distance between two scores of one configuration that parts its seeds into two kinds."""

CLEARER = 4.0
"""How many times as wide as the scores of either kind lie apart this distance is at least."""


@dataclass(frozen=True, kw_only=True)
class Contribution(Measured):
    """What one change contributed to the gap.

    Attributes:
        difference: the change.
    """

    difference: Difference


@dataclass(frozen=True, kw_only=True)
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
        only: by seed, the name of the class that it says to every row; ``None`` where it says several.
        precisions: average precision by seed.
    """

    side: Side
    value: Measured
    by_seed: tuple[float, ...]
    scores: Mapping[str, float]
    diverged: int = 0
    only: tuple[str | None, ...] = ()
    precisions: tuple[float, ...] = ()

    @property
    def failed(self) -> tuple[bool, ...]:
        """By seed, whether it is of the worse kind, where the seeds are of two kinds; else empty."""
        return two_kinds(self.by_seed, [one is not None for one in self.only])


@dataclass(frozen=True)
class Trap:
    """Something that leads people astray, and that was seen here: its name, and a sentence or two."""

    name: str
    text: str


@dataclass(frozen=True)
class Rows:
    """The rows that everything was scored on: how many, how many positive, and the names of the classes."""

    count: int
    positives: int
    positive: str
    classes: tuple[str, ...] = ()


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
        between: configurations between the two sides that were trained.
        mixed: how many of them say one class to every row with some of the seeds, and not with others.
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
    between: int
    mixed: int
    without_spark: str
    remainder: float
    traps: tuple[Trap, ...] = ()

    @property
    def measuring(self) -> float:
        """What of the gap is the score's definition alone."""
        return sum(share.value for share in self.shares if share.difference.is_measuring)

    @property
    def training(self) -> float:
        """What of the gap is how the networks were trained."""
        return sum(share.value for share in self.shares if not share.difference.is_measuring)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        plain = asdict(self)
        for name in ("path", "shares"):
            for values, one in zip(plain[name], getattr(self, name), strict=True):
                values["verdict"] = one.verdict
        return plain | {"measuring": self.measuring, "training": self.training}


def two_kinds(values: Sequence[float], one_class: Sequence[bool]) -> tuple[bool, ...]:
    """By seed, whether a training is of the worse kind; empty where all seeds are of one kind.

    A training that says one class to every row, where others with other seeds say several, is the worse kind.
    Otherwise two kinds are parted by one gap: of three scores or more, neighbours in order that are at least
    :data:`CLEAR_GAP` apart, and :data:`CLEARER` times as far as the scores on either side lie apart.

    Args:
        values: the scores, by seed.
        one_class: whether the training says one class to every row.
    """
    if any(one_class):
        return () if all(one_class) else tuple(one_class)
    ordered = sorted(values)
    if len(ordered) < 3:
        return ()
    gap, place = max((ordered[place] - ordered[place - 1], place) for place in range(1, len(ordered)))
    spread = max(ordered[place - 1] - ordered[0], ordered[-1] - ordered[place])
    if gap < max(CLEAR_GAP, CLEARER * spread):
        return ()
    return tuple(value < ordered[place] for value in values)


def steps_of(
    between: Between, attribution: Attribution, judged: Judged, values: Mapping[Changed, Values]
) -> tuple[Step, ...]:
    """The greedy path in words and figures."""
    return tuple(
        Step(**_plain(judged.path[change]), difference=between.differences[change], after=_mean(values[made]))
        for change, made in zip(attribution.order, sets_of_order(attribution.order)[1:], strict=True)
    )


def shares_of(between: Between, judged: Judged) -> tuple[Contribution, ...]:
    """The Shapley values in words and figures."""
    return tuple(
        Contribution(**_plain(share), difference=difference)
        for difference, share in zip(between.differences, judged.shares, strict=True)
    )


def _plain(measured: Measured) -> dict[str, Any]:
    return {name: getattr(measured, name) for name in ("value", "low", "high", "errors", "same")}


def _mean(values: Values) -> float:
    return float(mean(values))
