"""A study on a server as one of its drivers sees it: what it wrote itself needn't be read back.

Optuna's cache reads every unfinished trial anew, each time that it is asked for trials: with a thousand of
them on a cluster that alone takes longer than they run. Whose a trial is stands in it, though, and nobody
writes a trial of somebody else's. So a driver's own trials are kept in memory as those of a sole writer are,
and those of others are read when there are new ones, or when they have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb.models import TrialModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, select

from studies.bulk_reading import read_trials
from studies.guarded_storage import GuardedStorage
from studies.sole_writer import DRAFT, SoleWriterStorage, set_member

OWNER = "driver"
"""The attribute of a trial that names its driver."""


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

        Args:
            connection: to the database, where there is one that can be read by.
            scores: read those that run too, for what they have come to on the way.
        """
        new = self._states(connection, TrialModel.trial_id > self._newest)
        strangers = TrialModel.trial_id.in_(self._strangers)
        known = self._states(connection, strangers) if self._strangers else {}
        self._newest = max(new, default=self._newest)
        changed = [trial for trial in new if trial not in self._trials]
        changed += [trial for trial, state in known.items() if scores or state != self._trials[trial].state]
        self._read(changed)

    def store(self, trial_id: int) -> int:
        """As a sole writer's; the number is the database's, where somebody may have made one meanwhile."""
        stored = super().store(trial_id)
        number = self._trials[stored].number
        try:
            guessed = self._database.get_trial_id_from_study_id_trial_number(self._study_id, number)
        except KeyError:
            guessed = DRAFT
        if guessed != stored:
            self._read([stored])
        return stored

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute. Who takes a trial for its own sees all that others have written of it."""
        super().set_trial_user_attr(trial_id, key, value)
        if key == OWNER and trial_id in self._strangers:
            self._read([trial_id])

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
        if self._database.engine is None:
            raise TypeError("only a database has several writers")
        with self._database.engine.connect() as connection:
            return self._states(connection, which)

    def _read(self, trial_ids: Collection[int]) -> None:
        if not trial_ids:
            return
        before = next(reversed(self._trials), 0)
        for trial in read_trials(self._database, trial_ids):
            self._see(trial)
        if min(trial_ids) < before:
            # Somebody who takes no turns, as a person with Optuna's own tools, was between two of ours.
            self._trials = dict(sorted(self._trials.items()))

    def _see(self, trial: FrozenTrial) -> None:
        super()._see(trial)
        own = trial.user_attrs.get(OWNER) == self._writer
        set_member(self._strangers, trial._trial_id, not own and not trial.state.is_finished())
