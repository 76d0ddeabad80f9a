"""Several drivers on one study, on one PostgreSQL server: whose a trial is, and who is still there.

Each driver keeps a record with a counter that beats among the study's user attributes, and its name among
the attributes of each trial that it asks or takes up. A trial without an owner, or whose owner is gone, may
be taken. Whatever must not happen twice (asking, taking up, making the study) happens in a turn: under an
advisory lock of the server's, which a dead driver's connection lets go of.

A driver that was wrongly taken for dead does no harm: its trials then run twice, with the same result, and
the first to tell wins.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import optuna
import psutil
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from studies.errors import StorageError
from studies.guarded_storage import GuardedStorage
from studies.storage import Location, check_driver, unopened

T = TypeVar("T")

BEAT_SECONDS = 1.0
"""Between two beats of a driver, and between two of its looks at the others."""

SILENT_SECONDS = 20.0
"""A driver whose counter stood still for so long is taken for dead."""

TURN_SECONDS = 30
"""How long a turn is waited for at once, and how long a driver may do nothing in one before the server ends
it: one that was stopped in its turn would keep all others waiting."""

OWNER = "driver"
"""The attribute of a trial that names its driver."""

_RECORD = "driver."
"""What the keys of the drivers' records among a study's attributes begin with."""


class Sharing(Protocol):
    """What a study's store asks of the others that may be there."""

    @property
    def is_shared(self) -> bool:
        """Whether there may be others at all."""

    def in_turn(self, work: Callable[[], T]) -> T:
        """Do what two drivers must not do at once. ``work`` may be done again, from its start."""

    def left_behind(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Running trials whose driver is gone, or that this one asked and never heard of. In a turn."""

    def own(self, trial_id: int) -> None:
        """Write this driver's name on a trial. In a turn."""

    def hold(self, number: int) -> None:
        """This driver runs the trial now: from here on it is not left behind."""

    def has_room(self, trials: Sequence[FrozenTrial], limit: int | None) -> bool:
        """Whether fewer than ``limit`` trials were asked by all drivers. In a turn."""

    def news(self) -> list[FrozenTrial] | None:
        """Trials that others have ended since the last time; ``None`` where it is not time to look again."""


class Solo:
    """The sharing of a study in a file: its lock has seen to it that nobody else is there."""

    is_shared = False

    def __init__(self) -> None:
        self._held: set[int] = set()

    def in_turn(self, work: Callable[[], T]) -> T:
        """At once."""
        return work()

    def left_behind(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """All that a dead driver left running."""
        return _running_but(trials, self._held)

    def own(self, trial_id: int) -> None:
        """Nothing to write."""

    def hold(self, number: int) -> None:
        """See :class:`Sharing`."""
        self._held.add(number)

    def has_room(self, trials: Sequence[FrozenTrial], limit: int | None) -> bool:  # noqa: ARG002
        """The loop counts for itself."""
        return True

    def news(self) -> list[FrozenTrial] | None:
        """There is none."""
        return None


@dataclass(frozen=True)
class DriverRecord:
    """What a driver says of itself in storage.

    ``kernel`` and ``started`` tell a process of this machine from another one with its number.
    """

    id: str
    host: str
    pid: int
    since: str
    kernel: str
    started: float
    beat: int = 0

    def describe(self) -> str:
        """For a person."""
        return f"process {self.pid} on {self.host}, since {self.since}"


def this_driver() -> DriverRecord:
    """A record for this process, under a name of its own."""
    return DriverRecord(
        id=uuid.uuid4().hex[:12],
        host=socket.gethostname(),
        pid=os.getpid(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        kernel=_kernel(),
        started=psutil.Process().create_time(),
    )


def is_dead_process(record: DriverRecord) -> bool:
    """Whether the driver's process is known to have ended, which only its own machine can know."""
    if not record.kernel or record.kernel != _kernel():
        return False
    try:
        process = psutil.Process(record.pid)
        return bool(process.status() == psutil.STATUS_ZOMBIE or process.create_time() != record.started)
    except psutil.NoSuchProcess:
        return True


@dataclass
class Watch:
    """Tells silent drivers from beating ones by their counters, looked at again and again.

    The clocks of other machines play no part, and neither does time in which nobody could look, such as
    that of a server's restart: between two looks at most ``most_a_look`` seconds count.
    """

    silent_after: float = SILENT_SECONDS
    most_a_look: float = 3 * BEAT_SECONDS
    _looked: float | None = None
    _beats: dict[str, int] = field(default_factory=dict)
    _quiet: dict[str, float] = field(default_factory=dict)

    def look(self, beats: Mapping[str, int], now: float) -> None:
        """Take note of all counters, at a reading of this process's clock in seconds."""
        passed = 0.0 if self._looked is None else min(now - self._looked, self.most_a_look)
        self._looked = now
        self._quiet = {
            driver: self._quiet.get(driver, 0.0) + passed if self._beats.get(driver) == beat else 0.0
            for driver, beat in beats.items()
        }
        self._beats = dict(beats)

    def is_silent(self, driver: str) -> bool:
        """Whether its counter has stood still for too long."""
        return self._quiet.get(driver, 0.0) >= self.silent_after


class Shared:
    """One driver among those of a study on a server. Entering writes its record, leaving removes it."""

    is_shared = True

    def __init__(
        self, study: optuna.Study, storage: GuardedStorage, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._study = study
        self._storage = storage
        self._clock = clock
        self._watch = Watch()
        self._held: set[int] = set()
        self._heard = {trial.number for trial in _ended(study)}
        self._next_beat = clock()
        self.me = this_driver()

    def __enter__(self) -> Shared:
        self._beat()
        return self

    def __exit__(self, *_: object) -> None:
        # What this driver leaves running has no owner from here on: anybody may take it up.
        with contextlib.suppress(StorageError):
            self._forget(self.me.id)

    def others(self) -> list[DriverRecord]:
        """The other drivers that are there, as far as can be told by now."""
        return self._look()[0]

    def in_turn(self, work: Callable[[], T]) -> T:
        """Under the study's lock; from its start again where the connection, and the lock with it, broke."""
        return in_turn(self._storage, f"study {self._study.study_name}", work)

    def left_behind(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """See :class:`Sharing`."""
        strangers = _running_but(trials, self._held)
        if not strangers:
            return []
        there = {record.id for record in self.others()}
        return [trial for trial in strangers if trial.user_attrs.get(OWNER) not in there]

    def own(self, trial_id: int) -> None:
        """See :class:`Sharing`."""
        self._storage.set_trial_user_attr(trial_id, OWNER, self.me.id)

    def hold(self, number: int) -> None:
        """See :class:`Sharing`."""
        self._held.add(number)

    def has_room(self, trials: Sequence[FrozenTrial], limit: int | None) -> bool:
        """See :class:`Sharing`."""
        return limit is None or sum(trial.state != TrialState.WAITING for trial in trials) < limit

    def news(self) -> list[FrozenTrial] | None:
        """See :class:`Sharing`; this is also where the driver beats."""
        if self._clock() < self._next_beat:
            return None
        self._beat()
        told = [trial for trial in _ended(self._study) if trial.number not in self._heard | self._held]
        self._heard |= {trial.number for trial in told}
        return told

    def _beat(self) -> None:
        self.me = replace(self.me, beat=self.me.beat + 1)
        self._study.set_user_attr(_RECORD + self.me.id, asdict(self.me))
        for record in self._look()[1]:
            self._forget(record.id)
        self._next_beat = self._clock() + BEAT_SECONDS

    def _look(self) -> tuple[list[DriverRecord], list[DriverRecord]]:
        """The other drivers' records: of those that are there, and of those that are gone."""
        records = [record for record in driver_records(self._study) if record.id != self.me.id]
        self._watch.look({record.id: record.beat for record in records}, self._clock())
        gone = [record for record in records if self._watch.is_silent(record.id) or is_dead_process(record)]
        return [record for record in records if record not in gone], gone

    def _forget(self, driver: str) -> None:
        self._storage.call(_delete_record, self._storage, self._study._study_id, driver)


def _delete_record(storage: GuardedStorage, study_id: int, driver: str) -> None:
    """Remove a driver's record, which Optuna's own interface has no word for."""
    statement = text("DELETE FROM study_user_attributes WHERE study_id = :study AND key = :key")
    with _engine(storage).begin() as connection:
        connection.execute(statement, {"study": study_id, "key": _RECORD + driver})


def wait_until_alone(study: optuna.Study, storage: GuardedStorage, shown: str) -> None:
    """Return when no other driver is on the study; a dead one of another machine takes a while to tell.

    Raises:
        StorageError: where another driver beats, with its host and process.
    """
    sharing = Shared(study, storage)
    first = {record.id: record.beat for record in sharing.others()}
    while others := sharing.others():
        for record in others:
            if first.get(record.id) != record.beat:
                raise StorageError(
                    f"another driver is running this study: {record.describe()}",
                    where=shown,
                    remedy="wait for it or stop it; without --fresh both may run it together",
                )
        storage.patience.sleep(BEAT_SECONDS)


def driver_records(study: optuna.Study) -> list[DriverRecord]:
    """The records of all drivers of a study on a server, dead ones among them."""
    found = study.user_attrs.items()
    return [DriverRecord(**value) for key, value in found if key.startswith(_RECORD)]


def in_turn(storage: GuardedStorage, name: str, work: Callable[[], T]) -> T:
    """Do ``work`` while nobody else does what has this name on the storage's server.

    Raises:
        StorageLostError: where the server doesn't come back, or somebody keeps the turn.
    """
    try:
        return storage.patience.until_done(lambda: _one_turn(storage, name, work))
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
    except DBAPIError as error:
        engine.dispose()
        raise unopened(location, error) from None
    try:
        yield
    finally:
        with contextlib.suppress(DBAPIError):  # a server that was restarted meanwhile has ended the turn
            connection.close()
        engine.dispose()


def _one_turn(storage: GuardedStorage, name: str, work: Callable[[], T]) -> T:
    with _engine(storage).connect() as connection:
        _take_turn(connection, name)

        def is_still_ours() -> None:
            """Fails where the lock was lost with its connection; what was begun is then done anew."""
            connection.execute(text("SELECT 1"))

        try:
            with storage.at_once(before_creating=is_still_ours):
                result = work()
        except UpdateFinishedTrialError:
            is_still_ours()  # or another driver has taken up what was begun here, and finished it
            raise
        is_still_ours()
        with contextlib.suppress(DBAPIError):
            connection.commit()
        return result


def _take_turn(connection: Connection, name: str) -> None:
    """Wait for the lock, which ends with the transaction."""
    milliseconds = 1000 * TURN_SECONDS
    connection.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))
    connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(name)})


def lock_key(name: str) -> int:
    """A number of 64 bits, signed, as PostgreSQL wants it, that nobody else's lock is likely to have."""
    return int.from_bytes(hashlib.sha256(f"honest-search {name}".encode()).digest()[:8], signed=True)


def _engine(storage: GuardedStorage) -> Engine:
    if storage.engine is None:
        raise TypeError("only a database can be shared")
    return storage.engine


def _running_but(trials: Sequence[FrozenTrial], held: set[int]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.RUNNING and trial.number not in held]


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _kernel() -> str:
    """A name for this machine's processes, since its last start; empty where the system gives none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
