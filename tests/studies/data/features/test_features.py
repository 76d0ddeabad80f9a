from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studies.data.features.features import fit_features, resolve_kind
from studies.data.labelled_rows import LabelledRows
from studies.errors import DataError
from studies.sections.study import Features

TRAIN = np.array([0, 2, 3])
TEXTS = ("a b a", "c", "b b", "a", "?")
NUMBERS = np.array([[1, 0.1, 4], [99, 0.2, 5], [2, 0.1, 6], [6, 0.1, 8], [-99, 0.1, 7]], dtype=np.float32)
SMALL = Features(dimensions=4, iterations=1)


def texts() -> LabelledRows:
    return LabelledRows("f.csv", list("ababa"), "label", texts=TEXTS, columns=("text",))


def numbers(values: np.ndarray = NUMBERS) -> LabelledRows:
    return LabelledRows("f.csv", list("ababa"), "label", numbers=values, columns=("x", "y", "z"))


def test_numbers_pass_through_unscaled() -> None:
    step, features, notes = fit_features(numbers(), TRAIN, Features(), 0, None)
    np.testing.assert_array_equal(features, NUMBERS)
    assert (step.kind, step.columns, step.mean, notes) == ("none", ("x", "y", "z"), None, ())


def test_the_scale_is_that_of_the_training_rows_alone() -> None:
    step, features, _ = fit_features(numbers(), TRAIN, Features(scale="standard"), 0, None)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[TRAIN].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(features[TRAIN][:, [0, 2]].std(axis=0), 1, rtol=1e-6)
    assert step.mean is not None
    np.testing.assert_allclose(step.mean, [3, 0.1, 6], rtol=1e-6)
    np.testing.assert_array_equal(step.of_numbers(NUMBERS), features)


def test_a_constant_training_column_is_centred_and_not_divided() -> None:
    _, features, _ = fit_features(numbers(), TRAIN, Features(scale="standard"), 0, None)
    np.testing.assert_allclose(features[:, 1], [0, 0.1, 0, 0, 0], atol=1e-6)


def test_a_scale_that_leaves_float32_is_an_error_with_row_and_column() -> None:
    values = NUMBERS.copy()
    values[TRAIN, 2] = [1e-30, 2e-30, 3e-30]
    values[4, 2] = 1e30
    values[1, 2] = 0
    with pytest.raises(DataError) as caught:
        fit_features(numbers(values), TRAIN, Features(scale="standard"), 0, None)
    assert caught.value.where == "f.csv, row 5, z"


def test_word2vec_learns_from_the_training_rows_alone() -> None:
    step, features, notes = fit_features(texts(), TRAIN, SMALL, 7, None)
    assert step.kind == "word2vec"
    assert set(step.words) == {"a", "b"}
    assert features.shape == (5, 4)
    assert (features[[1, 4]] == 0).all()
    assert step.vectors is not None
    np.testing.assert_array_equal(features[3], step.vectors[step.words.index("a")])
    assert notes == ("2 rows of 5 without a known word (0 in training) are all zeros before scaling",)
    other = LabelledRows(
        "f.csv", list("ababa"), "label", texts=("a b a", "z a", "b b", "a", "a z"), columns=("text",)
    )
    np.testing.assert_array_equal(fit_features(other, TRAIN, SMALL, 7, None)[0].vectors, step.vectors)


_columns = arrays(np.float32, (5, 3), elements=st.floats(-1e6, 1e6, width=32))
_sentences = st.lists(st.sampled_from("abcde"), max_size=4).map(" ".join)


@given(_columns, _columns)
def test_no_other_row_changes_the_numbers_of_a_training_row(ours: np.ndarray, others: np.ndarray) -> None:
    scaled = Features(scale="standard")
    mixed = others.copy()
    mixed[TRAIN] = ours[TRAIN]
    try:
        step, features, _ = fit_features(numbers(ours), TRAIN, scaled, 0, None)
        again, changed, _ = fit_features(numbers(mixed), TRAIN, scaled, 0, None)
    except DataError:  # a row is too far off for this scale, which is said and not scaled away
        return
    np.testing.assert_array_equal(again.mean, step.mean)
    np.testing.assert_array_equal(again.scale, step.scale)
    np.testing.assert_array_equal(changed[TRAIN], features[TRAIN])


@tries(max_examples=15)
@given(_sentences, _sentences)
def test_no_other_row_changes_the_words_of_a_training_row(one: str, other: str) -> None:
    _, features, _ = fit_features(texts(), TRAIN, SMALL, 7, None)
    changed = LabelledRows(
        "f.csv", list("ababa"), "label", texts=("a b a", one, "b b", "a", other), columns=("text",)
    )
    np.testing.assert_array_equal(fit_features(changed, TRAIN, SMALL, 7, None)[1][TRAIN], features[TRAIN])


def test_the_step_gives_new_rows_the_studys_features() -> None:
    step, features, _ = fit_features(texts(), TRAIN, SMALL.model_copy(update={"scale": "standard"}), 7, None)
    again, known = step.of_texts(TEXTS)
    np.testing.assert_array_equal(again, features)
    assert known.tolist() == [True, False, True, True, False]


def test_vectors_from_a_file_cover_words_outside_the_training_rows(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("a 1 0\nc 0 1\nabsent 5 5\n")
    step, features, notes = fit_features(texts(), TRAIN, Features(kind="vectors", vectors="v.txt"), 0, path)
    assert step.words == ("a", "c")
    np.testing.assert_allclose(features, [[1, 0], [0, 1], [0, 0], [1, 0], [0, 0]])
    assert notes == ("2 rows of 5 without a known word (1 in training) are all zeros before scaling",)


def test_vectors_that_know_no_word_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("x 1 0\n")
    with pytest.raises(DataError, match=r"none of the 4 words of the texts is in the file"):
        fit_features(texts(), TRAIN, Features(kind="vectors", vectors="v.txt"), 0, path)


def test_the_kind_follows_the_rows() -> None:
    assert resolve_kind(texts(), Features()) == "word2vec"
    assert resolve_kind(numbers(), Features()) == "none"


def test_a_kind_that_contradicts_the_rows_is_refused() -> None:
    with pytest.raises(DataError, match="the rows are texts"):
        resolve_kind(texts(), Features(kind="none"))
    for settings in (Features(kind="word2vec"), Features(kind="vectors", vectors="v.txt")):
        with pytest.raises(DataError, match="the rows are numbers"):
            resolve_kind(numbers(), settings)
