from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.loop.stopping import Limits, Progress, reason_to_stop
from studies.records.reports import Cause, Failure, SegmentReport
from studies.records.trials import TrialRecord


def told(number: int, value: float | None = None, cause: Cause | None = None) -> TrialRecord:
    failure = Failure(cause, "it did") if cause else None
    state = "complete" if value is not None else "fail" if cause else "pruned"
    report = SegmentReport(number, 1, failure=failure)
    return TrialRecord(number, state, None, None, value, report, {}, None, None)


def after(records: Sequence[TrialRecord]) -> Progress:
    progress = Progress()
    for record in records:
        progress = progress.after(record)
    return progress


def values(*found: float | None) -> Progress:
    return after([told(number, value) for number, value in enumerate(found)])


@pytest.mark.parametrize(
    ("limits", "progress", "seconds", "reason"),
    [
        (Limits(), values(0.5), 1e9, ""),
        (Limits(trials=2), values(0.5), 0.0, ""),
        (Limits(trials=2), values(0.5, None), 0.0, "2 trials are done"),
        (Limits(timeout=90), values(), 89.9, ""),
        (Limits(timeout=90), values(), 90.0, "90 s are over"),
        (Limits(target=0.9), values(0.89), 0.0, ""),
        (Limits(target=0.9), values(0.3, 0.9, 0.1), 0.0, "the target 0.9 is reached"),
        (Limits(patience=3), values(0.5, 0.5, 0.4), 0.0, ""),
        (Limits(patience=3), values(0.5, 0.5, None, 0.4), 0.0, "no better score in 3 trials"),
        (Limits(patience=3), values(None, None, None, None), 0.0, ""),
    ],
)
def test_each_limit_stops_when_it_is_reached_and_not_before(
    limits: Limits, progress: Progress, seconds: float, reason: str
) -> None:
    assert reason_to_stop(limits, progress, seconds) == reason


def test_first_trials_that_all_fail_of_one_cause_stop_the_search_with_that_cause() -> None:
    limits = Limits(give_up=3)
    failing = [told(number, cause="data") for number in range(3)]
    assert reason_to_stop(limits, after(failing[:2]), 0.0) == ""
    assert reason_to_stop(limits, after(failing), 0.0) == "the first 3 trials all failed: data"
    mixed = [*failing[:2], told(2, cause="bug")]
    assert reason_to_stop(limits, after(mixed), 0.0) == ""
    late = [told(0, 0.5), *failing, *failing]
    assert reason_to_stop(limits, after(late), 0.0) == ""
    pruned = [told(0), *failing]
    assert reason_to_stop(limits, after(pruned), 0.0) == ""
    assert reason_to_stop(Limits(give_up=0), after(failing), 0.0) == ""


@given(st.lists(st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3])), max_size=20))
def test_progress_knows_the_first_of_the_best_and_how_many_came_since(found: list[float | None]) -> None:
    progress = values(*found)
    assert progress.finished == len(found)
    scored = [value for value in found if value is not None]
    if not scored:
        assert progress.best is None
        return
    place = found.index(max(scored))
    assert progress.best is not None
    assert progress.best.number == place
    assert progress.since_best == len(found) - 1 - place
