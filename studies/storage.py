"""Opens the Optuna storage that a study is kept in.

SQLite in WAL mode with synchronous NORMAL: a dashboard reads while the driver writes, a kill of the process
loses nothing, and a trial costs half the time of Optuna's own settings.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage, get_storage
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from studies.errors import MachineError, StorageError, UserError, nearest
from studies.guarded_storage import GuardedStorage
from studies.journal_file import JournalFile
from studies.lock import DriverLock
from studies.plain_rdb import PlainRDBStorage
from studies.study_file import StudyFile

ALLOWED = "sqlite:///FILE, journal:FILE, postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Location:
    """Where a study is kept.

    Attributes:
        kind: ``sqlite``, ``journal`` or ``postgresql``.
        file: the file, where it is one.
        url: the address with its password, for opening alone: never to be shown, logged or sent.
    """

    kind: str
    file: Path | None
    url: str

    def __repr__(self) -> str:
        return f"Location({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address without its password, as `storage.url` takes it."""
        if self.kind == "postgresql":
            return make_url(self.url).render_as_string(hide_password=True)
        return f"journal:{self.file}" if self.kind == "journal" else f"sqlite:///{self.file}"

    def lock(self) -> AbstractContextManager[object]:
        """Keeps a second driver off a file. On a server several share a study (:mod:`studies.leases`)."""
        if self.file is None:
            return nullcontext()
        # Not `.lock`: that is the name of the lock that Optuna takes for each write to a journal.
        return DriverLock(self.file.with_name(self.file.name + ".driver"))


def location_of(file: StudyFile) -> Location:
    """The place that a study file names.

    Raises:
        StorageError: as :func:`locate`, with the file's name.
    """
    try:
        return locate(file.study.storage.url, file.study.name, file.directory)
    except UserError as error:
        raise error.within(file.path.name) from None


def locate(url: str | None, name: str, directory: Path) -> Location:
    """The place that `storage.url` names.

    Args:
        url: the study file's key, or ``None`` for the default beside the study file.
        name: the study's name, for the default's file.
        directory: where relative files start.

    Raises:
        StorageError: where the address is none of the allowed ones.
    """
    if url is None:
        return _file("sqlite", directory / f"{name}.db")
    url = _fill_in(url)
    if url.startswith("journal:"):
        return _file("journal", directory / url.removeprefix("journal:"))
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return _file("sqlite", directory / url.removeprefix("sqlite:///"))
    if re.match(r"postgresql(\+\w+)?://", url):
        try:
            make_url(url)
        except ArgumentError:
            raise StorageError("the address can't be parsed", where="storage.url", allowed=ALLOWED) from None
        return Location("postgresql", None, re.sub(r"^postgresql://", "postgresql+psycopg://", url))
    scheme, _, rest = url.partition(":")
    raise StorageError(
        # What stands behind a scheme that we don't know may hold a password.
        f"found {scheme + '://…' if '@' in rest else url!r}",
        where="storage.url",
        allowed=ALLOWED,
        remedy=nearest(scheme, ("sqlite", "journal", "postgresql")) if rest else "",
    )


def open_storage(location: Location, *, kept_open: bool = True) -> GuardedStorage:
    """Open the storage, making its file or its tables where they are missing.

    Args:
        location: where it is.
        kept_open: keep connections to a server for the next call; a reader of a few calls keeps none.

    Raises:
        StorageError: where it can't be opened.
        MachineError: where the driver of the database isn't installed.
    """
    if location.kind == "postgresql" and not kept_open:
        return _open_postgresql(location, {"poolclass": NullPool})
    return _OPENERS[location.kind](location)


