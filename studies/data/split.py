"""The rows of a study: features and labels for training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.data.repeats import Repeats
from studies.records.reports import ROW_SETS


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a data set.

    Attributes:
        features: (rows, features) float32, C order, finite.
        labels: (rows,) int64, index into :attr:`Split.classes`.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Split:
    """Everything that trials see of the data.

    Attributes:
        train, validation, test: the three sets of rows, each in the order of the source.
        classes: label names; ``labels`` index into them.
        positive: index of the positive class.
        content_hash: hash of the source, the settings and the versions that made these rows.
        notes: what a person should know about how they were made, e.g. rows without a known word.
        repeats: how often rows repeat each other; ``None`` where earlier code made the split.
    """

    train: Rows
    validation: Rows
    test: Rows
    classes: tuple[str, ...]
    positive: int
    content_hash: str
    notes: tuple[str, ...] = ()
    repeats: Repeats | None = None

    @property
    def features(self) -> int:
        """Number of features a row."""
        return int(self.train.features.shape[1])

    def class_counts(self) -> dict[str, dict[str, int]]:
        """Rows of each class in each of ``ROW_SETS``: ``counts["test"]["spam"]``."""
        counts: dict[str, dict[str, int]] = {}
        for name in ROW_SETS:
            rows: Rows = getattr(self, name)
            numbers = np.bincount(rows.labels, minlength=len(self.classes))
            counts[name] = {label: int(number) for label, number in zip(self.classes, numbers, strict=True)}
        return counts
