"""Which rows train, validate and test: sampled once a study, class by class, repeats together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import counted
from studies.data.labels import Labels
from studies.data.numbers import shown
from studies.data.repeats import Groups
from studies.errors import DataError
from studies.records.reports import ROW_SETS

PARTS = len(ROW_SETS)
"""Training, validation and test rows, in this order everywhere below."""

Indices = NDArray[np.int64]

_NOWHERE = -1
"""The part of a group that has none yet."""


def stratified_split(
    labels: Labels, validation: float, test: float, seed: int, where: str, groups: Groups | None = None
) -> tuple[Indices, Indices, Indices]:
    """Row numbers of the training, validation and test rows, ascending.

    Every class is split by itself: its rows, shuffled by ``seed``, in the numbers of :func:`part_sizes`.
    Rows of one group are in the same part, and the numbers are kept as well as that allows. Where no group
    has several rows, the parts are those without ``groups``.

    Args:
        labels: of all rows.
        validation, test: shares of all rows.
        seed: of the order.
        where: the column of labels, for messages.
        groups: (rows,) which rows are to stay together, or ``None`` for none.

    Raises:
        DataError: where a class can't have a row in each part.
    """
    generator = np.random.default_rng(seed)
    orders = []
    for index, name in enumerate(labels.classes):
        rows = np.flatnonzero(labels.indices == index)
        if len(rows) < PARTS:
            raise DataError(
                f"class {shown(name)} has only {counted(len(rows), 'row')}",
                where=where,
                allowed=f"at least {PARTS} rows a class: one to train, one to validate, one to test on",
                remedy="add rows of this class, or leave it out",
            )
        orders.append(generator.permutation(rows))
    targets = [part_sizes(len(order), (1 - validation - test, validation, test)) for order in orders]
    if groups is None:
        groups = np.arange(len(labels.indices))
    dealt = _deal_groups(groups, orders, targets)
    _give_each_part_every_class(dealt, groups, labels, where)
    part_of = dealt[groups]
    train, validating, testing = (np.flatnonzero(part_of == part) for part in range(PARTS))
    return train, validating, testing


def farthest_from_shares(
    labels: Labels, parts: Sequence[Indices], validation: float, test: float
) -> tuple[int, int, int, int]:
    """The part and the class whose number of rows is farthest from its share, because repeats stay together.

    Returns:
        part, class, its number of rows there, and the number that :func:`part_sizes` gives.
    """
    classes = len(labels.classes)
    counts = np.stack([np.bincount(labels.indices[part], minlength=classes) for part in parts])
    shares = (1 - validation - test, validation, test)
    wanted = np.array([part_sizes(int(rows), shares) for rows in counts.sum(axis=0)]).T
    part, index = np.unravel_index(np.argmax(abs(counts - wanted) / wanted), counts.shape)
    return int(part), int(index), int(counts[part, index]), int(wanted[part, index])


def _deal_groups(
    groups: Groups, orders: Sequence[Indices], targets: Sequence[Sequence[int]]
) -> NDArray[np.int8]:
    """(groups,) the part of each group.

    The rarest class comes first, with all groups that hold a row of it; what a commoner class still has to
    be given is then given by groups without a row of a rarer one.
    """
    dealt = np.full(int(groups.max()) + 1, _NOWHERE, dtype=np.int8)
    for index in sorted(range(len(orders)), key=lambda index: len(orders[index])):
        rows, place = np.sort(orders[index]), np.argsort(orders[index])
        present, first, counts = np.unique(groups[rows], return_index=True, return_counts=True)
        # A group has the place of its first row: that of any of its rows would favour large ones.
        shuffled = np.argsort(place[first])
        present, counts = present[shuffled], counts[shuffled]
        free = dealt[present] == _NOWHERE
        filled = np.bincount(dealt[present[~free]], weights=counts[~free], minlength=PARTS)
        dealt[present[free]] = _deal(counts[free], targets[index] - filled.astype(np.int64))
    return dealt


def _deal(counts: Indices, targets: Indices) -> NDArray[np.int8]:
    """(groups,) the part of each group of one class, given in a shuffled order.

    Args:
        counts: rows of each group.
        targets: rows that each part still is to have.

    Groups that would fill a part go first, the largest to the part that wants most. The other groups of
    several rows are cut at the parts' shares of the rows before them, so that a large group is no likelier
    to train. Single rows fill up what is wanted then.
    """
    parts = np.zeros(len(counts), dtype=np.int8)
    wanted = np.maximum(targets, 0)
    single = counts == 1
    large = ~single & (counts > min(wanted[wanted > 0], default=0))
    for group in sorted(np.flatnonzero(large).tolist(), key=lambda group: -int(counts[group])):
        parts[group] = np.argmax(wanted)
        wanted[parts[group]] -= counts[group]
    wanted = np.maximum(wanted, 0)
    rest = ~single & ~large
    middles = np.cumsum(counts[rest]) - counts[rest] / 2
    bounds = np.cumsum(wanted)[:-1] / max(1, wanted.sum()) * counts[rest].sum()
    parts[rest] = np.searchsorted(bounds, middles, side="right")
    wanted = np.maximum(wanted - np.bincount(parts[rest], weights=counts[rest], minlength=PARTS), 0)
    parts[single] = np.repeat(np.arange(PARTS), _scaled_down(wanted.astype(np.int64), int(single.sum())))
    return parts


def _scaled_down(sizes: Indices, total: int) -> Indices:
    """``sizes``, which sum to ``total`` or more, in proportion so that they sum to it."""
    exact = sizes * total
    whole, rest = np.divmod(exact, max(1, int(sizes.sum())))
    whole[np.argsort(-rest, kind="stable")[: total - int(whole.sum())]] += 1
    return whole


def _give_each_part_every_class(dealt: NDArray[np.int8], groups: Groups, labels: Labels, where: str) -> None:
    """Move groups, the smallest possible, to parts that have no row of a class. Changes ``dealt``."""
    classes = len(labels.classes)
    parts = dealt[groups].astype(np.int64)
    table = np.bincount(parts * classes + labels.indices, minlength=PARTS * classes).reshape(PARTS, classes)
    for part, index in np.argwhere(table == 0).tolist():
        if table[part, index]:
            continue
        members = np.unique(groups[labels.indices == index])
        rows = np.flatnonzero(np.isin(groups, members))
        owner = np.searchsorted(members, groups[rows])
        held = np.bincount(owner * classes + labels.indices[rows], minlength=len(members) * classes)
        held = held.reshape(len(members), classes)
        # Nothing is moved that would leave its own part without a class.
        movable = ((table[dealt[members]] > held) | (held == 0)).all(axis=1)
        if not movable.any():
            raise DataError(
                f"no {ROW_SETS[part]} row of class {shown(labels.classes[index])} can be had: rows that "
                "repeat each other stay in one part, and "
                f"{len(members):,} of its {table[:, index].sum():,} differ",
                where=where,
                allowed="for each class a row to train, one to validate and one to test on, all different",
                remedy="add rows of this class, or leave it out, or place each row by itself: "
                'repeats = "anywhere" in [data]',
            )
        chosen = int(np.argmin(np.where(movable, held.sum(axis=1), np.iinfo(np.int64).max)))
        table[dealt[members[chosen]]] -= held[chosen]
        table[part] += held[chosen]
        dealt[members[chosen]] = part


def thinned(
    parts: tuple[Indices, Indices, Indices], labels: Labels, share: float, seed: int, where: str
) -> tuple[Indices, Indices, Indices]:
    """The parts with rows left out until the positive ones are ``share`` of each, ascending.

    Positive rows are left out where they are more than that, rows of other classes where they are fewer, in
    an order that ``seed`` and the part decide. A share further off keeps a subset of what a nearer one
    keeps, so two shares are compared on the same rows but for those that one leaves out.

    Raises:
        DataError: where a part would lose a class.
    """
    generators = (np.random.default_rng((seed, number)) for number in range(PARTS))
    train, validation, test = (
        _thinned(part, labels, share, generator, where)
        for part, generator in zip(parts, generators, strict=True)
    )
    return train, validation, test


def _thinned(
    part: Indices, labels: Labels, share: float, generator: np.random.Generator, where: str
) -> Indices:
    is_positive = labels.indices[part] == labels.positive
    kept, thinned, odds = part[~is_positive], part[is_positive], share / (1 - share)
    if len(thinned) < len(kept) * odds:
        kept, thinned, odds = thinned, kept, 1 / odds
    # The other classes are thinned out together, so that one of several can be lost.
    chosen = generator.permutation(thinned)[: round(len(kept) * odds)]
    remaining = np.sort(np.concatenate([kept, chosen]))
    lost = set(labels.indices[part].tolist()) - set(labels.indices[remaining].tolist())
    if lost:
        raise DataError(
            f"positive_share = {share:g} leaves no row of {shown(labels.classes[min(lost)])} among "
            f"{counted(len(part), 'row')}",
            where=where,
            allowed="a share that leaves one of each class to train, one to validate and one to test on",
            remedy="give a share nearer to that of the data, or leave positive_share out",
        )
    return remaining


def part_sizes(rows: int, shares: Sequence[float]) -> list[int]:
    """``rows`` dealt out by ``shares`` (which sum to 1): whole numbers that sum to ``rows``, none below 1.

    The method of largest remainders (Hamilton's): each part gets its exact share rounded down, and the rows
    left over go to the largest fractions, of equal ones to the first. A part that would stay empty then
    takes one row from the part that lies highest above its exact share.
    """
    exact = [rows * share for share in shares]
    # A share of 0.2 of 15 rows is 3, not 2.9999999999999996.
    sizes = [int(np.floor(round(size, 9))) for size in exact]
    fractions = [size - whole for size, whole in zip(exact, sizes, strict=True)]
    order = sorted(range(len(shares)), key=lambda part: (-round(fractions[part], 9), part))
    for part in order[: rows - sum(sizes)]:
        sizes[part] += 1
    while 0 in sizes:
        giving = max(
            (part for part in range(len(sizes)) if sizes[part] > 1),
            key=lambda part: sizes[part] - exact[part],
        )
        sizes[giving] -= 1
        sizes[sizes.index(0)] += 1
    return sizes
