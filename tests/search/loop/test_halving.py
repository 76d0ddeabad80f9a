from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.loop.halving import Halving, Ladder

SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("ladder", "epochs", "bracket", "rungs"),
    [
        (Ladder(), 81, 0, (1, 3, 9, 27, 81)),
        (Ladder(), 20, 0, (1, 3, 9, 20)),
        (Ladder(), 1, 0, (1,)),
        (Ladder(4, 2), 20, 0, (4, 8, 16, 20)),
        (Ladder(1, 3, 3), 27, 1, (3, 9, 27)),
        (Ladder(1, 3, 3), 27, 2, (9, 27)),
        (Ladder(50), 27, 0, (27,)),
    ],
)
def test_rungs_grow_by_the_factor_and_end_at_the_last_epoch(
    ladder: Ladder, epochs: int, bracket: int, rungs: tuple[int, ...]
) -> None:
    assert ladder.rungs(epochs, bracket) == rungs


@given(factor=st.integers(2, 4), brackets=st.integers(1, 4), rounds=st.integers(1, 5))
def test_each_bracket_begins_later_and_gets_fewer_trials_by_the_factor(
    factor: int, brackets: int, rounds: int
) -> None:
    ladder = Ladder(1, factor, brackets)
    a_round = sum(factor**place for place in range(brackets))
    counts = Counter(ladder.bracket(number) for number in range(rounds * a_round))
    assert [counts[b] for b in range(brackets)] == [
        rounds * factor ** (brackets - 1 - b) for b in range(brackets)
    ]


def test_the_best_third_may_go_on_and_of_equals_the_one_with_the_lower_number() -> None:
    halving = Halving(Ladder())
    for number, score in enumerate([0.1, 0.5, 0.5, 0.2, 0.3, 0.5]):
        halving.reached(number, 1, score, waits=True)
    assert list(halving.promotable()) == [1, 2]


def test_a_trial_that_was_overtaken_while_it_waited_may_go_on_later_when_there_are_more() -> None:
    halving = Halving(Ladder())
    for number, score in enumerate([0.5, 0.9, 0.1]):
        halving.reached(number, 1, score, waits=True)
    assert list(halving.promotable()) == [1]
    halving.resumed_or_ended(1)
    for number in range(3, 6):
        halving.reached(number, 1, 0.0, waits=True)
    assert list(halving.promotable()) == [0]


def test_higher_rungs_come_first() -> None:
    halving = Halving(Ladder())
    for number in range(6):
        halving.reached(number, 1, number / 10, waits=number < 5)
    for number in (5, 6, 7):
        halving.reached(number, 3, 0.01, waits=True)
    assert list(halving.promotable()) == [5, 4]


@given(scores=SCORES, factor=st.integers(2, 4), data=st.data())
def test_what_may_go_on_does_not_depend_on_the_order_of_arrival(
    scores: list[float], factor: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(scores))))
    one, other = Halving(Ladder(1, factor)), Halving(Ladder(1, factor))
    for number, score in enumerate(scores):
        one.reached(number, 1, score, waits=True)
    for number in order:
        other.reached(number, 1, scores[number], waits=True)
    assert list(one.promotable()) == list(other.promotable())
    best = sorted(range(len(scores)), key=lambda number: (-scores[number], number))
    assert list(one.promotable()) == best[: len(scores) // factor]


@given(scores=SCORES, factor=st.integers(2, 4), extra=st.integers(0, 20))
def test_a_trial_is_hopeless_exactly_when_the_best_of_all_to_come_could_not_help_it(
    scores: list[float], factor: int, extra: int
) -> None:
    trials = len(scores) + extra
    halving = Halving(Ladder(1, factor), trials)
    hopeless: set[int] = set()
    for number, score in enumerate(scores):
        halving.reached(number, 1, score, waits=True)
        found = halving.take_hopeless()
        assert not hopeless & set(found), "a trial is told hopeless once"
        hopeless |= set(found)
    # The kindest future: all trials to come are worse.
    kind = Halving(Ladder(1, factor))
    for number in range(trials):
        kind.reached(number, 1, scores[number] if number < len(scores) else -math.inf, waits=True)
    # The first is always left: where nobody is promoted, it is what the study has.
    first = min(range(len(scores)), key=lambda number: (-scores[number], number))
    assert hopeless == set(range(len(scores))) - set(kind.promotable()) - {first}


def test_without_a_number_of_trials_nobody_is_hopeless() -> None:
    halving = Halving(Ladder())
    for number in range(100):
        halving.reached(number, 1, 0.5, waits=True)
    assert halving.take_hopeless() == []
