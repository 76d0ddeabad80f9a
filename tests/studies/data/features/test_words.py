from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.features import words
from studies.data.features.words import mean_vectors, tokens, train_word2vec, trained_tokens
from studies.errors import DataError
from studies.sections.study import Features

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "a dog and a cat"] * 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't call 08712-300!", ["don't", "call", "08712", "-", "300", "!"]),
        ("Ærø’s ÇA  VA", ["ærø's", "ça", "va"]),
        ("'quoted' £5", ["'", "quoted", "'", "£", "5"]),
        (" \n", []),
    ],
)
def test_tokens_are_lower_cased_words_and_single_marks(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text())
def test_tokens_hold_no_space_and_lose_nothing_but_spaces(text: str) -> None:
    found = tokens(text)
    assert not any(character.isspace() for token in found for character in token)
    assert "".join(found) == "".join(text.lower().replace("’", "'").split())


def test_numbers_of_one_length_are_one_word_to_word2vec() -> None:
    assert trained_tokens("call 08712 or 12345") == ["call", "00000", "or", "00000"]


def test_word2vec_knows_the_words_of_its_texts_and_gives_the_same_vectors_again() -> None:
    settings = Features(dimensions=8, iterations=2)
    many = TEXTS * 100  # gensim deals out batches of 10,000 words, and threads would race for them
    first = train_word2vec(many, settings, seed=3)
    again = train_word2vec(many, settings, seed=3)
    assert set(first) == {token for text in TEXTS for token in text.split()}
    assert next(iter(first)) == "the"
    for word, vector in first.items():
        assert vector.shape == (8,)
        assert vector.dtype == np.float32
        np.testing.assert_array_equal(vector, again[word])
    other = train_word2vec(many, settings, seed=4)
    assert not np.array_equal(first["cat"], other["cat"])


def test_the_settings_reach_word2vec() -> None:
    base = Features(dimensions=8, iterations=2)
    vector = train_word2vec(TEXTS, base, seed=3)["cat"]
    for change in ({"iterations": 3}, {"window": 1}, {"algorithm": "cbow"}):
        changed = train_word2vec(TEXTS, base.model_copy(update=change), seed=3)["cat"]
        assert not np.array_equal(vector, changed), change
    assert "mat" not in train_word2vec(TEXTS, base.model_copy(update={"min_count": 61}), seed=3)


def test_words_beyond_gensims_longest_text_are_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    long = ["a b " * 6000 + "c d " * 50]
    settings = Features(dimensions=4, iterations=1)
    whole = train_word2vec(long, settings, seed=1)["c"]
    monkeypatch.setattr(words, "LONGEST_TEXT", 10**9)
    cut = train_word2vec(long, settings, seed=1)["c"]
    assert not np.allclose(whole, cut)


def test_a_count_that_no_word_reaches_is_refused() -> None:
    with pytest.raises(DataError, match="no word is in the 180 training texts 999 times or more"):
        train_word2vec(TEXTS, Features(min_count=999), seed=1)


def test_a_row_is_the_mean_of_its_known_words_every_occurrence_counted() -> None:
    vectors = np.array([[1, 0], [0, 3]], dtype=np.float32)
    means, known = mean_vectors([["a", "a", "b", "x"], ["x"], []], 3, {"a": 0, "b": 1}, vectors)
    np.testing.assert_allclose(means, [[2 / 3, 1], [0, 0], [0, 0]], rtol=1e-6)
    assert means.dtype == np.float32
    assert known.tolist() == [True, False, False]
