"""The mean score that a forest predicts along one axis and over two, exact over the boxes of its leaves.

A tree is constant on boxes, so that its marginals are sums over leaves and no sampling is needed (F. Hutter,
H. Hoos and K. Leyton-Brown, ICML 2014). The mean at x is E[f | x]: the axis has the value x, and all others
are sampled from the space.

**Parameters that some configurations don't have.** The space is not one box but several, here called
branches: each optimizer of each framework has axes of its own. The published method knows one box, and a
value filled in for what isn't there would count like any other. Here expectations run over the branches, with
their probabilities, and a mean along an axis is taken over the branches that have it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from search.importance.forest import Forest
from studies.space.numbers import ABSENT, FREE, MISSING, Branches, Flags, Floats, Ints, cell_probabilities


class Marginals:
    """The means of a forest's trees, exact over a space.

    Args:
        forest: its axes of categories have ``choices`` of them, and possibly one more, which means none.
        branches: the space.
    """

    def __init__(self, forest: Forest, branches: Branches) -> None:
        self._forest, self._branches = forest, branches
        self._offsets = np.concatenate([[0], np.cumsum(forest.categories, dtype=np.intp)])
        self._value = forest.value[forest.leaf]
        axes = range(len(branches.choices))
        self._free = [self._measure(axis, FREE) for axis in axes]
        self._missing = [self._measure(axis, MISSING) for axis in axes]

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
        by_tree: Floats = sums_in_cells / np.diff(edges) / self._presence(axis)
        return by_tree

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
            first, second = (
                cell_probabilities(int(mode), count) for mode, count in zip(pair, shape, strict=True)
            )
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

    def _by_tree(self, of_leaves: Floats) -> Floats:
        sums = np.bincount(self._forest.tree, of_leaves, self._forest.trees)
        return sums.astype(np.float64, copy=False)

    def _allowed(self, axis: int) -> Flags:
        """(leaves, categories) of one axis, the one for none left out."""
        begin = self._offsets[axis]
        return self._forest.allowed[:, begin : begin + self._branches.choices[axis]]

    def _measure(self, axis: int, mode: int) -> Floats:
        """(leaves,) how much of one axis, as a branch samples it, each leaf covers: 0 to 1."""
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
        present = (self._branches.modes[:, axes] != MISSING).all(axis=1)
        return float(self._branches.probability[present].sum())

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

    def _choice_sums(self, axis: int) -> tuple[Floats, Floats]:
        """(trees, categories) mean prediction × probability of the category, and the latter (categories,)."""
        count = self._branches.choices[axis]
        sums, measure = np.zeros((self._forest.trees, count)), np.zeros(count)
        allowed = self._allowed(axis)
        for mode in self._modes(axis):
            height = self._weights({axis: mode}) * self._value
            probability = self._branches.probability[self._branches.modes[:, axis] == mode].sum()
            for category in range(count) if mode == FREE else (mode,):
                probability_within = 1 / count if mode == FREE else 1.0
                sums[:, category] += self._by_tree(height * allowed[:, category]) * probability_within
                measure[category] += probability * probability_within
        return sums, measure

    def _modes(self, axis: int) -> list[int]:
        return [int(mode) for mode in np.unique(self._branches.modes[:, axis]) if mode != MISSING]

    def _leaves_of_trees(self) -> Iterator[Ints]:
        order = np.argsort(self._forest.tree, kind="stable")
        yield from np.split(
            order, np.cumsum(np.bincount(self._forest.tree, minlength=self._forest.trees))[:-1]
        )
