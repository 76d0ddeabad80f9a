"""What two drivers must not do at once on one server, they do in turns: under an advisory lock of its.

The lock ends with its transaction, and so with its driver, however that dies.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from studies.storage.locations import Location
from studies.storage.storage import OpenedStorage, check_driver, unopened

T = TypeVar("T")

TURN_SECONDS = 30
"""How long a turn is waited for at once, and how long a driver may do nothing in one before the server ends
it: one that was stopped in its turn would keep all others waiting."""


def in_turn(storage: OpenedStorage, name: str, work: Callable[[Connection], T]) -> T:
    """Do ``work`` while nobody else does what has this name on the storage's server.

    Args:
        storage: the server's.
        name: of what is done.
        work: is given the connection that has the turn. What it writes by that is stored with the turn's end,
            or not at all; it may be done again, from its start.

    Raises:
        StorageLostError: where the server doesn't come back, or somebody keeps the turn.
    """

    def one_turn() -> T:
        with storage.database.connect() as connection:
            _take_turn(connection, name)
            result = work(connection)
            connection.commit()  # which fails where the lock was lost
        return result

    return storage.guard.write(one_turn)


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
