"""One fit of MLlib's MultilayerPerceptronClassifier, and what follows from its history of objectives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.space.configuration import Configuration
from workers.solvers.mllib import BLOCK_SIZE
from workers.training.network import flatten
from workers.training.trainer import Weights

TOLERANCE = {"l-bfgs": 1e-6, "gd": 0.0}
"""MLlib's tol. For l-bfgs its default: a run that has converged ends early, with fewer losses than iterations
asked for. For gd none, so that it takes as many steps as asked for and can be cut into segments."""


def fit(
    rows: Any, layers: Sequence[int], configuration: Configuration, weights: Weights, iterations: int
) -> tuple[NDArray[np.float64], list[float]]:
    """Run MLlib: the flat weights, and the objective before the first iteration and after each."""
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.linalg import Vectors

    settings: dict[str, Any] = (
        {"stepSize": configuration.learning_rate} if configuration.optimizer == "gd" else {}
    )
    classifier = MultilayerPerceptronClassifier(
        layers=list(layers),
        solver=configuration.optimizer,
        maxIter=iterations,
        tol=TOLERANCE[configuration.optimizer],
        blockSize=BLOCK_SIZE,
        initialWeights=Vectors.dense(flatten(weights)),
        **settings,
    )
    model = classifier.fit(rows)
    return model.weights.toArray(), list(model.summary().objectiveHistory)


def one_an_epoch(optimizer: str, history: Sequence[float]) -> list[float]:
    """The objective after each iteration, of a history that begins before the first.

    Where a line search of l-bfgs fails, Breeze drops the curvature history and gives the state before once
    more: a repeat that is no iteration.
    """
    return [float(loss) for before, loss in pairwise(history) if optimizer == "gd" or loss != before]


def describe(optimizer: str, history: Sequence[float], iterations: int) -> tuple[str, ...]:
    """Notes on what MLlib only logs, or doesn't report at all: failed line searches, and an early end.

    Counted in the history itself, which is this fit's own; the JVM's log is one for all fits.
    """
    if optimizer != "l-bfgs":
        return ()
    steps = list(pairwise(history))
    failed = sum(loss == before for before, loss in steps)
    done = len(steps) - failed
    gave_up = len(steps) > 1 and all(loss == before for before, loss in steps[-2:])
    notes = []
    if failed:
        times = "once" if failed == 1 else f"{failed} times"
        end = f"; after iteration {done} it failed twice in a row, and Spark gave up" if gave_up else ""
        notes.append(f"line search failed {times}, and l-bfgs forgot its curvature history{end}")
    if len(steps) < iterations and not gave_up:
        notes.append(f"l-bfgs converged after {done} of {iterations} iterations")
    return tuple(notes)


def padded(losses: Sequence[float], iterations: int, before: float) -> list[float]:
    """As many losses as iterations were asked for: after a segment's early end nothing changed any more.

    Without it, the losses of the next segment would count as those of earlier epochs.

    Args:
        before: the objective before the first iteration.
    """
    last = losses[-1] if losses else before
    return [*losses, *[last] * (iterations - len(losses))]
