"""Scores of predicted probabilities, in NumPy alone: scikit-learn takes seconds to import on every worker.

Every score but two is read off the confusion matrix, by :mod:`workers.training.confusions`. Each is defined
as scikit-learn defines it with ``zero_division=0``, and held to it by tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studies.records.reports import Failure, Scores
from workers.training import confusions
from workers.training.trainer import TrainingFailed

METRICS = (
    "f1",
    "f1_weighted",
    "f1_macro",
    "average_precision",
    "mcc",
    "precision",
    "recall",
    "accuracy",
)
"""The scores that a study can search for: higher is better."""

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [this, 1 - this] for the log loss, as in scikit-learn: 36.04 nats at most."""


def score(labels: NDArray[np.int64], probabilities: NDArray[np.float64], positive: int) -> Scores:
    """Scores of one set of rows; a row's prediction is its most probable class, the first of equal ones.

    Args:
        labels: (rows,) int64 below ``classes``.
        probabilities: (rows, classes) float64.
        positive: the class of ``precision``, ``recall``, ``f1`` and ``average_precision``.

    Raises:
        TrainingFailed: with cause ``diverged``, where a probability isn't finite.
        ValueError: where there are no rows, or not one label a row.
    """
    rows, classes = probabilities.shape
    if not rows or labels.shape != (rows,):
        raise ValueError(f"found {len(labels)} labels for {rows} rows; allowed: one for each of 1 or more")
    _check_finite(probabilities)
    counts = confusion_of(labels, probabilities.argmax(axis=1), classes)
    return Scores(
        **{name: float(value) for name, value in confusions.scores_of(counts, positive).items()},
        average_precision=_average_precision(labels == positive, probabilities[:, positive]),
        log_loss=_log_loss(labels, probabilities),
        confusion=tuple(tuple(row) for row in counts.tolist()),
    )


def confusion_of(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts of (rows,) labels and (rows,) predicted classes."""
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    counts: NDArray[np.int64] = cells.reshape(classes, classes)
    return counts


def passing(
    positive: NDArray[np.bool_], probability: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows that reach each threshold, the highest first.

    Rows of equal probability pass a threshold together, so that their order doesn't matter.

    Args:
        positive: (rows,) whether a row is of the positive class; at least one row.
        probability: (rows,) that it is.

    Returns:
        (thresholds,) each: the distinct probabilities, falling; hits, the positive rows that reach each; all
        rows that reach it. Precision is hits / rows, recall hits / hits[-1].
    """
    order = np.argsort(-probability)
    falling, hits = probability[order], np.cumsum(positive[order])
    last_of_ties = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    return falling[last_of_ties], hits[last_of_ties], last_of_ties + 1


def metric_of(scores: Scores, metric: str) -> float:
    """The score that a study searches for.

    Raises:
        ValueError: where ``metric`` is none of :data:`METRICS`.
    """
    if metric not in METRICS:
        raise ValueError(f"found the unknown metric '{metric}'; allowed: {', '.join(METRICS)}")
    return float(getattr(scores, metric))


def all_positive_f1(labels: NDArray[np.int64], positive: int) -> float:
    """F1 of calling every row positive: 2p / (1 + p) for a share p of positives. The baseline to beat."""
    positives = int(np.count_nonzero(labels == positive))
    return 2 * positives / (positives + len(labels)) if len(labels) else 0.0


def constant_scores(labels: NDArray[np.int64], classes: int, predicted: int, positive: int) -> Scores:
    """Scores of the predictor that gives class ``predicted`` probability 1 in every row.

    Its log loss is that of certainty: 36.04 nats (see :data:`SMALLEST`) for each row of another class.
    """
    probabilities = np.zeros((len(labels), classes))
    probabilities[:, predicted] = 1.0
    return score(labels, probabilities, positive)


def majority_class(train_labels: NDArray[np.int64], classes: int) -> int:
    """The commonest class, the first of equal ones: what a constant predictor learns from these rows."""
    return int(np.bincount(train_labels, minlength=classes).argmax())


def _check_finite(probabilities: NDArray[np.float64]) -> None:
    if np.isfinite(probabilities).all():
        return
    broken = np.count_nonzero(~np.isfinite(probabilities).all(axis=1))
    message = f"probabilities not finite in {broken} of {len(probabilities)} rows"
    raise TrainingFailed(Failure("diverged", message))


def _average_precision(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """Sum over the thresholds of (recall gained) × (precision); 0 without positive rows."""
    _, hits, rows = passing(positive, probability)
    if not hits[-1]:
        return 0.0
    return float(np.diff(hits, prepend=0) @ (hits / rows) / hits[-1])


def _log_loss(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(chosen.clip(SMALLEST, 1.0 - SMALLEST)).mean())
