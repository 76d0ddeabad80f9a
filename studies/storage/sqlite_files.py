"""SQLite files as somebody reads them who may not write them, or the folder that they are in.

A database in WAL mode keeps its newest pages in a log beside it, and an index of the log in a third file. Who
reads it makes both where they aren't there, and so needs to write the folder: https://sqlite.org/wal.html,
"Read-Only Databases".
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

BUSY_SECONDS = 30.0
"""How long a writer is waited for."""


@dataclass(frozen=True)
class Stamp:
    """What changes when a driver writes: when the file was written, its size, and whether it has a log."""

    written: int
    size: int
    has_log: bool


def sqlite_uri(file: Path, options: str) -> str:
    """SQLite's address of a file, whatever its name: https://sqlite.org/uri.html."""
    return f"file:{quote(str(file))}?{options}"


def may_write(file: Path) -> bool:
    """Whether this process may write a file that is there, and others beside it."""
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)


def stamp_of(file: Path) -> Stamp:
    """How the database is now."""
    state = file.stat()
    return Stamp(state.st_mtime_ns, state.st_size, _beside(file, "-wal").exists())


def connect_to_read(file: Path) -> sqlite3.Connection:
    """A connection that writes nothing, neither the database nor beside it.

    While a driver has the database open, its log is read with it. Without a log nobody has it open, and it is
    read as a file that doesn't change; a log that nobody has open is read in a copy.

    Raises:
        sqlite3.OperationalError: where the file can't be read, or is no database.
    """
    try:
        return _opened(sqlite_uri(file, "mode=ro"))
    except sqlite3.OperationalError:
        logs = [log for suffix in ("-wal", "-journal") if _has_content(log := _beside(file, suffix))]
        if logs:
            return _of_a_copy(file, logs)
        return _opened(sqlite_uri(file, "immutable=1"))


def _of_a_copy(file: Path, logs: list[Path]) -> sqlite3.Connection:
    """The database and what its log adds, in memory."""
    with tempfile.TemporaryDirectory(prefix="honest-search-") as directory:
        for each in (file, *logs):
            shutil.copyfile(each, Path(directory) / each.name)
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        with closing(sqlite3.connect(Path(directory) / file.name)) as copy:
            copy.backup(memory)
    return memory


def _opened(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except BaseException:
        connection.close()
        raise
    return connection


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0
