"""libsvm files: ``label index:value index:value …``, one row a line, zeros left out.

The format is LIBSVM's (Chang and Lin, "LIBSVM: a library for support vector machines", README): indices
ascend from 1. Files that count from 0 are common, and are taken for such where index 0 occurs. ``qid:``
pairs and whatever follows a ``#`` are skipped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import LabelledRows, as_float32, counted
from studies.data.numbers import WHOLE, is_number, shown
from studies.errors import DataError
from studies.file_kinds import check_kind

DENSE_LIMIT = 8 * 2**30
"""Bytes of the dense float64 matrix above which a file is refused: trials need all rows in memory."""

_LARGEST_INDEX = 2**31 - 1
"""What libsvm's own ``int`` holds."""

_GRAMMAR = "label index:value index:value …, with a number as label and whole ascending indices from 0 or 1"


def read_libsvm(path: Path) -> LabelledRows:
    """All rows of the file, zeros filled in.

    Raises:
        DataError: where a line isn't libsvm, a value isn't finite, or the dense matrix would be too large.
    """
    check_kind(path, "libsvm")
    labels: list[str] = []
    lines: list[int] = []
    indices: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                fields = line.split("#", 1)[0].split()
                if fields:
                    labels.append(_label(fields[0], path, number))
                    row_indices, row_values = _pairs(fields[1:], path, number)
                    indices.append(row_indices)
                    values.append(row_values)
                    lines.append(number)
    except UnicodeDecodeError as error:
        raise DataError(
            "found a byte that is no UTF-8",
            where=str(path),
            allowed=_GRAMMAR,
            remedy="save the file as UTF-8",
        ) from error
    dense, first = _dense(indices, values, path)

    def row_name(row: int) -> str:
        return f"line {lines[row]}"

    columns = tuple(str(index) for index in range(first, first + dense.shape[1]))
    names = [f"index {column}" for column in columns]
    return LabelledRows(
        where=str(path),
        labels=labels,
        label_column="label",
        numbers=as_float32(dense, names, str(path), row_name),
        columns=columns,
        row_name=row_name,
    )


def _label(field: str, path: Path, line: int) -> str:
    """The label's number, whatever its spelling: ``+1`` and ``1.0`` are 1. Fractions are refused later."""
    if not is_number(field):
        raise _syntax_error(field, path, line)
    return str(int(field.split(".")[0])) if WHOLE.fullmatch(field) else field


def _pairs(fields: list[str], path: Path, line: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    indices: list[int] = []
    values: list[float] = []
    for field in fields:
        index, colon, value = field.partition(":")
        if index == "qid":
            continue
        try:
            indices.append(int(index))
            values.append(float(value))
        except ValueError:
            raise _syntax_error(field, path, line) from None
        ascends = len(indices) < 2 or indices[-1] > indices[-2]
        # Python reads 1_0 as ten, and the digits of every script.
        is_plain = bool(colon) and "_" not in field and field.isascii()
        if not is_plain or not 0 <= indices[-1] <= _LARGEST_INDEX or not ascends:
            raise _syntax_error(field, path, line)
    return np.array(indices, dtype=np.int64), np.array(values, dtype=np.float64)


def _dense(
    indices: list[NDArray[np.int64]], values: list[NDArray[np.float64]], path: Path
) -> tuple[NDArray[np.float64], int]:
    """The matrix, and the index of its first column."""
    used = [row for row in indices if len(row)]
    if not used:
        raise DataError(
            "found no row with a feature",
            where=str(path),
            allowed=_GRAMMAR,
            remedy="check that this is the file, and that it was written to its end",
        )
    first = 0 if min(int(row[0]) for row in used) == 0 else 1
    width = max(int(row[-1]) for row in used) - first + 1
    if len(indices) * width * 8 > DENSE_LIMIT:
        raise DataError(
            f"{counted(len(indices), 'row')} of {width} features take "
            f"{len(indices) * width * 8 / 2**30:.0f} GiB once their zeros are filled in",
            where=str(path),
            allowed=f"up to {DENSE_LIMIT // 2**30} GiB",
            remedy="choose or hash the features down first; a multilayer perceptron reads all of them",
        )
    dense = np.zeros((len(indices), width), dtype=np.float64)
    for row, (row_indices, row_values) in enumerate(zip(indices, values, strict=True)):
        dense[row, row_indices - first] = row_values
    return dense, first


def _syntax_error(text: str, path: Path, line: int) -> DataError:
    return DataError(
        f"found {shown(text)}",
        where=f"{path}, line {line}",
        allowed=_GRAMMAR,
        remedy="correct this line, or name the file by what it holds (csv, tsv, parquet, npz)",
    )
