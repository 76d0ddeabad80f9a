"""What two drivers must not do at once on one server, they do in turns: under an advisory lock of its.

The lock ends with its transaction, and so with its driver, however that dies.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from studies.storage.guarded import GuardedStorage
from studies.storage.locations import Location
from studies.storage.storage import check_driver, unopened

T = TypeVar("T")

TURN_SECONDS = 30
"""How long a turn is waited for at once, and how long a driver may do nothing in one before the server ends
it: one that was stopped in its turn would keep all others waiting."""


def in_turn(storage: GuardedStorage, name: str, work: Callable[[Connection], T]) -> T:
    """Do ``work`` while nobody else does what has this name on the storage's server.

    Args:
        storage: the server's.
        name: of what is done.
        work: is given the connection that has the turn, to read by.

    Raises:
        StorageLostError: where the server doesn't come back, or somebody keeps the turn.
    """
    try:
        return storage.patience.until_done(lambda: _one_turn(storage, name, work), storage.reason_of)
    except (DBAPIError, StorageInternalError) as error:
        raise storage.translated(error) or error from error


@contextlib.contextmanager
def opening(location: Location) -> Iterator[None]:
    """While a study on a server is opened, or made: two that do it at once get in each other's way.

    Raises:
        StorageError, MachineError: where the server can't be reached, or the package for it is missing.
    """
    if location.file is not None:
        yield
        return
    check_driver(location)
    engine = create_engine(location.url)
    try:
        connection = engine.connect()
        _take_turn(connection, "opening")
    except (DBAPIError, UnicodeError) as error:
        engine.dispose()
        raise unopened(location, error) from None
    try:
        yield
    finally:
        with contextlib.suppress(DBAPIError):  # a server that was restarted meanwhile has ended the turn
            connection.close()
        engine.dispose()


def _one_turn(storage: GuardedStorage, name: str, work: Callable[[Connection], T]) -> T:
    with engine_of(storage).connect() as connection:
        _take_turn(connection, name)

        def is_still_ours() -> None:
            """Fails where the lock was lost with its connection; what was begun is then done anew."""
            connection.execute(text("SELECT 1"))

        try:
            with storage.at_once(before_creating=is_still_ours):
                result = work(connection)
        except UpdateFinishedTrialError:
            is_still_ours()  # or another driver has taken up what was begun here, and finished it
            raise
        connection.commit()  # which fails, too, where the lock was lost
        return result


def _take_turn(connection: Connection, name: str) -> None:
    """Wait for the lock, which ends with the transaction."""
    milliseconds = 1000 * TURN_SECONDS
    # Sent at once, because a turn is taken for every trial.
    connection.exec_driver_sql(
        f"SET LOCAL lock_timeout = {milliseconds};"
        f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds};"
        f"SELECT pg_advisory_xact_lock({lock_key(name)})"
    )


def lock_key(name: str) -> int:
    """A number of 64 bits, signed, as PostgreSQL wants it, that nobody else's lock is likely to have."""
    return int.from_bytes(hashlib.sha256(f"honest-search {name}".encode()).digest()[:8], signed=True)


def engine_of(storage: GuardedStorage) -> Engine:
    """The engine of a storage that is known to be a server's."""
    if storage.engine is None:
        raise TypeError("only a database can be shared")
    return storage.engine
