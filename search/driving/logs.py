"""What a driver logs: its decisions in words, workers that come and go, and how long it waits.

Loggers are ``search.loop`` (decisions, at debug level), ``search.driving`` (attempts), ``search.cluster``
(workers and the scheduler) and, in :mod:`studies.storage.writers.patience`, ``search.storage``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from search.loop.events import (
    Action,
    Ask,
    Asked,
    Event,
    Finish,
    Interrupted,
    Lost,
    OthersFinished,
    Record,
    Recorded,
    Reported,
    Resized,
    Submit,
    Tell,
    Told,
    Withdrawn,
)
from studies.records.reports import Failure, SegmentReport
from studies.records.trials import AskedTrial, NoTrial, UnfinishedTrial

CLUSTER = logging.getLogger("search.cluster")
DRIVING = logging.getLogger("search.driving")
LOOP = logging.getLogger("search.loop")


def log_decision(action: Action) -> None:
    """Log what the loop decided."""
    if isinstance(action, Finish):
        LOOP.info("the search ends: %s", action.reason)
    elif LOOP.isEnabledFor(logging.DEBUG):
        LOOP.debug("%s", decided(action))


def log_event(event: Event) -> None:
    """Log what the loop was given to decide on."""
    if isinstance(event, Interrupted):
        LOOP.info("asked to stop")
    elif isinstance(event, Lost):
        LOOP.error("the cluster is lost: %s", event.reason)
    elif LOOP.isEnabledFor(logging.DEBUG) and (words := happened(event)):
        LOOP.debug("%s", words)


def log_failure(name: str, attempt: int, failure: Failure, *, again: bool) -> None:
    """Log an attempt at a segment that failed.

    Args:
        name: of what was trained: ``trial 12``.
        attempt: its number, from 1.
        failure: its cause.
        again: whether it is run again. Otherwise the trial's own end says so too.
    """
    DRIVING.log(
        logging.WARNING if again else logging.DEBUG,
        "%s: attempt %d failed, %s: %s: %s%s",
        name,
        attempt,
        "and is run again" if again else "for good",
        failure.cause,
        failure.message,
        f"\n{failure.traceback.rstrip()}" if failure.traceback else "",
    )


def decided(action: Action) -> str:
    """An action in words."""
    match action:
        case Ask(place):
            return f"segment {place}: sample a trial"
        case Submit(trial, rung, place):
            return f"trial {trial.number}: train to epoch {rung}, segment {place}"
        case Record(report):
            return f"trial {report.trial}: store its score after epoch {report.epoch}"
        case Tell(report, pruned):
            return f"trial {report.trial}: store its end, {_end(report, pruned)}"
        case Finish(reason):
            return f"the search ends: {reason}"


def happened(event: Event) -> str:
    """An event in words; empty for one that changes nothing."""
    match event:
        case Asked(NoTrial()):
            return "no trial to sample"
        case Asked(UnfinishedTrial() as trial):
            return f"trial {trial.asked.number}: taken over, {trial.asked.configuration.describe()}"
        case Asked(AskedTrial() as trial):
            return f"trial {trial.number}: sampled, {trial.configuration.describe()}, seed {trial.seed}"
        case Reported(report):
            return f"trial {report.trial}: reported after epoch {report.epoch}, from {report.worker or '?'}"
        case Recorded(trial, score, stop):
            return f"trial {trial}: scored {score:.4f}{', and the pruner stops it' if stop else ''}"
        case Told(record):
            return f"trial {record.number}: is {record.state}"
        case OthersFinished(records) if records:
            return f"other drivers finished {len(records)} trials"
        case Withdrawn(trials) if trials:
            return f"withdrawn before they began: trials {', '.join(map(str, trials))}"
        case Resized(slots):
            return f"slots: {', '.join(f'{count} {kind}' for kind, count in slots.by_kind.items())}"
    return ""


def _end(report: SegmentReport, pruned: bool) -> str:
    if report.failure is not None:
        return f"failed: {report.failure.cause}"
    return f"pruned after epoch {report.epoch}" if pruned else "complete"


@dataclass
class WorkersSeen:
    """Logs which workers came and which went since the last look."""

    _there: frozenset[str] = field(default_factory=frozenset)

    def look(self, there: Iterable[str]) -> None:
        """Compare with the addresses that are there now."""
        now = frozenset(there)
        if now == self._there:
            return
        for address in sorted(self._there - now):
            CLUSTER.info("the worker %s is gone; there are %d", address, len(now))
        for address in sorted(now - self._there):
            CLUSTER.info("the worker %s has come; there are %d", address, len(now))
        self._there = now


@dataclass
class Waiting:
    """Logs a wait once when it begins, and once when it ends, with how long it took."""

    what: str
    _since: float | None = None

    def see(self, waits: bool, now: float) -> None:
        """Take note of whether it waits at a reading of the clock, in seconds."""
        if waits and self._since is None:
            self._since = now
            CLUSTER.warning("waiting for %s", self.what)
        elif not waits and self._since is not None:
            CLUSTER.warning("waited %.1f s for %s", now - self._since, self.what)
            self._since = None
