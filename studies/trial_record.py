"""A trial as everybody reads it from storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.configuration import Configuration
from studies.records import SegmentReport

USED_ATTRIBUTES = ("configuration", "result", "enqueued", "segment")
"""The user attributes of a trial that a record is made from."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial as storage knows it.

    ``state`` is Optuna's, in lower case; ``value`` the validation score of a complete trial; ``report`` what
    its last segment returned; ``params`` what was drawn, by Optuna's names; ``enqueued`` whether the study
    file named it in an ``[[enqueue]]`` table; ``rung_scores`` the validation scores on the way, by epoch.
    ``rung`` is the epoch that a running trial trains to, and ``None`` where it waits at a rung.
    """

    number: int
    state: str
    configuration: Configuration | None
    seed: int | None
    value: float | None
    report: SegmentReport | None
    params: Mapping[str, Any]
    started: datetime | None
    completed: datetime | None
    enqueued: bool = False
    rung_scores: Mapping[int, float] = field(default_factory=dict)
    rung: int | None = None

    @property
    def paused(self) -> bool:
        """Whether it waits at a rung, to be promoted or pruned."""
        return self.state == "running" and self.report is not None and self.rung is None


def records_of(study: optuna.Study) -> list[TrialRecord]:
    """All trials of a study but those that wait, by number."""
    trials = study.get_trials(deepcopy=False)
    return [record_of(trial) for trial in trials if trial.state != TrialState.WAITING]


def record_of(trial: FrozenTrial) -> TrialRecord:
    """The record of one trial."""
    return record_from(
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
    *, number: int, state: TrialState, attributes: Mapping[str, Any], value: float | None, **more: Any
) -> TrialRecord:
    """The record of what Optuna keeps of a trial.

    Args:
        number: the trial's.
        state: the trial's.
        attributes: the user attributes, :data:`USED_ATTRIBUTES` at least.
        value: the trial's, where it has one.
        more: fields of the record that are kept as they are in it.
    """
    configuration, seed = configuration_of(attributes) if "configuration" in attributes else (None, None)
    result = attributes.get("result")
    return TrialRecord(
        number=number,
        state=state.name.lower(),
        configuration=configuration,
        seed=seed,
        value=value if state == TrialState.COMPLETE else None,
        report=SegmentReport.from_dict(result) if result else None,
        enqueued="enqueued" in attributes,
        rung=rung_of(attributes),
        **more,
    )


def configuration_of(attributes: Mapping[str, Any]) -> tuple[Configuration, int]:
    """The configuration and the seed among a trial's user attributes."""
    stored = attributes["configuration"]
    return Configuration.from_dict(stored), int(stored["seed"])


def rung_of(attributes: Mapping[str, Any]) -> int | None:
    """The epoch that a trial's segment trains to, where one was begun and has not reported."""
    begun = attributes.get("segment", {}).get("rung")
    reached = attributes.get("result", {}).get("epoch", 0)
    return begun if begun is not None and begun > reached else None
