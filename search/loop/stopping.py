"""Why a search asks for no more trials: its limits, and the progress of its trials. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from studies.records.trials import TrialRecord

INTERRUPTED = "interrupted"
"""Why a search ended that was asked to stop, and finished what ran."""

STOPPED_AT_ONCE = "interrupted twice"
"""Why a search ended that was asked to stop at once; what ran is run again by the next launch."""

NO_CHECKPOINTS = "a checkpoint can't be kept"
"""Why a search ended on a full or missing disk; the next launch resumes the trials that it stopped."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search stops asking for trials.

    Attributes:
        trials: finished trials in all, over every launch; ``None`` for no limit.
        timeout: seconds of searching, over every launch.
        target: score to reach.
        patience: finished trials in a row without a better best.
        give_up: first trials that all fail with one cause; 0 for never.
    """

    trials: int | None = None
    timeout: float | None = None
    target: float | None = None
    patience: int | None = None
    give_up: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known from the trials that ended.

    Attributes:
        finished: how many there are.
        best: the complete one with the best score, the first of equals.
        since_best: how many ended after it.
        failing: the cause that every one of them failed with, if there is such a one.
        forgiven: how many had failed with it when the study was launched once more.
        scored: whether a trial that has not ended has a score: not all fail.
    """

    finished: int = 0
    best: TrialRecord | None = None
    since_best: int = 0
    failing: str | None = None
    forgiven: int = 0
    scored: bool = False

    def with_score(self) -> Progress:
        """The progress once an unfinished trial has a score."""
        return self if self.scored else replace(self, scored=True)

    def after(self, record: TrialRecord) -> Progress:
        """The progress once one more has ended."""
        failure = record.report.failure if record.report else None
        cause = failure.cause if failure else None
        failing = cause if self.finished == 0 or cause == self.failing else None
        more = replace(self, finished=self.finished + 1, since_best=self.since_best + 1, failing=failing)
        if record.value is None:
            return more
        if self.best is not None and self.best.value is not None and record.value <= self.best.value:
            return more
        return replace(more, best=record, since_best=0)


def reason_to_stop(limits: Limits, progress: Progress, seconds: float) -> str:
    """Why no more trials are asked for; empty where the search continues.

    Args:
        limits: the study's.
        progress: of its trials.
        seconds: how long it has been searched for, over every launch.
    """
    if limits.trials is not None and progress.finished >= limits.trials:
        return f"{limits.trials} trials are done"
    if limits.timeout is not None and seconds >= limits.timeout:
        return f"{limits.timeout:g} s are over"
    if gives_up(limits, progress):
        return f"the first {progress.finished} trials all failed: {progress.failing}"
    if progress.best is None or progress.best.value is None:
        return ""
    if limits.target is not None and progress.best.value >= limits.target:
        return f"the target {limits.target:g} is reached"
    if limits.patience is not None and progress.since_best >= limits.patience:
        return f"no better score in {limits.patience} trials"
    return ""


def gives_up(limits: Limits, progress: Progress) -> bool:
    """Whether so many trials failed with one cause, and none ended well, that others would fail too."""
    failed = progress.finished - progress.forgiven
    return bool(limits.give_up and progress.failing and not progress.scored and failed >= limits.give_up)
