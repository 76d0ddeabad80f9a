"""Opens the Optuna storage that a study is kept in.

SQLite in WAL mode with synchronous NORMAL: a dashboard reads while the driver writes, a kill of the process
loses nothing, and a trial costs half the time of Optuna's own settings.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from optuna.storages import BaseStorage
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from studies.errors import StorageError
from studies.optuna_internals import JournalInBatches, OptunasDatabase
from studies.packages import check_packages
from studies.records.trials import TrialRecord
from studies.storage.bulk_reading import read_records
from studies.storage.databases import is_optunas
from studies.storage.locations import Location
from studies.storage.sqlite_files import BUSY_SECONDS, connect_to_read, may_write, stamp_of
from studies.storage.trial_records import records_of
from studies.storage.writers.database import DatabaseWriter
from studies.storage.writers.journal import JournalWriter
from studies.storage.writers.journal_file import JournalFile
from studies.storage.writers.patience import Guard, PatientSharedWriter, PatientWriter

T = TypeVar("T")

_LOOKS = 3
"""How often what changes while it is read is read again."""


@dataclass(frozen=True)
class OpenedStorage:
    """A storage that is open.

    Attributes:
        optuna: as Optuna itself has it, which everybody but a driver reads by.
        guard: what all that is done with it is done under.
        engine: the database's, where it is one.
    """

    optuna: BaseStorage
    guard: Guard
    engine: Engine | None = None

    @property
    def database(self) -> Engine:
        """The engine of a storage that is known to be a database."""
        if self.engine is None:
            raise TypeError("this storage is no database")
        return self.engine

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        if self.engine is not None:
            self.engine.dispose()

    def study_id(self, name: str) -> int | None:
        """The number of a study; ``None`` where there is none of this name."""
        try:
            return self.guard.call(lambda: self.optuna.get_study_id_from_name(name))
        except KeyError:
            return None

    def writer(self, study_id: int) -> PatientWriter[Any]:
        """What a driver writes a study by."""
        if isinstance(self.optuna, JournalInBatches):
            return PatientWriter(JournalWriter(self.optuna, study_id), self.guard)
        return self.shared_writer(study_id)

    def shared_writer(self, study_id: int) -> PatientSharedWriter:
        """The same, of a study that others write too."""
        return PatientSharedWriter(DatabaseWriter(self.database, study_id), self.guard)

    def records(self, study_id: int) -> list[TrialRecord]:
        """All trials of a study but those that wait, by number.

        Raises:
            StorageLostError: where they can't be read.
        """
        return self.guard.call(lambda: self._records(study_id))

    def _records(self, study_id: int) -> list[TrialRecord]:
        if self.engine is None:
            return records_of(self.optuna.get_all_trials(study_id, deepcopy=False))
        with self.engine.connect() as connection:
            return read_records(connection, study_id)


def open_storage(location: Location, *, reads_only: bool = False) -> OpenedStorage:
    """Open the storage, making its file or its tables where they are missing.

    Args:
        location: where it is.
        reads_only: make nothing: :func:`is_made` has said that all is there. No connection to a server is
            kept for the next call, and who may not write a file reads it nevertheless.

    Raises:
        StorageError: where it can't be opened.
        MachineError: where the driver of the database isn't installed.
    """
    if location.kind == "journal":
        return _open_journal(location)
    check_driver(location)
    try:
        storage = OptunasDatabase(
            location.url,
            engine_kwargs=_engine_settings(location, reads_only=reads_only),
            skip_table_creation=reads_only,
            skip_compatibility_check=reads_only,
        )
    except (*_UNOPENED, RuntimeError) as error:
        raise unopened(location, error) from None
    if location.kind == "sqlite" and not reads_only:
        event.listen(storage.engine, "connect", _set_wal)
        storage.engine.dispose()  # the connections that were opened before the listener was there
    return OpenedStorage(storage, Guard(location.shown, location.hidden), storage.engine)


def is_made(location: Location) -> bool:
    """Whether a driver has made the storage; asked by readers, which make nothing.

    Optuna makes its tables when it opens a database, and two that open an empty one at once get in each
    other's way.

    Raises:
        StorageError: where it can't be opened, or is a database of another kind or version.
        MachineError: as :func:`open_storage`.
    """
    if location.file is not None and not location.file.exists():
        return False
    if location.kind == "journal":
        return True
    check_driver(location)
    engine = create_engine(location.url, **_engine_settings(location, reads_only=True))
    try:
        with engine.connect() as connection:
            return is_optunas(connection, location)
    except _UNOPENED as error:
        raise unopened(location, error) from None
    finally:
        engine.dispose()


def read_settled(location: Location, read: Callable[[], T]) -> T:
    """What ``read`` returns; once more where a driver began to write, meanwhile, a file that was taken for
    one that doesn't change.

    Raises:
        StorageError: as ``read``.
    """
    file = location.file
    if location.kind != "sqlite" or file is None or may_write(file):
        return read()
    for _ in range(_LOOKS):
        before = stamp_of(file)
        with contextlib.suppress(StorageError):
            found = read()
            if before.has_log or stamp_of(file) == before:
                return found
        if stamp_of(file) == before:
            break
    return read()


def is_writable(location: Location) -> bool:
    """Whether this process may change what is stored, as far as the permissions of files say it."""
    if location.file is None:
        return True
    return may_write(location.file) if location.file.exists() else os.access(location.file.parent, os.W_OK)


def check_directory(location: Location) -> None:
    """Refuse a storage file whose directory is not there.

    Raises:
        StorageError: where it isn't.
    """
    if location.file is not None and not location.file.parent.is_dir():
        raise StorageError(
            location.hidden.out_of(f"the directory {location.file.parent} is not there"),
            where=location.shown,
            remedy="make it, or change storage.url",
        )


def check_place(location: Location) -> None:
    """Refuse a place where no study can be kept, without making anything there.

    Raises:
        StorageError: where the directory isn't there, the file is something else, or the server is away.
        MachineError: where the driver of the database isn't installed.
    """
    check_directory(location)
    if location.file is None:
        is_made(location)
        return
    if location.file.is_dir():
        raise StorageError("this is a directory", where=location.shown, allowed="a file, there or to be made")
    if not is_writable(location):
        raise StorageError(
            "the file or its directory can't be written",
            where=location.shown,
            allowed="a file, and a directory, with write permission",
            remedy="name another one in storage.url; a study that is there can be read: search report",
        )
    if location.file.exists() and not _is_ours(location.kind, location.file):
        kind = "SQLite database" if location.kind == "sqlite" else "journal of Optuna's"
        raise StorageError(
            f"the file is there and is no {kind}",
            where=location.shown,
            allowed=f"a {kind}, an empty file or none",
            remedy="name another file in storage.url",
        )
    is_made(location)


def _is_ours(kind: str, file: Path) -> bool:
    """Whether a file begins as Optuna's do; an empty one is about to."""
    try:
        with file.open("rb") as content:
            first = content.readline(2**20)
    except OSError:
        return True  # opening it gives the reason
    if kind == "sqlite":
        # https://www.sqlite.org/fileformat.html, section 1.3
        return first[:16] in (b"", b"SQLite format 3\x00")
    # A kill may have left the first line torn, however short; that is mended before a journal is opened.
    return first.startswith(_JOURNAL) or _JOURNAL.startswith(first)


