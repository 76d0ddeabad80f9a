"""Where the rows lie, and which reader reads them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from studies.data.labelled_rows import LONGEST_SHOWN, LabelledRows, cut, listed
from studies.data.readers.arrays import read_arrays
from studies.data.readers.builtin import COLUMNS, by_label, check_sms_spam, locate_sms_spam, read_sms_spam
from studies.data.readers.libsvm import read_libsvm
from studies.data.readers.tables import read_table
from studies.errors import DataError, nearest
from studies.file_kinds import remedy_for
from studies.printable import as_toml
from studies.sections.study import Data

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".libsvm": "libsvm",
    ".svm": "libsvm",
    ".svmlight": "libsvm",
}
"""Formats by file ending."""

SMS_SPAM = "sms-spam"
SMS_SPAM_SORTED = "sms-spam-sorted"
BUILT_IN = (SMS_SPAM, SMS_SPAM_SORTED)


@dataclass(frozen=True, slots=True)
class Source:
    """A source that is there: its file, its format (of :data:`BUILT_IN` or :data:`FORMATS`), its SHA-256."""

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
    if source.format == "npz":
        _refuse(data.text, "text", source, "arrays of numbers")
        return read_arrays(source.path, data)
    if source.format == "libsvm":
        _refuse(data.text, "text", source, "numbers")
        _refuse(data.features, "features", source, "columns without names, all of which are used")
        _refuse(data.label, "label", source, "labels first in every line")
        return read_libsvm(source.path)
    return read_table(source.path, source.format, data, kind)


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
