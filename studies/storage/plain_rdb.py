"""Optuna's database storage, with plain statements for what a search writes of its trials.

Optuna makes an object of every row that it writes and looks for that row first, by statements that it builds
anew: more than a trial's scores and attributes are worth. Here each write is one insert, in Optuna's own
schema, and the rows of a new trial are one transaction. What is stored, and what is refused, is the same.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import (
    StudyModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

_INSERT: Mapping[str, Callable[[Any], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""Inserts that may say what is to be done where the row is there, by the engine's name."""


# Made once, because making a statement costs more than sending it.
_STUDIES, _TRIALS = StudyModel.__table__, TrialModel.__table__
_STUDY = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == bindparam("study")).with_for_update()
_NEXT_NUMBER = select(func.count()).where(_TRIALS.c.study_id == bindparam("study"))
_NEW_TRIAL = insert(_TRIALS)
_STATE = select(_TRIALS.c.state).where(_TRIALS.c.trial_id == bindparam("trial")).with_for_update()
_CHANGE = update(_TRIALS).where(_TRIALS.c.trial_id == bindparam("trial"))


@cache
def _put_statement(table: Any, engine: str, columns: tuple[str, ...], key: str) -> Any:
    """Writes a row of a trial's in the place of one that has the same key."""
    statement = _INSERT[engine](table)
    others = {name: statement.excluded[name] for name in columns if name != key}
    return statement.on_conflict_do_update(index_elements=[table.c.trial_id, table.c[key]], set_=others)


@dataclass(frozen=True)
class Ending:
    """What is written of a trial with its end: scores on the way by step, and user attributes."""

    scores: dict[int, float] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


class PlainRDBStorage(RDBStorage):
    """``RDBStorage`` for SQLite and PostgreSQL whose trials are written by plain statements."""

    @staticmethod
    def _fill_storage_url_template(template: str) -> str:
        """The address as it is: Optuna takes braces in it for a template's."""
        return template

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        """As Optuna's, but that the distributions of ``template_trial`` are not compared with those of the
        study's other trials.
        """
        with self.engine.begin() as connection:
            # Two that number their trials at once wait for each other; SQLite has one writer at a time.
            if connection.execute(_STUDY, {"study": study_id}).first() is None:
                raise KeyError(f"there is no study {study_id}")
            made = copy.deepcopy(template_trial) or create_trial(state=TrialState.RUNNING)
            made.number = connection.execute(_NEXT_NUMBER, {"study": study_id}).scalar_one()
            row = {
                "study_id": study_id,
                "number": made.number,
                "state": made.state,
                "datetime_start": _utc(made.datetime_start),
                "datetime_complete": _utc(made.datetime_complete),
            }
            made._trial_id = connection.execute(_NEW_TRIAL, row).inserted_primary_key[0]  # type: ignore[index]
            self._insert_all(connection, made)
        return made

    def _insert_all(self, connection: Connection, trial: FrozenTrial) -> None:
        """All that a new trial has."""
        tables: list[tuple[Any, list[dict[str, Any]]]] = [
            (TrialValueModel, [_value(at, value) for at, value in enumerate(trial.values or ())]),
            (TrialParamModel, [_param(trial, name) for name in trial.params]),
            (TrialUserAttributeModel, [_attribute(*each) for each in trial.user_attrs.items()]),
            (TrialSystemAttributeModel, [_attribute(*each) for each in trial._system_attrs.items()]),
            (TrialIntermediateValueModel, [_score(*each) for each in trial.intermediate_values.items()]),
        ]
        for model, rows in tables:
            if rows:
                key = {"trial_id": trial._trial_id}
                connection.execute(insert(model.__table__), [{**key, **row} for row in rows])

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As Optuna's."""
        return self.change_state(trial_id, state, values, Ending())

    def change_state(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None, ending: Ending
    ) -> bool:
        """Set a trial's state and values, and before that what ``ending`` holds, all in one transaction."""
        try:
            with self.engine.begin() as connection:
                before = self._check_unfinished(connection, trial_id)
                for score in ending.scores.items():
                    self._put(connection, TrialIntermediateValueModel, trial_id, _score(*score), "step")
                for attribute in ending.attributes.items():
                    self._put(connection, TrialUserAttributeModel, trial_id, _attribute(*attribute), "key")
                for objective, value in enumerate(values or ()):
                    self._put(connection, TrialValueModel, trial_id, _value(objective, value), "objective")
                if state == TrialState.RUNNING and before != TrialState.WAITING:
                    return False
                row: dict[str, Any] = {"state": state}
                if state == TrialState.RUNNING:
                    row["datetime_start"] = _utc(datetime.now())
                if state.is_finished():
                    row["datetime_complete"] = _utc(datetime.now())
                connection.execute(_CHANGE, {"trial": trial_id, **row})
        except IntegrityError:
            return False
        return True

    def mark_unfinished(self, trial_ids: Collection[int], key: str, value: Any) -> set[int]:
        """Set a user attribute of those of these trials that have not ended, at once; returns their ids."""
        with self.engine.begin() as connection:
            open_now = TrialModel.state.in_((TrialState.RUNNING, TrialState.WAITING))
            query = select(TrialModel.trial_id).where(TrialModel.trial_id.in_(trial_ids), open_now)
            marked = set(connection.execute(query.with_for_update()).scalars())
            for trial_id in marked:
                self._put(connection, TrialUserAttributeModel, trial_id, _attribute(key, value), "key")
        return marked

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """As Optuna's."""
        self._set(TrialIntermediateValueModel, trial_id, _score(step, intermediate_value), "step")

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As Optuna's."""
        self._set(TrialUserAttributeModel, trial_id, _attribute(key, value), "key")

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As Optuna's."""
        self._set(TrialSystemAttributeModel, trial_id, _attribute(key, value), "key")

    def _set(self, model: Any, trial_id: int, row: Mapping[str, Any], key: str) -> None:
        with self.engine.begin() as connection:
            self._check_unfinished(connection, trial_id)
            self._put(connection, model, trial_id, row, key)

    def _check_unfinished(self, connection: Connection, trial_id: int) -> TrialState:
        """A trial's state.

        Raises:
            KeyError: where there is no such trial.
            UpdateFinishedTrialError: where it has ended.
        """
        found = connection.execute(_STATE, {"trial": trial_id}).first()
        if found is None:
            raise KeyError(f"there is no trial with the id {trial_id}")
        state: TrialState = found.state
        self.check_trial_is_updatable(trial_id, state)
        return state

    def _put(
        self, connection: Connection, model: Any, trial_id: int, row: Mapping[str, Any], key: str
    ) -> None:
        """Write a row of a trial's in the place of one that has the same key."""
        statement = _put_statement(model.__table__, connection.dialect.name, tuple(row), key)
        connection.execute(statement, {"trial_id": trial_id, **row})


def _value(objective: int, value: float) -> dict[str, Any]:
    stored, kind = TrialValueModel.value_to_stored_repr(value)
    return {"objective": objective, "value": stored, "value_type": kind}


def _param(trial: FrozenTrial, name: str) -> dict[str, Any]:
    distribution = trial.distributions[name]
    return {
        "param_name": name,
        "param_value": distribution.to_internal_repr(trial.params[name]),
        "distribution_json": distribution_to_json(distribution),
    }


def _attribute(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value_json": json.dumps(value)}


def _score(step: int, value: float) -> dict[str, Any]:
    stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
    return {"step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def _utc(moment: datetime | None) -> datetime | None:
    """UTC, as Optuna stores it, of the local time that it gives."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
