"""Contributions that are known in closed form come out exactly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from search.explaining.attribution import (
    Changed,
    Parts,
    Values,
    Weights,
    attribute,
    every_set,
    greedy_order,
    sampled_orders,
    sets_of_order,
    shapley_weights,
    step_weights,
    total,
    weighted,
)

SINGLE = (Fraction(1, 2), Fraction(-1, 3), Fraction(1, 7), Fraction(0), Fraction(2, 5), Fraction(-1, 11))
PAIRS = {(0, 1): Fraction(1, 4), (0, 4): Fraction(-3, 5), (2, 5): Fraction(1, 6), (1, 5): Fraction(2, 9)}


@dataclass
class Game:
    """A score that is a sum of single effects and of effects of pairs; it notes what it was asked."""

    single: tuple[Fraction, ...] = SINGLE
    pairs: Mapping[tuple[int, int], Fraction] = field(default_factory=lambda: PAIRS)
    asked: list[Changed] = field(default_factory=list)

    def value(self, made: Changed) -> Fraction:
        alone = sum((self.single[change] for change in made), Fraction(1, 10))
        return alone + sum((effect for pair, effect in self.pairs.items() if made >= set(pair)), Fraction(0))

    def ask(self, sets: Collection[Changed]) -> dict[Changed, Values]:
        """With two seeds, the second of which sees everything twice as large."""
        self.asked += [made for made in sets if made not in self.asked]
        return {made: (self.value(made), 2 * self.value(made)) for made in sets}

    def shares(self) -> list[Fraction]:
        """Shapley values: each pair's effect goes to its two in equal parts."""
        return [
            one + sum((effect / 2 for pair, effect in self.pairs.items() if change in pair), Fraction(0))
            for change, one in enumerate(self.single)
        ]


def parts(several: Sequence[Weights], values: Mapping[Changed, Values]) -> Parts:
    return tuple(weighted(one, values) for one in several)


def test_shapley_values_are_those_known_in_closed_form_for_every_seed() -> None:
    game = Game()
    values = game.ask(every_set(6))
    assert len(values) == 64
    assert parts(shapley_weights(6), values) == tuple((share, 2 * share) for share in game.shares())


def test_the_greedy_path_takes_the_change_that_moves_most_first_with_what_is_made_already() -> None:
    game = Game()
    order = greedy_order(6, game.ask)
    # The score falls by 1/11 + 1/3 and rises by more: upwards it goes. First 0 (+1/2). With it 1 is worth
    # -1/3 + 1/4 and 4 is worth 2/5 - 3/5; 2 (+1/7) and 3 (0) come before. With 2, 5 is worth -1/11 + 1/6.
    assert order == (0, 2, 5, 1, 3, 4)
    found = parts(step_weights(order), game.ask(sets_of_order(order)))
    assert [part[0] for part in found] == [
        Fraction(1, 2),
        Fraction(-1, 3) + Fraction(1, 4) + Fraction(2, 9),
        Fraction(1, 7),
        Fraction(0),
        Fraction(2, 5) - Fraction(3, 5),
        Fraction(-1, 11) + Fraction(1, 6),
    ]


def test_the_greedy_path_goes_down_where_the_end_is_lower() -> None:
    game = Game(single=tuple(-one for one in SINGLE[:3]), pairs={})
    assert greedy_order(3, game.ask) == (0, 2, 1)


def test_the_greedy_path_asks_for_no_more_than_it_compares() -> None:
    game = Game()
    greedy_order(6, game.ask)
    assert len(game.asked) == 1 + 6 * 7 // 2  # the start, and 6, 5, 4, 3, 2 and 1 candidates
    assert len(set(game.asked)) == len(game.asked)


def test_an_order_and_its_reverse_give_effects_of_pairs_exactly() -> None:
    single = (*SINGLE, Fraction(1, 13), Fraction(-1, 17))
    game = Game(single=single, pairs=PAIRS | {(6, 7): Fraction(1, 3)})
    orders = sampled_orders(8, 2, seed=5)
    assert len(orders) == 4
    assert all(sorted(order) == list(range(8)) for order in orders)
    values = game.ask([made for order in orders for made in sets_of_order(order)])
    found = attribute(range(8), orders)
    assert [part[0] for part in parts(found.shares, values)] == game.shares()
    for pair in found.pairs:
        assert [part[0] for part in parts(pair, values)] == game.shares()


def test_pairs_of_orders_are_told_apart() -> None:
    # Of three, all or nothing: who comes last gets all. So an order and its reverse give a half to each end.
    values = {made: (Fraction(len(made) == 3),) for made in every_set(3)}
    found = attribute((0, 1, 2), ((0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)))
    assert [part[0] for part in parts(found.shares, values)] == [
        Fraction(1, 4),
        Fraction(1, 4),
        Fraction(1, 2),
    ]
    half, none = Fraction(1, 2), Fraction(0)
    assert [[part[0] for part in parts(pair, values)] for pair in found.pairs] == [
        [half, none, half],
        [none, half, half],
    ]


def test_what_the_greedy_path_compared_is_known() -> None:
    found = attribute((2, 0, 1))
    assert len(found.compared) == 6
    assert all(step in found.compared for step in found.path)
    assert {frozenset({1}): 1, frozenset(): -1} in found.compared
    assert {frozenset({2, 1}): 1, frozenset({2}): -1} in found.compared


scores = st.floats(-1, 1, allow_subnormal=False)


@given(
    st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.lists(scores, min_size=2**n, max_size=2**n)))
)
def test_parts_add_up_to_the_gap_to_the_last_bit(drawn: tuple[int, list[float]]) -> None:
    count, figures = drawn
    values = {made: (Fraction(one),) for made, one in zip(every_set(count), figures, strict=True)}
    gap = values[frozenset(range(count))][0] - values[frozenset()][0]
    assert total(parts(shapley_weights(count), values)) == (gap,)
    order = greedy_order(count, lambda sets: {made: values[made] for made in sets})
    found = attribute(order, sampled_orders(count, 3, seed=1))
    assert total(parts(found.shares, values)) == (gap,)
    assert total(parts(found.path, values)) == (gap,)
    assert weighted(found.gap, values) == (gap,)
    assert found.remainder(values) == 0
