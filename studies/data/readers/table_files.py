"""csv, tsv and Parquet files into data frames, with errors for a person."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studies.data.labelled_rows import RowName, counted
from studies.data.numbers import MISSING, shown
from studies.errors import DataError
from studies.file_kinds import check_kind

if TYPE_CHECKING:  # pandas takes half a second to import, and a cached data set doesn't need it
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table as read.

    Attributes:
        frame: its rows.
        where: the file, for messages.
        row_name: names a row of the file, for messages.
        is_typed: whether the file says which columns are text and which are numbers.
    """

    frame: pd.DataFrame
    where: str
    row_name: RowName
    is_typed: bool

    @property
    def names(self) -> list[str]:
        """Of its columns."""
        return [str(name) for name in self.frame.columns]

    def at(self, row: int, column: str) -> str:
        """A cell's place, for messages."""
        return f"{self.where}, {self.row_name(row)}, column {shown(column)}"


def read_delimited(path: Path, delimiter: str, strings: Sequence[str]) -> Table:
    """A csv or tsv file; columns named in ``strings`` are kept as text, where only an empty cell is missing.

    Elsewhere pandas' words for missing values (``NA``, ``null`` …) count as missing too; in a sentence or a
    label they are words.

    Raises:
        DataError: where the file isn't UTF-8, rows are wider than the header, or names repeat.
    """
    import pandas as pd

    check_kind(path, "tsv" if delimiter == "\t" else "csv")
    try:
        header = _header(path, delimiter)
        frame = pd.read_csv(
            path,
            sep=delimiter,
            names=header,
            header=0,
            dtype=dict.fromkeys(set(strings) & set(header), str),
            keep_default_na=False,
            na_values={name: [""] if name in strings else list(MISSING) for name in header},
            encoding="utf-8-sig",
            low_memory=False,  # types are found on whole columns, not chunk by chunk
        )
    except UnicodeDecodeError as error:
        raise _no_utf8(path) from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise _unparsed(str(error), path, delimiter) from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes surplus first fields for an index
        raise DataError(
            f"the header has {counted(len(header), 'name')}, and the first row has more fields",
            where=str(path),
            allowed=_shape(delimiter),
            remedy="name every column in the header",
        )
    return Table(frame, str(path), lambda row: _line(path, delimiter, row), is_typed=False)


def read_parquet(path: Path) -> Table:
    """A Parquet file without the index that pandas may have kept in it.

    Raises:
        DataError: where the file isn't Parquet, or names repeat.
    """
    # pyarrow takes a quarter of a second to import, and a cached data set doesn't need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_kind(path, "parquet")
    try:
        # The file alone: a data set would take `year=2024` in the path for a column.
        with pq.ParquetFile(path) as file:
            _refuse_repeats(file.schema_arrow.names, str(path))
            table = file.read()
        index = (table.schema.pandas_metadata or {}).get("index_columns", [])
        table = table.drop_columns([name for name in index if name in table.column_names])
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"can't be read as Parquet: {str(error).splitlines()[0]}",
            where=str(path),
            allowed="a Parquet file",
            remedy="write it again, or name it by what it holds (csv, tsv, npz, libsvm)",
        ) from error
    return Table(frame, str(path), lambda row: f"row {row + 1}", is_typed=True)


def _no_utf8(path: Path) -> DataError:
    """Names the line: pandas counts from the start of one of its chunks."""
    with path.open("rb") as file:
        number = next((number for number, line in enumerate(file, start=1) if not _is_utf8(line)), 1)
    return DataError(
        "found a byte that is no UTF-8",
        where=f"{path}, line {number}",
        allowed="UTF-8, with or without a byte order mark",
        remedy="convert it: iconv -f latin1 -t utf-8",
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unparsed(message: str, path: Path, delimiter: str) -> DataError:
    reason = message.split("C error: ")[-1].strip()
    line = _open_quote(path, delimiter) if reason.startswith("EOF inside string") else None
    if line is None:
        return DataError(
            f"can't be parsed: {reason}",
            where=str(path),
            allowed=_shape(delimiter),
            remedy="correct that line",
        )
    return DataError(
        'a field begins with " and has no second one before the end of the file',
        where=f"{path}, line {line}",
        allowed='fields as they are, or between two ", with each " inside doubled',
        remedy='close the field, or write its " twice and one before and after it',
    )


def _open_quote(path: Path, delimiter: str) -> int | None:
    """The line where the last row begins; a quote that is never closed extends it to the file's end."""
    began, before = None, 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            for _ in reader:
                began, before = before + 1, reader.line_num
    except csv.Error:  # a field beyond the csv module's limit; it is in the row that would come next
        return before + 1
    return began


def _header(path: Path, delimiter: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next((fields for fields in csv.reader(file, delimiter=delimiter) if _counts(fields)), None)
    if header is None:
        raise DataError("the file is empty", where=str(path), allowed=_shape(delimiter))
    _refuse_repeats(header, f"{path}, header")
    return header


def _refuse_repeats(names: list[str], where: str) -> None:
    repeated = [name for position, name in enumerate(names) if name in names[:position]]
    if repeated:
        raise DataError(
            f"two columns have the name {shown(repeated[0])}" if repeated[0] else "two columns have no name",
            where=where,
            allowed="a name of its own for every column",
            remedy="rename one of them" if repeated[0] else "name them, or take them out",
        )


def _line(path: Path, delimiter: str, row: int) -> str:
    """``line 12``, counted by reading the file again, because quoted texts may hold line ends."""
    wanted = row + 1  # the header comes first
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            before = 0
            for fields in reader:
                if _counts(fields):
                    if wanted == 0:
                        return f"line {before + 1}"
                    wanted -= 1
                before = reader.line_num
    except csv.Error:  # a field beyond the csv module's limit
        pass
    return f"row {row + 1}"


def _counts(fields: list[str]) -> bool:
    """Whether pandas counts this line as a row; it skips blank ones."""
    return len(fields) > 1 or (len(fields) == 1 and bool(fields[0].strip()))


def _shape(delimiter: str) -> str:
    name = "tabs" if delimiter == "\t" else "commas"
    return f"a header line, then as many fields a row as the header has, separated by {name}"
