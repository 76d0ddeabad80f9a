"""Scores the rows of a file with an exported model, in NumPy: neither TensorFlow nor Spark is started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.exporting.model_folder import ExportedModel, read_model
from studies.data.labelled_rows import as_float32, listed
from studies.data.numbers import shown
from studies.data.readers.number_columns import numbers_in
from studies.data.readers.table_files import Table, read_delimited, read_parquet
from studies.data.readers.tables import DELIMITERS, texts_in
from studies.data.sources import existing_file
from studies.errors import DataError, nearest
from studies.file_kinds import remedy_for

ENDINGS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for the rows of a file, in their order.

    Attributes:
        classes: label names.
        predicted: (rows,) index of the predicted class.
        probabilities: (rows, classes).
        notes: what a person should know, e.g. of texts without a known word.
    """

    classes: tuple[str, ...]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Of :meth:`rows`: ``label`` and one probability a class."""
        return ("label", *(f"probability_{name}" for name in self.classes))

    def rows(self) -> list[list[Any]]:
        """One a row of the file, plain values."""
        named = [self.classes[index] for index in self.predicted]
        shares = self.probabilities.tolist()
        return [[label, *row] for label, row in zip(named, shares, strict=True)]


def predict(directory: Path, file: Path, threshold: float | None = None) -> Predictions:
    """Score every row of a csv, tsv or Parquet file.

    It must have the columns of the features under the names that they had in the study; others are ignored.

    Args:
        directory: what :func:`search.exporting.export.export` wrote.
        file: the rows.
        threshold: of two classes, the probability of the positive one above which it is said; by default the
            model's own.

    Raises:
        DataError: where the folder holds no model, the file not what it needs, or the model has more than two
            classes and so no threshold.
    """
    model = read_model(directory)
    if threshold is not None:
        model = _with_threshold(model, threshold, directory)
    path = existing_file(str(file.absolute()), Path.cwd(), "FILE")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"the file ends in '{ending}'" if ending else "the file has no ending",
            where=str(path),
            allowed=", ".join(ENDINGS),
            remedy=nearest(ending, ENDINGS) or remedy_for(path),
        )
    features, notes = _features_of(path, ENDINGS[ending], model)
    probabilities = model.probabilities(features)
    return Predictions(model.classes, model.predicted(probabilities), probabilities, notes)


def _with_threshold(model: ExportedModel, threshold: float, directory: Path) -> ExportedModel:
    if model.threshold is None:
        raise DataError(
            f"the model has {len(model.classes)} classes, and predicts the most probable one",
            where=f"--threshold, {directory}",
            allowed="a threshold for a model of two classes",
            remedy="leave --threshold out",
        )
    return replace(model, threshold=threshold)


def _features_of(
    path: Path, format: str, model: ExportedModel
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """(rows, features) float32, and notes."""
    columns, step = model.step.columns, model.step
    strings = columns if step.takes_texts else ()
    delimiter = DELIMITERS.get(format)
    table = read_delimited(path, delimiter, strings) if delimiter else read_parquet(path)
    _check_columns(table, columns)
    if not len(table.frame):
        return np.empty((0, model.layers[0]), dtype=np.float32), ()
    if not step.takes_texts:
        numbers = numbers_in(table, columns)
        scaled = step.of_numbers(numbers)
        names = [f"column {shown(name)}, scaled" for name in columns]
        return as_float32(scaled, names, table.where, table.row_name), ()
    texts, notes = texts_in(table, columns[0])
    features, known = step.of_texts(texts)
    unknown = int((~known).sum())
    if unknown:
        notes = (*notes, f"{unknown} of {len(texts)} texts have no word that the model knows")
    return features, notes


def _check_columns(table: Table, columns: tuple[str, ...]) -> None:
    names = table.names
    missing = [name for name in columns if name not in names]
    if missing:
        others = f", nor {len(missing) - 1} others" if len(missing) > 1 else ""
        raise DataError(
            f"there is no column {shown(missing[0])}{others}",
            where=table.where,
            allowed=f"the columns that the model was trained on; there are {listed(names)}",
            remedy=nearest(missing[0], names) or "rename the columns as they were in the study's data",
        )
