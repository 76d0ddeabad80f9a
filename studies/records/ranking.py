"""Which configurations are the best so far, and which trials failed of what: from records alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from studies.records.trials import TrialRecord


@dataclass(frozen=True)
class FailedTrials:
    """Trials that failed of one cause, by number; ``message`` is that of the first."""

    cause: str
    trials: tuple[int, ...]
    message: str


def ranking(records: Sequence[TrialRecord]) -> tuple[tuple[TrialRecord, ...], dict[int, tuple[float, ...]]]:
    """The first complete trial of each configuration, best first, and the scores of its runs, by number."""
    runs = _runs(records)
    return _ranked(records, runs), runs


def complete_trials(records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Every trial with a score, in the same order."""
    return tuple(
        record for record in records if record.value is not None and record.configuration is not None
    )


def _runs(records: Iterable[TrialRecord]) -> dict[int, tuple[float, ...]]:
    first: dict[str, int] = {}
    scores: dict[int, list[float]] = {}
    for record in complete_trials(records):
        if record.configuration is not None and record.value is not None:
            number = first.setdefault(record.configuration.key(), record.number)
            scores.setdefault(number, []).append(record.value)
    return {number: tuple(values) for number, values in scores.items()}


def _ranked(records: Iterable[TrialRecord], runs: Mapping[int, tuple[float, ...]]) -> tuple[TrialRecord, ...]:
    firsts = [record for record in records if record.number in runs]
    return tuple(sorted(firsts, key=lambda record: (-mean(runs[record.number]), record.number)))


def mean(values: Sequence[float]) -> float:
    """The mean, of a sum that is rounded once."""
    return math.fsum(values) / len(values)


def failures_of(records: Sequence[TrialRecord]) -> tuple[FailedTrials, ...]:
    """The failed trials, by cause, commonest cause first."""
    by_cause: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.state == "fail":
            by_cause.setdefault(record.cause or "unknown", []).append(record)
    groups = [
        FailedTrials(cause, tuple(record.number for record in group), _message(group[0]))
        for cause, group in by_cause.items()
    ]
    return tuple(sorted(groups, key=lambda failed: (-len(failed.trials), failed.cause)))


def _message(record: TrialRecord) -> str:
    failure = record.report.failure if record.report else None
    return failure.message if failure else "storage holds no cause"
