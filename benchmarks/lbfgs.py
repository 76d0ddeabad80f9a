"""L-BFGS in TensorFlow against Spark MLlib's: seconds, objectives on the way, and where both end.

Both train [300, 600, 2] on the training rows of the SMS Spam Collection, from the same weights, with the same
objective, until they converge or have done 100 iterations. Spark is warm and has the rows in memory. The two
take turns, and the quickest of three rounds counts, because a machine is never quite idle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common.figures import Figure, run, take_turns
from common.sms_spam import sms_spam
from numpy.typing import NDArray

from studies.data.split import Split
from workers.solvers.lbfgs import TOLERANCE, begin, iterations
from workers.solvers.mllib import BLOCK_SIZE, PARTITIONS
from workers.spark import session as spark_session
from workers.spark.rows import heap_mib, load, write_once
from workers.tensorflow.objective import FullBatchObjective, FullBatchRows, mllib_row_weights
from workers.training.initialisation import initial_weights
from workers.training.network import flatten, parameters
from workers.training.trainer import layer_sizes

ITERATIONS = 100
COMPARED = 10
ROUNDS = 3

Run = Callable[[], tuple[list[float], NDArray[np.float64]]]
"""One training: the objective before the first iteration and after each, and the weights."""


def measure() -> Sequence[Figure]:
    """All figures."""
    with sms_spam() as split, tempfile.TemporaryDirectory() as directory:
        layers = layer_sizes(split, (600,))
        start = flatten(initial_weights("spark_uniform", layers, 7))
        weights = mllib_row_weights(len(split.train), BLOCK_SIZE, PARTITIONS)
        double = FullBatchObjective(FullBatchRows(split.train, "float64"), layers, weights)
        single = FullBatchObjective(FullBatchRows(split.train, "float32"), layers, weights)
        seconds, ends = take_turns(
            {
                "Spark": _spark(split, layers, start, Path(directory)),
                "float64": lambda: _ours(double, start),
                "float32": lambda: _ours(single, start.astype(np.float32)),
            },
            ROUNDS,
        )
    figures = [Figure(f"{name}, {len(ends[name][0]) - 1} iterations", seconds[name], "s") for name in ends]
    figures += [
        Figure("Spark / float32, seconds", seconds["Spark"] / seconds["float32"], at_least=8.0),
        Figure("Spark / float64, seconds", seconds["Spark"] / seconds["float64"], at_least=2.5),
    ]
    theirs, last = ends["Spark"]
    for name, bound in (("float64", 1e-6), ("float32", 1e-4)):
        apart = _apart(ends[name][0][: COMPARED + 1], theirs[: COMPARED + 1])
        figures.append(Figure(f"{name} and Spark apart, {COMPARED} iterations", apart, at_most=bound))
    figures.append(Figure("loss Spark ends at", double(last)[0], "nats"))
    # A run ends where twenty objectives lie within this, so that what is less is no difference.
    resolution = TOLERANCE * theirs[0]
    for name in ("float64", "float32"):
        worse = double(ends[name][1])[0] - double(last)[0]
        figures.append(Figure(f"{name} ends above Spark by", worse, "nats", at_most=resolution))
    return figures


def _ours(
    objective: FullBatchObjective, start: NDArray[np.floating[Any]]
) -> tuple[list[float], NDArray[np.float64]]:
    begun = begin(objective, start)
    history, x = [begun.value], start
    for state in iterations(objective, begun):
        history.append(state.value)
        x = state.x
        if state.iteration == ITERATIONS:
            break
    return history, x.astype(np.float64)


def _spark(split: Split, layers: Sequence[int], start: NDArray[np.float64], directory: Path) -> Run:
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.linalg import Vectors

    spark = spark_session.start(heap_mib(split.train, parameters(layers)))
    rows = load(spark, write_once(split.train, directory))
    classifier = MultilayerPerceptronClassifier(
        layers=list(layers),
        solver="l-bfgs",
        maxIter=ITERATIONS,
        tol=TOLERANCE,
        blockSize=BLOCK_SIZE,
        initialWeights=Vectors.dense(start),
    )

    def train() -> tuple[list[float], NDArray[np.float64]]:
        model = classifier.fit(rows)
        return list(model.summary().objectiveHistory), model.weights.toArray()

    return train


def _apart(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The largest relative difference."""
    return float(np.max(np.abs(np.array(ours) / np.array(theirs) - 1)))


if __name__ == "__main__":
    run(__doc__ or "", measure)
