from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from search.dashboard.plots import (
    HEIGHT,
    WIDTH,
    confusion_matrix,
    learning_curve,
    precision_recall,
    precision_recall_points,
)
from studies.records.reports import CurvePoint

SVG = "{http://www.w3.org/2000/svg}"


def words(picture: str) -> list[str]:
    """All texts of a picture, which is parsed as XML and must lie within its bounds."""
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    for element in root.iter():
        for name, most in (("x", WIDTH), ("cx", WIDTH), ("y", HEIGHT), ("cy", HEIGHT)):
            assert 0 <= float(element.get(name, "0")) <= most
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def points_of(picture: str) -> list[list[tuple[float, float]]]:
    """The lines of a picture, in its own coordinates."""
    lines = ElementTree.fromstring(picture).iter(f"{SVG}polyline")
    pairs = ([pair.split(",") for pair in line.get("points", "").split()] for line in lines)
    return [[(float(x), float(y)) for x, y in line] for line in pairs]


def curve(epochs: int, scored: Sequence[int]) -> list[CurvePoint]:
    return [CurvePoint(e, 1 / e, 1 - 1 / (e + 1) if e in scored else None) for e in range(1, epochs + 1)]


def test_a_learning_curve_falls_and_its_scores_rise_over_the_same_epochs() -> None:
    picture = learning_curve(curve(27, (1, 3, 9, 27)), "Trial 4 <b>", "F1 of spam & eggs")
    assert {"Trial 4 <b>", "F1 of spam & eggs, validation rows", "epoch"} <= set(words(picture))
    loss, score = points_of(picture)
    assert (len(loss), len(score)) == (27, 4)
    assert (loss[0][0], loss[-1][0]) == (score[0][0], score[-1][0])
    # Down the page is down in value.
    assert [y for _, y in loss] == sorted(y for _, y in loss)
    assert [y for _, y in score] == sorted((y for _, y in score), reverse=True)


@pytest.mark.parametrize(
    "found",
    [
        curve(1, (1,)),
        curve(1, ()),
        curve(5, (5,)),
        [CurvePoint(1, float("nan"), float("nan")), CurvePoint(2, float("inf"), None)],
        [CurvePoint(1, 0.0, 0.0)],
        [CurvePoint(10, 0.5, None)],
    ],
)
def test_curves_of_a_point_or_of_no_number_are_drawn_too(found: list[CurvePoint]) -> None:
    picture = learning_curve(found, "Trial 4", "F1")
    assert "nan" not in picture
    assert "Trial 4" in words(picture)


def test_a_confusion_matrix_says_every_count_and_share() -> None:
    said = words(confusion_matrix([[670, 5], [0, 103]], ["ham", "a long name that is cut"], "Trial 4"))
    assert {"670", "5", "0", "103", "99.3%", "0.7%", "0.0%", "100.0%", "predicted ham", "actual ham"} <= set(
        said
    )
    assert "773 of 778 validation rows are predicted correctly" in said


def test_a_confusion_matrix_of_many_classes_has_depths_alone() -> None:
    names = [f"class {index}" for index in range(20)]
    said = words(confusion_matrix(np.eye(20, dtype=int).tolist(), names, "Trial 4"))
    assert "1" not in said
    assert "actual class 19" in said


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), min_size=1))
def test_the_points_are_those_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    positive, probability = (np.array(column) for column in zip(*rows, strict=True))
    recall, precision = precision_recall_points(positive, probability)
    if not positive.any():
        assert not len(recall)
        return
    expected_precision, expected_recall, _ = precision_recall_curve(positive, probability)
    np.testing.assert_allclose(recall, expected_recall[-2::-1])
    np.testing.assert_allclose(precision, expected_precision[-2::-1])


def test_the_trials_own_threshold_is_marked_and_the_share_of_the_class() -> None:
    positive = np.array([True, True, False, False, False])
    picture = precision_recall(positive, np.array([0.9, 0.4, 0.6, 0.2, 0.1]), "Trial 4", 0.5)
    said = words(picture)
    assert "above 0.5: precision 0.500, recall 0.500" in said
    assert "a predictor that knows nothing: 40.0%" in said


def test_a_network_that_never_says_the_class_has_no_mark() -> None:
    positive = np.array([True, False])
    said = words(precision_recall(positive, np.array([0.4, 0.1]), "Trial 4", 0.5))
    assert "no row is predicted positive above 0.5" in said


def test_rows_without_the_class_and_more_than_two_classes_are_drawn() -> None:
    nothing = np.array([False, False])
    assert "Trial 4" in words(precision_recall(nothing, np.array([0.4, 0.1]), "Trial 4", 0.5))
    assert not [
        text for text in words(precision_recall(~nothing, np.array([0.4, 0.1]), "T", None)) if "above" in text
    ]
