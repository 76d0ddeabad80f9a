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
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Protocol, TypeVar

from optuna.trial import FrozenTrial
from sqlalchemy import Connection

from studies.errors import StorageError
from studies.optuna_internals import trial_id_of
from studies.records.schema import DRIVER, OWNER, STATUS
from studies.storage.memory import StudyMemory
from studies.storage.sharing.drivers import (
    BEAT_SECONDS,
    DriverRecord,
    Watch,
    driver_records,
    is_dead_process,
)
from studies.storage.sharing.shared_memory import SharedStudyMemory
from studies.storage.sharing.turns import in_turn
from studies.storage.storage import OpenedStorage
from studies.storage.writers.writer import SharedWriter, Writer

T = TypeVar("T")


class Sharing(Protocol):
    """What a study's store asks of the others that may be there."""

    @property
    def is_shared(self) -> bool:
        """Whether there may be others at all."""

    def in_turn(self, work: Callable[[], T]) -> T:
        """Do what two drivers must not do at once. ``work`` may be done again, from its start."""

    def take_over(self, most: int | None = None) -> list[FrozenTrial]:
        """Make running trials this driver's whose driver is gone, or that this one asked and never heard of;
        ``most`` at most. In a turn.
        """

    def own(self, trial_id: int) -> None:
        """Write this driver's name on a trial that it makes. In a turn."""

    def hold(self, trial_id: int) -> None:
        """This driver runs the trial now: from here on it is not left behind."""

    def others_run(self) -> bool:
        """Whether trials run that this driver doesn't hold."""

    def has_room(self, begun: int, limit: int | None) -> bool:
        """Whether the trials that all drivers have begun are fewer than ``limit``. In a turn."""

    def news(self) -> list[FrozenTrial] | None:
        """Trials that others have ended since the last time; ``None`` where it is not time to look again."""

    @property
    def status_key(self) -> str:
        """The attribute of the study that this driver says in what it does."""

    def is_alone(self) -> bool:
        """Whether no other driver is there."""

    def leave(self) -> bool:
        """This driver has come to its end; whether it was the last."""


class _Others:
    """The drivers of a study but one."""

    def __init__(self, writer: Writer, me: str = "") -> None:
        self._writer = writer
        self._me = me
        self._watch = Watch()

    def look(self, now: float) -> tuple[list[DriverRecord], list[DriverRecord]]:
        """Their records: of those that are there, as far as can be told, and of those that are gone."""
        records = [
            record for record in driver_records(self._writer.attributes(DRIVER)) if record.id != self._me
        ]
        self._watch.look({record.id: record.beat for record in records}, now)
        gone = [record for record in records if self._watch.is_silent(record.id) or is_dead_process(record)]
        return [record for record in records if record not in gone], gone


class Solo:
    """The sharing of a study in a file: its lock has seen to it that nobody else is there."""

    is_shared = False

    def __init__(self, memory: StudyMemory) -> None:
        self._memory = memory
        self._held: set[int] = set()

    def in_turn(self, work: Callable[[], T]) -> T:
        """At once."""
        return work()

    def take_over(self, most: int | None = None) -> list[FrozenTrial]:
        """Of all that a dead driver left running."""
        return self._memory.running_but(self._held)[:most]

    def own(self, trial_id: int) -> None:
        """Nothing to write."""

    def hold(self, trial_id: int) -> None:
        """See :class:`Sharing`."""
        self._held.add(trial_id)

    def others_run(self) -> bool:
        """There is nobody else."""
        return False

    def has_room(self, begun: int, limit: int | None) -> bool:  # noqa: ARG002
        """The loop counts for itself."""
        return True

    def news(self) -> list[FrozenTrial] | None:
        """There is none."""
        return None

    @property
    def status_key(self) -> str:
        """See :class:`Sharing`."""
        return STATUS

    def is_alone(self) -> bool:
        """Always."""
        return True

    def leave(self) -> bool:
        """It was the only one."""
        return True


