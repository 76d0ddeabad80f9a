"""Waits for a server that went away, and names what a disk refused.

All that a driver does with its storage goes through one :class:`Guard`, so that there is one place where a
lost connection is ridden out and one where a full disk becomes a :class:`studies.errors.StorageLostError`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from studies.errors import StorageLostError
from studies.sections.addresses import NOTHING_HIDDEN, Hidden
from studies.storage.writers.writer import Change, SharedWriter, Writer

T = TypeVar("T")
W = TypeVar("W", bound=Writer)

_LOG = logging.getLogger("search.storage")

PATIENCE_SECONDS = 60.0
"""How long a server that went away is waited for; a restart takes a few."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two tries; each pause is twice the one before."""

_AWAY = ("08", "57P", "40", "25P03", "53300", "55P03")
"""SQLSTATEs, or their beginnings, after which the same transaction may succeed: the connection broke, the
server was shut down or is starting, two transactions were in each other's way, one stood still for too long,
no connection or no lock was free (PostgreSQL's documentation, appendix A)."""

_OURS = (ProgrammingError, DataError, IntegrityError, NotSupportedError)
"""What a database answers to a wrong statement: a bug here, and no state of the machine's."""


def _kind_of(error: BaseException) -> str:
    return type(error).__name__


@dataclass(frozen=True)
class Patience:
    """Does something again while the server is away, for a while."""

    seconds: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until_done(self, work: Callable[[], T], reason: Callable[[BaseException], str] = _kind_of) -> T:
        """What ``work`` returns; any error but a lost connection is raised at once.

        Args:
            work: is done again until it succeeds.
            reason: an error in words that may be logged.
        """
        since: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                done = work()
            except Exception as error:
                now = self.clock()
                if not is_away(error):
                    raise
                if since is None:
                    since = now
                    _LOG.warning("the storage is away, waiting %g s at most: %s", self.seconds, reason(error))
                if now - since >= self.seconds:
                    _LOG.error("the storage did not come back in %.1f s", now - since)
                    raise
            else:
                if since is not None:
                    _LOG.warning("the storage is back after %.1f s", self.clock() - since)
                return done
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the server can't be reached, or dropped the transaction."""
    found = _database_error(error)
    if found is None or isinstance(found, _OURS):
        return False
    module = type(found.orig).__module__
    if not module.startswith("psycopg"):
        return False
    state = getattr(found.orig, "sqlstate", None)
    # Without a state the message did not come from the server: it was not there, or hung up.
    return found.connection_invalidated or state is None or state.startswith(_AWAY)


