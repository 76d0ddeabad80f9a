"""Columns of numbers: which ones there are, which only number the rows, and their values as float32."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import as_float32
from studies.data.numbers import number_of, shown
from studies.data.readers.table_files import Table
from studies.errors import DataError

if TYPE_CHECKING:  # pandas takes half a second to import, and a cached data set doesn't need it
    import pandas as pd

_SAVED_INDEX = re.compile(r"(Unnamed: \d+(_level_\d+)?)?")
"""What pandas calls a column without a name, which is how it saves an index."""

_LONGEST_HEADER = 2**20

_FEWEST_COUNTED = 10
"""Rows from which numbers that ascend by one are taken for an index, and a column that follows the label for
it: fewer do so by chance."""

_GLANCE = 1000
"""Rows that most columns are known by to be no label."""


def is_numeric(table: Table, name: str) -> bool:
    """Whether every cell is a number or empty, and one is a number.

    In a file whose columns have types, text is text, also where it is of digits: codes are written so.
    """
    column = table.frame[name]
    if column.dtype.kind in "biuf":
        return not column.isna().all()
    if column.dtype.kind != "O":
        return False
    if table.is_typed and any(isinstance(value, str) for value in column):
        return False
    values = [number_of(value) for value in column]
    return all(value is not None for value in values) and not all(value != value for value in values)


def no_numbers(table: Table, name: str) -> list[int]:
    """The rows whose cell is neither a number nor empty."""
    column = table.frame[name]
    if column.dtype.kind in "biuf":
        return []
    return [row for row, value in enumerate(column) if number_of(value) is None]


def is_saved_index(name: str) -> bool:
    """Whether pandas calls the index so that it saves, or a column that has no name."""
    return bool(_SAVED_INDEX.fullmatch(name))


def has_saved_index(path: Path) -> bool:
    """Whether a file's first line names a saved index."""
    with path.open("rb") as file:
        return b"Unnamed: " in file.readline(_LONGEST_HEADER)


def numbers_rows(table: Table, name: str) -> bool:
    """Whether the column holds the places of the rows in the file, whatever its name is."""
    return is_saved_index(name) or _ascends(table.frame[name])


def numbers_in(table: Table, columns: Sequence[str]) -> NDArray[np.float32]:
    """(rows, columns) float32.

    Raises:
        DataError: where one is no finite number.
    """
    values = np.empty((len(table.frame), len(columns)), dtype=np.float64)
    for place, column in enumerate(columns):
        values[:, place] = _floats(table, column)
    names = [f"column {shown(column)}" for column in columns]
    return as_float32(values, names, table.where, table.row_name)


def gives_away(values: NDArray[np.float32], labels: NDArray[np.int64]) -> bool:
    """Whether each value of a column stands for one class, and each class for one value: it is the label."""
    if len(values) < _FEWEST_COUNTED or len(np.unique(values[:_GLANCE])) > len(np.unique(labels)):
        return False
    pairs = len(np.unique(np.stack([values.astype(np.float64), labels]), axis=1).T)
    return bool(pairs == len(np.unique(values)) == len(np.unique(labels)))


def _floats(table: Table, name: str) -> NDArray[np.float64]:
    column = table.frame[name]
    if column.dtype.kind in "biuf":
        return column.to_numpy(dtype=np.float64)
    cells: list[Any] = column.astype(object).tolist()
    numbers = [number_of(cell) for cell in cells]
    if None in numbers:
        row = numbers.index(None)
        raise DataError(
            f"found {shown(cells[row])}, which is no number",
            where=table.at(row, name),
            allowed="numbers in every column chosen as a feature",
            remedy="correct the value, or leave the column out of [data] features; sentences go under text",
        )
    values = np.array(numbers, dtype=np.float64)
    for row in np.flatnonzero(np.isinf(values)).tolist():
        if not (isinstance(cells[row], float) or "inf" in str(cells[row]).lower()):
            raise DataError(
                f"found {shown(cells[row])}, which no float can hold",
                where=table.at(row, name),
                allowed="finite numbers up to 3.4e38 (float32)",
                remedy="correct the value, or leave the column out of [data] features",
            )
    return values


def _ascends(column: pd.Series[Any]) -> bool:
    if column.dtype.kind not in "iu" or len(column) < _FEWEST_COUNTED:
        return False
    return bool((np.diff(column.to_numpy(dtype=np.float64)) == 1).all())
