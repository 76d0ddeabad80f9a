"""What an explanation says in sentences, whose figures are given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.explaining.differences import Difference, Side
from search.explaining.explanation import Contribution, Explanation, Rows, SideResult, Step, two_kinds
from search.explaining.figures import Errors, Measured
from search.explaining.words import covers, sentences, to_json, to_keep
from studies.records.explanations import SEEDS_ALONE, KeptExplanation
from studies.space.configuration import Configuration

CONFIGURATION = Configuration("tensorflow", "he_normal", "sgd", 9, learning_rate=0.1, batch_size=32)
RATE = Difference("learning_rate", "0.01", "1")
WEIGHTS = Difference("weights", "he_normal", "glorot_uniform")
FRAMEWORK = Difference("framework", "spark", "tensorflow")


def part(difference: Difference, value: float, half: float, *, same: bool = False) -> Contribution:
    errors = Errors(half / 4, half / 4)
    return Contribution(value, value - half, value + half, errors, same, difference=difference)


def side(name: str, *by_seed: float, only: tuple[str | None, ...] = (), order: float = 0.9) -> SideResult:
    return SideResult(
        side=Side(name, CONFIGURATION, "f1"),
        value=Measured(sum(by_seed) / len(by_seed)),
        by_seed=by_seed,
        scores={"f1": sum(by_seed) / len(by_seed)},
        only=only or (None,) * len(by_seed),
        precisions=(order,) * len(by_seed),
    )


def explained(start: SideResult, end: SideResult, *shares: Contribution, mixed: int = 0) -> Explanation:
    step = Step(0.1, 0.0, 0.2, difference=RATE, after=end.value.value)
    gap = end.value.value - start.value.value
    return Explanation(
        study="one",
        start=start,
        end=end,
        rows=Rows(778, 103, "spam"),
        seeds=tuple(range(len(start.by_seed))),
        gap=Measured(gap, gap - 0.05, gap + 0.05),
        path=(step,),
        shares=shares,
        orders=0,
        mixtures=4,
        trainings=12,
        trained=12,
        between=6,
        mixed=mixed,
        without_spark="",
        remainder=0.0,
    )


LEARNED = side("mended", 0.93, 0.92, 0.94)


def test_seeds_of_two_kinds_are_said_first() -> None:
    nothing = side("spark", 0.88, 0.0, 0.86, only=(None, "ham", None), order=0.14)
    first, second, *_ = sentences(explained(nothing, LEARNED, part(RATE, 0.4, 0.1), mixed=2))
    assert first == (
        "With 1 of 3 seeds spark learned nothing: it predicts “ham” for every validation row; with the "
        "others its F1 of spam is 0.860 to 0.880."
    )
    assert second == (
        "Of the 6 configurations between them, 2 predict one class for every row with some seeds and not "
        "with others: this makes the intervals wide."
    )


def test_one_class_with_the_rows_in_order_has_learned_something() -> None:
    ordered = side("spark", 0.88, 0.0, 0.86, only=(None, "ham", None), order=0.96)
    assert sentences(explained(ordered, LEARNED))[0] == (
        "With 1 of 3 seeds spark predicts “ham” for every validation row, though it ranks them well (average "
        "precision 0.960); with the others its F1 of spam is 0.860 to 0.880."
    )


def test_a_clear_gap_between_seeds_is_said_too() -> None:
    apart = side("spark", 0.31, 0.86, 0.88, 0.87)
    assert sentences(explained(apart, LEARNED))[0] == (
        "With 1 of 4 seeds spark is far worse: its F1 of spam is 0.310; with the others its F1 of spam is "
        "0.860 to 0.880."
    )


@pytest.mark.parametrize(
    ("values", "one_class", "kinds"),
    [
        ((0.9, 0.9, 0.9), (False, False, False), ()),
        ((0.0, 0.0, 0.0), (True, True, True), ()),
        ((0.9, 0.0, 0.9), (False, True, False), (False, True, False)),
        ((0.9, 0.5), (False, False), ()),  # two are always apart
        ((0.9, 0.5, 0.88), (False, False, False), (False, True, False)),
        ((0.9, 0.5, 0.7), (False, False, False), ()),  # spread out, and not of two kinds
        ((0.9, 0.8, 0.89), (False, False, False), ()),  # nearly as good
        ((0.1, 0.12, 0.9, 0.91), (False,) * 4, (True, True, False, False)),
    ],
)
def test_seeds_are_of_two_kinds(
    values: tuple[float, ...], one_class: tuple[bool, ...], kinds: tuple[bool, ...]
) -> None:
    assert two_kinds(values, one_class) == kinds


def test_only_significant_changes_are_said_to_do_something() -> None:
    bad = side("tensorflow", 0.5, 0.51, 0.52)
    found = explained(
        bad, LEARNED, part(RATE, 0.4, 0.1), part(WEIGHTS, 0.02, 0.03), part(FRAMEWORK, 0.0, 0.0, same=True)
    )
    said = sentences(found)
    assert said == (
        "tensorflow has 0.510 F1 of spam, mended has 0.930 F1 of spam: 0.420 more (95%: 0.370 to 0.470).",
        "Learning rate 0.01 → 1 raises the score by 0.400 (95%: 0.300 to 0.500).",
        "No significant difference: initial weights he_normal → glorot_uniform (+0.020).",
        "Changes nothing, the networks are the same with every seed: framework spark → tensorflow.",
    )


def test_one_seed_claims_nothing() -> None:
    alone = explained(side("a", 0.5), side("b", 0.9), Contribution(0.4, difference=RATE))
    alone = replace(alone, gap=Measured(0.4), seeds=(1,))
    assert sentences(alone) == (
        "a has 0.500 F1 of spam, b has 0.900 F1 of spam: 0.400 more, one seed: not tested.",
        "With one seed no difference can be tested: learning rate 0.01 → 1 (+0.400).",
    )
    assert covers(alone).startswith("No intervals: nothing is known of other seeds")


def test_every_rendering_says_what_the_intervals_cover() -> None:
    found = explained(side("a", 0.5, 0.6, 0.55), LEARNED, part(RATE, 0.4, 0.1))
    text = covers(found)
    assert "other seeds than these 3, and over other rows than these 778" in text
    assert "fewer than 63% of seeds may not have shown in 3" in text, "1 - 0.05^(1/3)"
    assert to_json(found)["covers"] == text
    kept = to_keep(found)
    assert kept.covers == text
    assert KeptExplanation.from_dict(kept.to_dict()) == kept
    assert "over the other orders than the 10 sampled" in covers(replace(found, orders=10))


def test_one_that_was_kept_before_rows_were_covered_says_so() -> None:
    kept = to_keep(explained(side("a", 0.5, 0.6, 0.55), LEARNED, part(RATE, 0.4, 0.1))).to_dict()
    del kept["covers"]
    kept["path"] = [{**one, "something": "new"} for one in kept["path"]]
    assert KeptExplanation.from_dict(kept).covers == SEEDS_ALONE
