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
    configuration, seed = (
        configuration_of(trial.user_attrs) if "configuration" in trial.user_attrs else (None, None)
    )
    result = trial.user_attrs.get("result")
    return TrialRecord(
        number=trial.number,
        state=trial.state.name.lower(),
        configuration=configuration,
        seed=seed,
        value=trial.value if trial.state == TrialState.COMPLETE else None,
        report=SegmentReport.from_dict(result) if result else None,
        params=trial.params,
        started=trial.datetime_start,
        completed=trial.datetime_complete,
        enqueued="enqueued" in trial.user_attrs,
        rung_scores=trial.intermediate_values,
        rung=rung_of(trial.user_attrs),
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
