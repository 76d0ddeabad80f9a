"""Writes a study into a database by plain statements, in Optuna's own schema.

Optuna makes an object of every row that it writes and looks for that row first, by statements that it builds
anew: more than a trial's scores and attributes are worth. Here each kind of row is one statement, and each
verb one transaction. What is stored, and what is refused, is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from studies.optuna_internals import (
    StudyModel,
    StudySystemAttributeModel,
    StudyUserAttributeModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from studies.storage.bulk_reading import trials_of
from studies.storage.writers.writer import Change

Row = Mapping[str, Any]

OPEN = (TrialState.RUNNING, TrialState.WAITING)

# Made once, because making a statement costs more than sending it.
_STUDIES, _TRIALS = StudyModel.__table__, TrialModel.__table__
_STUDY = bindparam("study", type_=_STUDIES.c.study_id.type)
_LOCK = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == _STUDY).with_for_update(key_share=True)
_COLUMNS = ("study_id", "number", "state", "datetime_start", "datetime_complete")
_CREATE = (
    insert(_TRIALS)
    .from_select(
        _COLUMNS,
        select(
            _STUDIES.c.study_id,
            select(func.count()).where(_TRIALS.c.study_id == _STUDY).scalar_subquery(),
            *(bindparam(f"new_{name}", type_=_TRIALS.c[name].type) for name in _COLUMNS[2:]),
        ).where(_STUDIES.c.study_id == _STUDY),
    )
    .returning(_TRIALS.c.trial_id, _TRIALS.c.number)
)
_STATE = select(_TRIALS.c.state).where(_TRIALS.c.trial_id == bindparam("trial")).with_for_update()
_CHANGE = update(_TRIALS).where(_TRIALS.c.trial_id == bindparam("trial"))
_END = _CHANGE.where(_TRIALS.c.state.in_(OPEN))

_INSERT: Mapping[str, Callable[[Any], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""Inserts that may say what is to be done where the row is there, by the engine's name."""


@cache
def _insert_statement(table: Any, engine: str) -> Any:
    """Writes rows, however many, by one statement."""
    statement = _INSERT[engine](table)
    # SQLAlchemy joins rows into one statement where it is to return something. Psycopg would send them one by
    # one in its pipeline, after which PostgreSQL 15 ends no transaction in which nothing is done any more.
    return statement.returning(table.primary_key.columns[0]) if engine == "postgresql" else statement


@cache
def _put_statement(table: Any, engine: str, owner: str, key: str, columns: tuple[str, ...]) -> Any:
    """Writes rows in the places of those of the same owner and key."""
    statement = _insert_statement(table, engine)
    others = {name: statement.excluded[name] for name in columns if name not in (owner, key)}
    return statement.on_conflict_do_update(index_elements=[table.c[owner], table.c[key]], set_=others)


