"""What the sections work out before they draw."""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.reporting.charts.drawn import SHADES, Shades, placed, scale_of, shake, thinned
from search.reporting.charts.frame import Dot, Frame
from search.reporting.charts.scales import Bands, Linear, Log
from search.reporting.sections.learning import rungs_of, scores_by_epoch
from search.reporting.sections.time_spent import Work, busy, without_idle, work_of
from search.reporting.words import as_toml, in_words
from search.words import listed
from studies.records.reports import CurvePoint
from studies.sections.distributions import Choice, Range
from studies.study_file import read_study_file
from tests.conftest import SMALL, write_rows
from tests.search import fakes

BEGIN = datetime(2026, 11, 24, 12, 0)


def test_the_toml_to_paste_is_accepted_by_the_study_that_it_came_from(tmp_path: Path) -> None:
    write_rows(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    space = read_study_file(path).space
    draw = random.Random(2)

    class Suggest:
        def suggest_categorical(self, _name: str, choices: list[object]) -> object:
            return draw.choice(choices)

        def suggest_float(self, _name: str, low: float, high: float, **_more: object) -> float:
            return draw.uniform(low, high)

        def suggest_int(self, _name: str, low: int, high: int, **_more: object) -> int:
            return draw.randint(low, high)

    configuration = space.sample(Suggest())
    text = as_toml(configuration)
    path.write_text(SMALL + text)
    (enqueued,) = read_study_file(path).enqueued
    assert enqueued["learning_rate"] == configuration.learning_rate
    assert enqueued["batch_size"] == configuration.batch_size
    assert tomllib.loads(text)["enqueue"] == [configuration.used()]


def test_rungs_count_who_reached_them_and_who_went_on() -> None:
    generator = random.Random(1)
    seen = [{1: 0.1}, {1: 0.3, 3: 0.5}, {1: 0.2, 3: 0.6, 9: 0.9}, {}]
    records = [
        replace(fakes.running(number, fakes.draw(generator)), rung_scores=scores)
        for number, scores in enumerate(seen)
    ]
    first, second, last = rungs_of(records)
    assert (first.epoch, first.reached, first.went_on, first.best, first.lowest_on) == (1, 3, 2, 0.3, 0.2)
    assert (second.reached, second.went_on, second.lowest_on) == (2, 1, 0.6)
    assert (last.epoch, last.reached, last.went_on, last.lowest_on) == (9, 1, 0, None)


def test_a_curve_is_of_all_scores_on_the_way() -> None:
    record = fakes.trials(1)[0]
    assert record.report is not None
    curve = (CurvePoint(1, 0.5, 0.2), CurvePoint(2, 0.4), CurvePoint(27, 0.1, 0.7))
    record = replace(record, rung_scores={9: 0.6}, report=replace(record.report, curve=curve))
    assert list(scores_by_epoch(record).items()) == [(1, 0.2), (9, 0.6), (27, 0.7)]


def test_work_in_one_go_is_put_before_the_trials_end_and_other_work_spread() -> None:
    one, other = fakes.trials(2)  # 3.2 s of work each
    one = replace(one, started=BEGIN, completed=BEGIN + timedelta(seconds=10))
    other = replace(
        other,
        started=BEGIN + timedelta(seconds=2),
        completed=BEGIN + timedelta(seconds=12),
        rung_scores={1: 0.1, 3: 0.2},
    )
    records = [one, other, fakes.running(2, fakes.draw(random.Random(1)))]
    first, second = work_of(records, waits=True)
    assert (first.begin, first.end, first.seconds) == pytest.approx((6.8, 10, 3.2))
    assert (second.begin, second.end, second.seconds) == pytest.approx((2, 12, 3.2))
    _, second = work_of(records, waits=False)
    assert (second.begin, second.end) == pytest.approx((8.8, 12))


spans = st.lists(
    st.tuples(st.floats(0, 1000), st.floats(0.1, 300), st.floats(0.1, 1)), min_size=1, max_size=30
).map(lambda found: [Work(begin, begin + long, long * part) for begin, long, part in found])


@given(work=spans)
def test_the_slots_that_were_busy_add_up_to_the_work(work: list[Work]) -> None:
    begin, end, slots = busy(work, 50)
    assert sum(slots) * (end - begin) / 50 == pytest.approx(sum(each.seconds for each in work))


@given(work=spans)
def test_cutting_out_idle_time_leaves_no_long_gap_and_no_work_out(work: list[Work]) -> None:
    found, cuts = without_idle(work)
    assert sorted(each.seconds for each in found) == sorted(each.seconds for each in work)
    assert sorted(each.end - each.begin for each in found) == pytest.approx(
        sorted(each.end - each.begin for each in work)
    )
    again, more = without_idle(found)
    assert more == []
    assert [each.begin for each in again] == pytest.approx([each.begin for each in found])
    assert cuts == sorted(cuts)


def test_configurations_in_words() -> None:
    generator = random.Random(1)
    spark = replace(fakes.draw(generator, "spark"), optimizer="l-bfgs", learning_rate=None, epochs=20)
    assert in_words(spark) == (
        f"a Spark network trained with l-bfgs for 20 iterations, from {spark.initialisation} weights"
    )
    assert in_words(replace(spark, framework="analytic")).startswith("an analytic network")
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_places_colours_and_samples() -> None:
    record = fakes.trials(1)[0]
    rates = Range(1e-4, 1.0, log=True)
    assert placed(record, "learning_rate", rates) == record.params["learning_rate"]
    assert placed(record, "learning_rate", Range(2.0, 3.0)) is None
    assert isinstance(scale_of(rates), Log)
    assert isinstance(scale_of(Range(0.0, 1.0)), Linear)
    assert scale_of(Choice((1, 2))) == Bands((1, 2))
    assert all(-0.5 <= shake(trial) < 0.5 for trial in range(1000))
    assert [record.number for record in thinned(fakes.trials(10), 4)] == [0, 2, 5, 7]
    assert len(thinned(fakes.trials(3), 4)) == 3


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=100))
def test_colours_rise_with_the_score_and_the_best_has_the_last(scores: list[float]) -> None:
    shades = Shades(scores)
    colours = [int(shades.of(score)[1:]) for score in sorted(scores)]
    assert colours == sorted(colours)
    assert colours[-1] == SHADES - 1
    assert all(0 <= colour < SHADES for colour in colours)
    assert shades.of(min(scores) - 1) == ("q0")


def test_each_colour_has_an_equal_part_of_the_trials() -> None:
    shades = Shades([number / 70 for number in range(70)])
    counts = Counter(shades.of(number / 70) for number in range(70))
    assert set(counts.values()) <= {9, 10, 11}


def test_marks_lie_where_the_scales_say() -> None:
    frame = Frame(Linear(0, 10), Linear(0, 1), width=120, height=100, left=10, right=10, top=0, bottom=0)
    assert (
        frame.dots([Dot(0, 0, 4), Dot(5, 1, 7)], "x")
        == '<path class="dots x" d="M10 100h0M60 0h0" data-t="4 7"></path>'
    )
    assert frame.dots([], "x") is None
    assert frame.steps([(0, 0.5), (5, 1)], "x") == '<path class="line x" d="M10 50H60V0H110"></path>'
    assert (
        frame.curve([(0, 0), (10, 1)], "x", 3)
        == '<polyline class="line x" points="10,100 110,0" data-t="3"></polyline>'
    )
