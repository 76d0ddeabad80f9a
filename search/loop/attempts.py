"""Whether a segment that failed is run again. Pure: decided from the failure and those before it.

A process that dies ends everything that ran in it. So a crash counts against a trial only if it was alone in
the process. Where others ran too, each is run again alone; if the process dies once more, that trial is the
culprit. Nor does a crash count against a segment that waited there behind another driver's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from studies.records.reports import Failure
from studies.sections.study import Retry

RETRIED: Mapping[str, str] = {
    "worker died": "worker_died",
    "spark died": "spark_died",
    "out of memory": "out_of_memory",
    "timeout": "timeout",
    "disk": "disk",
    "bug": "bug",
}
"""The key of ``[retry]`` by cause of failure. A failure of any other cause would happen again."""


SPARED = 3
"""Crashes that don't count against a segment because it isn't known to have begun. Further ones count: a
segment that kills its process in its first second is never known to have begun."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a segment.

    Attributes:
        number: of the run, from 1.
        blamed: causes of earlier failures that count against the trial.
        alone: whether nothing else may run in its process.
        spared: crashes that did not count because it isn't known to have begun.
    """

    number: int = 1
    blamed: tuple[str, ...] = ()
    alone: bool = False
    spared: int = 0


def after_failure(
    attempt: Attempt, failure: Failure, beside_others: bool, rules: Retry, *, waited: bool = False
) -> Attempt | None:
    """The next attempt, or ``None`` where the failure is final.

    Args:
        attempt: the one that failed.
        failure: how.
        beside_others: whether other trials could run in its process.
        rules: the study's.
        waited: whether it may have waited for another driver's segment, and isn't known to have begun.
    """
    following = replace(attempt, number=attempt.number + 1)
    if failure.cause == "worker died" and waited and attempt.spared < SPARED:
        return replace(following, spared=attempt.spared + 1)
    if failure.cause == "worker died" and beside_others and not attempt.alone:
        return replace(following, alone=True)
    blamed = (*attempt.blamed, failure.cause)
    key = RETRIED.get(failure.cause)
    allowed = getattr(rules, key) if key else 0
    if Counter(blamed)[failure.cause] > allowed:
        return None
    return replace(following, blamed=blamed)


def with_count(failure: Failure, attempt: Attempt) -> Failure:
    """The failure, with how often it happened where that was more than once."""
    times = Counter(attempt.blamed)[failure.cause] + 1
    if times == 1:
        return failure
    return replace(failure, message=f"{failure.message} ({times} times)")
