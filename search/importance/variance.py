"""How the score changes over the space: fANOVA's shares and curves, by the parameters' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from search.importance.fanova import Estimate, Fanova
from search.importance.interactions import strongest_interaction
from studies.sections.distributions import Value
from studies.space.numbers import Axis, Floats, branches_of, table_of
from studies.space.space import Branch

MOST_IN_PAIRS = 4
"""Parameters, those that explain most, among which an interaction is looked for."""

FEWEST_FOR_FOREST = 20
"""Trials below which no forest is grown."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The part of what all choices explain of the score's variance over the space that one parameter explains
    alone, with its 95% interval; noise is left out.

    An interaction has two ``axes``, and is what both explain together beyond their own parts.
    """

    axes: tuple[str, ...]
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CurveCell:
    """The mean score that the forest predicts for the values from ``first`` to ``last``, all else sampled.

    ``low`` and ``high`` are its 95% interval; ``trials`` lie in the cell.
    """

    first: Value
    last: Value
    mean: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True, slots=True)
class Curve:
    """How the predicted score changes along one parameter, where a configuration has it."""

    axis: str
    cells: tuple[CurveCell, ...]


@dataclass(frozen=True, slots=True)
class Plane:
    """The mean score that the forest predicts over two parameters, all else sampled, where both are used.

    Attributes:
        axes: which.
        cells: of each, as the first and last value in it.
        means: (cells of the first, cells of the second); ``None`` where no configuration has both.
    """

    axes: tuple[str, str]
    cells: tuple[tuple[tuple[Value, Value], ...], tuple[tuple[Value, Value], ...]]
    means: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Variance:
    """fANOVA of a group.

    Attributes:
        explained: part of the variance of trials that the trees have not seen that the forest explains.
        rows_per_tree: trials that each tree sampled, with replacement.
        effects: of single parameters, largest first; the rest of 1 is interactions.
        interaction: the strongest of two parameters, where it is significant; its share is rather too low, as
            trees smooth it.
        pairs: how many pairs were tested for it.
        curves: of each parameter, in the order of ``effects``.
        plane: over the two that explain most of those that both vary where both are there, if there are two.
        reason: why there are none; empty where there are.
    """

    explained: float = 0.0
    rows_per_tree: int = 0
    effects: tuple[Effect, ...] = ()
    interaction: Effect | None = None
    pairs: int = 0
    curves: tuple[Curve, ...] = ()
    plane: Plane | None = None
    reason: str = ""


def variance_of(
    names: Sequence[str],
    axes: Sequence[Axis],
    branches: Sequence[Branch],
    sampled: Sequence[Mapping[str, Value]],
    scores: Floats,
) -> Variance:
    """fANOVA of some trials.

    Args:
        names: what the axes are called.
        axes: those along which the trials differ.
        branches: of the space that the trials are from.
        sampled: the parameters of each trial.
        scores: (trials,) not all equal.
    """
    if len(sampled) < FEWEST_FOR_FOREST:
        return Variance(reason=f"needs {FEWEST_FOR_FOREST} trials, there are {len(sampled)}")
    table, categories = table_of(axes, sampled)
    # For a branch without trials the forest has no data, and would predict from other branches.
    tried = [branch for branch in branches if any(_is_of(params, branch) for params in sampled)]
    boxes = branches_of(axes, tried)
    fanova = Fanova(table, scores, categories, boxes)
    if fanova.explained <= 0:
        reason = "the model predicts unseen trials no better than their mean"
        return Variance(fanova.explained, fanova.rows_per_tree, reason=reason)
    shares = [fanova.share(index) for index in range(len(axes))]
    order = sorted(range(len(axes)), key=lambda index: -shares[index].value)
    pairs = [
        pair
        for pair in combinations(order[:MOST_IN_PAIRS], 2)
        if _both_vary(axes[pair[0]].name, axes[pair[1]].name, tried)
    ]
    strongest = strongest_interaction(table, scores, categories, boxes, pairs)
    interaction = None
    if strongest is not None:
        interaction = _effect((names[strongest[0]], names[strongest[1]]), fanova.interaction(*strongest))
    return Variance(
        explained=fanova.explained,
        rows_per_tree=fanova.rows_per_tree,
        effects=tuple(_effect((names[index],), shares[index]) for index in order),
        interaction=interaction,
        pairs=len(pairs),
        curves=tuple(_curve(names[index], axes[index], fanova, index, table) for index in order),
        plane=_plane(names, axes, fanova, order, tried),
    )


def _effect(axes: tuple[str, ...], estimate: Estimate) -> Effect:
    return Effect(axes, estimate.value, estimate.low, estimate.high)


def _curve(name: str, axis: Axis, fanova: Fanova, index: int, table: Floats) -> Curve:
    edges, values = axis.cells()
    if axis.choices:
        trials = np.bincount(table[:, index].astype(np.intp), minlength=axis.choices)
    else:
        trials = np.histogram(table[:, index], edges)[0]
    cells = (
        CurveCell(first, last, estimate.value, estimate.low, estimate.high, int(count))
        for (first, last), estimate, count in zip(
            values, fanova.curve(index, edges), trials[: len(values)], strict=True
        )
    )
    return Curve(name, tuple(cells))


def _plane(
    names: Sequence[str],
    axes: Sequence[Axis],
    fanova: Fanova,
    order: Sequence[int],
    branches: Sequence[Branch],
) -> Plane | None:
    for first, second in combinations(order, 2):
        if not _both_vary(axes[first].name, axes[second].name, branches):
            continue
        (first_edges, first_values), (second_edges, second_values) = axes[first].cells(), axes[second].cells()
        means = fanova.plane((first, second), (first_edges, second_edges))
        return Plane(
            (names[first], names[second]),
            (tuple(first_values), tuple(second_values)),
            tuple(tuple(None if np.isnan(mean) else float(mean) for mean in row) for row in means),
        )
    return None


def _both_vary(first: str, second: str, branches: Sequence[Branch]) -> bool:
    """Whether each of two parameters takes several values among the configurations that have both."""
    together = [branch for branch in branches if _has(branch, first) and _has(branch, second)]
    return all(
        any(name in branch.sampled for branch in together)
        or len({branch.fixed[name] for branch in together if name in branch.fixed}) > 1
        for name in (first, second)
    )


def _has(branch: Branch, name: str) -> bool:
    return name in branch.sampled or name in branch.fixed


def _is_of(params: Mapping[str, Value], branch: Branch) -> bool:
    return all(params.get(name) == value for name, value in branch.fixed.items())
