"""Trials of a study, many at once: a report of ten thousand is not to wait for them, nor a driver for a
thousand of another's.

Optuna makes an object of every row and parses every parameter's distribution again: 9 s for 10,000 trials in
SQLite. Here each table is read by one plain statement, in Optuna's own schema, whose classes decode the
values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, Select, select

from studies.optuna_internals import (
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from studies.records.trials import USED_ATTRIBUTES, TrialRecord
from studies.storage.collector import without_collector
from studies.storage.trial_records import record_from

Which = ColumnElement[bool]
"""A condition on trials."""


def read_records(connection: Connection, study: int) -> list[TrialRecord]:
    """What :func:`studies.storage.trial_records.records_of` returns of a study's trials, sooner."""
    with without_collector():
        return _read(connection, study)


def trials_of(connection: Connection, which: Which) -> list[FrozenTrial]:
    """What Optuna's ``get_trial`` returns for each of some trials, in the order of their ids."""
    with without_collector():
        return list(_trials(connection, which))


def _read(connection: Connection, study: int) -> list[TrialRecord]:
    which = TrialModel.study_id == study
    rows = _rows(connection, which & (TrialModel.state != TrialState.WAITING))
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    for trial, name, value, distribution in _drawn(connection, which):
        params[trial][name] = distribution.to_external_repr(value)
    attributes = _attributes(connection, which, TrialUserAttributeModel, USED_ATTRIBUTES)
    values = _values(connection, which)
    rungs = _rungs(connection, which)
    return [
        record_from(
            number=number,
            state=state,
            attributes=attributes[trial],
            params=params[trial],
            value=values.get(trial),
            rung_scores=rungs[trial],
            started=_local(started),
            completed=_local(completed),
        )
        for trial, number, state, started, completed in rows
    ]


def _trials(connection: Connection, which: Which) -> Iterator[FrozenTrial]:
    # The states first: they are written last, so that a trial that is read as ended is read whole.
    rows = _rows(connection, which)
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
    for trial, name, value, distribution in _drawn(connection, which):
        params[trial][name] = distribution.to_external_repr(value)
        distributions[trial][name] = distribution
    values = _values(connection, which)
    rungs = _rungs(connection, which)
    user = _attributes(connection, which, TrialUserAttributeModel)
    system = _attributes(connection, which, TrialSystemAttributeModel)
    for trial, number, state, started, completed in rows:
        yield FrozenTrial(
            number=number,
            state=state,
            value=values.get(trial),
            datetime_start=_local(started),
            datetime_complete=_local(completed),
            params=params[trial],
            distributions=distributions[trial],
            user_attrs=user[trial],
            system_attrs=system[trial],
            intermediate_values=rungs[trial],
            trial_id=trial,
        )


def _rows(connection: Connection, which: Which) -> Sequence[Any]:
    """(trial, number, state, began, ended) of each, the times in UTC."""
    columns = TrialModel.__table__.c
    query = select(
        TrialModel.trial_id,
        TrialModel.number,
        TrialModel.state,
        columns.datetime_start,
        columns.datetime_complete,
    )
    return connection.execute(query.where(which).order_by(TrialModel.trial_id)).all()


def _drawn(connection: Connection, which: Which) -> Iterator[tuple[int, str, float, BaseDistribution]]:
    """(trial, parameter, value as Optuna stores it, distribution)."""
    model = TrialParamModel
    query = _of(which, model, model.param_name, model.param_value, model.distribution_json)
    for trial, name, value, distribution in connection.execute(query.order_by(model.param_id)):
        yield trial, name, value, _distribution(distribution)


def _values(connection: Connection, which: Which) -> Mapping[int, float]:
    model = TrialValueModel
    rows = connection.execute(_of(which, model, model.value, model.value_type))
    return {trial: model.stored_repr_to_value(value, kind) for trial, value, kind in rows}


def _attributes(
    connection: Connection, which: Which, model: Any, keys: Collection[str] = ()
) -> Mapping[int, dict[str, Any]]:
    """By trial; all of them, or those with some keys."""
    query = _of(which, model, model.key, model.value_json)
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for trial, key, value in connection.execute(query.where(model.key.in_(keys)) if keys else query):
        found[trial][key] = from_json(value)  # twice as fast as `json.loads`
    return found


def _rungs(connection: Connection, which: Which) -> Mapping[int, dict[int, float]]:
    model = TrialIntermediateValueModel
    query = _of(which, model, model.step, model.intermediate_value, model.intermediate_value_type)
    found: dict[int, dict[int, float]] = defaultdict(dict)
    rows: Iterable[Any] = connection.execute(query.order_by(model.trial_intermediate_value_id))
    for trial, step, value, kind in rows:
        found[trial][step] = model.stored_repr_to_intermediate_value(value, kind)
    return found


def _of(which: Which, model: Any, *columns: Any) -> Select[Any]:
    """Columns of one table, and whose they are, for some trials."""
    return (
        select(model.trial_id, *columns).join(TrialModel, TrialModel.trial_id == model.trial_id).where(which)
    )


def _local(moment: datetime | None) -> datetime | None:
    """Local time, as Optuna gives it, of the UTC that it stores."""
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


@lru_cache(maxsize=1000)
def _distribution(stored: str) -> BaseDistribution:
    return json_to_distribution(stored)
