"""csv, tsv and Parquet files: which columns are features, and their values.

Text files are UTF-8 with a header line and quotes as spreadsheets write them, tsv as well as csv.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import LabelledRows, RowName, as_float32, counted, listed
from studies.data.table_files import read_delimited, read_parquet
from studies.errors import DataError, nearest
from studies.study import Data

if TYPE_CHECKING:  # pandas takes half a second to import, and a cached data set doesn't need it
    import pandas as pd

DELIMITERS = {"csv": ",", "tsv": "\t"}

_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""What else files separate their fields with, in words."""


def read_table(path: Path, format: str, data: Data, kind: str | None) -> LabelledRows:
    """All rows of the file, with the columns that ``data`` and the kind of features ask for.

    Where ``data`` names neither text nor features: a column ``text`` that holds strings, unless ``kind`` is
    ``none``; otherwise all numeric columns but the label. What was chosen so stands in the notes.

    Raises:
        DataError: where the file can't be parsed, a column is missing or of the wrong kind, or a feature
            isn't finite.
    """
    delimiter = DELIMITERS.get(format)
    label = data.label or "label"
    strings = [label, data.text or "text"]
    frame, row_name = read_delimited(path, delimiter, strings) if delimiter else read_parquet(path)
    names = [str(name) for name in frame.columns]
    where = str(path)
    _check_column(label, names, "label", where)
    if len(frame) == 0:
        raise DataError("found a header and no row", where=where, allowed="one labelled row or more")
    labels = frame[label].astype(object).tolist()
    text, columns, notes = _chosen(frame, data, kind, label, where)
    if text is not None:
        texts, missing = texts_in(frame, text, where)
        _check_sentences(texts, text, where)
        return LabelledRows(where, labels, label, texts, None, (text,), row_name, notes + missing)
    numbers = numbers_in(frame, columns, where, row_name)
    return LabelledRows(where, labels, label, None, numbers, tuple(columns), row_name, notes)


def match_columns(wanted: Sequence[str], names: Sequence[str], label: str, where: str) -> list[str]:
    """The columns that names or patterns (:mod:`fnmatch`) choose, each once; patterns leave the label out.

    Raises:
        DataError: where a name is missing or the label, or a pattern chooses nothing.
    """
    chosen: dict[str, None] = {}
    for pattern in wanted:
        if pattern == label:
            raise DataError(
                f"[data] features names the label '{label}'",
                where=where,
                allowed=listed([name for name in names if name != label]),
                remedy="leave it out: a network that is fed the label learns nothing else",
            )
        if pattern in names:
            chosen[pattern] = None
            continue
        if not any(mark in pattern for mark in "*?["):
            _check_column(pattern, names, "features", where)
        matches = [name for name in names if fnmatchcase(name, pattern) and name != label]
        if not matches:
            raise DataError(
                f"the pattern '{pattern}' in [data] features matches no column",
                where=where,
                allowed=listed([name for name in names if name != label]),
                remedy="mend the pattern: * is any text, ? any character, [ab] a or b",
            )
        chosen.update(dict.fromkeys(matches))
    return list(chosen)


def _chosen(
    frame: pd.DataFrame, data: Data, kind: str | None, label: str, where: str
) -> tuple[str | None, list[str], tuple[str, ...]]:
    """The column of texts or the columns of numbers, and notes on what nobody asked for by name."""
    names = [str(name) for name in frame.columns]
    if data.features is not None:
        return None, match_columns(data.features, names, label, where), ()
    if data.text is not None or kind in ("word2vec", "vectors"):
        _check_column(data.text or "text", names, "text", where)
        return data.text or "text", [], ()
    numeric = [name for name in names if name not in (label, "") and _is_numeric(frame[name])]
    if kind is None and "text" in names and label != "text" and "text" not in numeric:
        return "text", [], ("features: words of column 'text', which [data] does not name",)
    if not numeric:
        raise DataError(
            "found no numeric column besides the label",
            where=where,
            allowed=f"columns of numbers; there are {listed(names)}",
            remedy='name the column of sentences: text = "…" in [data]',
        )
    left_out = [name for name in names if name != label and name not in numeric]
    rest = f"; left out: {listed(left_out)}" if left_out else ""
    all_of_them = "the only numeric column" if len(numeric) == 1 else f"all {len(numeric)} numeric columns"
    return None, numeric, (f"features: {all_of_them}{rest}",)


def _check_column(name: str, names: Sequence[str], key: str, where: str) -> None:
    if name not in names:
        only = names[0] if len(names) == 1 else ""
        mark = next((mark for mark in (";", "\t", "|", ",") if mark in only), "")
        if mark:
            raise DataError(
                f"there is no column '{name}': the whole header is one name",
                where=where,
                allowed="commas in a csv file, tabs in a tsv file, between the fields",
                remedy=f"write the file again with them instead of {_MARKS[mark]}",
            )
        raise DataError(
            f"there is no column '{name}'",
            where=where,
            allowed=listed(names),
            remedy=nearest(name, names) or f"name one of these as {key} in [data]",
        )


def texts_in(frame: pd.DataFrame, column: str, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a column, missing ones as empty, and a note where there are such.

    Raises:
        DataError: where one is of another type.
    """
    values: list[Any] = frame[column].astype(object).tolist()
    # Only NaN differs from itself.
    missing = sum(value is None or value != value for value in values)
    strange = next(
        (value for value in values if not isinstance(value, str) and value == value and value is not None),
        None,
    )
    if strange is not None:
        raise DataError(
            f"found {strange!r}, which is no text",
            where=f"{where}, column '{column}'",
            allowed="strings",
            remedy="for numbers, name the columns as features in [data] instead of text",
        )
    texts = tuple(value if isinstance(value, str) else "" for value in values)
    return texts, (f"{counted(missing, 'row')} without a text, taken as empty",) if missing else ()


def _check_sentences(texts: Sequence[str], column: str, where: str) -> None:
    if not any(text.strip() for text in texts):
        raise DataError(
            f"all {len(texts)} texts are empty",
            where=f"{where}, column '{column}'",
            allowed="sentences",
            remedy="check that this is the column of sentences ([data] text)",
        )
    if all(_is_number(text) for text in texts if text.strip()):
        raise DataError(
            f"every text is a number, such as '{next(text for text in texts if text.strip())}'",
            where=f"{where}, column '{column}'",
            allowed="sentences",
            remedy="for numbers, name the columns as features in [data] instead of text",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers_in(frame: pd.DataFrame, columns: list[str], where: str, row_name: RowName) -> NDArray[np.float32]:
    """(rows, columns) float32.

    Raises:
        DataError: where one is no finite number.
    """
    for column in columns:
        if not _is_numeric(frame[column]):
            row, found = _first_word(frame[column])
            raise DataError(
                f"found '{found}', which is no number",
                where=f"{where}, {row_name(row)}, column '{column}'",
                allowed="numbers in every column chosen as a feature",
                remedy="mend the value, or leave the column out of [data] features; sentences go under text",
            )
    values = frame[columns].to_numpy(dtype=np.float64)
    return as_float32(values, [f"column '{column}'" for column in columns], where, row_name)


def _is_numeric(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "biuf"


def _first_word(column: pd.Series[Any]) -> tuple[int, Any]:
    """Row and value of the first entry that isn't a number."""
    values: list[Any] = column.astype(object).tolist()
    for row, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            return row, value
    return 0, values[0]
