from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.reporting.charts.scales import Bands, Linear, Log, category, near_the_best, score_scale


def labels(scale: Linear | Log | Bands, most: int = 6) -> list[str]:
    return [tick.label for tick in scale.ticks(most)]


def test_ticks_are_at_round_numbers() -> None:
    assert labels(Linear(0, 1), 5) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert labels(Linear(0, 10_000), 4) == ["0", "5,000", "10,000"]
    assert labels(Linear(0.91, 0.97), 3) == ["0.92", "0.94", "0.96"]
    assert labels(Log(1e-4, 1)) == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert labels(Log(1, 27)) == ["1", "2", "5", "10", "20"]
    assert labels(Log(1e-7, 1e-5)) == ["1e-7", "3e-7", "1e-6", "3e-6", "1e-5"]
    assert labels(Log(0.31, 0.42), 3) == ["0.35", "0.40"]
    assert labels(Bands(("adam", True, 0.25, 32))) == ["adam", "yes", "0.25", "32"]


@given(
    ends=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).filter(lambda pair: pair[1] - pair[0] > 1e-3),
    most=st.integers(1, 20),
)
def test_ticks_of_numbers_lie_on_the_axis_in_order_and_are_few(ends: tuple[float, float], most: int) -> None:
    parts = [tick.part for tick in Linear(*ends).ticks(most)]
    assert parts == sorted(parts)
    assert all(-1e-6 <= part <= 1 + 1e-6 for part in parts)
    assert len(parts) <= most + 1


@given(low=st.floats(1e-8, 1e3), ratio=st.floats(1.2, 1e9), most=st.integers(2, 12))
def test_ticks_of_logarithms_do_too(low: float, ratio: float, most: int) -> None:
    parts = [tick.part for tick in Log(low, low * ratio).ticks(most)]
    assert parts == sorted(parts)
    assert all(-1e-6 <= part <= 1 + 1e-6 for part in parts)
    assert len(parts) <= most + 1


def test_values_lie_where_they_belong() -> None:
    assert Linear(2, 4).part(3) == 0.5
    assert Log(0.01, 1).part(0.1) == pytest.approx(0.5)
    assert Bands(("a", "b")).part("b") == 0.75
    assert Bands((0.1, 0.2, 0.30000000000000004)).part(0.3) == pytest.approx(5 / 6)
    assert Linear(3, 3).part(3) == Log(3, 3).part(3) == 0.5


def test_an_axis_of_scores_holds_them_and_stays_within_what_scores_can_be() -> None:
    wide = score_scale([0.0, 0.99])
    assert wide.low == 0
    assert 0.99 < wide.high <= 1
    assert score_scale([-0.3, 0.4]).low < -0.3  # Matthews's correlation
    assert 0 < score_scale([0.5]).low < 0.5 < score_scale([0.5]).high < 1
    assert (score_scale([]).low, score_scale([]).high) == (0.0, 1.0)


def test_a_few_scores_far_below_do_not_press_the_others_together() -> None:
    good = [0.93, 0.94, 0.95, 0.96, 0.97, 0.98]
    axis = near_the_best([0.0, 0.0, *good, *good])
    assert 0.7 < axis.low < 0.93
    assert near_the_best(good).low < 0.93
    spread = [0.0, 0.3, 0.6, 0.9]
    assert near_the_best(spread) == score_scale(spread)
    assert near_the_best([0.0, 0.9, 0.9]) == score_scale([0.0, 0.9, 0.9])


def test_values_of_an_axis_are_labelled_where_they_are_few() -> None:
    assert labels(Log(1, 27, (1, 3, 9, 27))) == ["1", "3", "9", "27"]
    assert labels(Log(1, 27, (1, 3, 9, 27)), 3) == ["1", "3", "10"]


def test_values_are_written_as_people_write_them() -> None:
    assert [category(value) for value in (True, False, "sgd", 1000, 0.5)] == [
        "yes",
        "no",
        "sgd",
        "1000",
        "0.5",
    ]
