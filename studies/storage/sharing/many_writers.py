"""A study on a server as one of its drivers sees it: what it wrote itself needn't be read back.

Optuna's cache reads every unfinished trial anew, each time that it is asked for trials: with a thousand of
them on a cluster that alone takes longer than they run. Whose a trial is stands in it, though, and a driver
writes its own trials alone, until it is taken for dead and others take them over. So a driver's own trials
are kept in memory as those of a sole writer are, and those of others are read when there are new ones, or
when they have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Sequence
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb.models import TrialModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, select

from studies.records.schema import CONFIGURATION, OWNER
from studies.storage.bulk_reading import read_trials
from studies.storage.guarded import GuardedStorage
from studies.storage.sharing.turns import engine_of
from studies.storage.sole_writer import DRAFT, SoleWriterStorage, set_member


class ManyWritersStorage(SoleWriterStorage):
    """A storage over a database in which others write trials of the same study.

    What they have written is seen after :meth:`refresh`.

    Args:
        database: where everything is kept.
        study_id: the study's, in the database.
        writer: the name that this process writes on its trials.
    """

    def __init__(self, database: GuardedStorage, study_id: int, writer: str) -> None:
        self._database = database
        self._writer = writer
        self._strangers: set[int] = set()
        super().__init__(database, study_id)
        self._newest = max(self._trials, default=0)

    def refresh(self, connection: Connection | None = None, *, scores: bool = False) -> None:
        """Read the trials of others that are new, or not any more in the state that they were in.

        Whose the others are that run, and how far they have come, may have changed since they were read:
        :meth:`take` looks again.

        Args:
            connection: to the database, where there is one that can be read by.
            scores: read those that run too, for what they have come to on the way.
        """
        self._trials.pop(DRAFT, None)  # of an ask that was broken off
        new = self._states(connection, TrialModel.trial_id > self._newest)
        strangers = TrialModel.trial_id.in_(self._strangers)
        known = self._states(connection, strangers) if self._strangers else {}
        changed = [trial for trial in new if trial not in self._trials]
        changed += [trial for trial, state in known.items() if scores or self._is_old(trial, state)]
        self._read(changed)
        self._newest = max(new, default=self._newest)

    def _is_old(self, trial_id: int, state: TrialState) -> bool:
        known = self._trials[trial_id]
        return state != known.state or CONFIGURATION not in known.user_attrs

    def take(self, trial_ids: Sequence[int], unless_of: Container[str]) -> list[FrozenTrial]:
        """Write this driver's name on those trials that run and are of nobody who is there. In a turn.

        Args:
            trial_ids: the trials, as far as is known; they are read once more.
            unless_of: the drivers that are there.

        Returns:
            Those that are this driver's now, as they are in the database.
        """
        self._read(trial_ids)
        free = [
            trial_id
            for trial_id in trial_ids
            if self._trials[trial_id].state == TrialState.RUNNING
            and self._trials[trial_id].user_attrs.get(OWNER) not in unless_of
        ]
        taken = self._database.mark_unfinished(free, OWNER, self._writer)
        self._read(free)
        return [self._trials[trial_id] for trial_id in free if trial_id in taken]

    def store(self, trial_id: int) -> int:
        """As a sole writer's; the number is the database's, where somebody may have made one meanwhile."""
        stored = super().store(trial_id)
        try:
            if self._id_of(self._trials[stored].number) != stored:
                self._read([stored])
        except Exception:
            # It is read as a new one, with its own number.
            del self._trials[stored]
            self._unfinished.discard(stored)
            raise
        return stored

    def _id_of(self, number: int) -> int | None:
        try:
            return self._database.get_trial_id_from_study_id_trial_number(self._study_id, number)
        except KeyError:
            return None

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Keep a score on the way."""
        self._unless_ended(trial_id, super().set_trial_intermediate_value, trial_id, step, intermediate_value)

    def _write(self, method: Callable[..., None], trial_id: int, *values: Any) -> None:
        self._unless_ended(trial_id, super()._write, method, trial_id, *values)

    def _unless_ended(self, trial_id: int, write: Callable[..., None], *arguments: Any) -> None:
        """Write; where somebody else has ended the trial, see what it has come to."""
        try:
            write(*arguments)
        except UpdateFinishedTrialError:
            self._read_back(trial_id)
            raise

    def _read_back(self, trial_id: int) -> None:
        self._read([trial_id])

    def _states(self, connection: Connection | None, which: ColumnElement[bool]) -> dict[int, TrialState]:
        if connection is None:
            return self._database.call(self._states_by_themselves, which)
        query = select(TrialModel.trial_id, TrialModel.state)
        rows = connection.execute(query.where(TrialModel.study_id == self._study_id, which))
        return {row.trial_id: row.state for row in rows}

    def _states_by_themselves(self, which: ColumnElement[bool]) -> dict[int, TrialState]:
        with engine_of(self._database).connect() as connection:
            return self._states(connection, which)

    def _read(self, trial_ids: Collection[int]) -> None:
        if not trial_ids:
            return
        last = next(reversed(self._trials), 0)
        new = [trial_id for trial_id in trial_ids if trial_id not in self._trials]
        for trial in read_trials(self._database, trial_ids):
            self._see(trial)
        if min(new, default=last) < last:
            # Somebody who takes no turns, as a person with Optuna's own tools, was between two of ours.
            self._trials = dict(sorted(self._trials.items()))

    def _see(self, trial: FrozenTrial) -> None:
        super()._see(trial)
        own = trial.user_attrs.get(OWNER) == self._writer
        set_member(self._strangers, trial._trial_id, not own and not trial.state.is_finished())