def is_made(location: Location) -> bool:
    """Whether a driver has made the storage; asked by readers, which make nothing.

    Optuna makes its tables when it opens a database, and two that open an empty one at once get in each
    other's way. The table of Alembic's is the last that it makes.

    Raises:
        StorageError, MachineError: as :func:`open_storage`.
    """
    if location.file is not None and not location.file.exists():
        return False
    if location.kind == "journal":
        return True
    check_driver(location)
    engine = create_engine(location.url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return False
            return connection.execute(text("SELECT 1 FROM alembic_version")).first() is not None
    except (DBAPIError, OSError) as error:
        raise unopened(location, error) from None
    finally:
        engine.dispose()


def check_directory(location: Location) -> None:
    """Refuse a storage file whose directory is not there.

    Raises:
        StorageError: where it isn't.
    """
    if location.file is not None and not location.file.parent.is_dir():
        raise StorageError(
            f"the directory {location.file.parent} is not there",
            where=location.shown,
            remedy="make it, or change storage.url",
        )


def check_place(location: Location) -> None:
    """Refuse a place where no study can be kept, without writing anything there.

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
    if location.file.exists() and not _is_ours(location.kind, location.file):
        kind = "SQLite database" if location.kind == "sqlite" else "journal of Optuna's"
        raise StorageError(
            f"the file is there and is no {kind}",
            where=location.shown,
            allowed=f"a {kind}, an empty file or none",
            remedy="name another file in storage.url",
        )


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


_PINGED: Mapping[str, Any] = {"pool_pre_ping": True}
"""The first statement after a restart of the server would fail on a connection that was kept."""


def _open_sqlite(location: Location) -> GuardedStorage:
    storage = _open_rdb(location, {"connect_args": {"timeout": 30.0}})
    event.listen(storage.engine, "connect", _set_wal)
    storage.engine.dispose()  # the connections that were opened before the listener was there
    return GuardedStorage(get_storage(storage), location.shown, storage.engine)


def _open_postgresql(location: Location, pool: Mapping[str, Any] = _PINGED) -> GuardedStorage:
    check_driver(location)
    storage = _open_rdb(location, dict(pool))
    return GuardedStorage(get_storage(storage), location.shown, storage.engine)


def check_driver(location: Location) -> None:
    """Refuse a database whose package isn't installed.

    Raises:
        MachineError: where it isn't.
    """
    if location.kind == "postgresql" and importlib.util.find_spec("psycopg") is None:
        raise MachineError(
            "PostgreSQL needs the package psycopg, which is not installed",
            where="storage.url",
            remedy="pip install 'honest-search[postgres]'",
        )


def _open_rdb(location: Location, engine: dict[str, Any]) -> PlainRDBStorage:
    try:
        return PlainRDBStorage(location.url, engine_kwargs=engine)
    except (DBAPIError, RuntimeError, OSError) as error:
        raise unopened(location, error) from None


def _open_journal(location: Location) -> GuardedStorage:
    file = location.url.removeprefix("journal:")
    try:
        storage = JournalStorage(JournalFile(file))
    except (OSError, ValueError) as error:
        raise unopened(location, error) from None
    # Only the driver writes, under its lock: a line that a full disk cut short is its own.
    return GuardedStorage(storage, location.shown, after_write_failed=lambda: _cut_torn_line(Path(file)))


_OPENERS: dict[str, Callable[[Location], GuardedStorage]] = {
    "sqlite": _open_sqlite,
    "journal": _open_journal,
    "postgresql": _open_postgresql,
}


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


def _file(kind: str, path: Path) -> Location:
    path = path.absolute()
    return Location(kind, path, f"sqlite:///{path}" if kind == "sqlite" else f"journal:{path}")


def _fill_in(url: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise StorageError(
                f"the environment has no variable {name}", where="storage.url", remedy=f"export {name}=…"
            )
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", value, url)


def unopened(location: Location, error: Exception) -> StorageError:
    """An error of a database's or of the disk's, met while the storage was opened, in our words."""
    # JSON's own errors speak of a column of the file's text, and not of what is wrong with the file.
    reason = (
        "a line is damaged" if isinstance(error, ValueError) else str(getattr(error, "orig", None) or error)
    )
    first = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
    remedy = "check the path and its permissions, or that the server is there"
    if isinstance(error, ValueError) or "malformed" in first or "not a database" in first:
        remedy = "search repair, with the study file, says what can be done"
    return StorageError(f"the storage can't be opened: {first}", where=location.shown, remedy=remedy)


def _set_wal(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
