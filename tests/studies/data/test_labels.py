from __future__ import annotations

import datetime
from decimal import Decimal
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
        (["10", "9", "+1"], ("+1", "9", "10")),
        (["1.0", "0.0"], ("0.0", "1.0")),
        (["01", "1", "00"], ("00", "01", "1")),
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
    with pytest.raises(DataError, match=r"found the label '?0\.25'? at line 3"):
        encode_labels(rows_of(labels), None)


def test_numbers_longer_than_any_that_counts_are_no_labels_and_are_cut() -> None:
    with pytest.raises(DataError, match=r"found the label '1{59}…' at line 2\n"):
        encode_labels(rows_of(["1" * 5000, "2"]), None)


def test_values_of_other_types_are_no_labels() -> None:
    with pytest.raises(DataError, match=r"found the label a list of 1 value at line 2"):
        encode_labels(rows_of([[1], [2]]), None)


def test_an_unknown_positive_class_lists_the_classes_and_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        encode_labels(rows_of(["ham", "spam"]), "spamm")
    assert "'spamm'" in caught.value.problem
    assert caught.value.allowed == "'ham', 'spam'"
    assert caught.value.remedy == "did you mean 'spam'?"


def test_labels_are_text_as_it_is_written_and_found_by_it() -> None:
    encoded = encode_labels(rows_of(["01", "1", "01", "1", "1"]), "01")
    assert encoded.classes == ("01", "1")
    assert encoded.classes[encoded.positive] == "01"
    assert encoded.notes == (
        "the labels '1' (3 rows) and '01' (2 rows) are classes of their own; the rarer is at line 2, line 4",
    )


def test_digits_of_other_scripts_stay_what_they_are() -> None:
    assert encode_labels(rows_of(["١", "٠"]), None).classes == ("٠", "١")


@pytest.mark.parametrize(
    ("other", "written"),
    [
        (" spam", "' spam'"),
        ("spam\xa0", r"'spam\xa0'"),
        ("sp\u200bam", r"'sp\u200bam'"),
        ("spam\u202e", r"'spam\u202e'"),
        ("ｓｐａｍ", r"'\uff53\uff50\uff41\uff4d'"),
        ("spam\x07", r"'spam\x07'"),
    ],
)
def test_labels_that_look_alike_are_refused_with_their_rows(other: str, written: str) -> None:
    with pytest.raises(DataError) as caught:
        encode_labels(rows_of(["spam", "ham", "spam", other, "ham"]), None)
    assert caught.value.problem == f"the labels 'spam' (2 rows) and {written} (1 row) look alike"
    assert "write 'spam' at line 5 too" in caught.value.remedy


@pytest.mark.parametrize(
    ("one", "other"), [("café", "cafe\u0301"), ("1", "1.0"), ("+1", "1"), ("❤", "❤\ufe0f")]
)
def test_forms_of_one_name_look_alike(one: str, other: str) -> None:
    with pytest.raises(DataError, match="look alike"):
        encode_labels(rows_of([one, "2", other]), None)


@given(
    st.lists(st.text(min_size=1, max_size=3), min_size=2, max_size=8),
    st.sampled_from(["{} ", " {}", "{}\u200b", "\ufeff{}", "{}\xa0"]),
)
def test_no_class_is_made_by_what_cant_be_seen(names: list[str], slip: str) -> None:
    labels = [*names, slip.format(names[0])]
    try:
        classes = encode_labels(rows_of(labels), None).classes
    except DataError:
        return
    assert len({name.strip() for name in classes}) == len(classes)
    assert set(classes) == set(labels)


def test_blanks_that_all_labels_have_are_kept_and_needn_t_be_written() -> None:
    encoded = encode_labels(rows_of([" positive", " negative", " negative"]), "positive")
    assert encoded.classes == (" negative", " positive")
    assert encoded.positive == 1
    assert encode_labels(rows_of(["1.0", "0.0"]), 1).positive == 1


def test_classes_that_differ_in_case_alone_are_noted_with_the_rows() -> None:
    assert encode_labels(rows_of(["spam", "Spam", "ham", "spam"]), None).notes == (
        "the labels 'spam' (2 rows) and 'Spam' (1 row) are classes of their own; the rarer is at line 3",
    )


def test_a_word_for_a_missing_value_is_no_class_among_numbers_and_noted_among_words() -> None:
    with pytest.raises(DataError) as caught:
        encode_labels(rows_of(["0", "1", "NA", "1"]), None)
    assert (
        caught.value.problem == "found the label 'NA' among whole numbers, as if it were missing, at line 4"
    )
    assert encode_labels(rows_of(["a", "b", "nan"]), None).notes == (
        "the label 'nan' (1 row) is a class, and no gap",
    )


def test_a_nul_character_in_a_label_is_refused() -> None:
    with pytest.raises(DataError, match=r"the label 'h\\x00am' at line 2, which holds a NUL"):
        encode_labels(rows_of(["h\0am", "spam"]), None)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)], "the date 2024-05-01"),
        ([{"x": 1}, {"x": 2}], "a record of 'x'"),
        ([b"a", b"b"], "1 byte"),
    ],
)
def test_other_values_are_named_in_words(labels: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=f"found the label {words} at line 2"):
        encode_labels(rows_of(labels), None)


def test_labels_of_decimals_and_of_floats_are_whole_numbers() -> None:
    assert encode_labels(rows_of([Decimal("1.00"), Decimal("0.00")]), None).classes == ("0", "1")
