"""What a person should know about a study's rows, small enough to be kept in its storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studies.data.repeats import Repeats
from studies.data.split import Split
from studies.records.reports import ROW_SETS


@dataclass(frozen=True)
class DataFacts:
    """Rows, classes and skew of a split.

    Attributes:
        classes: label names.
        positive: name of the positive class.
        features: numbers a row.
        counts: rows of each class, in the order of ``classes``, by row set.
        notes: what a person should know about how the rows were made.
        repeats: how often rows repeat each other; ``None`` in a study that earlier code made.
    """

    classes: tuple[str, ...]
    positive: str
    features: int
    counts: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()
    repeats: Repeats | None = None

    def rows(self, row_set: str) -> int:
        """Rows in one set."""
        return sum(self.counts[row_set])

    @property
    def positive_index(self) -> int:
        """The positive class's place in ``classes``."""
        return self.classes.index(self.positive)

    def positives(self, row_set: str) -> int:
        """Rows of the positive class in one set."""
        return self.counts[row_set][self.positive_index]

    def all_positive_f1(self, row_set: str) -> float:
        """F1 of the positive class of a program that always predicts it: 2p/(1+p) for a share p."""
        share = self.positives(row_set) / self.rows(row_set)
        return 2 * share / (1 + share)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataFacts:
        """The inverse of :meth:`to_dict`, also after JSON."""
        return cls(
            classes=tuple(values["classes"]),
            positive=values["positive"],
            features=values["features"],
            counts={name: tuple(counts) for name, counts in values["counts"].items()},
            notes=tuple(values.get("notes", ())),
            repeats=Repeats.from_dict(values["repeats"]) if values.get("repeats") else None,
        )


def facts_of(split: Split) -> DataFacts:
    """The facts of a split."""
    counts = {
        name: tuple(int(n) for n in np.bincount(getattr(split, name).labels, minlength=len(split.classes)))
        for name in ROW_SETS
    }
    positive = split.classes[split.positive]
    return DataFacts(split.classes, positive, split.features, counts, split.notes, split.repeats)