_JOURNAL = b'{"op_code"'
"""What every line of a journal begins with."""


_UNOPENED = (DBAPIError, OSError, UnicodeError)
"""What opening a database raises; a name of a host that can be none is a ``UnicodeError``."""


def _engine_settings(location: Location, *, reads_only: bool) -> dict[str, Any]:
    """SQLAlchemy's, of a database."""
    if location.file is None:
        # The first statement after a restart of the server would fail on a connection that was kept.
        return {"poolclass": NullPool} if reads_only else {"pool_pre_ping": True}
    if reads_only and not may_write(location.file):
        return {"creator": partial(connect_to_read, location.file), "poolclass": NullPool}
    return {"connect_args": {"timeout": BUSY_SECONDS}}


def check_driver(location: Location) -> None:
    """Refuse a database whose package isn't installed.

    Raises:
        MachineError: where it isn't.
    """
    if location.kind == "postgresql":
        check_packages("PostgreSQL", ["psycopg"], "postgres", where="storage.url")


def _open_journal(location: Location) -> OpenedStorage:
    file = location.url.removeprefix("journal:")
    try:
        storage = JournalInBatches(JournalFile(file))
    except (OSError, ValueError) as error:
        raise unopened(location, error) from None
    except (AssertionError, KeyError, TypeError):
        # What Optuna raises at a record that it doesn't know, or that lacks something.
        raise StorageError(
            "a line is no record that this Optuna knows: a newer one wrote it, or it is damaged",
            where=location.shown,
            remedy="name another file in storage.url, or read this one with the Optuna that wrote it",
        ) from None
    # Only the driver writes, under its lock: a line that a full disk cut short is its own.
    cut = partial(_cut_torn_line, Path(file))
    return OpenedStorage(storage, Guard(location.shown, location.hidden, after_write_failed=cut))


def mend_journal(file: Path) -> int:
    """Cut off a last line that a kill left torn; returns the bytes removed.

    Optuna appends to such a line, and then the whole file can't be opened any more. A kill in the middle of a
    write also leaves the lock that Optuna took for it, which it would wait 30 s for. Only for the driver,
    under its own lock: nobody else writes.
    """
    file.with_name(file.name + ".lock").unlink(missing_ok=True)
    return _cut_torn_line(file) if file.is_file() and _is_ours("journal", file) else 0


def _cut_torn_line(file: Path) -> int:
    with file.open("rb+") as journal:
        content = journal.read()
        keep = content.rfind(b"\n") + 1
        if keep < len(content):
            journal.truncate(keep)
    return len(content) - keep


def unopened(location: Location, error: Exception) -> StorageError:
    """An error of a database's or of the disk's, met while the storage was opened, in our words."""
    # JSON's own errors speak of a column of the file's text, and not of what is wrong with the file.
    damaged = location.kind == "journal" and isinstance(error, ValueError)
    reason = "a line is damaged" if damaged else str(getattr(error, "orig", None) or error)
    first = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
    remedy = "check the path and its permissions, or that the server is there"
    if damaged or "malformed" in first or "not a database" in first:
        remedy = "run search repair with the study file"
    said = location.hidden.out_of(first)
    return StorageError(f"the storage can't be opened: {said}", where=location.shown, remedy=remedy)


def _set_wal(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
