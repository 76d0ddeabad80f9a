"""What every reader of a source returns: labels, and either texts or numbers, with names for messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.errors import DataError
from studies.printable import printable

LONGEST_SHOWN = 60
"""Letters of a label, a cell or a column's name in a message."""

RowName = Callable[[int], str]
"""Names a row (from 0) of its source: ``line 12`` in text files, ``row 12`` elsewhere."""


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """A source as read: nothing fitted, nothing split.

    Attributes:
        where: the source, for messages.
        labels: one a row, as read; :func:`studies.data.labels.encode_labels` checks them.
        label_column: name of the labels, for messages.
        texts: one sentence a row, or ``None`` where the rows are numbers.
        numbers: (rows, features) float32, finite, or ``None`` where the rows are texts.
        columns: names of the features, or of the one column of texts.
        row_name: names a row of the source, for messages.
        notes: what a person should know about how the source was read.
    """

    where: str
    labels: Sequence[Any]
    label_column: str
    texts: tuple[str, ...] | None = None
    numbers: NDArray[np.float32] | None = None
    columns: tuple[str, ...] = ()
    row_name: RowName = lambda row: f"row {row + 1}"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def as_float32(
    values: NDArray[Any], columns: Sequence[str], where: str, row_name: RowName
) -> NDArray[np.float32]:
    """``values``, (rows, features) of any real type, as float32 in C order.

    Raises:
        DataError: where one of them is NaN, infinite or beyond float32.
    """
    with np.errstate(over="ignore"):  # what doesn't fit becomes infinite; the error below names its value
        converted = np.ascontiguousarray(values, dtype=np.float32)
    finite = np.isfinite(converted)
    if finite.all():
        return converted
    # Row by row, as a person reads the file.
    row, column = (int(index) for index in np.argwhere(~finite)[0])
    rows = int((~finite).any(axis=1).sum())
    value = values[row, column]
    what = "no number (an empty cell or NaN)" if np.isnan(value) else f"{value:g}"
    raise DataError(
        f"found {what}; {counted(rows, 'row')} of {len(values)} {'holds' if rows == 1 else 'hold'} "
        "such values",
        where=f"{where}, {row_name(row)}, {columns[column]}",
        allowed="finite numbers up to 3.4e38 (float32)",
        remedy="fill these cells in, or leave the rows or the column out",
    )


def listed(names: Sequence[str], limit: int = 20) -> str:
    """``'a', 'b', 'c'``, cut after ``limit`` names with the number of all."""
    shown = ", ".join(f"'{printable(cut(name, LONGEST_SHOWN))}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} … ({len(names)} in all)"


def rows_named(rows: Sequence[int], row_name: RowName, limit: int = 3) -> str:
    """``line 7, line 9, line 12 and 40 more rows``."""
    shown = ", ".join(row_name(row) for row in rows[:limit])
    return shown if len(rows) <= limit else f"{shown} and {counted(len(rows) - limit, 'more row')}"


def cut(text: str, length: int) -> str:
    """``text``, where it is longer than ``length`` cut and marked so."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
