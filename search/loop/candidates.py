"""Configurations of a space as rows of numbers: drawn evenly, and drawn near others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studies.sections.distributions import Range, Value
from studies.space.numbers import (
    ABSENT,
    FREE,
    MISSING,
    Axis,
    Branches,
    Flags,
    Floats,
    Ints,
    axes_of,
    branches_of,
    table_of,
)
from studies.space.space import SearchSpace

NEAR = 0.1
"""Standard deviation of a neighbour's numbers, where an axis is 1 long."""

ANEW = 0.2
"""How likely each axis of a neighbour is drawn anew."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """A space to draw rows from, as :func:`studies.space.numbers.table_of` writes them."""

    axes: tuple[Axis, ...]
    branches: Branches

    @classmethod
    def of(cls, space: SearchSpace) -> Candidates:
        """Those of a study's space."""
        axes = axes_of(space.parameters())
        return cls(axes, branches_of(axes, space.branches()))

    @property
    def categorical(self) -> tuple[bool, ...]:
        """(axes,) whether each has categories."""
        return tuple(axis.choices > 0 for axis in self.axes)

    def rows(self, drawn: Sequence[Mapping[str, Value]]) -> Floats:
        """(trials, axes) what trials drew."""
        return table_of(self.axes, drawn)[0]

    def draw(self, count: int, generator: np.random.Generator) -> Floats:
        """(count, axes) drawn as the space is."""
        found = generator.choice(len(self.branches.probability), size=count, p=self.branches.probability)
        return self._draw(self.branches.modes[found], generator)

    def near(self, parents: Floats, generator: np.random.Generator) -> Floats:
        """(parents, axes) one neighbour of each: its numbers moved a little, some of its axes drawn anew.

        It has its parent's framework and optimizer.
        """
        fresh = self._draw(self.branches.modes[self._branch_of(parents)], generator)
        step = generator.normal(scale=NEAR, size=parents.shape)
        numbers = (parents != ABSENT) & ~np.array(self.categorical)
        moved = np.where(numbers, self._on_steps(np.clip(parents + step, 0.0, 1.0)), parents)
        return np.where(generator.random(parents.shape) < ANEW, fresh, moved)

    def _draw(self, modes: Ints, generator: np.random.Generator) -> Floats:
        """One row for each row of modes (rows, axes)."""
        choices = np.array([axis.choices for axis in self.axes])
        share = generator.random(modes.shape)
        free = np.where(choices > 0, np.floor(share * choices), self._on_steps(share))
        missing = np.where(choices > 0, choices, ABSENT)
        return np.where(modes == FREE, free, np.where(modes == MISSING, missing, modes))

    def _branch_of(self, rows: Floats) -> Ints:
        """(rows,) the branch that each row is of."""
        choices = np.array([axis.choices for axis in self.axes])
        absent: Flags = rows == np.where(choices > 0, choices, ABSENT)
        modes = self.branches.modes[:, None, :]
        free, missing = modes == FREE, modes == MISSING
        agree = np.where(free, ~absent, np.where(missing, absent, modes == rows))
        return np.asarray(np.argmax(agree.all(axis=2), axis=0), dtype=np.intp)

    def _on_steps(self, share: Floats) -> Floats:
        """(rows, axes) numbers in [0, 1], moved to the middle of their step where an axis has steps."""
        steps = np.array([_steps(axis) for axis in self.axes])
        some = np.maximum(steps, 1)
        middle = (np.minimum(np.floor(share * some), some - 1) + 0.5) / some
        return np.where(steps > 0, middle, share)


def _steps(axis: Axis) -> int:
    """Steps of equal length of an axis of numbers; 0 where it has none."""
    found = axis.distribution
    return found.count() or 0 if isinstance(found, Range) and not found.log else 0
