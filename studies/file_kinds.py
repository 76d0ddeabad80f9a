"""What a file is, by its first bytes: a name that lies gets the remedy for what the file holds."""

from __future__ import annotations

import codecs
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from studies.errors import DataError

_PROBE = 2**16
_CHUNK = 2**20

_FEW_CONTROLS, _FEW_CONTROLS_SHARE = 8, 0.02
"""Number and share of control bytes beyond which the beginning of a file is no text."""

_TEXT_FORMATS = ("csv", "tsv", "libsvm")

_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)

_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\v") + b"\x7f"


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is: the format of the study file that it is, if any, its name, and what to do with it."""

    format: str
    name: str
    remedy: str


_SHEET = "save the sheet as csv (UTF-8)"
_CONVERT = "convert it to csv or parquet with what wrote it"
_PARQUET = FileKind("parquet", "a Parquet file", "name it .parquet")
_NPZ = FileKind("npz", "an archive of NumPy arrays", "name it .npz")
_PAGE = FileKind("", "a web page", "download the data itself: this may be the page of a login or of an error")
_TORN = FileKind("npz", "a torn zip archive", "get or write the file again")
_ZIP = FileKind("", "a zip archive", "unzip it and name the file in it")

_JSON = re.compile(rb'\{\s*"|\[\s*[\[{]')

_BY_FIRST_BYTES = (
    (b"\x1f\x8b", FileKind("", "a gzip file", "unpack it: gunzip")),
    (b"BZh", FileKind("", "a bzip2 file", "unpack it: bunzip2")),
    (b"\xfd7zXZ\x00", FileKind("", "an xz file", "unpack it: unxz")),
    (b"\x28\xb5\x2f\xfd", FileKind("", "a zstd file", "unpack it: unzstd")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("", "a 7z archive", "unpack it and name the file in it")),
    (b"Rar!", FileKind("", "a rar archive", "unpack it and name the file in it")),
    (b"PAR1", _PARQUET),
    (
        b"\x93NUMPY",
        FileKind("", "one NumPy array", "save features and labels together: np.savez(FILE, X=X, y=y)"),
    ),
    (b"%PDF", FileKind("", "a PDF document", "get the table itself, as csv")),
    (b"\xd0\xcf\x11\xe0", FileKind("", "an old Excel or Word document", _SHEET)),
    (b"SQLite format 3\x00", FileKind("", "an SQLite database", "export the table as csv")),
    (b"\x89HDF", FileKind("", "an HDF5 file", _CONVERT)),
    (b"ARROW1", FileKind("", "a Feather (Arrow) file", "pandas.read_feather(FILE).to_parquet(…)")),
    (b"FEA1", FileKind("", "a Feather (Arrow) file", "pandas.read_feather(FILE).to_parquet(…)")),
    (b"ORC", FileKind("", "an ORC file", _CONVERT)),
    (b"Obj\x01", FileKind("", "an Avro file", _CONVERT)),
    (b"\x80\x03", FileKind("", "a Python pickle", _CONVERT)),
    (b"\x80\x04", FileKind("", "a Python pickle", _CONVERT)),
    (b"\x80\x05", FileKind("", "a Python pickle", _CONVERT)),
    (b"\x89PNG", FileKind("", "a picture", "name the table of the rows")),
    (b"\xff\xd8\xff", FileKind("", "a picture", "name the table of the rows")),
    (
        b"version https://git-lfs",
        FileKind("", "a pointer of Git LFS", "get the file: git lfs pull"),
    ),
    (b"<!doctype html", _PAGE),
    (b"<html", _PAGE),
)
"""First bytes, in lower case where they are text."""


def kind_of(path: Path) -> FileKind | None:
    """What the file's first bytes say that it is; ``None`` for text and whatever is unknown.

    Raises:
        OSError: where the file can't be read.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_archive(path)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if _JSON.match(text):
        return FileKind("", "JSON", "convert it: pandas.read_json(FILE, lines=…).to_parquet(…)")
    return next(
        (kind for first, kind in _BY_FIRST_BYTES if head.startswith(first) or text.startswith(first)), None
    )


def remedy_for(path: Path) -> str:
    """What to do with a file whose ending says nothing."""
    try:
        kind = kind_of(path)
    except OSError:
        kind = None
    return kind.remedy if kind else "convert the file, or rename it by what it holds"


def check_kind(path: Path, format: str) -> None:
    """Refuse a file that is another than its name says: packed, a document, a page, not text.

    Args:
        path: the file.
        format: what its ending says: ``csv``, ``tsv``, ``libsvm``, ``parquet`` or ``npz``.

    Raises:
        DataError: where it is something else, or a text file holds a NUL byte.
    """
    kind = kind_of(path)
    if kind is not None and kind.format != format:
        raise DataError(
            f"this is {kind.name}, not {format}",
            where=str(path),
            allowed=f"a file that is what its ending says: {format}",
            remedy=kind.remedy,
        )
    if format in _TEXT_FORMATS:
        _check_text(path, format)


def _kind_of_archive(path: Path) -> FileKind:
    """A zip archive is a box for many formats; what lies in it says which."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return _TORN
    if any(name.startswith("xl/") for name in names):
        return FileKind("", "an Excel workbook", _SHEET)
    if "content.xml" in names:
        return FileKind("", "an OpenDocument file", _SHEET)
    if any(name.startswith("word/") for name in names):
        return FileKind("", "a Word document", "get the table itself, as csv")
    return _NPZ if names and all(name.endswith(".npy") for name in names) else _ZIP


def _check_text(path: Path, format: str) -> None:
    """A NUL byte ends a number or a word for pandas, which drops the rest of the field without a word."""
    with path.open("rb") as file:
        head = file.read(_PROBE)
        if head.startswith(_WIDE_MARKS) or _is_wide(head):
            bits = 32 if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) else 16
            raise DataError(
                f"found UTF-{bits}",
                where=f"{path}, line 1",
                allowed="UTF-8, with or without a byte order mark",
                remedy=f"convert it: iconv -f utf-{bits} -t utf-8",
            )
        controls = len(head) - len(head.translate(None, _CONTROLS))
        if controls > max(_FEW_CONTROLS, _FEW_CONTROLS_SHARE * len(head)):
            raise DataError(
                f"this is no text file: {controls} of its first {len(head)} bytes are control characters",
                where=str(path),
                allowed=f"a {format} file, in UTF-8",
                remedy="check that this is the file, or name it by what it holds (parquet, npz)",
            )
        file.seek(0)
        line = 1
        while chunk := file.read(_CHUNK):
            at = chunk.find(b"\0")
            if at >= 0:
                line += chunk.count(b"\n", 0, at)
                raise DataError(
                    "found a NUL byte, which is no text",
                    where=f"{path}, line {line}",
                    allowed=f"a {format} file, in UTF-8",
                    remedy="remove it, as tr -d '\\000' does, once it is clear what it stood for",
                )
            line += chunk.count(b"\n")


def _is_wide(head: bytes) -> bool:
    """Whether every other byte of text is NUL: UTF-16 without its mark."""
    return len(head) >= 8 and any(
        head[start::2].count(0) > 0.4 * len(head) and head[1 - start :: 2].count(0) == 0 for start in (0, 1)
    )
