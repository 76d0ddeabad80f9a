from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.labelled_rows import LabelledRows
from studies.data.labels import encode_labels
from studies.errors import DataError


def rows_of(labels: list[Any]) -> LabelledRows:
    return LabelledRows(
        "f.csv", labels, "label", texts=("a",) * len(labels), row_name=lambda row: f"line {row + 2}"
    )


@given(
    st.lists(st.text(st.characters(categories=["Lu", "Ll"]), min_size=1), min_size=2).filter(
        lambda x: len(set(x)) > 1
    )
)
def test_indices_lead_back_to_the_labels(names: list[str]) -> None:
    labels = encode_labels(rows_of(names), None)
    assert [labels.classes[index] for index in labels.indices] == names
    assert labels.classes == tuple(sorted(set(names)))
    assert labels.indices.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["spam", "ham"], ("ham", "spam")),
        ([10, 9, -1], ("-1", "9", "10")),
        (["10", "9", "+1"], ("1", "9", "10")),
        ([1.0, 0.0], ("0", "1")),
        ([True, False], ("False", "True")),
        (["10", "9", "a"], ("10", "9", "a")),
        (["1.5", "beta"], ("1.5", "beta")),
    ],
)
def test_classes_are_sorted_and_whole_numbers_numerically(
    labels: list[Any], classes: tuple[str, ...]
) -> None:
    assert encode_labels(rows_of(labels), None).classes == classes


@pytest.mark.parametrize(
    ("labels", "positive", "name"),
    [
        ("aab", None, "b"),
        ("abb", None, "a"),
        ("aabb", None, "b"),
        ("abbccc", "b", "b"),
        ("0011", 0, "0"),
    ],
)
def test_the_positive_class_is_the_named_or_the_rarest_and_of_equals_the_last(
    labels: str, positive: str | int | None, name: str
) -> None:
    encoded = encode_labels(rows_of(list(labels)), positive)
    assert encoded.classes[encoded.positive] == name


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  ", np.float64("nan")])
def test_missing_labels_are_counted_and_the_first_is_named(missing: Any) -> None:
    with pytest.raises(DataError) as caught:
        encode_labels(rows_of(["a", missing, "b", missing]), None)
    assert caught.value.problem == "found 2 rows without a label, the first at line 3"
    assert caught.value.where == "f.csv, column 'label'"


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataError, match="all 2 rows have the label 'a'"):
        encode_labels(rows_of(["a", "a"]), None)
    with pytest.raises(DataError, match="there is only one row, with the label 'a'"):
        encode_labels(rows_of(["a"]), None)


@pytest.mark.parametrize("labels", [[1.0, 0.25], ["1", "0.25"]])
def test_a_measured_quantity_is_no_label(labels: list[Any]) -> None:
    with pytest.raises(DataError, match=r"found the label 0\.25 at line 3"):
        encode_labels(rows_of(labels), None)


def test_numbers_longer_than_any_that_counts_are_no_labels_and_are_cut() -> None:
    with pytest.raises(DataError, match=r"found the label 1{59}… at line 2\n"):
        encode_labels(rows_of(["1" * 5000, "2"]), None)


def test_values_of_other_types_are_no_labels() -> None:
    with pytest.raises(DataError, match=r"found the label \[1\] at line 2"):
        encode_labels(rows_of([[1], [2]]), None)


def test_an_unknown_positive_class_lists_the_classes_and_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        encode_labels(rows_of(["ham", "spam"]), "spamm")
    assert "'spamm'" in caught.value.problem
    assert caught.value.allowed == "'ham', 'spam'"
    assert caught.value.remedy == "did you mean 'spam'?"
