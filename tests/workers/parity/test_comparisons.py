"""What counts as the same number, and what is said of two that differ."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from studies.records.reports import Scores
from workers.parity.comparisons import (
    DEFINITIONS,
    SAME_F1,
    SAME_NUMBERS,
    Comparison,
    Section,
    compare_final_f1,
    compare_objectives,
    compare_paths,
    compare_scores,
    compare_weights,
    largest_difference,
    parting,
    relative_differences,
)
from workers.training.scores import score

LABELS = np.array([0, 1, 1, 0, 0, 1, 0, 0], np.int64)
CHANCES = np.array([0.1, 0.9, 0.4, 0.2, 0.7, 0.8, 0.3, 0.05])
PROBABILITIES = np.stack([1 - CHANCES, CHANCES], axis=1)
FALLING = [2.0**-iteration for iteration in range(30)]


def scores() -> Scores:
    return score(LABELS, PROBABILITIES, 1)


def test_the_verdict_is_whether_the_difference_is_within_the_bound() -> None:
    assert Comparison("x", 1e-12, 1e-12).verdict == "same"
    assert Comparison("x", 1.1e-12, 1e-12).verdict == "differs"
    assert Comparison("x", math.nan, 1e-12).verdict == "differs"
    assert Comparison("x", math.inf, math.inf).same
    assert Comparison("x", 5.0, None).verdict == ""
    assert Comparison("x", 5.0, None).same
    assert not Section("s", (Comparison("x", 0.0, 0.0), Comparison("y", 1.0, 0.5))).same


def test_what_goes_to_json_has_no_infinity() -> None:
    section = Section("s", (Comparison("x", math.inf, 1e-6, note="why"),))
    text = json.dumps(section.to_dict(), allow_nan=False)
    (found,) = json.loads(text)["comparisons"]
    assert found["difference"] is None
    assert (found["verdict"], found["bound"], found["note"]) == ("differs", 1e-6, "why")


def test_numbers_that_are_none_are_infinitely_far_apart() -> None:
    one = np.array([0.0, 1.0])
    assert largest_difference(one, one + 0.25) == 0.25
    assert largest_difference(one, np.array([0.0])) == math.inf
    assert largest_difference(one, np.array([0.0, np.nan])) == math.inf
    assert largest_difference(np.array([np.inf]), np.array([np.inf])) == math.inf


def test_relative_differences_are_shares_of_the_second() -> None:
    found = relative_differences([1.1, 0.0, 1.0, math.nan], [1.0, 0.0, 0.0, 1.0])
    assert found.tolist() == [pytest.approx(0.1), 0.0, math.inf, math.inf]


def test_a_weight_of_another_layer_is_found() -> None:
    weights = (np.zeros((3, 2)), np.zeros(2))
    assert compare_weights("w", weights, weights).same
    moved = (weights[0], np.array([0.0, 2e-8]))
    found = compare_weights("w", moved, weights)
    assert found.difference == 2e-8
    assert not found.same


def test_objectives_are_compared_as_shares() -> None:
    assert compare_objectives("o", [1e-9], [1e-9 * (1 + 1e-13)]).same
    assert not compare_objectives("o", [1e-9], [1e-9 * (1 + 1e-11)]).same


def test_every_score_has_its_row() -> None:
    found = compare_scores([(scores(), scores())], {"mcc": "a note"})
    names = [one.what.split(",")[0] for one in found]
    assert names == [*DEFINITIONS, "confusion matrix"]
    assert set(names[:-1]) | {"confusion"} == set(Scores.__dataclass_fields__)
    assert all(one.same for one in found)
    assert [one.note for one in found if one.note] == ["a note"]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_score_that_differs_in_one_of_several_pairs_is_found_by_name(name: str) -> None:
    ours = scores()
    theirs = replace(ours, **{name: getattr(ours, name) + 3 * SAME_NUMBERS})
    found = compare_scores([(ours, ours), (ours, theirs), (ours, ours)], {})
    assert [one.what.split(",")[0] for one in found if not one.same] == [name]


def test_a_row_in_another_cell_of_the_confusion_matrix_is_found() -> None:
    ours = scores()
    (a, b), (c, d) = ours.confusion
    found = compare_scores([(ours, replace(ours, confusion=((a - 1, b + 1), (c, d))))], {})
    assert [one.what for one in found if not one.same] == ["confusion matrix"]


def test_paths_that_part_after_the_compared_iterations_are_the_same_and_it_is_said() -> None:
    parted = [value * (1 + 1e-5 * (iteration >= 20)) for iteration, value in enumerate(FALLING)]
    found = compare_paths("l-bfgs", "A and B", parted, FALLING)
    assert found.same
    assert found.note == "A and B part by more than 1e-06 at iteration 21, and end after 30 iterations"
    assert parting(parted, FALLING) == 21


def test_paths_that_part_before_differ() -> None:
    parted = [value * (1 + 1e-5 * (iteration >= 9)) for iteration, value in enumerate(FALLING)]
    found = compare_paths("l-bfgs", "A and B", parted, FALLING)
    assert found.verdict == "differs"
    assert found.difference == pytest.approx(1e-5)
    assert "at iteration 10," in found.note


def test_paths_of_different_lengths_differ_only_where_they_are_compared() -> None:
    assert compare_paths("l-bfgs", "A and B", FALLING[:7], FALLING[:7]).same
    short = compare_paths("l-bfgs", "A and B", FALLING[:7], FALLING)
    assert short.difference == math.inf
    assert not short.same
    longer = compare_paths("l-bfgs", "A and B", FALLING[:28], FALLING)
    assert longer.same
    assert longer.note == "A and B stay within 0e+00, and end after 28 and 30 iterations"


def test_f1_at_the_end_may_differ_by_a_hundredth_or_by_one_row() -> None:
    same = compare_final_f1("F1", LABELS, 1, PROBABILITIES, PROBABILITIES)
    assert (same.difference, same.bound) == (0.0, pytest.approx(1 / 3))
    assert "disagree on 0 of 8 rows" in same.note
    many = np.tile(LABELS, 100), np.tile(PROBABILITIES, (100, 1))
    assert compare_final_f1("F1", many[0], 1, many[1], many[1]).bound == SAME_F1
    other = many[1].copy()
    other[:40] = other[:40, ::-1]
    found = compare_final_f1("F1", many[0], 1, many[1], other)
    assert found.verdict == "differs"
    assert "disagree on 40 of 800 rows" in found.note


def test_one_row_never_moves_f1_past_its_bound() -> None:
    for row in range(len(LABELS)):
        other = PROBABILITIES.copy()
        other[row] = other[row, ::-1]
        assert compare_final_f1("F1", LABELS, 1, PROBABILITIES, other).same
