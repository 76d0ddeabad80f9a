"""From labelled rows to one float32 matrix. Whatever is fitted is fitted on the training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studies.data.features.vectors import read_vectors
from studies.data.features.words import mean_vectors, tokens, train_word2vec, trained_tokens
from studies.data.labelled_rows import LabelledRows, counted
from studies.errors import DataError
from studies.sections.study import Features


@dataclass(frozen=True)
class FeatureStep:
    """The fitted step from texts or numbers to features; enough to treat new rows like the study's.

    Attributes:
        kind: ``word2vec``, ``vectors`` or ``none``.
        columns: names of the features read, or of the one column of texts.
        words: known words; empty for ``none``.
        vectors: (words, dimensions) float32, one a word; ``None`` for ``none``.
        mean, scale: (features,) float64, subtracted and divided by; ``None`` where nothing is scaled.
    """

    kind: str
    columns: tuple[str, ...]
    words: tuple[str, ...] = ()
    vectors: NDArray[np.float32] | None = None
    mean: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None

    @property
    def takes_texts(self) -> bool:
        """Whether it makes features of texts; otherwise it takes numbers."""
        return self.vectors is not None

    def of_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(rows, features) float32, and (rows,) whether a word of the text is known."""
        if self.vectors is None:
            raise ValueError(f"a feature step of kind '{self.kind}' takes numbers")
        split = trained_tokens if self.kind == "word2vec" else tokens
        rows_of = {word: row for row, word in enumerate(self.words)}
        means, known = mean_vectors((split(text) for text in texts), len(texts), rows_of, self.vectors)
        return self.of_numbers(means), known

    def of_numbers(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, features) float32, scaled where the study scales."""
        if self.mean is None or self.scale is None:
            return numbers
        with np.errstate(over="ignore"):  # what leaves float32 becomes infinite, for the caller to report
            return ((numbers - self.mean) / self.scale).astype(np.float32)


def resolve_kind(rows: LabelledRows, features: Features) -> str:
    """``features.kind``, or the one that suits ``rows``.

    Raises:
        DataError: where they contradict each other.
    """
    if rows.texts is not None:
        if features.kind == "none":
            raise DataError(
                f"the rows are texts (column '{rows.columns[0]}')",
                where='[features] kind = "none"',
                allowed='"word2vec" or "vectors" for texts',
                remedy="leave kind out, or name numeric columns as features in [data]",
            )
        return features.kind or "word2vec"
    if features.kind in ("word2vec", "vectors"):
        raise DataError(
            f"the rows are numbers ({counted(len(rows.columns), 'column')} of {rows.where})",
            where=f'[features] kind = "{features.kind}"',
            allowed='"none" for numbers',
            remedy="leave kind out, or name a column of sentences as text in [data]",
        )
    return "none"


def fit_features(
    rows: LabelledRows, train: NDArray[np.int64], features: Features, seed: int, vectors: Path | None
) -> tuple[FeatureStep, NDArray[np.float32], tuple[str, ...]]:
    """The step fitted on the rows numbered ``train``, the features of all rows, and notes.

    ``vectors`` is the file of word vectors; words are looked up in it for all rows, since they are not
    fitted here.

    Raises:
        DataError: where kind and rows contradict each other, no word is known, or scaling leaves float32.
    """
    kind = resolve_kind(rows, features)
    if rows.texts is None:
        numbers = _numbers_of(rows)
        step = _with_scale(FeatureStep(kind, rows.columns), numbers[train], features)
        return step, _checked(step.of_numbers(numbers), rows), ()
    if kind == "word2vec":
        vectors_of = train_word2vec([rows.texts[row] for row in train], features, seed)
    else:
        vectors_of = _vectors_from(vectors, rows.texts)
    step = FeatureStep(kind, rows.columns, tuple(vectors_of), np.stack(list(vectors_of.values())))
    means, known = step.of_texts(rows.texts)
    step = _with_scale(step, means[train], features)
    return step, _checked(step.of_numbers(means), rows), _unknown_note(known, train)


def _numbers_of(rows: LabelledRows) -> NDArray[np.float32]:
    if rows.numbers is None:
        raise ValueError("rows hold neither texts nor numbers")
    return rows.numbers


def _vectors_from(path: Path | None, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    if path is None:
        raise ValueError("kind 'vectors' needs a file")
    wanted = {token for text in texts for token in tokens(text)}
    vectors = read_vectors(path, wanted)
    if not vectors:
        raise DataError(
            f"none of the {len(wanted)} words of the texts is in the file",
            where=f"[features] vectors, {path}",
            allowed="vectors of the texts' language",
            remedy='choose another file, or kind = "word2vec"',
        )
    return vectors


def _with_scale(step: FeatureStep, train: NDArray[np.float32], features: Features) -> FeatureStep:
    if features.scale == "none":
        return step
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    # Rounding leaves a constant column with a deviation just above 0; dividing by it would blow noise up.
    constant = (train == train[0]).all(axis=0) | (deviation == 0)
    scale = np.where(constant, 1.0, deviation)
    return FeatureStep(step.kind, step.columns, step.words, step.vectors, mean, scale)


def _checked(features: NDArray[np.float32], rows: LabelledRows) -> NDArray[np.float32]:
    finite = np.isfinite(features)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        name = rows.columns[column] if rows.texts is None else f"feature {column}"
        raise DataError(
            "scaling by the training rows' standard deviation leaves float32",
            where=f"{rows.where}, {rows.row_name(row)}, {name}",
            allowed="values within 1e38 standard deviations of the training rows",
            remedy='scale = "none" in [features], or leave the column out',
        )
    return features


def _unknown_note(known: NDArray[np.bool_], train: NDArray[np.int64]) -> tuple[str, ...]:
    unknown = int((~known).sum())
    if not unknown:
        return ()
    training = int((~known[train]).sum())
    are = "is" if unknown == 1 else "are"
    return (
        f"{counted(unknown, 'row')} of {len(known)} without a known word ({training} in training) "
        f"{are} all zeros before scaling",
    )
