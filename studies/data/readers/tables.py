"""csv, tsv and Parquet files: which columns are features, and their values.

Text files are UTF-8 with a header line and quotes as spreadsheets write them, tsv as well as csv.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from studies.data.labelled_rows import LabelledRows, counted, listed, rows_named
from studies.data.numbers import is_missing, is_number, shown
from studies.data.readers.number_columns import (
    is_numeric,
    is_saved_index,
    no_numbers,
    numbers_in,
    numbers_rows,
)
from studies.data.readers.table_files import Table, read_delimited, read_parquet
from studies.errors import DataError, nearest
from studies.sections.study import Data

DELIMITERS = {"csv": ",", "tsv": "\t"}

FEW_WORDS = 0.1
"""Share of its cells up to which a column with other cells is still meant to be one of numbers."""

_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""What else files separate their fields with, in words."""


def read_table(path: Path, format: str, data: Data, kind: str | None) -> LabelledRows:
    """All rows of the file, with the columns that ``data`` and the kind of features ask for.

    Where ``data`` names neither text nor features: a column ``text`` that holds strings, unless ``kind`` is
    ``none``; otherwise all numeric columns but the label. The notes name what was chosen so.

    Raises:
        DataError: where the file can't be parsed, a column is missing or of the wrong kind, or a feature
            isn't finite.
    """
    delimiter = DELIMITERS.get(format)
    label = "label" if data.label is None else data.label
    strings = [label, data.text or "text"]
    table = read_delimited(path, delimiter, strings) if delimiter else read_parquet(path)
    where, row_name = table.where, table.row_name
    _check_column(label, table.names, "label", where)
    if len(table.frame) == 0:
        raise DataError("found column names and no row", where=where, allowed="one labelled row or more")
    labels = table.frame[label].astype(object).tolist()
    text, columns, notes = _chosen(table, data, kind, label)
    if text is not None:
        texts, missing = texts_in(table, text)
        _check_sentences(texts, text, where)
        return LabelledRows(where, labels, label, texts, None, (text,), row_name, notes + missing)
    numbers = numbers_in(table, columns)
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
                f"[data] features names the label {shown(label)}",
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
                f"the pattern {shown(pattern)} in [data] features matches no column",
                where=where,
                allowed=listed([name for name in names if name != label]),
                remedy="correct the pattern: * is any text, ? any character, [ab] a or b",
            )
        chosen.update(dict.fromkeys(matches))
    return list(chosen)


def _chosen(
    table: Table, data: Data, kind: str | None, label: str
) -> tuple[str | None, list[str], tuple[str, ...]]:
    """The column of texts or the columns of numbers, and notes on what nobody asked for by name."""
    names, where = table.names, table.where
    if data.features is not None:
        chosen = match_columns(data.features, names, label, where)
        return None, chosen, _index_notes(table, chosen)
    if data.text is not None or kind in ("word2vec", "vectors"):
        text = data.text or "text"
        _check_column(text, names, "text", where)
        if text == label:
            raise DataError(
                f"[data] text and label are both the column {shown(label)}",
                where=where,
                allowed=listed([name for name in names if name != label]),
                remedy="name the column of sentences: a network that is fed the label learns nothing else",
            )
        return text, [], ()
    others = [name for name in names if name != label]
    index = [name for name in others if is_saved_index(name)]
    numeric = [name for name in others if name not in index and is_numeric(table, name)]
    if kind is None and "text" in others and "text" not in numeric:
        return "text", [], ("features: words of column 'text', which [data] does not name",)
    rest = [name for name in others if name not in numeric and name not in index]
    slips = [note for name in rest if (note := _slip_note(table, name))]
    if not numeric:
        raise DataError(
            "found no numeric column besides the label" + "".join(f"; {note}" for note in slips),
            where=where,
            allowed=f"columns of numbers; there are {listed(names)}",
            remedy='name the column of sentences: text = "…" in [data]',
        )
    all_of_them = "the only numeric column" if len(numeric) == 1 else f"all {len(numeric)} numeric columns"
    notes = [f"features: {all_of_them}{f'; left out: {listed(rest)}' if rest else ''}", *slips]
    notes += [f"{_named(name)} is left out{', as a saved index' if name else ''}" for name in index]
    return None, numeric, (*notes, *_index_notes(table, numeric))


def _index_notes(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{_named(name)} numbers the rows: where the file is sorted it gives the label away; "
        "leave it out of [data] features"
        for name in columns
        if numbers_rows(table, name)
    )


def _slip_note(table: Table, name: str) -> str:
    """Why a column is no feature, where all but a few of its cells are numbers."""
    strange = no_numbers(table, name)
    if not strange or len(strange) > FEW_WORDS * len(table.frame):
        return ""
    cell = shown(table.frame[name].iloc[strange[0]])
    return f"{_named(name)} is left out for {cell}, no number, at {rows_named(strange, table.row_name)}"


def _named(column: str) -> str:
    return f"column {shown(column)}" if column else "a column without a name"


def _check_column(name: str, names: Sequence[str], key: str, where: str) -> None:
    if name not in names:
        only = names[0] if len(names) == 1 else ""
        mark = next((mark for mark in (";", "\t", "|", ",") if mark in only), "")
        if mark:
            raise DataError(
                f"there is no column {shown(name)}: the whole header is one name",
                where=where,
                allowed="commas in a csv file, tabs in a tsv file, between the fields",
                remedy=f"write the file again with them instead of {_MARKS[mark]}",
            )
        raise DataError(
            f"there is no column {shown(name)}",
            where=where,
            allowed=listed(names),
            remedy=nearest(name, names) or f"name one of these as {key} in [data]",
        )


def texts_in(table: Table, column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a column, missing ones as empty, and a note where there are such.

    Raises:
        DataError: where one is of another type.
    """
    values: list[Any] = table.frame[column].astype(object).tolist()
    missing = [row for row, value in enumerate(values) if not isinstance(value, str) and is_missing(value)]
    if sum(isinstance(value, str) for value in values) + len(missing) < len(values):
        row, strange = next(
            (row, value)
            for row, value in enumerate(values)
            if not isinstance(value, str) and not is_missing(value)
        )
        raise DataError(
            f"found {shown(strange)}, which is no text",
            where=table.at(row, column),
            allowed="strings",
            remedy="for numbers, name the columns as features in [data] instead of text",
        )
    texts = tuple(value if isinstance(value, str) else "" for value in values)
    if not missing:
        return texts, ()
    where = rows_named(missing, table.row_name)
    return texts, (f"{counted(len(missing), 'row')} without a text, taken as empty: {where}",)


def _check_sentences(texts: Sequence[str], column: str, where: str) -> None:
    if not any(text.strip() for text in texts):
        raise DataError(
            f"all {len(texts)} texts are empty",
            where=f"{where}, column {shown(column)}",
            allowed="sentences",
            remedy="check that this is the column of sentences ([data] text)",
        )
    if all(is_number(text) for text in texts if text.strip()):
        raise DataError(
            f"every text is a number, such as {shown(next(text for text in texts if text.strip()))}",
            where=f"{where}, column {shown(column)}",
            allowed="sentences",
            remedy="for numbers, name the columns as features in [data] instead of text",
        )
