"""From labels as read to classes and indices.

A label is its text as written: nothing is trimmed or unified.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import LabelledRows, counted, listed, rows_named
from studies.data.numbers import MISSING, WHOLE, is_number, shown
from studies.errors import DataError, nearest
from studies.printable import is_invisible, spelled

_TYPES = (str, bool, int, float, Decimal, np.integer, np.floating, np.bool_)
"""Of labels; not of dates, lists and records, which Parquet has too."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of all rows.

    Attributes:
        classes: names, sorted; numerically where all of them are whole numbers.
        indices: (rows,) int64, index into ``classes``.
        positive: index of the positive class.
        notes: what a person should know about the names.
    """

    classes: tuple[str, ...]
    indices: NDArray[np.int64]
    positive: int
    notes: tuple[str, ...] = ()


def encode_labels(rows: LabelledRows, positive: str | int | None) -> Labels:
    """The classes of ``rows``. By default the rarest class is positive; of equally rare ones, the last.

    Raises:
        DataError: where labels are missing or are fractions, two of them look alike, there is only one class,
            or ``positive`` is not a class.
    """
    column = f"{rows.where}, column '{rows.label_column}'"
    names = _names(rows, column)
    counts = Counter(names)
    classes = _sorted(list(counts))
    if len(classes) < 2:
        raise DataError(
            _one_class(len(names), classes) if classes else "there is no row",
            where=column,
            allowed="two classes or more",
            remedy="check that this is the column of labels ([data] label)",
        )
    _check_no_fractions(names, classes, rows, column)
    _check_lookalikes(names, counts, rows, column)
    index = {name: number for number, name in enumerate(classes)}
    indices = np.fromiter((index[name] for name in names), dtype=np.int64, count=len(names))
    notes = _doubtful(names, counts, rows)
    return Labels(classes, indices, _positive(classes, counts, positive, column), notes)


def _names(rows: LabelledRows, column: str) -> list[str]:
    strange = {kind for kind in map(type, rows.labels) if not issubclass(kind, _TYPES)}
    for row, label in enumerate(rows.labels) if strange else ():
        if type(label) in strange and not _is_missing(label):
            raise _not_a_label(label, row, rows, column)
    # Each label once: a million rows have few.
    name_of = {label: "" if _is_missing(label) else _name(label) for label in dict.fromkeys(rows.labels)}
    names = [name_of[label] for label in rows.labels]
    if "" in name_of.values():
        missing = [row for row, name in enumerate(names) if name == ""]
        raise DataError(
            f"found {counted(len(missing), 'row')} without a label, the first at {rows.row_name(missing[0])}",
            where=column,
            allowed="a label in every row",
            remedy="label these rows or leave them out",
        )
    for row, name in enumerate(names):
        if name is None:
            raise _not_a_label(rows.labels[row], row, rows, column)
        if "\0" in name:
            raise DataError(
                f"found the label {shown(name)} at {rows.row_name(row)}, which holds a NUL character",
                where=column,
                allowed="labels of text",
                remedy="write the labels of these rows again, without it",
            )
    return [str(name) for name in names]


def _name(label: Any) -> str | None:
    """A label as text; of numbers, which have no spelling, whole ones without a point."""
    if isinstance(label, float | np.floating | Decimal):
        return str(int(label)) if math.isfinite(label) and label == int(label) else None
    return str(label)


def _is_missing(label: Any) -> bool:
    if isinstance(label, str):
        return not _looks(label)
    # NaN and NaT, a date that isn't there, differ from themselves.
    return label is None or (isinstance(label, float | Decimal | np.floating | datetime) and label != label)


def _sorted(names: Sequence[str]) -> tuple[str, ...]:
    if all(WHOLE.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name.split(".")[0]), name)))
    return tuple(sorted(names))


def _check_no_fractions(
    names: Sequence[str], classes: Sequence[str], rows: LabelledRows, column: str
) -> None:
    gaps = [name for name in classes if name in MISSING]
    others = [name for name in classes if name not in MISSING]
    if gaps and len(others) > 1 and all(WHOLE.fullmatch(name) for name in others):
        raise DataError(
            f"found the label {shown(gaps[0])} among whole numbers, as if it were missing, at "
            f"{_rows_of(gaps, names, rows)}",
            where=column,
            allowed="a label in every row",
            remedy="label these rows or leave them out",
        )
    if all(is_number(name) for name in classes):
        for row, name in enumerate(names):
            if not WHOLE.fullmatch(name.strip()):
                raise _not_a_label(name, row, rows, column)


def _looks(name: str) -> str:
    """What a person sees of a name: without blanks around it and what has no width, in one Unicode form.

    For whole numbers the value: ``1``, ``1.0`` and ``+1`` are the same. ``01`` isn't: it is a code.
    """
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if not is_invisible(letter))
    seen = " ".join(seen.split())
    plain = seen.removeprefix("+").split(".")[0]
    return plain if WHOLE.fullmatch(seen) else seen


def _means(name: str) -> str:
    """The name in lower case; of a number, its value."""
    return str(int(name.split(".")[0])) if WHOLE.fullmatch(name) else name.casefold()


def _check_lookalikes(names: Sequence[str], counts: Counter[str], rows: LabelledRows, column: str) -> None:
    """Refuse a class that a slip of the keyboard makes: the rarest, it would be the positive one."""
    for alike in _groups(counts, _looks):
        raise DataError(
            f"the labels {_spelled(alike, counts)} look alike",
            where=column,
            allowed="one way to write each class",
            remedy=f"write {spelled(alike[0])} at {_rows_of(alike[1:], names, rows)} too; "
            "or, where they are two classes, give them names that differ",
        )


def _doubtful(names: Sequence[str], counts: Counter[str], rows: LabelledRows) -> tuple[str, ...]:
    """Notes on classes that are two, and may have been meant as one."""
    gaps = [name for name in counts if name in MISSING]
    missing = [f"the label {_spelled([name], counts)} is a class, and no gap" for name in gaps]
    return (
        *missing,
        *(
            f"the labels {_spelled(alike, counts)} are classes of their own; the rarer is at "
            f"{_rows_of(alike[1:], names, rows)}"
            for alike in _groups(counts, _means)
        ),
    )


def _spelled(alike: Sequence[str], counts: Counter[str]) -> str:
    return " and ".join(f"{spelled(name)} ({counted(counts[name], 'row')})" for name in alike)


def _rows_of(wanted: Sequence[str], names: Sequence[str], rows: LabelledRows) -> str:
    return rows_named([row for row, name in enumerate(names) if name in wanted], rows.row_name)


def _groups(counts: Counter[str], key: Callable[[str], str]) -> list[list[str]]:
    """Names that ``key`` makes equal, where there are several; the most frequent first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, _ in counts.most_common():
        groups[key(name)].append(name)
    return [alike for alike in groups.values() if len(alike) > 1]


