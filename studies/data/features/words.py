"""Sentences into features: the mean of the vectors of a sentence's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import counted
from studies.errors import DataError
from studies.sections.study import Features

LONGEST_TEXT = 10_000
"""gensim trains on the first 10,000 words of a text and drops the rest without a word (MAX_SENTENCE_LEN)."""

TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
"""What a token is, in a lower-cased text whose curled apostrophes are straight."""

_DIGIT = re.compile(r"\d")


def tokens(text: str) -> list[str]:
    """Lower-cased words (letters, digits and _, with apostrophes inside), and every other mark by itself.

    >>> tokens("Don't call 08712-300!")
    ["don't", 'call', '08712', '-', '300', '!']
    """
    return TOKEN.findall(text.lower().replace("’", "'"))


def without_digits(token: str) -> str:
    """The token with every digit as 0, so that numbers share a vector with others of their length."""
    return _DIGIT.sub("0", token)


def trained_tokens(text: str) -> list[str]:
    """The tokens that word2vec is trained on and that its vectors are looked up by."""
    return [without_digits(token) for token in tokens(text)]


def train_word2vec(texts: Sequence[str], features: Features, seed: int) -> dict[str, NDArray[np.float32]]:
    """Vectors, (dimensions,) float32, of the words in ``texts``; the most frequent word comes first.

    word2vec with negative sampling (Mikolov et al., arXiv:1310.4546) as gensim has it. One thread, since
    several race for the vectors and give others each time.

    Raises:
        DataError: where no word is as frequent as ``min_count`` asks.
    """
    # gensim takes seconds to import, and a cached data set doesn't need it.
    from gensim.models import Word2Vec

    # gensim passes over the tokens several times, so that they are held: each word once.
    once: dict[str, str] = {}
    sentences = [
        part for text in texts for part in _parts([once.setdefault(t, t) for t in trained_tokens(text)])
    ]
    model = Word2Vec(
        vector_size=features.dimensions,
        window=features.window,
        min_count=features.min_count,
        sg=int(features.algorithm == "skip-gram"),
        seed=seed,
        workers=1,
    )
    model.build_vocab(sentences)
    if not len(model.wv):
        raise DataError(
            f"no word is in the {counted(len(texts), 'training text')} {features.min_count} times or more",
            where="[features] min_count",
            allowed="a count that some words reach",
            remedy="lower min_count",
        )
    model.train(sentences, total_examples=len(sentences), epochs=features.iterations)
    return dict(zip(model.wv.index_to_key, model.wv.vectors, strict=True))


def mean_vectors(
    sentences: Iterable[Sequence[str]], rows: int, rows_of: Mapping[str, int], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean of the known words' vectors of each sentence, every occurrence counted.

    Args:
        sentences: tokens of each row, which are taken one row at a time: those of all rows are some ten times
            as large as the texts.
        rows: how many there are.
        rows_of: row of each known word in ``vectors``.
        vectors: (words, dimensions).

    Returns:
        (rows, dimensions) float32, zeros where no word is known, and (rows,) whether one is.
    """
    means = np.zeros((rows, vectors.shape[1]), dtype=np.float32)
    known = np.zeros(rows, dtype=np.bool_)
    for row, sentence in enumerate(sentences):
        words = [rows_of[token] for token in sentence if token in rows_of]
        if words:
            known[row] = True
            means[row] = vectors[words].mean(axis=0)
    return means, known


def _parts(sentence: list[str]) -> list[list[str]]:
    return [sentence[start : start + LONGEST_TEXT] for start in range(0, len(sentence), LONGEST_TEXT)]
