"""A trial as everybody reads it from storage, and as the loop is given it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from studies.records.reports import Scores, SegmentReport
from studies.records.schema import CONFIGURATION, ENQUEUED, RESULT, SEGMENT
from studies.space.configuration import Configuration

USED_ATTRIBUTES = (CONFIGURATION, RESULT, ENQUEUED, SEGMENT)
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

    @property
    def score(self) -> float | None:
        """Its validation score: the last one, where it was stopped early."""
        if self.value is not None:
            return self.value
        if self.state == "pruned" and self.rung_scores:
            return self.rung_scores[max(self.rung_scores)]
        return None

    @property
    def seconds(self) -> float | None:
        """Seconds of work on it, in all its segments: setting up, training and scoring, not waiting."""
        return None if self.report is None else self.report.ledger.work

    @property
    def cause(self) -> str | None:
        """Why it failed; ``None`` where it didn't."""
        return self.report.failure.cause if self.report and self.report.failure else None

    def scores_on(self, row_set: str) -> Scores | None:
        """Its scores on one set of rows, if there are any to show."""
        return self.report.scores.get(row_set) if self.report else None


@dataclass(frozen=True)
class AskedTrial:
    """A trial that is in storage and waits to be run."""

    number: int
    configuration: Configuration
    seed: int


@dataclass(frozen=True)
class NoTrial:
    """There is no trial to begin; ``waits_for_others`` says that other drivers run the last ones, and may
    leave them behind.
    """

    waits_for_others: bool = False


@dataclass(frozen=True)
class UnfinishedTrial:
    """A trial that an earlier launch left without an end.

    Attributes:
        asked: the trial.
        place: place of its last segment among all of the study.
        rung: where that segment ends, if it was begun and has not reported; ``None`` where it was not, or
            has.
        report: of the segment before.
        rung_scores: validation scores on the way, by epoch.
    """

    asked: AskedTrial
    place: int
    rung: int | None = None
    report: SegmentReport | None = None
    rung_scores: Mapping[int, float] = field(default_factory=dict)


def configuration_of(attributes: Mapping[str, Any]) -> tuple[Configuration, int]:
    """The configuration and the seed among a trial's user attributes."""
    stored = attributes[CONFIGURATION]
    return Configuration.from_dict(stored), int(stored["seed"])


def rung_of(attributes: Mapping[str, Any]) -> int | None:
    """The epoch that a trial's segment trains to, where one was begun and has not reported."""
    begun_rung = attributes.get(SEGMENT, {}).get("rung")
    reached = attributes.get(RESULT, {}).get("epoch", 0)
    return begun_rung if begun_rung is not None and begun_rung > reached else None
