"""How close two frameworks' numbers are: what was compared, the largest difference, its bound, the verdict.

Pure: the numbers come from :mod:`workers.parity.spark` and :mod:`workers.parity.tensorflow`, and
:mod:`workers.parity.runs` brings them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.records.reports import Scores
from workers.training.network import flatten
from workers.training.scores import score
from workers.training.trainer import Weights

SAME_NUMBERS = 1e-12
"""Largest difference of what one formula gives for the same numbers: probabilities, scores, objectives."""

SAME_WEIGHTS = 1e-8
"""Largest difference of a weight after the steps of gradient descent."""

SAME_PATH = 1e-6
"""Largest relative difference of the objectives on the way of l-bfgs."""

SAME_F1 = 0.01
"""Largest difference of F1 of the positive class where both runs have ended."""

COMPARED_ITERATIONS = 10
"""First iterations of l-bfgs that are held to :data:`SAME_PATH`."""

DEFINITIONS: Mapping[str, str] = {
    "f1": "fMeasureByLabel",
    "f1_weighted": "f1",
    "f1_macro": "mean of fMeasureByLabel",
    "precision": "precisionByLabel",
    "recall": "recallByLabel",
    "accuracy": "accuracy",
    "log_loss": "logLoss",
    "average_precision": "steps of Spark's curve",
    "mcc": "from Spark's confusion matrix",
}
"""What each score is in Spark: a metricName of MulticlassClassificationEvaluator, with the positive class as
its metricLabel; or what it is made of where Spark has no such score."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two computations of the same thing.

    Attributes:
        what: the thing, and whose.
        difference: the largest one; infinite where the two can't be compared.
        bound: the largest that counts as none; ``None`` for what is only shown beside another comparison.
        relative: whether both are shares of the value.
        note: what a person needs to know to judge it.
    """

    what: str
    difference: float
    bound: float | None
    relative: bool = False
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether the difference is within its bound; a number that isn't one never is."""
        return self.bound is None or self.difference <= self.bound

    @property
    def verdict(self) -> str:
        """``same``, ``differs``, or nothing where there is no bound."""
        return "" if self.bound is None else "same" if self.same else "differs"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; JSON has no infinity."""
        difference = self.difference if np.isfinite(self.difference) else None
        return {**asdict(self), "difference": difference, "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Section:
    """Comparisons that belong together, under one heading."""

    title: str
    comparisons: tuple[Comparison, ...]

    @property
    def same(self) -> bool:
        """Whether all of them are."""
        return all(comparison.same for comparison in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"title": self.title, "comparisons": [comparison.to_dict() for comparison in self.comparisons]}


def largest_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest absolute difference; infinite where shapes differ or a number isn't finite."""
    if ours.shape != theirs.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))
    return float(apart.max(initial=0.0)) if np.isfinite(apart).all() else float("inf")


def relative_differences(ours: Sequence[float], theirs: Sequence[float]) -> NDArray[np.float64]:
    """Differences of two equally long lists, as shares of the second; infinite where they aren't numbers."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.abs(a - b) / np.abs(b)
    return np.where(a == b, 0.0, np.where(np.isfinite(shares), shares, np.inf))


def compare_weights(what: str, ours: Weights, theirs: Weights, note: str = "") -> Comparison:
    """Every weight and bias, after training."""
    difference = largest_difference(flatten(ours), flatten(theirs))
    return Comparison(what, difference, SAME_WEIGHTS, note=note)


def compare_objectives(what: str, ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Values of the objective at the same weights."""
    return Comparison(what, _largest_share(ours, theirs), SAME_NUMBERS, relative=True)


def compare_scores(pairs: Sequence[tuple[Scores, Scores]], notes: Mapping[str, str]) -> list[Comparison]:
    """Every score and the confusion matrix, the largest difference over pairs of (ours, Spark's).

    Args:
        pairs: of the same labels and probabilities.
        notes: on a score, by name.
    """
    compared = []
    for name, theirs_is in DEFINITIONS.items():
        difference = max(
            largest_difference(np.array(getattr(ours, name)), np.array(getattr(theirs, name)))
            for ours, theirs in pairs
        )
        what = f"{name}, Spark's {theirs_is}" if " " not in theirs_is else f"{name}, {theirs_is}"
        compared.append(Comparison(what, difference, SAME_NUMBERS, note=notes.get(name, "")))
    counts = max(
        largest_difference(np.array(ours.confusion), np.array(theirs.confusion)) for ours, theirs in pairs
    )
    return [*compared, Comparison("confusion matrix", counts, 0.0)]


def compare_paths(what: str, who: str, ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """The objectives after each of the first iterations; the note describes the later ones.

    Args:
        what: the thing.
        who: the two, for the note.
        ours, theirs: objective after each iteration, to the end.
    """
    note = f"{who} {parting_text(ours, theirs)}"
    if len(ours[:COMPARED_ITERATIONS]) != len(theirs[:COMPARED_ITERATIONS]):
        return Comparison(what, float("inf"), SAME_PATH, relative=True, note=note)
    difference = _largest_share(ours[:COMPARED_ITERATIONS], theirs[:COMPARED_ITERATIONS])
    return Comparison(what, difference, SAME_PATH, relative=True, note=note)


def parting(ours: Sequence[float], theirs: Sequence[float], bound: float = SAME_PATH) -> int | None:
    """The first iteration, counted from 1, whose objectives differ by more than ``bound``; none at all."""
    length = min(len(ours), len(theirs))
    apart = np.flatnonzero(relative_differences(ours[:length], theirs[:length]) > bound)
    return int(apart[0]) + 1 if len(apart) else None


def parting_text(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """How far two runs go together: ``part by more than 1e-06 at iteration 41, and end after 56``."""
    first = parting(ours, theirs)
    length = min(len(ours), len(theirs))
    apart = _largest_share(ours[:length], theirs[:length])
    parts = f"part by more than {SAME_PATH:.0e} at iteration {first}" if first else f"stay within {apart:.0e}"
    counts = f"{len(ours)}" if len(ours) == len(theirs) else f"{len(ours)} and {len(theirs)}"
    return f"{parts}, and end after {counts} iterations"


def compare_final_f1(
    what: str,
    labels: NDArray[np.int64],
    positive: int,
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
) -> Comparison:
    """F1 of the positive class of two trained networks, on the same rows.

    The bound is :data:`SAME_F1`, or what one row can change where there are too few positive rows for that:
    F1 is 2 hits / (positive rows + rows predicted positive); one row moves it by at most 1 / positive rows.

    Args:
        what: the thing, and whose.
        labels: (rows,).
        positive: index of the positive class.
        ours, theirs: (rows, classes) probabilities.
    """
    our_f1, their_f1 = score(labels, ours, positive).f1, score(labels, theirs, positive).f1
    positives = int(np.count_nonzero(labels == positive))
    one_row = 1.0 / positives if positives else 0.0
    differently = np.count_nonzero(ours.argmax(axis=1) != theirs.argmax(axis=1))
    note = (
        f"{what}: {our_f1:.4f} and {their_f1:.4f}; they disagree on {differently:,} of {len(labels):,} rows"
    )
    if one_row > SAME_F1:
        note += f"; one of {positives} positive rows moves F1 by up to {one_row:.3f}"
    return Comparison(what, abs(our_f1 - their_f1), max(SAME_F1, one_row), note=note)


def _largest_share(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return float(relative_differences(ours, theirs).max(initial=0.0))
