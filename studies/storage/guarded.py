"""Stands between Optuna and its storage: waits for a server that went away, and names what a disk refused.

Every call of Optuna's goes through :meth:`GuardedStorage.call`, so that there is one place where a lost
connection is ridden out and one where a full disk becomes a :class:`studies.errors.StorageLostError`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from studies.errors import StorageLostError
from studies.sections.addresses import NOTHING_HIDDEN, Hidden
from studies.storage.plain_rdb import Ending, PlainRDBStorage

T = TypeVar("T")

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


class GuardedStorage(BaseStorage):
    """A storage whose errors say where and what to do. Several threads may read through one.

    Args:
        inner: the storage that does the work.
        shown: its address, without a password.
        engine: the database's, where it is one.
        hidden: what must not be seen in its errors.
        after_write_failed: called when a write was refused, to leave nothing torn.
        patience: how long a server is waited for.
    """

    def __init__(
        self,
        inner: BaseStorage,
        shown: str,
        engine: Engine | None = None,
        after_write_failed: Callable[[], object] = lambda: None,
        patience: Patience = Patience(),
        hidden: Hidden = NOTHING_HIDDEN,
    ) -> None:
        self._inner = inner
        self._shown = shown
        self._hidden = hidden
        self._after_write_failed = after_write_failed
        self._at_once = False
        self._before_creating: Callable[[], object] = lambda: None
        self.engine = engine
        self.patience = patience

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        if self.engine is not None:
            self.engine.dispose()

    @contextlib.contextmanager
    def at_once(self, before_creating: Callable[[], object]) -> Iterator[None]:
        """Within it a lost connection is raised as it is: what was begun is to be done anew as a whole.

        ``before_creating`` is called ahead of each new trial, and may raise.
        """
        self._at_once, self._before_creating = True, before_creating
        try:
            yield
        finally:
            self._at_once, self._before_creating = False, lambda: None

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

    def call(self, method: Callable[..., T], *arguments: Any) -> T:
        """What the method returns, as soon as the storage is there.

        Raises:
            StorageLostError: where the storage refuses, or doesn't come back.
        """
        try:
            if self._at_once:
                return method(*arguments)
            return self.patience.until_done(lambda: method(*arguments), self.reason_of)
        except (StorageInternalError, DBAPIError, OSError) as error:
            if self._at_once and is_away(error):
                raise
            translated = self.translated(error)
            if translated is None:
                raise
            raise translated from error

    def _write(self, method: Callable[..., T], *arguments: Any) -> T:
        try:
            return self.call(method, *arguments)
        except StorageLostError:
            with contextlib.suppress(OSError):
                self._after_write_failed()
            raise

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As Optuna's; telling what is told already is no error.

        A server that went down after it had committed is told the same again, and a second driver may have
        told the same trial.
        """
        try:
            return self._write(self._inner.set_trial_state_values, trial_id, state, values)
        except UpdateFinishedTrialError:
            if not state.is_finished():
                raise
            return False

    @property
    def ends_at_once(self) -> bool:
        """Whether :meth:`end_trial` works here."""
        return self._plain is not None

    @property
    def _plain(self) -> PlainRDBStorage | None:
        """The database without Optuna's cache, which doesn't know trials that others have made."""
        backend = getattr(self._inner, "_backend", None)
        return backend if isinstance(backend, PlainRDBStorage) else None

    def _database(self) -> PlainRDBStorage:
        if self._plain is None:
            raise TypeError("only a database writes several things at once")
        return self._plain

    def end_trial(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None, ending: Ending
    ) -> bool:
        """Write a trial's last scores and attributes with its end; false where it is told already. See
        :meth:`studies.storage.plain_rdb.PlainRDBStorage.change_state`.
        """
        try:
            return self._write(self._database().change_state, trial_id, state, values, ending)
        except UpdateFinishedTrialError:
            return False

    def mark_unfinished(self, trial_ids: Collection[int], key: str, value: Any) -> set[int]:
        """See :meth:`studies.storage.plain_rdb.PlainRDBStorage.mark_unfinished`."""
        return self._write(self._database().mark_unfinished, trial_ids, key, value) if trial_ids else set()

    # What follows are Optuna's own methods, one by one, each with its meaning there.

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._write(self._inner.create_new_study, directions, study_name)

    def delete_study(self, study_id: int) -> None:
        self._write(self._inner.delete_study, study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._write(self._inner.set_study_user_attr, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._write(self._inner.set_study_system_attr, study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self.call(self._inner.get_study_id_from_name, study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self.call(self._inner.get_study_name_from_id, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self.call(self._inner.get_study_directions, study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self.call(self._inner.get_study_user_attrs, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.call(self._inner.get_study_system_attrs, study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self.call(self._inner.get_all_studies)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._before_creating()
        return self._write(self._inner.create_new_trial, study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        inner = self._plain or self._inner
        self._write(inner.set_trial_param, trial_id, param_name, param_value_internal, distribution)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self.call(self._inner.get_trial_id_from_study_id_trial_number, study_id, trial_number)

    def get_trial_number_from_id(self, trial_id: int) -> int:
        return self.call(self._inner.get_trial_number_from_id, trial_id)

    def get_trial_param(self, trial_id: int, param_name: str) -> float:
        return self.call(self._inner.get_trial_param, trial_id, param_name)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._write(self._inner.set_trial_intermediate_value, trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._write(self._inner.set_trial_user_attr, trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._write(self._inner.set_trial_system_attr, trial_id, key, value)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self.call(self._inner.get_trial, trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self.call(self._inner.get_all_trials, study_id, deepcopy, states)

    def get_n_trials(self, study_id: int, state: tuple[TrialState, ...] | TrialState | None = None) -> int:
        return self.call(self._inner.get_n_trials, study_id, state)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return self.call(self._inner.get_best_trial, study_id)

    def remove_session(self) -> None:
        self._inner.remove_session()


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
        return "make room on that disk and launch again; what was told is kept"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in text or "read-only" in text:
        return "make it writable and launch again; what was told is kept"
    if found is not None and is_away(found):
        return "bring the server back and launch again; what was told is kept"
    if "malformed" in text or "not a database" in text:
        return "search repair, with the study file"
    return "find out why, and launch again; what was told is kept"
