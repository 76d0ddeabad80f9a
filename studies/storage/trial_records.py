"""Optuna's trials as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from studies.records.reports import SegmentReport
from studies.records.schema import CONFIGURATION, ENQUEUED, RESULT
from studies.records.trials import TrialRecord, configuration_of, rung_of


def records_of(trials: Iterable[FrozenTrial]) -> list[TrialRecord]:
    """All of these trials but those that wait."""
    return [record_of(trial) for trial in trials if trial.state != TrialState.WAITING]


def record_of(trial: FrozenTrial, report: SegmentReport | None = None) -> TrialRecord:
    """The record of one trial; ``report`` is that of its result, where it is at hand."""
    return record_from(
        report=report,
        number=trial.number,
        state=trial.state,
        attributes=trial.user_attrs,
        value=trial.value,
        params=trial.params,
        rung_scores=trial.intermediate_values,
        started=trial.datetime_start,
        completed=trial.datetime_complete,
    )


def record_from(
    *,
    number: int,
    state: TrialState,
    attributes: Mapping[str, Any],
    value: float | None,
    report: SegmentReport | None = None,
    **more: Any,
) -> TrialRecord:
    """The record of what Optuna keeps of a trial.

    Args:
        number: the trial's.
        state: the trial's.
        attributes: the user attributes, :data:`USED_ATTRIBUTES` at least.
        value: the trial's, where it has one.
        report: that of its result; parsed where it isn't given.
        more: fields of the record that are kept as they are in it.
    """
    configuration, seed = configuration_of(attributes) if CONFIGURATION in attributes else (None, None)
    if report is None and (result := attributes.get(RESULT)):
        report = SegmentReport.from_dict(result)
    return TrialRecord(
        number=number,
        state=state.name.lower(),
        configuration=configuration,
        seed=seed,
        value=value if state == TrialState.COMPLETE else None,
        report=report,
        enqueued=ENQUEUED in attributes,
        rung=rung_of(attributes),
        **more,
    )
