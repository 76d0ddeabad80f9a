"""How much of the score's variance each choice explains: fANOVA, exact over the boxes of a forest's leaves.

fANOVA (F. Hutter, H. Hoos and K. Leyton-Brown, ICML 2014) splits the variance of what a random forest
predicts over the whole space into parts of single parameters, of pairs and of more. A tree is constant on
boxes, so that its marginals are sums over leaves and no sampling is needed: with E[f | x] the mean prediction
where one parameter is x and all others are drawn from the space, that parameter's part is the variance of E[f
| x]. Shares are parts of each tree's variance, meaned over the trees.

**Parameters that some configurations don't have.** The space is not one box but several, here called
branches: each optimizer of each framework draws axes of its own. The published method knows one box; filling
in a value for what isn't there would let the filled value share in the variance. Here expectations run over
the branches as the space draws them. A parameter's part is taken where the parameter is there, and counts
with the probability that it is: V(x) = P(x is there) × Var(E[f | x] over where x is there). That the score
differs between configurations with and without it is an effect of the choice that decides so (the framework,
the optimizer), and is counted there. The parts still don't overlap, because within the branches that have it
a parameter is drawn independently of all others, and in a space of one box they are the published ones.

An interaction of two is taken where both are there: E[f | x, y] less what each adds alone there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from search.importance.forest import Forest
from studies.space.numbers import ABSENT, FREE, MISSING, Branches, Flags, Floats, Ints, drawn_cells


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells that some leaves cut an axis into, and where each leaf lies.

    Attributes:
        at, change: (leaves, entries) cells, and what a leaf adds there to the sum of those that cover a cell;
            with ``running``, to that of this cell and of all after it.
        width: (cells,) their measure; 0 for the end of an axis of numbers.
    """

    at: Ints
    change: Floats
    width: Floats
    running: bool

    def drawn(self, mode: int) -> Floats:
        """(cells,) how likely a branch of some mode draws each."""
        return self.width if mode == FREE else (np.arange(len(self.width)) == mode).astype(np.float64)


