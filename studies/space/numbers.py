"""A space as numbers: axes of numbers in [0, 1] and of categories, and the boxes they form.

Equal lengths of an axis are equally likely when the space is sampled: logarithms on ``log`` axes, and one
stretch of equal length for each value of a range with steps. The measure of a space is that of uniform
sampling from it, whichever sampler the trials came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from studies.sections.distributions import Choice, Distribution, Range, Value
from studies.space.space import Branch

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]

ABSENT = -1.0
"""The place on an axis of numbers of a trial without that parameter: below all that have it."""

FREE = -1
"""In a branch: the axis is sampled uniformly."""

MISSING = -2
"""In a branch: there is no such axis. Any other number is the category that makes the branch."""

FINEST = 12
"""Cells of a curve over a range of numbers; fewer where the range has fewer values."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter, by the name that Optuna knows."""

    name: str
    distribution: Choice | Range

    @property
    def choices(self) -> int:
        """How many categories it has; 0 for numbers."""
        return len(self.distribution.choices) if isinstance(self.distribution, Choice) else 0

    def fits(self, values: Sequence[Value | None]) -> Flags:
        """(values,) which of them the axis has; ``None``, a trial without the parameter, fits any."""
        if isinstance(self.distribution, Choice):
            known = {_key(choice) for choice in self.distribution.choices}
            return np.array([value is None or _key(value) in known for value in values], dtype=bool)
        contains = self.distribution.contains
        return np.array([value is None or contains(value) for value in values], dtype=bool)

    def places(self, values: Sequence[Value | None]) -> Floats:
        """(values,) the place of each: in [0, 1], or its category; ``None`` has a place of its own."""
        axis = self.distribution
        if isinstance(axis, Choice):
            index = {_key(choice): place for place, choice in enumerate(axis.choices)}
            none = len(axis.choices)
            return np.array(
                [none if value is None else index[_key(value)] for value in values], dtype=np.float64
            )
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        low, high = _ends(axis)
        if axis.log:
            numbers, low, high = np.log(numbers), math.log(low), math.log(high)
        part = np.clip((numbers - low) / (high - low), 0.0, 1.0) if high > low else numbers * 0 + 0.5
        return np.where(np.isnan(part), ABSENT, part)

    def cells(self) -> tuple[Floats, list[tuple[Value, Value]]]:
        """Edges (cells + 1,) of a curve's cells, in [0, 1], and the first and last value in each."""
        axis = self.distribution
        if isinstance(axis, Choice):
            return np.empty(0), [(choice, choice) for choice in axis.choices]
        count = _steps(axis)
        if count is not None and count <= FINEST and not axis.log:
            step = axis.step or 1
            values = [axis.low + index * step for index in range(count)]
            return np.linspace(0, 1, count + 1), [(value, value) for value in values]
        edges = np.linspace(0, 1, FINEST + 1)
        low, high = _ends(axis)
        if axis.log:
            ends = np.exp(math.log(low) + edges * (math.log(high) - math.log(low)))
        else:
            ends = low + edges * (high - low)
        ends = np.clip(ends, axis.low, axis.high)
        return edges, [(float(first), float(last)) for first, last in pairwise(ends)]


def axes_of(distributions: Mapping[str, Distribution]) -> tuple[Axis, ...]:
    """An axis for each parameter that has more than one value."""
    return tuple(
        Axis(name, distribution)
        for name, distribution in distributions.items()
        if isinstance(distribution, (Choice, Range))
    )


def table_of(axes: Sequence[Axis], sampled: Sequence[Mapping[str, Value]]) -> tuple[Floats, tuple[int, ...]]:
    """The parameters of trials as (trials, axes) numbers, and each axis's number of categories, with absence.

    Args:
        axes: columns of the table.
        sampled: Optuna's parameters of each trial.
    """
    columns = [axis.places([params.get(axis.name) for params in sampled]) for axis in axes]
    return np.stack(columns, axis=1), tuple(axis.choices + 1 if axis.choices else 0 for axis in axes)


def branches_of(axes: Sequence[Axis], branches: Iterable[Branch]) -> Branches:
    """The boxes of a space, or of a part of it: the probabilities become those within the part."""
    boxes = tuple(branches)
    probability = np.array([branch.probability for branch in boxes])
    modes = np.array([[_mode(axis, branch) for axis in axes] for branch in boxes], dtype=np.intp)
    return Branches(
        probability / probability.sum(),
        modes.reshape(len(boxes), len(axes)),
        tuple(axis.choices for axis in axes),
    )


def _mode(axis: Axis, branch: Branch) -> int:
    if axis.name in branch.fixed:
        return int(axis.places([branch.fixed[axis.name]])[0])
    return FREE if axis.name in branch.sampled else MISSING


def _key(value: Value) -> tuple[bool, Value]:
    # True == 1 in Python, but not in a study file.
    return isinstance(value, bool), value


def _steps(axis: Range) -> int | None:
    if axis.step is None and not axis.whole:
        return None
    return math.floor((axis.high - axis.low) / (axis.step or 1) + 1e-9) + 1


def _ends(axis: Range) -> tuple[float, float]:
    """The ends of the axis: half a step beyond the first and the last value, where it has steps."""
    count = _steps(axis)
    if count is None:
        return axis.low, axis.high
    step = axis.step or 1
    return axis.low - step / 2, axis.low + (count - 1) * step + step / 2


@dataclass(frozen=True, slots=True)
class Branches:
    """The boxes that a space is made of.

    Attributes:
        probability: (branches,) summing to 1.
        modes: (branches, axes) :data:`FREE`, :data:`MISSING`, or a category.
        choices: (axes,) categories that can be sampled; 0 for an axis of numbers.
    """

    probability: Floats
    modes: Ints
    choices: tuple[int, ...]

    @classmethod
    def one_box(cls, choices: Sequence[int]) -> Branches:
        """A space whose every configuration has every axis."""
        return cls(np.ones(1), np.full((1, len(choices)), FREE, dtype=np.intp), tuple(choices))

    def measure(self, axes: Sequence[int], cells: Sequence[int]) -> Floats:
        """(cells of the first axis, ...) how likely a configuration lies in each cell of some axes."""
        probability = np.zeros(tuple(cells))
        for _, within in self.boxes(axes, cells):
            probability += within
        return probability

    def boxes(self, axes: Sequence[int], cells: Sequence[int]) -> Iterator[tuple[Ints, Floats]]:
        """The modes of each branch that has some axes, and how likely a configuration of it lies in each
        cell of these."""
        for branch_probability, modes in zip(self.probability, self.modes, strict=True):
            if MISSING not in modes[list(axes)]:
                within: Floats = np.array(branch_probability)
                for axis, count in zip(axes, cells, strict=True):
                    within = np.multiply.outer(within, cell_probabilities(int(modes[axis]), count))
                yield modes, within

    def sample(self, count: int, generator: np.random.Generator) -> Floats:
        """(count, axes) configurations sampled uniformly, as :func:`table_of` writes them."""
        modes = self.modes[generator.choice(len(self.probability), size=count, p=self.probability)]
        choices = np.array(self.choices)
        share = generator.random(modes.shape)
        free = np.where(choices > 0, np.floor(share * choices), share)
        missing = np.where(choices > 0, choices, ABSENT)
        return np.where(modes == FREE, free, np.where(modes == MISSING, missing, modes))


def cell_probabilities(mode: int, cells: int) -> Floats:
    """(cells,) how likely a branch samples each, cells being equally wide."""
    return np.full(cells, 1 / cells) if mode == FREE else (np.arange(cells) == mode).astype(np.float64)
