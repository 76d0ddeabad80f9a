"""A random forest of regression trees that keeps the box of every leaf, grown level by level with NumPy.

The forest is L. Breiman's (Machine Learning 45, 2001) as fANOVA uses it: every tree is grown to the end on
trials sampled with replacement, and each split is the one that lowers the squared error most. All trees grow
at once: a level costs a few passes over the rows of all trees, with the gain of every possible split read
from running sums over rows that stay sorted along each axis from level to level. Ties are broken at random,
because most nodes near the leaves hold two trials, which every axis separates equally well.

An axis is of numbers in [0, 1], or of categories 0, 1, ...; a split along the latter takes one category out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.space.numbers import ABSENT, Flags, Floats, Ints

DEEPEST = 64
"""Splits from the root to a leaf at most."""

PURE = 1e-12
"""Mean squared error, in parts of that of all trials, below which a node is not split."""

TIE = 1e-7
"""Relative difference up to which gains count as equal."""


@dataclass(frozen=True, slots=True)
class Forest:
    """The nodes of all trees, as arrays; node t is the root of tree t.

    Attributes:
        trees: how many.
        axis, cut, left: (nodes,) what splits a node: rows with at most ``cut`` along ``axis``, or of the
            category ``cut``, go to node ``left``, others to the next one. ``axis`` is -1 for leaves.
        value: (nodes,) mean score of the rows.
        categories: (axes,) how many each has; 0 for an axis of numbers.
        leaf, tree: (leaves,) node and tree of each leaf.
        low, high: (leaves, axes) the box; of no meaning for categories.
        allowed: (leaves, sum of categories) which categories the box has, axis after axis.
    """

    trees: int
    axis: Ints
    cut: Floats
    left: Ints
    value: Floats
    categories: tuple[int, ...]
    leaf: Ints
    tree: Ints
    low: Floats
    high: Floats
    allowed: Flags

    def predict(self, X: Floats, rows: Ints, trees: Ints) -> Floats:
        """What ``trees[i]`` predicts for row ``rows[i]`` of ``X`` (rows, axes)."""
        node = trees.copy()
        is_choice = np.array(self.categories) > 0
        going = np.flatnonzero(self.axis[node] >= 0)
        while len(going):
            at = node[going]
            value = X[rows[going], self.axis[at]]
            left = np.where(is_choice[self.axis[at]], value == self.cut[at], value <= self.cut[at])
            node[going] = self.left[at] + ~left
            going = going[self.axis[node[going]] >= 0]
        return self.value[node]


def grow(
    X: Floats,
    y: Floats,
    counts: NDArray[np.integer[Any]],
    categories: Sequence[int],
    seed: int,
    values: Floats | None = None,
) -> Forest:
    """Grow one tree for each row of ``counts``.

    Args:
        X: (trials, axes) numbers in [0, 1] or :data:`ABSENT`, and categories.
        y: (trials,) scores, or (trees, trials) where each tree has its own.
        counts: (trees, trials) how often each tree sampled each trial.
        categories: (axes,) how many an axis has; 0 for an axis of numbers.
        seed: of the ties.
        values: as ``y``: what a node's value is the mean of, where that isn't the scores that it is split by.
    """
    shape = counts.shape
    growing = _Growing(
        X,
        np.broadcast_to(y, shape),
        np.broadcast_to(y if values is None else values, shape),
        counts,
        tuple(categories),
        np.random.default_rng(seed),
    )
    for depth in range(DEEPEST + 1):
        if not growing.next_level(may_split=depth < DEEPEST):
            break
    return growing.forest()


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The nodes of one level that are not yet decided, with their boxes."""

    node: Ints
    tree: Ints
    low: Floats
    high: Floats
    allowed: Flags

    def __getitem__(self, chosen: Flags | Ints) -> _Nodes:
        return _Nodes(
            self.node[chosen], self.tree[chosen], self.low[chosen], self.high[chosen], self.allowed[chosen]
        )


@dataclass(frozen=True, slots=True)
class _Splits:
    """The best split of each node; ``gain`` is negative where there is none."""

    gain: Floats
    axis: Ints
    cut: Floats