class Marginals:
    """The means and variances of a forest's trees, exact over a space.

    Args:
        forest: its axes of categories have ``choices`` of them, and possibly one more that stands for none.
        branches: the space.
    """

    def __init__(self, forest: Forest, branches: Branches) -> None:
        self._forest, self._branches = forest, branches
        self._offsets = np.concatenate([[0], np.cumsum(forest.categories, dtype=np.intp)])
        self._value = forest.value[forest.leaf]
        axes = range(len(branches.choices))
        self._free = [self._measure(axis, FREE) for axis in axes]
        self._missing = [self._measure(axis, MISSING) for axis in axes]
        weight = self._weights({})
        self.mean = self._by_tree(weight * self._value)
        centred = self._value - self.mean[forest.tree]
        self.variance = self._by_tree(weight * centred**2)

    def shares(self, axis: int) -> Floats:
        """(trees,) the axis's part of each tree's variance; NaN where a tree has none."""
        return self._share(self._number_part(axis) if self._is_number(axis) else self._choice_part(axis))

    def interaction(self, one: int, other: int) -> Floats:
        """(trees,) the part of the variance that two axes have beyond what each has alone."""
        if not self._presence(one, other):
            return np.zeros(self._forest.trees)
        heights = {
            (int(first), int(second)): self._weights({one: int(first), other: int(second)}) * self._value
            for first, second in np.unique(self._branches.modes[:, [one, other]], axis=0)
            if MISSING not in (first, second)
        }
        parts = [self._pair_part(one, other, heights, leaves) for leaves in self._leaves_of_trees()]
        return self._share(np.array(parts))

    def curve(self, axis: int, edges: Floats) -> Floats:
        """(trees, cells) the mean prediction, over all else, in each cell of an axis, where it is there.

        Args:
            axis: the axis.
            edges: (cells + 1,) ends of the cells of an axis of numbers; unused for categories.
        """
        if not self._is_number(axis):
            sums, measure = self._choice_sums(axis)
            means: Floats = sums / np.where(measure > 0, measure, np.nan)
            return means
        tree, position, height = self._steps(axis)
        # The running integral of a step function is linear in between: read at the edges, tree by tree.
        key = tree + np.clip(position, 0, 1) / 2
        integral = np.concatenate([[0.0], np.cumsum(height[:-1] * np.diff(key) * 2)])
        at = np.interp((np.arange(self._forest.trees)[:, None] + edges / 2).ravel(), key, integral)
        sums_in_cells = np.diff(at.reshape(self._forest.trees, -1), axis=1)
        found: Floats = sums_in_cells / np.diff(edges) / self._presence(axis)
        return found

    def planes(self, axes: tuple[int, int], edges: tuple[Floats, Floats]) -> Floats:
        """(trees, cells, cells) the mean prediction, over all else, in each cell of two axes.

        NaN where no configuration has both.

        Args:
            axes: which.
            edges: (cells + 1,) of each, as for :meth:`curve`.
        """
        covers = [self._covered(axis, ends) for axis, ends in zip(axes, edges, strict=True)]
        shape = covers[0].shape[1], covers[1].shape[1]
        sums = np.zeros((self._forest.trees, *shape))
        leaves = list(self._leaves_of_trees())
        for pair in np.unique(self._branches.modes[:, axes], axis=0):
            if MISSING in pair:
                continue
            height = self._weights(dict(zip(axes, map(int, pair), strict=True))) * self._value
            first, second = (drawn_cells(int(mode), count) for mode, count in zip(pair, shape, strict=True))
            of_trees = [covers[0][own].T @ (height[own, None] * covers[1][own]) for own in leaves]
            sums += np.stack(of_trees) * np.outer(first, second)
        measure = self._branches.measure(axes, shape)
        means: Floats = sums / np.where(measure > 0, measure, np.nan)
        return means

    def _covered(self, axis: int, edges: Floats) -> Floats:
        """(leaves, cells) the part of each cell of an axis that a leaf covers."""
        if not self._is_number(axis):
            return self._allowed(axis).astype(np.float64)
        low, high = self._forest.low[:, axis, None], self._forest.high[:, axis, None]
        overlap: Floats = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
        return np.maximum(overlap, 0.0) / np.diff(edges)

    def _is_number(self, axis: int) -> bool:
        return not self._branches.choices[axis]

    def _share(self, part: Floats) -> Floats:
        shares: Floats = np.maximum(part, 0.0) / np.where(self.variance > 0, self.variance, np.nan)
        return shares

    def _by_tree(self, of_leaves: Floats) -> Floats:
        return _sums_by(self._forest.tree, of_leaves, self._forest.trees)

    def _allowed(self, axis: int) -> Flags:
        """(leaves, categories) of one axis, the one for none left out."""
        begin = self._offsets[axis]
        return self._forest.allowed[:, begin : begin + self._branches.choices[axis]]

    def _measure(self, axis: int, mode: int) -> Floats:
        """(leaves,) how much of one axis, as a branch draws it, each leaf covers: 0 to 1."""
        forest, count = self._forest, self._branches.choices[axis]
        if not count:
            low, high = forest.low[:, axis], forest.high[:, axis]
            if mode == MISSING:
                return (low <= ABSENT).astype(np.float64)
            return np.maximum(high, 0.0) - np.maximum(low, 0.0)
        if mode == FREE:
            covered: Floats = self._allowed(axis).mean(axis=1)
            return covered
        if mode == MISSING and forest.categories[axis] == count:
            return np.zeros(len(self._value))  # every trial had one
        column = self._offsets[axis] + (count if mode == MISSING else mode)
        return forest.allowed[:, column].astype(np.float64)

    def _weights(self, given: dict[int, int | None]) -> Floats:
        """(leaves,) how much of the space each leaf covers along all axes but those given.

        Args:
            given: axes that are left out, with the mode that a branch must have there to be counted; ``None``
                for any branch that has the axis.
        """
        total = np.zeros(len(self._value))
        for probability, modes in zip(self._branches.probability, self._branches.modes, strict=True):
            if any(
                modes[axis] == MISSING if mode is None else modes[axis] != mode
                for axis, mode in given.items()
            ):
                continue
            weight = np.full(len(self._value), probability)
            for axis, mode in enumerate(modes):
                if axis not in given:
                    weight *= self._factor(axis, int(mode))
            total += weight
        return total

    def _factor(self, axis: int, mode: int) -> Floats:
        if mode == FREE:
            return self._free[axis]
        return self._missing[axis] if mode == MISSING else self._measure(axis, mode)

    def _presence(self, *axes: int) -> float:
        """The probability that a configuration has all of these axes."""
        there = (self._branches.modes[:, axes] != MISSING).all(axis=1)
        return float(self._branches.probability[there].sum())

    def _steps(self, axis: int) -> tuple[Ints, Floats, Floats]:
        """The mean prediction × P(axis is there) along an axis of numbers, as steps.

        Returns:
            (2 × leaves,) each: tree, where a step begins, and its height until the next; sorted.
        """
        forest = self._forest
        height = self._weights({axis: None}) * self._value
        tree = np.concatenate([forest.tree, forest.tree])
        position = np.maximum(np.concatenate([forest.low[:, axis], forest.high[:, axis]]), 0.0)
        change = np.concatenate([height, -height])
        order = np.argsort(tree + position / 2, kind="stable")
        return tree[order], position[order], np.cumsum(change[order])

    def _number_part(self, axis: int) -> Floats:
        tree, position, height = self._steps(axis)
        width = np.diff(position, append=1.0)
        width[:-1] *= tree[1:] == tree[:-1]
        width[-1] = 0.0
        presence = self._presence(axis)
        if not presence:
            return np.zeros(self._forest.trees)
        mean = _sums_by(tree, width * height, self._forest.trees)
        return _sums_by(tree, width * (height - mean[tree]) ** 2, self._forest.trees) / presence

    def _choice_sums(self, axis: int) -> tuple[Floats, Floats]:
        """(trees, categories) mean prediction × probability of the category, and the latter (categories,)."""
        count = self._branches.choices[axis]
        sums, measure = np.zeros((self._forest.trees, count)), np.zeros(count)
        allowed = self._allowed(axis)
        for mode in self._modes(axis):
            height = self._weights({axis: mode}) * self._value
            probability = self._branches.probability[self._branches.modes[:, axis] == mode].sum()
            for category in range(count) if mode == FREE else (mode,):
                drawn = 1 / count if mode == FREE else 1.0
                sums[:, category] += self._by_tree(height * allowed[:, category]) * drawn
                measure[category] += probability * drawn
        return sums, measure

    def _modes(self, axis: int) -> list[int]:
        return [int(mode) for mode in np.unique(self._branches.modes[:, axis]) if mode != MISSING]

    def _choice_part(self, axis: int) -> Floats:
        sums, measure = self._choice_sums(axis)
        if not measure.sum():
            return np.zeros(self._forest.trees)
        mean = sums.sum(axis=1) / measure.sum()
        drawn = measure > 0
        apart = (sums[:, drawn] / measure[drawn] - mean[:, None]) ** 2
        part: Floats = apart @ measure[drawn]
        return part

    def _pair_part(
        self, one: int, other: int, heights: Mapping[tuple[int, int], Floats], leaves: Ints
    ) -> float:
        """One tree's variance of E[f | x, y] less what each axis adds alone, where both are there.

        Args:
            one, other: the axes.
            heights: (leaves of all trees,) mean prediction × weight along all other axes, by the modes that
                branches have on the two.
            leaves: the tree's.
        """
        cells = self._cells(one, leaves), self._cells(other, leaves)
        shape = len(cells[0].width), len(cells[1].width)
        sums, measure = np.zeros(shape), np.zeros(shape)
        for (first, second), height in heights.items():
            drawn = cells[0].drawn(first)[:, None] * cells[1].drawn(second)
            modes = self._branches.modes[:, [one, other]]
            measure += self._branches.probability[(modes == (first, second)).all(axis=1)].sum() * drawn
            sums += _sums(cells, height[leaves]) * drawn
        first_alone = _ratio(sums.sum(axis=1), measure.sum(axis=1))
        second_alone = _ratio(sums.sum(axis=0), measure.sum(axis=0))
        beyond = _ratio(sums, measure) - first_alone[:, None] - second_alone + sums.sum() / measure.sum()
        return float(np.sum(measure * beyond**2))

    def _cells(self, axis: int, leaves: Ints) -> _Cells:
        if not self._is_number(axis):
            allowed = self._allowed(axis)[leaves].astype(np.float64)
            count = allowed.shape[1]
            at = np.broadcast_to(np.arange(count), allowed.shape)
            return _Cells(at, allowed, np.full(count, 1 / count), running=False)
        ends = np.maximum(
            np.stack([self._forest.low[leaves, axis], self._forest.high[leaves, axis]], axis=1), 0.0
        )
        edges, at = np.unique(ends, return_inverse=True)
        change = np.broadcast_to([1.0, -1.0], ends.shape)
        return _Cells(at.reshape(ends.shape), change, np.diff(edges, append=1.0), running=True)

    def _leaves_of_trees(self) -> Iterator[Ints]:
        order = np.argsort(self._forest.tree, kind="stable")
        yield from np.split(
            order, np.cumsum(np.bincount(self._forest.tree, minlength=self._forest.trees))[:-1]
        )


def _sums(cells: tuple[_Cells, _Cells], height: Floats) -> Floats:
    """The sum of the leaves' heights in every cell of a plane."""
    first, second = cells
    shape = len(first.width), len(second.width)
    at = first.at[:, :, None] * shape[1] + second.at[:, None, :]
    change = height[:, None, None] * first.change[:, :, None] * second.change[:, None, :]
    sums = _sums_by(at.ravel(), change.ravel(), shape[0] * shape[1]).reshape(shape)
    for axis, along in enumerate(cells):
        if along.running:
            sums = np.cumsum(sums, axis=axis)
    return sums


def _sums_by(index: Ints, weights: Floats, count: int) -> Floats:
    return np.bincount(index, weights, count).astype(np.float64, copy=False)


def _ratio(sums: Floats, measure: Floats) -> Floats:
    """Means; 0 where nothing is drawn, which has no weight in what follows."""
    return sums / np.where(measure > 0, measure, 1.0) * (measure > 0)
