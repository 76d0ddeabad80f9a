"""Which rows train, validate and test: drawn once a study, class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import counted
from studies.data.labels import Labels
from studies.errors import DataError

PARTS = 3
"""Training, validation and test rows, in this order everywhere below."""

Indices = NDArray[np.int64]


def stratified_split(
    labels: Labels, validation: float, test: float, seed: int, where: str
) -> tuple[Indices, Indices, Indices]:
    """Row numbers of the training, validation and test rows, ascending.

    Every class is dealt out by itself: its rows in an order drawn from ``seed``, in the numbers of
    :func:`part_sizes`.

    Raises:
        DataError: where a class has fewer rows than there are parts.
    """
    shares = (1 - validation - test, validation, test)
    generator = np.random.default_rng(seed)
    parts: tuple[list[Indices], ...] = ([], [], [])
    for index, name in enumerate(labels.classes):
        rows = np.flatnonzero(labels.indices == index)
        if len(rows) < PARTS:
            raise DataError(
                f"class '{name}' has only {counted(len(rows), 'row')}",
                where=where,
                allowed=f"at least {PARTS} rows a class: one to train, one to validate, one to test on",
                remedy="add rows of this class, or leave it out",
            )
        bounds = np.cumsum(part_sizes(len(rows), shares))[:-1]
        for part, chosen in zip(parts, np.split(generator.permutation(rows), bounds), strict=True):
            part.append(chosen)
    train, validating, testing = (np.sort(np.concatenate(part)) for part in parts)
    return train, validating, testing


def thinned(
    parts: tuple[Indices, Indices, Indices], labels: Labels, share: float, seed: int, where: str
) -> tuple[Indices, Indices, Indices]:
    """The parts without so many rows that the positive ones are ``share`` of each, ascending.

    Positive rows are left out where they are more than that, rows of other classes where they are fewer, in
    an order drawn from ``seed`` and the part. So a share further off keeps a subset of what a nearer one
    keeps, and two shares are compared on the same rows but for those that one leaves out.

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
    left = np.sort(np.concatenate([kept, chosen]))
    lost = set(labels.indices[part].tolist()) - set(labels.indices[left].tolist())
    if lost:
        raise DataError(
            f"positive_share = {share:g} leaves no row of '{labels.classes[min(lost)]}' among "
            f"{counted(len(part), 'row')}",
            where=where,
            allowed="a share that leaves one of each class to train, one to validate and one to test on",
            remedy="give a share nearer to that of the data, or leave positive_share out",
        )
    return left


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