class DatabaseWriter:
    """See :class:`studies.storage.writers.writer.SharedWriter`.

    Args:
        engine: the database's.
        study_id: the study's.
    """

    def __init__(self, engine: Engine, study_id: int) -> None:
        self._engine = engine
        self._bound: Connection | None = None
        self.study_id = study_id

    @contextmanager
    def bound_to(self, connection: Connection) -> Iterator[None]:
        """See :class:`SharedWriter`."""
        self._bound = connection
        try:
            yield
        finally:
            self._bound = None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._bound is not None:
            yield self._bound
        else:
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._bound is not None:
            yield self._bound
        else:
            with self._engine.connect() as connection:
                yield connection

    # Trials

    def create(self, trial: FrozenTrial) -> tuple[int, int]:
        """See :class:`Writer`; distributions are not compared with those of the study's other trials."""
        with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                # Two that number their trials at once wait for each other; SQLite has one writer at a time.
                connection.execute(_LOCK, {"study": self.study_id})
            row = {
                "study": self.study_id,
                "new_state": trial.state,
                "new_datetime_start": _utc(trial.datetime_start),
                "new_datetime_complete": _utc(trial.datetime_complete),
            }
            made = connection.execute(_CREATE, row).first()
            if made is None:
                raise KeyError(f"there is no study {self.study_id}")
            for model, rows in _rows_of_trial(trial):
                if rows:
                    statement = _insert_statement(model.__table__, connection.dialect.name)
                    owner = {"trial_id": made.trial_id}
                    connection.execute(statement, [{**owner, **row} for row in rows])
        return made.trial_id, made.number

    def change(self, trial_id: int, change: Change) -> bool:
        """See :class:`Writer`."""
        with self._transaction() as connection:
            begun = False
            if change.ends:
                ended = {"trial": trial_id, "datetime_complete": _utc(datetime.now()), "state": change.state}
                if not connection.execute(_END, ended).rowcount:
                    _check_open(connection, trial_id)
            else:
                begun = _check_open(connection, trial_id) == TrialState.RUNNING
            for model, key, rows in _rows_of_change(change):
                self._put(connection, model, ("trial_id", trial_id), key, rows)
            if change.state == TrialState.RUNNING and begun:
                return False
            if change.state in OPEN:
                row: dict[str, Any] = {"trial": trial_id, "state": change.state}
                if change.state == TrialState.RUNNING:
                    row["datetime_start"] = _utc(datetime.now())
                connection.execute(_CHANGE, row)
        return True

    def take(self, trial_ids: Collection[int], key: str, value: Any) -> set[int]:
        """See :class:`SharedWriter`."""
        with self._transaction() as connection:
            query = select(TrialModel.trial_id).where(
                TrialModel.trial_id.in_(trial_ids), TrialModel.state.in_(OPEN)
            )
            taken = set(connection.execute(query.with_for_update()).scalars())
            for trial_id in taken:
                row = _attribute(key, value)
                self._put(connection, TrialUserAttributeModel, ("trial_id", trial_id), "key", [row])
        return taken

    def read(self, trial_ids: Collection[int] | None = None) -> list[FrozenTrial]:
        """See :class:`Writer`."""
        which = TrialModel.study_id == self.study_id
        if trial_ids is not None:
            which &= TrialModel.trial_id.in_(trial_ids)
        with self._reading() as connection:
            return trials_of(connection, which)

    def states(self, newer_than: int, among: Collection[int]) -> Mapping[int, TrialState]:
        """See :class:`SharedWriter`."""
        which = TrialModel.trial_id > newer_than
        if among:
            which = or_(which, TrialModel.trial_id.in_(among))
        query = select(TrialModel.trial_id, TrialModel.state).order_by(TrialModel.trial_id)
        with self._reading() as connection:
            rows = connection.execute(query.where(TrialModel.study_id == self.study_id, which))
            return {row.trial_id: row.state for row in rows}

    # The study

    def attributes(self, prefix: str = "") -> Mapping[str, Any]:
        """See :class:`Writer`."""
        return self._attributes(StudyUserAttributeModel, prefix)

    def set_attribute(self, key: str, value: Any) -> None:
        """See :class:`Writer`."""
        self._set(StudyUserAttributeModel, key, value)

    def notes(self) -> Mapping[str, Any]:
        """See :class:`Writer`."""
        return self._attributes(StudySystemAttributeModel, "")

    def set_note(self, key: str, value: Any) -> None:
        """See :class:`Writer`."""
        self._set(StudySystemAttributeModel, key, value)

    def remove_attributes(self, keys: Collection[str]) -> None:
        """See :class:`SharedWriter`."""
        table = StudyUserAttributeModel.__table__
        statement = delete(table).where(table.c.study_id == self.study_id, table.c.key.in_(keys))
        with self._transaction() as connection:
            connection.execute(statement)

    def _attributes(self, model: Any, prefix: str) -> Mapping[str, Any]:
        query = select(model.key, model.value_json).where(model.study_id == self.study_id)
        if prefix:
            query = query.where(model.key.startswith(prefix, autoescape=True))
        with self._reading() as connection:
            return {key: json.loads(value) for key, value in connection.execute(query)}

    def _set(self, model: Any, key: str, value: Any) -> None:
        with self._transaction() as connection:
            self._put(connection, model, ("study_id", self.study_id), "key", [_attribute(key, value)])

    def _put(
        self, connection: Connection, model: Any, owner: tuple[str, int], key: str, rows: Sequence[Row]
    ) -> None:
        """Write rows of a trial's or the study's, in the places of those that have the same keys."""
        if rows:
            name, number = owner
            engine, columns = connection.dialect.name, tuple(rows[0])
            statement = _put_statement(model.__table__, engine, name, key, columns)
            connection.execute(statement, [{name: number, **row} for row in rows])


def _check_open(connection: Connection, trial_id: int) -> TrialState:
    """The state of a trial that has not ended."""
    found = connection.execute(_STATE, {"trial": trial_id}).first()
    if found is None:
        raise KeyError(f"there is no trial with the id {trial_id}")
    state: TrialState = found.state
    if state.is_finished():
        raise UpdateFinishedTrialError(f"the trial with the id {trial_id} has ended")
    return state


def _rows_of_trial(trial: FrozenTrial) -> Iterator[tuple[Any, Sequence[Row]]]:
    """All that a new trial has, by table."""
    yield TrialValueModel, [_value(at, value) for at, value in enumerate(trial.values or ())]
    yield TrialParamModel, [_param(name, *each) for name, each in internal_params(trial).items()]
    yield TrialUserAttributeModel, [_attribute(*each) for each in trial.user_attrs.items()]
    yield TrialSystemAttributeModel, [_attribute(*each) for each in trial.system_attrs.items()]
    yield TrialIntermediateValueModel, [_score(*each) for each in trial.intermediate_values.items()]


def _rows_of_change(change: Change) -> Iterator[tuple[Any, str, Sequence[Row]]]:
    """All that a change writes: table, key and rows."""
    params = [_param(name, *each) for name, each in change.params.items()]
    yield TrialParamModel, "param_name", params
    yield TrialIntermediateValueModel, "step", [_score(*each) for each in change.scores.items()]
    yield TrialUserAttributeModel, "key", [_attribute(*each) for each in change.attributes.items()]
    yield TrialSystemAttributeModel, "key", [_attribute(*each) for each in change.notes.items()]
    yield TrialValueModel, "objective", [_value(*each) for each in enumerate(change.values or ())]


def internal_params(trial: FrozenTrial) -> dict[str, tuple[float, BaseDistribution]]:
    """A trial's parameters as Optuna stores them, and their distributions, by name."""
    return {
        name: (distribution.to_internal_repr(trial.params[name]), distribution)
        for name, distribution in trial.distributions.items()
    }


def _value(objective: int, value: float) -> Row:
    stored, kind = TrialValueModel.value_to_stored_repr(value)
    return {"objective": objective, "value": stored, "value_type": kind}


def _param(name: str, value: float, distribution: BaseDistribution) -> Row:
    stored = distribution_to_json(distribution)
    return {"param_name": name, "param_value": value, "distribution_json": stored}


def _attribute(key: str, value: Any) -> Row:
    return {"key": key, "value_json": json.dumps(value)}


def _score(step: int, value: float) -> Row:
    stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
    return {"step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def _utc(moment: datetime | None) -> datetime | None:
    """UTC, as Optuna stores it, of the local time that it gives."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
