"""Rows that repeat each other exactly: which they are, and how many of them are on both sides of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import LabelledRows, counted

Groups = NDArray[np.int64]
"""(rows,) a number from 0 for each row, the same for rows that repeat each other."""

_CHUNK = 2**22
"""Numbers that are hashed at once: some 100 MB on the way."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often rows of a split repeat each other in everything but the label.

    Attributes:
        rows: rows that equal an earlier one of the source.
        conflicting: rows that equal one with another label.
        crossing: rows of the validation and of the test set that equal a training row, by row set.
    """

    rows: int
    conflicting: int
    crossing: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Repeats:
        """The inverse of :meth:`to_dict`, also after JSON."""
        return cls(values["rows"], values["conflicting"], dict(values["crossing"]))


def groups_of(rows: LabelledRows) -> Groups:
    """Which rows repeat each other: in the text, or in every feature as float32, before any scaling."""
    if rows.texts is not None:
        first: dict[str, int] = {}
        numbers = (first.setdefault(text, len(first)) for text in rows.texts)
        return np.fromiter(numbers, dtype=np.int64, count=len(rows))
    if rows.numbers is None:
        raise ValueError("rows hold neither texts nor numbers")
    _, groups = np.unique(_hashes(rows.numbers), return_inverse=True)
    return groups.astype(np.int64, copy=False)


def count_repeats(groups: Groups, labels: NDArray[np.int64], parts: Sequence[NDArray[np.int64]]) -> Repeats:
    """The repeats among the rows of a split.

    Args:
        groups: of every row of the source.
        labels: (rows,) int64, the class of each.
        parts: numbers of the training, validation and test rows; rows of the source may be in none.
    """
    used = np.concatenate(parts)
    size = int(groups.max(initial=-1)) + 1
    lowest, highest = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(lowest, groups[used], labels[used])
    np.maximum.at(highest, groups[used], labels[used])
    trained = np.zeros(size, dtype=np.bool_)
    trained[groups[parts[0]]] = True
    return Repeats(
        rows=len(used) - int((highest >= 0).sum()),
        conflicting=int((lowest < highest)[groups[used]].sum()),
        crossing={
            name: int(trained[groups[part]].sum())
            for name, part in zip(("validation", "test"), parts[1:], strict=True)
        },
    )


def describe(repeats: Repeats, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """What a person should know of them; ``sizes`` are the rows of each row set."""
    if not repeats.rows:
        return ()
    verb = "repeats" if repeats.rows == 1 else "repeat"
    total = f"{counted(repeats.rows, 'row')} of {sum(sizes.values()):,} {verb} an earlier row exactly"
    crossing = [
        f"{number} {name} rows of {sizes[name]:,}" for name, number in repeats.crossing.items() if number
    ]
    where = f"{' and '.join(crossing)} repeat" if crossing else "no validation or test row repeats"
    notes = [f"{total}; {where} a training row"]
    if repeats.conflicting:
        notes.append(f"{counted(repeats.conflicting, 'row')} of these have an equal with another label")
    return tuple(notes)


def _hashes(numbers: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(rows,) a hash of each row of (rows, features) float32, the same for rows of equal numbers.

    Multilinear hashing with 64 bits (Lemire and Kaser, "Strongly universal string hashing is fast", 2014) of
    numbers whose bits are mixed first. That two of a million different rows share a hash has a probability
    of some 1e-7, and would only keep them in one part.
    """
    rows, features = numbers.shape
    factors = np.random.default_rng(0).integers(2**64, size=features, dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(rows, dtype=np.uint64)
    step = max(1, _CHUNK // max(1, features))
    for start in range(0, rows, step):
        # Adding 0 turns -0.0, which equals 0.0, into it.
        bits = (numbers[start : start + step] + np.float32(0)).view(np.uint32).astype(np.uint64)
        bits *= np.uint64(0x9E3779B97F4A7C15)
        bits ^= bits >> np.uint64(32)
        hashes[start : start + step] = bits @ factors
    return hashes
