"""Trains networks with Spark MLlib's own MultilayerPerceptronClassifier, in local mode.

The same configuration, seed and rows give the same bits on any number of cores (see
:data:`workers.spark_rows.PARTITIONS`), where the CPU's vectors are as wide and a system BLAS is found or not
found alike: Spark computes with either.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.configuration import Configuration
from studies.data.split import Split
from studies.errors import StudyFileError, nearest
from studies.records import Failure
from workers import spark_session
from workers.initialisation import initial_weights
from workers.network import flatten, forward, parameters, unflatten
from workers.spark_failures import interrupted, translated
from workers.spark_rows import BLOCK_SIZE, heap_mib, load, refusal, write_once
from workers.spark_session import Spark
from workers.trainer import Deadline, State, TrainingFailed, check_finite, layer_sizes

OPTIMIZERS = ("l-bfgs", "gd")
"""MLlib's solvers. ``l-bfgs`` is Breeze's, with 10 corrections and a strong Wolfe line search. ``gd`` is
gradient descent on all rows with a constant step. Neither takes mini-batches."""

TOLERANCE = {"l-bfgs": 1e-6, "gd": 0.0}
"""MLlib's tol. For l-bfgs its default: a run that has converged ends early, with fewer losses than iterations
asked for. For gd none, so that it takes as many steps as asked for and can be cut into segments."""


class SparkTrainer:
    """Trains (features, *hidden sigmoid, classes softmax) on the training rows of one split.

    Args:
        split: the rows.
        hidden: units of each hidden layer.
        directory: cache directory of the split; the training rows are written there once, for the JVM.
    """

    def __init__(self, split: Split, hidden: Sequence[int], directory: Path) -> None:
        self._layers = layer_sizes(split, hidden)
        self._train = split.train
        self._directory = directory
        self._refusal = refusal(split.train, len(split.classes))
        self._lock = threading.Lock()
        self._loaded: tuple[Spark, Any] | None = None

    def rungs(self, configuration: Configuration, wanted: Sequence[int]) -> tuple[int, ...]:
        """All of them for gd; the last for l-bfgs, which would lose its curvature history at a stop."""
        return tuple(wanted) if configuration.optimizer == "gd" else tuple(wanted[-1:])

    def begin(self, configuration: Configuration, seed: int) -> State:
        """See :meth:`workers.trainer.Trainer.begin`. Also starts the session and loads the rows where needed.

        Raises:
            MachineError: where Spark can't be started.
        """
        weights = initial_weights(
            configuration.initialisation, self._layers, seed, biases=configuration.biases
        )
        if self._refusal is None:
            # Here, so that the seconds of it count as setup and not as training.
            self._session_and_rows(0)
        return State(epoch=0, weights=weights)

    def advance(
        self,
        configuration: Configuration,
        seed: int,  # noqa: ARG002 - the weights are drawn; nothing else is
        state: State,
        epoch: int,
        deadline: Deadline,
    ) -> State:
        """See :meth:`workers.trainer.Trainer.advance`.

        A run of l-bfgs that converges, or whose line search fails twice, has fewer losses than epochs.

        Raises:
            TrainingFailed: also with cause ``data`` where the rows, the weights or the step can't be used,
                ``out of memory`` where the JVM has too little, and ``worker died`` where the JVM is gone.
            StudyFileError: where the optimizer is not one of :data:`OPTIMIZERS`.
            MachineError: where Spark can't be started.
        """
        if epoch <= state.epoch:
            return state
        self._check(configuration, state)
        deadline.check(state.epoch)
        spark, rows = self._session_and_rows(state.epoch)
        with translated(spark, state.epoch), interrupted(spark, deadline, state.epoch):
            vector, history = _fit(rows, self._layers, configuration, state, epoch - state.epoch)
        losses = _one_an_epoch(configuration.optimizer, history)
        _check_losses(losses, state.epoch)
        advanced = replace(
            state,
            epoch=epoch,
            weights=unflatten(vector, self._layers),
            losses=(*state.losses, *losses),
        )
        check_finite(advanced)
        return advanced

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :meth:`workers.trainer.Trainer.predict`; in NumPy, equal to Spark's own to 1e-12."""
        return forward(state.weights, features)

    @property
    def device(self) -> str:
        """``JVM CPU``."""
        return "JVM CPU"

    def _check(self, configuration: Configuration, state: State) -> None:
        """Refuse what Spark would take without a word, and fail on later or train to NaN with."""
        if configuration.optimizer not in OPTIMIZERS:
            raise StudyFileError(
                f"found the unknown optimizer '{configuration.optimizer}' for Spark",
                where="space.optimizer.spark",
                allowed=", ".join(OPTIMIZERS),
                remedy=nearest(configuration.optimizer, OPTIMIZERS),
            )
        problem = self._refusal or _mismatch(state, self._layers)
        step = configuration.learning_rate
        if problem is None and configuration.optimizer == "gd" and not _positive(step):
            problem = f"gd needs a finite learning rate above 0, found {step}"
        if problem is not None:
            raise TrainingFailed(Failure("data", problem, state.epoch))

    def _session_and_rows(self, epoch: int) -> tuple[Spark, Any]:
        """The session and, in it, the training rows as a cached DataFrame of features and label."""
        with self._lock:
            spark = spark_session.start(heap_mib(self._train, parameters(self._layers)))
            if self._loaded is None or self._loaded[0] is not spark:
                with translated(spark, epoch):
                    self._loaded = (spark, load(spark, write_once(self._train, self._directory)))
            return self._loaded


def _mismatch(state: State, layers: Sequence[int]) -> str | None:
    """How the state's weights don't fit the layers: Spark fits a first layer of a wrong width unseen."""
    expected = [shape for i, o in pairwise(layers) for shape in ((i, o), (o,))]
    found = [array.shape for array in state.weights]
    if found != expected:
        return f"layers {tuple(layers)} need weights of shapes {expected}, found {found}"
    return None


def _positive(step: float | None) -> bool:
    return step is not None and bool(np.isfinite(step)) and step > 0


def _fit(
    rows: Any, layers: Sequence[int], configuration: Configuration, state: State, iterations: int
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
        initialWeights=Vectors.dense(flatten(state.weights)),
        **settings,
    )
    model = classifier.fit(rows)
    return model.weights.toArray(), list(model.summary().objectiveHistory)


def _one_an_epoch(optimizer: str, history: Sequence[float]) -> list[float]:
    """The objective after each iteration, of a history that begins before the first.

    Where a line search of l-bfgs fails, Breeze drops the curvature history and gives the state before once
    more: a repeat that is no iteration.
    """
    steps = [(float(before), float(loss)) for before, loss in pairwise(history)]
    return [loss for before, loss in steps if optimizer == "gd" or loss != before]


def _check_losses(losses: Sequence[float], epoch: int) -> None:
    """Refuse a run with a loss that isn't finite, also where a later one is finite again."""
    for done, loss in enumerate(losses, start=epoch + 1):
        if not np.isfinite(loss):
            raise TrainingFailed(Failure("diverged", f"loss not finite after epoch {done}", done))
