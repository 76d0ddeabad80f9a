"""From labels as read to classes and indices."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import LabelledRows, counted, cut, listed
from studies.errors import DataError, nearest

_WHOLE = re.compile(r"[+-]?\d{1,300}(\.0*)?")
"""A whole number, of no more digits than a float has room for."""

_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of all rows.

    Attributes:
        classes: names, sorted; numerically where all of them are whole numbers.
        indices: (rows,) int64, index into ``classes``.
        positive: index of the positive class.
    """

    classes: tuple[str, ...]
    indices: NDArray[np.int64]
    positive: int


def encode_labels(rows: LabelledRows, positive: str | int | None) -> Labels:
    """The classes of ``rows``. Without ``positive`` the rarest class is it, of equally rare ones the last.

    Raises:
        DataError: where labels are missing or are fractions, there is only one class, or ``positive`` is
            none of them.
    """
    column = f"{rows.where}, column '{rows.label_column}'"
    names = _whole_numbers(_names(rows, column), rows, column)
    counts = Counter(names)
    classes = tuple(sorted(counts, key=int if all(_WHOLE.fullmatch(name) for name in counts) else None))
    if len(classes) < 2:
        raise DataError(
            _one_class(len(names), classes) if classes else "there is no row",
            where=column,
            allowed="two classes or more",
            remedy="check that this is the column of labels ([data] label)",
        )
    index = {name: number for number, name in enumerate(classes)}
    indices = np.fromiter((index[name] for name in names), dtype=np.int64, count=len(names))
    return Labels(classes, indices, _positive(classes, counts, positive, column))


def _names(rows: LabelledRows, column: str) -> list[str]:
    missing = [row for row, label in enumerate(rows.labels) if _is_missing(label)]
    if missing:
        raise DataError(
            f"found {counted(len(missing), 'row')} without a label, the first at {rows.row_name(missing[0])}",
            where=column,
            allowed="a label in every row",
            remedy="label these rows or leave them out",
        )
    for row, label in enumerate(rows.labels):
        if not isinstance(label, (str, int, float, np.integer, np.floating, np.bool_)):
            raise _not_a_label(label, row, rows, column)
    return [str(label) for label in rows.labels]


def _is_missing(label: Any) -> bool:
    if isinstance(label, (float, np.floating)):
        return math.isnan(label)
    return label is None or (isinstance(label, str) and not label.strip())


def _whole_numbers(names: list[str], rows: LabelledRows, column: str) -> list[str]:
    """``names`` with ``1.0`` and ``+1`` as ``1`` where all of them are numbers, else as they are.

    Missing values elsewhere in a file turn whole numbers into fractions on their way through many tools.
    """
    distinct = set(names)
    if all(_WHOLE.fullmatch(name) for name in distinct):
        plain = {name: str(int(name.split(".")[0])) for name in distinct}
        return [plain[name] for name in names]
    if all(_is_number(name) for name in distinct):
        row, name = next((row, name) for row, name in enumerate(names) if not _WHOLE.fullmatch(name))
        raise _not_a_label(name, row, rows, column)
    return names


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _one_class(rows: int, classes: tuple[str, ...]) -> str:
    if rows == 1:
        return f"there is only one row, with the label {listed(classes)}"
    return f"all {rows} rows have the label {listed(classes)}"


def _not_a_label(label: Any, row: int, rows: LabelledRows, column: str) -> DataError:
    return DataError(
        f"found the label {cut(str(label), _LONGEST_SHOWN)} at {rows.row_name(row)}",
        where=column,
        allowed="strings or whole numbers",
        remedy="check that this is the column of labels ([data] label); a measured quantity has no classes",
    )


def _positive(classes: tuple[str, ...], counts: Counter[str], positive: str | int | None, column: str) -> int:
    if positive is None:
        rarest = min(counts.values())
        return max(index for index, name in enumerate(classes) if counts[name] == rarest)
    if str(positive) not in classes:
        raise DataError(
            f"no row has the label '{positive}' that [data] positive names",
            where=column,
            allowed=listed(classes),
            remedy=nearest(str(positive), classes) or "set positive to one of these, or leave it out",
        )
    return classes.index(str(positive))