def _one_class(rows: int, classes: tuple[str, ...]) -> str:
    if rows == 1:
        return f"there is only one row, with the label {listed(classes)}"
    return f"all {rows} rows have the label {listed(classes)}"


def _not_a_label(label: Any, row: int, rows: LabelledRows, column: str) -> DataError:
    return DataError(
        f"found the label {shown(label)} at {rows.row_name(row)}",
        where=column,
        allowed="strings or whole numbers",
        remedy="check that this is the column of labels ([data] label); a measured quantity has no classes",
    )


def _positive(classes: tuple[str, ...], counts: Counter[str], positive: str | int | None, column: str) -> int:
    if positive is None:
        rarest = min(counts.values())
        return max(index for index, name in enumerate(classes) if counts[name] == rarest)
    wanted = str(positive)
    if wanted in classes:
        return classes.index(wanted)
    # `positive = 1` for 1.0, and "positive" for the " positive" of a file with blanks after its commas.
    alike = [index for index, name in enumerate(classes) if _looks(name) == _looks(wanted)]
    if len(alike) != 1:
        raise DataError(
            f"no row has the label {shown(wanted)} that [data] positive names",
            where=column,
            allowed=listed(classes),
            remedy=nearest(wanted, classes) or "set positive to one of these, or leave it out",
        )
    return alike[0]