class Shared:
    """One driver among those of a study on a server. Entering writes its record, leaving removes it.

    Args:
        name: the study's.
        storage: the server's.
        writer: of the study.
        memory: the study as this driver sees it.
        me: this driver.
    """

    is_shared = True

    def __init__(
        self,
        name: str,
        storage: OpenedStorage,
        writer: SharedWriter,
        memory: SharedStudyMemory,
        me: DriverRecord,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._storage = storage
        self._writer = writer
        self._memory = memory
        self._clock = clock
        self._others = _Others(writer, me.id)
        self._held: set[int] = set()
        self._heard = {trial_id_of(trial) for trial in self._ended()}
        self._next_beat = clock()
        self.me = me

    def __enter__(self) -> Shared:
        self._beat()
        return self

    def __exit__(self, *_: object) -> None:
        # What this driver leaves running has no owner from here on: anybody may take it up.
        with contextlib.suppress(StorageError):
            self._forget(self.me.id)

    def others(self) -> list[DriverRecord]:
        """The other drivers that are there, as far as can be told by now."""
        return self._others.look(self._clock())[0]

    def in_turn(self, work: Callable[[], T]) -> T:
        """Under the study's lock, in one transaction; from its start again where that, and the lock with it,
        was lost.
        """

        def with_all_there_is(connection: Connection) -> T:
            with self._writer.bound_to(connection):
                self._memory.begin_turn()
                return work()

        done = in_turn(self._storage, f"study {self._name}", with_all_there_is)
        self._memory.end_turn()
        return done

    def take_over(self, most: int | None = None) -> list[FrozenTrial]:
        """See :class:`Sharing`."""
        strangers = self._memory.running_but(self._held)
        there = {record.id for record in self.others()} if strangers else set()
        left = [trial_id_of(one) for one in strangers if one.user_attrs.get(OWNER) not in there]
        taken: list[FrozenTrial] = []
        # Others may have taken some since they were read.
        while left and (most is None or len(taken) < most):
            size = len(left) if most is None else most - len(taken)
            taken += self._memory.take(left[:size], unless_of=there)
            left = left[size:]
        return taken

    def own(self, trial_id: int) -> None:
        """See :class:`Sharing`."""
        self._memory.set_trial_user_attr(trial_id, OWNER, self.me.id)

    def hold(self, trial_id: int) -> None:
        """See :class:`Sharing`."""
        self._held.add(trial_id)

    def others_run(self) -> bool:
        """See :class:`Sharing`."""
        return bool(self._memory.running_but(self._held))

    def has_room(self, begun: int, limit: int | None) -> bool:
        """See :class:`Sharing`."""
        return limit is None or begun < limit

    def news(self) -> list[FrozenTrial] | None:
        """See :class:`Sharing`; this is also where the driver beats."""
        if self._clock() < self._next_beat:
            return None
        self._beat()
        self._memory.refresh(scores=True)
        known = self._heard | self._held
        news = [trial for trial in self._ended() if trial_id_of(trial) not in known]
        self._heard |= {trial_id_of(trial) for trial in news}
        return news

    def _ended(self) -> list[FrozenTrial]:
        trials = self._memory.get_all_trials(self._writer.study_id, deepcopy=False)
        return [trial for trial in trials if trial.state.is_finished()]

    @property
    def status_key(self) -> str:
        """See :class:`Sharing`."""
        return f"{STATUS}.{self.me.id}"

    def is_alone(self) -> bool:
        """See :class:`Sharing`."""
        return not self.others()

    def leave(self) -> bool:
        """See :class:`Sharing`; in a turn, so that of several that leave together one is the last."""

        def last() -> bool:
            self._forget(self.me.id)
            return not self.others()

        return self.in_turn(last)

    def _beat(self) -> None:
        self.me = replace(self.me, beat=self.me.beat + 1)
        self._writer.set_attribute(DRIVER + self.me.id, asdict(self.me))
        for record in self._others.look(self._clock())[1]:
            self._forget(record.id)
        self._next_beat = self._clock() + BEAT_SECONDS

    def _forget(self, driver: str) -> None:
        self._writer.remove_attributes([DRIVER + driver, f"{STATUS}.{driver}"])


def wait_until_alone(writer: Writer, shown: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return when no other driver is on the study; a dead one of another machine takes a while to tell.

    Raises:
        StorageError: where another driver beats, with its host and process.
    """
    others = _Others(writer)
    first = {record.id: record.beat for record in others.look(time.monotonic())[0]}
    while there := others.look(time.monotonic())[0]:
        for record in there:
            if first.get(record.id) != record.beat:
                raise StorageError(
                    f"another driver is running this study: {record.describe()}",
                    where=shown,
                    remedy="wait for it or stop it; without --fresh both may run it together",
                )
        sleep(BEAT_SECONDS)
