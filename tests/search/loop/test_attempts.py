"""Which failures are run again, how often, and who is blamed for a death."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.loop.attempts import RETRIED, SPARED, Attempt, after_failure, with_count
from studies.records.reports import Cause, Failure
from studies.sections.study import Retry

CAUSES: tuple[Cause, ...] = get_args(Cause)
RULES = st.builds(
    Retry,
    worker_died=st.integers(0, 3),
    spark_died=st.integers(0, 3),
    out_of_memory=st.integers(0, 3),
    timeout=st.integers(0, 3),
    bug=st.integers(0, 3),
)


def failure(cause: Cause) -> Failure:
    return Failure(cause, "so it was")


def test_every_rule_of_the_study_file_is_for_a_cause() -> None:
    assert set(RETRIED.values()) == set(Retry.model_fields) - {"give_up"}


def test_every_cause_with_a_rule_is_one_that_trials_fail_of() -> None:
    assert set(RETRIED) <= set(CAUSES)


@pytest.mark.parametrize("cause", ["diverged", "data"])
def test_what_would_fail_again_is_final_whatever_the_rules(cause: Cause) -> None:
    generous = Retry(worker_died=9, spark_died=9, out_of_memory=9, timeout=9, bug=9)
    for beside_others in (False, True):
        assert after_failure(Attempt(), failure(cause), beside_others, generous) is None


def test_by_default_deaths_and_a_lack_of_memory_or_disk_are_run_again_and_nothing_else_is() -> None:
    again = {c for c in CAUSES if after_failure(Attempt(), failure(c), False, Retry()) is not None}
    assert again - {"spark died"} == {"worker died", "out of memory", "disk"}


def test_deaths_while_it_waited_are_not_counted_but_for_so_many_of_them() -> None:
    attempt: Attempt | None = Attempt()
    for number in range(2, SPARED + 2):
        attempt = after_failure(attempt, failure("worker died"), False, Retry(worker_died=0), waited=True)
        assert attempt is not None
        assert (attempt.number, attempt.blamed) == (number, ())
    assert after_failure(attempt, failure("worker died"), False, Retry(worker_died=0), waited=True) is None


def test_other_failures_of_what_waited_are_its_own() -> None:
    assert after_failure(Attempt(), failure("diverged"), False, Retry(), waited=True) is None


def test_three_deaths_alone_are_final_by_default() -> None:
    attempt: Attempt | None = Attempt()
    runs = 0
    while attempt is not None:
        runs += 1
        assert attempt.number == runs
        attempt = after_failure(attempt, failure("worker died"), False, Retry())
    assert runs == 3


def test_a_death_beside_others_is_not_counted_and_the_next_run_is_alone() -> None:
    second = after_failure(Attempt(), failure("worker died"), True, Retry(worker_died=0))
    assert second == Attempt(2, (), alone=True)
    assert after_failure(second, failure("worker died"), True, Retry(worker_died=0)) is None


def test_once_alone_a_trial_stays_alone() -> None:
    alone = Attempt(2, (), alone=True)
    for cause in ("worker died", "out of memory"):
        following = after_failure(alone, failure(cause), True, Retry())
        assert following == Attempt(3, (cause,), alone=True)


@given(
    st.lists(st.tuples(st.sampled_from(CAUSES), st.booleans()), min_size=1, max_size=40),
    RULES,
)
def test_no_cause_is_run_again_oftener_than_its_rule_and_one_death_beside_others_is_free(
    happened: list[tuple[Cause, bool]], rules: Retry
) -> None:
    attempt: Attempt | None = Attempt()
    blamed: Counter[str] = Counter()
    free = 0
    for runs, (cause, beside_others) in enumerate(happened, start=1):
        before = attempt
        assert before is not None
        assert before.number == runs
        attempt = after_failure(before, failure(cause), beside_others, rules)
        uncertain = cause == "worker died" and beside_others and not before.alone
        free += uncertain
        blamed[cause] += not uncertain
        allowed = getattr(rules, RETRIED[cause]) if cause in RETRIED else 0
        assert (attempt is None) == (not uncertain and blamed[cause] > allowed)
        if attempt is None:
            break
        assert Counter(attempt.blamed) == +blamed
    assert free <= 1


def test_a_failure_says_how_often_it_came_where_that_was_more_than_once() -> None:
    once = with_count(failure("bug"), Attempt(3, ("worker died", "worker died"), alone=True))
    assert once == failure("bug")
    often = with_count(failure("worker died"), Attempt(3, ("worker died", "worker died")))
    assert often == Failure("worker died", "so it was (3 times)")
    beside = with_count(failure("worker died"), Attempt(2, (), alone=True))
    assert beside.message == "so it was", "the death beside others was not the trial's"
