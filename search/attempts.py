"""Whether a segment that failed is run again. Pure: a failure and what was before it give an answer.

A process that dies takes everything with it that ran there. So a trial is blamed for a death only where
nothing else ran beside it; where something did, it is run again alone, and if the process dies once more, the
guilty one is found and the others are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from studies.records import Failure
from studies.study import Retry

RETRIED: Mapping[str, str] = {
    "worker died": "worker_died",
    "spark died": "spark_died",
    "out of memory": "out_of_memory",
    "timeout": "timeout",
    "disk": "disk",
    "bug": "bug",
}
"""The key of ``[retry]`` by cause of failure. What is missing here would fail again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a segment.

    Attributes:
        number: of the run, from 1.
        blamed: causes of the failures before it that are the trial's own.
        alone: whether nothing else may run in its process.
    """

    number: int = 1
    blamed: tuple[str, ...] = ()
    alone: bool = False


def after_failure(attempt: Attempt, failure: Failure, beside_others: bool, rules: Retry) -> Attempt | None:
    """The next attempt, or ``None`` where the failure is final.

    Args:
        attempt: the one that failed.
        failure: how.
        beside_others: whether other trials could run in its process.
        rules: the study's.
    """
    following = replace(attempt, number=attempt.number + 1)
    if failure.cause == "worker died" and beside_others and not attempt.alone:
        return replace(following, alone=True)
    blamed = (*attempt.blamed, failure.cause)
    key = RETRIED.get(failure.cause)
    allowed = getattr(rules, key) if key else 0
    if Counter(blamed)[failure.cause] > allowed:
        return None
    return replace(following, blamed=blamed)


def with_count(failure: Failure, attempt: Attempt) -> Failure:
    """The failure, saying how often it came where that was more than once."""
    times = Counter(attempt.blamed)[failure.cause] + 1
    if times == 1:
        return failure
    return replace(failure, message=f"{failure.message} ({times} times)")
