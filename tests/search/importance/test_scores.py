from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.importance.importance import importance
from search.importance.scores import Progress, comparable_scores, expected_scores
from studies.records.reports import CurvePoint, SegmentReport
from studies.records.trials import TrialRecord
from tests.search import fakes

RUNGS = (1, 3, 9, 27)


def climbing(start: float, upto: int = 27) -> Progress:
    """A trial that gains 0.1 from rung to rung."""
    return Progress(27, {rung: start + step / 10 for step, rung in enumerate(RUNGS) if rung <= upto})


def stopped(record: TrialRecord, seen: dict[int, float]) -> TrialRecord:
    curve = tuple(CurvePoint(epoch, 0.5, seen.get(epoch)) for epoch in range(1, max(seen) + 1))
    return replace(
        record, state="pruned", value=None, report=SegmentReport(record.number, max(seen), curve=curve)
    )


def test_a_pruned_trial_gets_what_the_steps_that_it_did_not_take_usually_give() -> None:
    trials = {0: climbing(0.5), 1: climbing(0.6), 2: climbing(0.2, upto=3)}
    assert expected_scores(trials) == pytest.approx({0: 0.8, 1: 0.9, 2: 0.5})


def test_a_step_is_learned_from_trials_that_were_stopped_later_too() -> None:
    lucky = Progress(27, {1: 0.5, 3: 0.9, 9: 0.9, 27: 0.9})
    usual = [Progress(27, {1: 0.4, 3: 0.45}), Progress(27, {1: 0.3, 3: 0.35})]
    found = expected_scores(dict(enumerate([lucky, *usual, Progress(27, {1: 0.2})])))
    assert found[3] == pytest.approx(0.25)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_trials_stopped_together_keep_their_order_and_distance(
    finished: list[float], pruned: list[float]
) -> None:
    trials = [*map(climbing, finished), *(climbing(start, upto=9) for start in pruned)]
    found = expected_scores(dict(enumerate(trials)))
    first = len(finished)
    for place, start in enumerate(pruned):
        assert found[first + place] - found[first] == pytest.approx(start - pruned[0], abs=1e-9)


def test_without_a_finished_trial_of_the_same_length_there_is_no_score() -> None:
    trials = {0: Progress(20, {1: 0.5, 20: 0.9}), 1: climbing(0.3, upto=3), 2: climbing(0.3, upto=9)}
    assert set(expected_scores(trials)) == {0}


def test_complete_trials_have_their_values_and_running_ones_none() -> None:
    records = [*fakes.trials(3), fakes.running(3, fakes.draw(random.Random(0)))]
    assert comparable_scores(records) == {record.number: record.value for record in records[:3]}


def test_pruned_trials_are_read_from_their_curves_and_have_a_part_in_importance() -> None:
    records: list[TrialRecord] = []
    for record in fakes.trials(80):
        assert record.value is not None
        assert record.report is not None
        seen = {rung: record.value - 0.1 * (3 - step) for step, rung in enumerate(RUNGS)}
        if record.value < 0.8:
            records.append(stopped(record, {1: seen[1]}))
        else:
            curve = tuple(CurvePoint(epoch, 0.5, seen.get(epoch)) for epoch in range(1, 28))
            records.append(replace(record, report=replace(record.report, curve=curve)))
    scores = comparable_scores(records)
    assert scores == pytest.approx({record.number: record.value for record in fakes.trials(80)})
    space = fakes.study_file().space
    overall = importance(records, space).overall
    assert (overall.trials, overall.stopped) == (80, sum(record.state == "pruned" for record in records))
    assert overall.shares == importance(fakes.trials(80), space).overall.shares
    # Left out, they leave a good part in which nothing is seen to decide.
    alone = importance([record for record in records if record.state != "pruned"], space).overall
    assert overall.variance.effects[0].axes == ("learning_rate",)
    assert alone.variance.effects == ()