class _Growing:
    """All trees down to one level.

    A row is one trial in one tree. ``orders`` (1 + axes of numbers, rows) holds the rows of the level's
    nodes, node after node; within a node the first order is any, and each other is sorted along its axis.
    """

    def __init__(
        self,
        X: Floats,
        y: Floats,
        values: Floats,
        counts: NDArray[np.integer[Any]],
        categories: tuple[int, ...],
        generator: np.random.Generator,
    ) -> None:
        self._X, self._categories, self._generator = X, categories, generator
        self._numbers = [axis for axis, count in enumerate(categories) if not count]
        self._offsets: Ints = np.concatenate([[0], np.cumsum(categories, dtype=np.intp)])
        tree, self._trial = np.nonzero(counts)
        self._weight = counts[tree, self._trial].astype(np.float64)
        self._y, self._value = y[tree, self._trial], values[tree, self._trial]
        rounding = 1e-14 * float(np.max(np.abs(self._y)))
        self._pure = PURE * float(np.var(self._y)) + rounding**2
        self._orders = _sorted_orders(X[:, self._numbers], counts > 0)
        self._starts: Ints = np.concatenate([[0], np.cumsum((counts > 0).sum(axis=1))])
        trees, axes = len(counts), len(categories)
        self._nodes = _Nodes(
            node=np.arange(trees),
            tree=np.arange(trees),
            low=np.full((trees, axes), ABSENT),
            high=np.ones((trees, axes)),
            allowed=np.ones((trees, int(self._offsets[-1])), dtype=bool),
        )
        self._trees = self._made = trees
        self._values: list[Floats] = []
        self._decided: list[tuple[Ints, Floats, Ints]] = []
        self._leaves: list[_Nodes] = []

    def next_level(self, may_split: bool) -> bool:
        """Decide the nodes of this level and make their children; whether there are any."""
        sizes = np.diff(self._starts)
        at = np.repeat(np.arange(len(sizes)), sizes)
        rows, first = self._orders[0], self._starts[:-1]
        weight, y = self._weight[rows], self._y[rows]
        total = np.add.reduceat(weight, first)
        mean = np.add.reduceat(weight * y, first) / total
        self._values.append(np.add.reduceat(weight * self._value[rows], first) / total)
        # Centred on the node's mean, so that no gain is a small difference of large numbers.
        centred = y - mean[at]
        error = np.add.reduceat(weight * centred**2, first) / total
        splits = self._best_splits(at, total, weight * centred)
        split = (splits.gain >= 0) & (error > self._pure) & may_split
        self._leaves.append(self._nodes[~split])
        left = self._made + 2 * (np.cumsum(split) - 1)
        self._decided.append(
            (
                np.where(split, splits.axis, -1),
                np.where(split, splits.cut, 0.0),
                np.where(split, left, -1),
            )
        )
        if split.any():
            self._part_rows(at, split, splits)
            chosen = _Splits(splits.gain[split], splits.axis[split], splits.cut[split])
            self._nodes = self._children(self._nodes[split], chosen)
            self._made += len(self._nodes.node)
        return bool(split.any())

    def forest(self) -> Forest:
        """What has grown."""
        # Nodes are numbered in the order in which they are decided, so that these are sorted by node.
        axis, cut, left = (np.concatenate(parts) for parts in zip(*self._decided, strict=True))
        leaves = self._leaves
        return Forest(
            trees=self._trees,
            axis=axis,
            cut=cut,
            left=left,
            value=np.concatenate(self._values),
            categories=self._categories,
            leaf=np.concatenate([level.node for level in leaves]),
            tree=np.concatenate([level.tree for level in leaves]),
            low=np.concatenate([level.low for level in leaves]),
            high=np.concatenate([level.high for level in leaves]),
            allowed=np.concatenate([level.allowed for level in leaves]),
        )

    def _best_splits(self, at: Ints, total: Floats, moment: Floats) -> _Splits:
        """The split of each node with the largest fall of the squared error, weight × its mean.

        Where a part of weight v and centred sum s is taken out of a node of weight V, the squared error falls
        by s² V / (v (V - v)).

        Args:
            at: (rows,) which node a row is in.
            total: (nodes,) weights.
            moment: (rows,) in the first order: weight × (score - the node's mean).
        """
        nodes, axes = len(total), len(self._categories)
        gain, cut = np.full((axes, nodes), -1.0), np.zeros((axes, nodes))
        by_row = np.empty(len(self._trial))
        by_row[self._orders[0]] = moment
        for place, axis in enumerate(self._numbers, 1):
            gain[axis], cut[axis] = self._best_cuts(self._orders[place], axis, at, total, by_row)
        for axis, count in enumerate(self._categories):
            if count:
                gain[axis], cut[axis] = self._best_categories(axis, at, total, moment)
        best = np.argmax(self._shaken(gain), axis=0)
        chosen = (best, np.arange(nodes))
        return _Splits(gain[chosen], best, cut[chosen])

    def _best_cuts(
        self, order: Ints, axis: int, at: Ints, total: Floats, by_row: Floats
    ) -> tuple[Floats, Floats]:
        """Gain and cut of each node along an axis of numbers, halfway between two neighbours."""
        x = self._X[self._trial[order], axis]
        weight = np.cumsum(self._weight[order])
        part_weight = (weight - (weight[self._starts[1:] - 1] - total)[at])[:-1]
        moment = np.cumsum(by_row[order])[:-1]  # 0 at the end of every node: its rows are centred
        whole = total[at[:-1]]
        possible = (x[:-1] < x[1:]) & (at[:-1] == at[1:])
        gain = np.full(len(order), -1.0)
        rest = np.where(possible, whole - part_weight, 1.0)
        gain[:-1] = np.where(possible, moment**2 * whole / (part_weight * rest), -1.0)
        best = np.maximum.reduceat(gain, self._starts[:-1])
        hits = np.flatnonzero((gain == best[at]) & (gain >= 0))
        nodes, index = np.unique(at[hits], return_index=True)
        cut = np.zeros(len(total))
        cut[nodes] = (x[hits[index]] + x[hits[index] + 1]) / 2
        return best, cut

    def _best_categories(self, axis: int, at: Ints, total: Floats, moment: Floats) -> tuple[Floats, Floats]:
        """Gain and category of each node along an axis of categories."""
        count, rows = self._categories[axis], self._orders[0]
        key = at * count + self._X[self._trial[rows], axis].astype(np.intp)
        shape = (len(total), count)
        weights = np.bincount(key, self._weight[rows], np.prod(shape)).reshape(shape)
        moments = np.bincount(key, moment, np.prod(shape)).reshape(shape)
        rest = total[:, None] - weights
        possible = (weights > 0) & (rest > 0)
        product = np.where(possible, weights * rest, 1.0)
        gain = np.where(possible, moments**2 * total[:, None] / product, -1.0)
        best = np.argmax(self._shaken(gain), axis=1)
        return gain[np.arange(len(total)), best], best.astype(np.float64)

    def _shaken(self, gain: Floats) -> Floats:
        """Gains with ties broken at random; what was negative stays so."""
        return np.where(gain < 0, gain, (gain + 1e-30) * (1 + TIE * self._generator.random(gain.shape)))

    def _part_rows(self, at: Ints, split: Flags, splits: _Splits) -> None:
        """Drop the rows of leaves, and sort the others into the children, each order keeping its own."""
        kept = split[at]
        orders, parent = self._orders[:, kept], (np.cumsum(split) - 1)[at[kept]]
        axis, cut = splits.axis[split][parent], splits.cut[split][parent]
        value = self._X[self._trial[orders[0]], axis]
        is_choice = np.array(self._categories)[axis] > 0
        goes_left = np.empty(len(self._trial), dtype=bool)
        goes_left[orders[0]] = np.where(is_choice, value == cut, value <= cut)

        sizes = np.diff(self._starts)[split]
        begin = np.concatenate([[0], np.cumsum(sizes)])
        lefts = np.add.reduceat(goes_left[orders[0]].astype(np.intp), begin[:-1])
        starts = np.empty(2 * len(sizes) + 1, dtype=np.intp)
        starts[0:-1:2], starts[1::2], starts[-1] = begin[:-1], begin[:-1] + lefts, begin[-1]
        before = np.concatenate([[0], np.cumsum(lefts)])[:-1][parent]  # rows gone left in earlier nodes
        position = np.arange(orders.shape[1])
        parted = np.empty_like(orders)
        for order, target in zip(orders, parted, strict=True):
            left = goes_left[order]
            gone_left = np.cumsum(left) - before
            goal = np.where(
                left,
                begin[parent] + gone_left - 1,
                starts[1::2][parent] + position - begin[parent] - gone_left,
            )
            target[goal] = order
        self._orders, self._starts = parted, starts

    def _children(self, parents: _Nodes, splits: _Splits) -> _Nodes:
        """Both children of each node, the left one first, with their boxes."""
        children = parents[np.repeat(np.arange(len(parents.node)), 2)]
        count, axis = np.array(self._categories)[splits.axis], splits.axis
        numbers = np.flatnonzero(count == 0)
        children.high[2 * numbers, axis[numbers]] = splits.cut[numbers]
        children.low[2 * numbers + 1, axis[numbers]] = splits.cut[numbers]
        choices = np.flatnonzero(count > 0)
        column = self._offsets[axis[choices]] + splits.cut[choices].astype(np.intp)
        children.allowed[2 * choices + 1, column] = False
        owner = np.repeat(np.arange(len(self._categories)), self._categories)
        elsewhere = owner[None, :] != axis[choices][:, None]
        children.allowed[2 * choices] &= elsewhere
        children.allowed[2 * choices, column] = True
        return _Nodes(
            self._made + np.arange(len(children.node)),
            children.tree,
            children.low,
            children.high,
            children.allowed,
        )


def _sorted_orders(numbers: Floats, sampled: Flags) -> Ints:
    """Rows tree after tree: in the trials' order, and sorted along each axis of numbers (trials, axes)."""
    row = np.cumsum(sampled).reshape(sampled.shape) - 1
    orders = [np.arange(np.count_nonzero(sampled))]
    for column in numbers.T:
        by_value = np.argsort(column, kind="stable")
        orders.append(row[:, by_value][sampled[:, by_value]])
    return np.stack(orders)