class Guard:
    """Does what is done with one storage, with patience, and says in its errors where and what to do.

    Args:
        shown: the storage's address, without a password.
        hidden: what must not be seen in errors.
        after_write_failed: called when a write was refused, to leave nothing torn.
        patience: how long a server is waited for.
    """

    def __init__(
        self,
        shown: str,
        hidden: Hidden = NOTHING_HIDDEN,
        after_write_failed: Callable[[], object] = lambda: None,
        patience: Patience = Patience(),
    ) -> None:
        self._shown = shown
        self._hidden = hidden
        self._after_write_failed = after_write_failed
        self._within = False
        self.patience = patience

    def call(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, as soon as the storage is there.

        Within it, other calls raise what they meet as it is: what was begun is done again as a whole.

        Raises:
            StorageLostError: where the storage refuses, or doesn't come back.
        """
        if self._within:
            return work()
        self._within = True
        try:
            return self.patience.until_done(work, self.reason_of)
        except (StorageInternalError, DBAPIError, OSError) as error:
            translated = self.translated(error)
            if translated is None:
                raise
            raise translated from error
        finally:
            self._within = False

    def write(self, work: Callable[[], T]) -> T:
        """The same, of work that writes."""
        try:
            return self.call(work)
        except StorageLostError:
            with contextlib.suppress(OSError):
                self._after_write_failed()
            raise

    def translated(self, error: BaseException) -> StorageLostError | None:
        """The error in this project's words, or ``None`` where it is no fault of the storage's."""
        found = _database_error(error)
        if isinstance(found, _OURS) or (found is None and not isinstance(error, OSError)):
            return None
        return StorageLostError(
            f"the storage failed: {self.reason_of(error)}",
            where=self._shown,
            remedy=_remedy(error, found),
        )

    def reason_of(self, error: BaseException) -> str:
        """The first line of what an error says, without what must not be seen."""
        found = _database_error(error)
        said = found.orig if found is not None else getattr(error, "strerror", None) or error
        reason = str(said).strip().splitlines()
        return self._hidden.out_of(reason[0]) if reason else type(error).__name__


class PatientWriter(Generic[W]):
    """The verbs of another writer, each under a guard. See :class:`studies.storage.writers.writer.Writer`."""

    def __init__(self, writer: W, guard: Guard) -> None:
        self._writer = writer
        self._guard = guard
        self.study_id = writer.study_id

    def create(self, trial: FrozenTrial) -> tuple[int, int]:
        """See :class:`Writer`."""
        return self._guard.write(lambda: self._writer.create(trial))

    def change(self, trial_id: int, change: Change) -> bool:
        """See :class:`Writer`; an end that is stored already is no error, and false.

        A server that went down after it had committed gets the same again, and a second driver may have
        ended the same trial.
        """
        try:
            return self._guard.write(lambda: self._writer.change(trial_id, change))
        except UpdateFinishedTrialError:
            if not change.ends:
                raise
            return False

    def read(self, trial_ids: Collection[int] | None = None) -> list[FrozenTrial]:
        """See :class:`Writer`."""
        return self._guard.call(lambda: self._writer.read(trial_ids))

    def attributes(self, prefix: str = "") -> Mapping[str, Any]:
        """See :class:`Writer`."""
        return self._guard.call(lambda: self._writer.attributes(prefix))

    def set_attribute(self, key: str, value: Any) -> None:
        """See :class:`Writer`."""
        self._guard.write(lambda: self._writer.set_attribute(key, value))

    def notes(self) -> Mapping[str, Any]:
        """See :class:`Writer`."""
        return self._guard.call(self._writer.notes)

    def set_note(self, key: str, value: Any) -> None:
        """See :class:`Writer`."""
        self._guard.write(lambda: self._writer.set_note(key, value))


class PatientSharedWriter(PatientWriter[SharedWriter]):
    """The same of a server's. See :class:`studies.storage.writers.writer.SharedWriter`."""

    def states(self, newer_than: int, among: Collection[int]) -> Mapping[int, TrialState]:
        """See :class:`SharedWriter`."""
        return self._guard.call(lambda: self._writer.states(newer_than, among))

    def take(self, trial_ids: Collection[int], key: str, value: Any) -> set[int]:
        """See :class:`SharedWriter`."""
        return self._guard.write(lambda: self._writer.take(trial_ids, key, value)) if trial_ids else set()

    def remove_attributes(self, keys: Collection[str]) -> None:
        """See :class:`SharedWriter`."""
        self._guard.write(lambda: self._writer.remove_attributes(keys))

    def bound_to(self, connection: Connection) -> AbstractContextManager[None]:
        """See :class:`SharedWriter`."""
        return self._writer.bound_to(connection)


def _database_error(error: BaseException) -> DBAPIError | None:
    """The database's error that an error of Optuna's came from, if it came from one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DBAPIError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _remedy(error: BaseException, found: DBAPIError | None) -> str:
    text = str(found.orig if found is not None else error).lower()
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "full" in text or "no space" in text:
        return "make room on that disk and launch again; finished trials are saved"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in text or "read-only" in text:
        return "make it writable and launch again; finished trials are saved"
    if found is not None and is_away(found):
        return "bring the server back and launch again; finished trials are saved"
    if "malformed" in text or "not a database" in text:
        return "search repair, with the study file"
    return "fix the cause and launch again; finished trials are saved"
