"""Where the rows lie, and which reader reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies import plugins
from studies.data.labelled_rows import LONGEST_SHOWN, LabelledRows, as_float32, cut, listed
from studies.data.readers.arrays import read_arrays
from studies.data.readers.builtin import COLUMNS, by_label, check_sms_spam, locate_sms_spam, read_sms_spam
from studies.data.readers.libsvm import read_libsvm
from studies.data.readers.tables import read_table
from studies.errors import DataError, UserError, nearest
from studies.file_kinds import remedy_for
from studies.printable import as_toml
from studies.sections.study import Data

SMS_SPAM = "sms-spam"
SMS_SPAM_SORTED = "sms-spam-sorted"
BUILT_IN = (SMS_SPAM, SMS_SPAM_SORTED)


@dataclass(frozen=True, slots=True)
class Source:
    """A source that is there: its file, its format, its SHA-256. The format is one of :data:`BUILT_IN`, a key
    of :data:`READERS`, or the name of a plug-in."""

    path: Path
    format: str
    digest: str


def locate(data: Data, base: Path) -> Source:
    """The source that ``data`` names, hashed but not parsed; relative paths start at ``base``.

    Raises:
        DataError: where the file is missing, can't be read or has an unknown ending.
        MachineError: where a built-in source isn't installed.
    """
    if data.path is None:
        path = locate_sms_spam()
        source = Source(path, data.source or SMS_SPAM, digest_of(path))
        check_sms_spam(path, source.digest)
        return source
    path = existing_file(data.path, base, "[data] path")
    if data.reader is not None:
        return Source(path, data.reader, digest_of(path))
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise DataError(
            f"the file ends in '{ending}'" if ending else "the file has no ending",
            where=str(path),
            allowed=", ".join(FORMATS),
            remedy=nearest(ending, FORMATS) or remedy_for(path),
        )
    return Source(path, FORMATS[ending], digest_of(path))


def read(source: Source, data: Data, kind: str | None) -> LabelledRows:
    """All rows of the source; ``kind`` is the study file's ``[features] kind``.

    Raises:
        DataError: where the file doesn't hold what ``data`` and ``kind`` say; see the readers.
    """
    if source.format in BUILT_IN:
        _check_sms_spam_columns(data)
        rows = read_sms_spam(source.path)
        return by_label(rows) if source.format == SMS_SPAM_SORTED else rows
    if data.reader is not None:
        return _by_plugin(data.reader, source, data)
    return READERS[source.format](source, data, kind)


def _table(source: Source, data: Data, kind: str | None) -> LabelledRows:
    return read_table(source.path, source.format, data, kind)


def _npz(source: Source, data: Data, _kind: str | None) -> LabelledRows:
    _refuse(data.text, "text", source, "arrays of numbers")
    return read_arrays(source.path, data)


def _libsvm(source: Source, data: Data, _kind: str | None) -> LabelledRows:
    _refuse(data.text, "text", source, "numbers")
    _refuse(data.features, "features", source, "columns without names, all of which are used")
    _refuse(data.label, "label", source, "labels first in every line")
    return read_libsvm(source.path)


READERS: Mapping[str, Callable[[Source, Data, str | None], LabelledRows]] = {
    "csv": _table,
    "tsv": _table,
    "parquet": _table,
    "npz": _npz,
    "libsvm": _libsvm,
}
"""What reads each format."""

FORMATS = {f".{format}": format for format in READERS} | {".svm": "libsvm", ".svmlight": "libsvm"}
"""Formats by file ending."""


def _by_plugin(name: str, source: Source, data: Data) -> LabelledRows:
    """What a reader of somebody's own returns, if a split can be made of it.

    Raises:
        PluginError: which of its fields is not as it must be.
        DataError: where it raises one, or a number isn't finite.
    """
    plugin = plugins.known(plugins.READERS, name)
    where = str(source.path)
    try:
        rows = plugin.value(source.path, data)
    except UserError:
        raise
    except Exception as error:
        raise plugins.raised(plugin.origin, error, f"can't read {where}") from error
    if not isinstance(rows, LabelledRows):
        allowed = "a LabelledRows of studies.data.labelled_rows"
        raise plugin.origin.error(f"returned {type(rows).__name__}", allowed=allowed, where=where)
    problem = _problem_of(rows)
    if problem:
        raise plugin.origin.error(f"returned rows of which {problem[0]}", allowed=problem[1], where=where)
    if rows.numbers is None:
        return replace(rows, texts=tuple(rows.texts or ()))
    numbers = np.asarray(rows.numbers)
    return replace(rows, numbers=as_float32(numbers, rows.columns, rows.where, rows.row_name))


def _problem_of(rows: LabelledRows) -> tuple[str, str] | None:
    """What keeps rows from being used, and what is allowed."""
    count = len(rows.labels)
    if not count:
        return "there are none", "one labelled row or more"
    if (rows.texts is None) == (rows.numbers is None):
        found = "neither texts nor numbers are given" if rows.texts is None else "both texts and numbers are"
        return found, "texts or numbers"
    if rows.texts is not None:
        if len(rows.texts) != count or not all(isinstance(text, str) for text in rows.texts):
            return f"not every one of {count} labels has a text", "texts, one string a label"
        return None if len(rows.columns) == 1 else ("columns doesn't name the texts", "columns, one name")
    numbers: NDArray[Any] = np.asarray(rows.numbers)
    if numbers.ndim != 2 or len(numbers) != count or numbers.dtype.kind not in "fiub":
        found = f"numbers are {numbers.dtype} of the shape {numbers.shape}, for {count} labels"
        return found, f"numbers of the shape ({count}, features)"
    if len(rows.columns) != numbers.shape[1]:
        found = f"{len(rows.columns)} columns are named, for {numbers.shape[1]} features"
        return found, "columns, one name a feature"
    return None


def existing_file(name: str, base: Path, key: str) -> Path:
    """``name`` from ``base``; raises :class:`~studies.errors.DataError` where no file is there."""
    try:
        path = base / Path(name).expanduser()
        if path.is_file():
            return path
        is_dir, is_there = path.is_dir(), path.exists() or path.is_symlink()
    except (OSError, RuntimeError) as error:  # a name that is too long; the home of nobody
        problem = f"can't be looked for: {getattr(error, 'strerror', None) or 'there is no such home'}"
        shown = cut(name, LONGEST_SHOWN)
        raise DataError(problem, where=f"{key}, {shown}", allowed="a file", remedy=f"check {key}") from error
    if is_dir:
        problem, remedy = "this is a folder", "name one file in it"
    elif is_there:
        problem, remedy = "this is a pipe, a device or a broken link", "name a file that can be read twice"
    else:
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        problem = "there is no such file"
        remedy = nearest(path.name, beside) or f"check {key}; relative paths start at {base.absolute()}"
    raise DataError(problem, where=f"{key}, {path}", allowed="a file", remedy=remedy)


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: where the file can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"can't be read: {error.strerror}", where=str(path), remedy="check the file's permissions"
        ) from error


def _check_sms_spam_columns(data: Data) -> None:
    for key, name, column in (("label", data.label, COLUMNS[0]), ("text", data.text, COLUMNS[1])):
        if name is not None and name != column:
            raise DataError(
                f"there is no column '{name}' of {key}s",
                where=f'[data] source = "{data.source}"',
                allowed=listed(COLUMNS),
                remedy=f'{key} = "{column}", or leave {key} out',
            )
    if data.features is not None:
        raise DataError(
            f"[data] features chooses {listed(data.features)}",
            where=f'[data] source = "{data.source}"',
            allowed="the column 'text'; there are no numbers",
            remedy="leave features out",
        )


def _refuse(value: object, key: str, source: Source, holds: str) -> None:
    if value is not None:
        raise DataError(
            f"[data] {key} = {as_toml(value)} has no meaning for a {source.format} file",
            where=str(source.path),
            allowed=f"{source.format} files hold {holds}",
            remedy=f"leave {key} out",
        )
