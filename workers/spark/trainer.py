"""Trains networks with Spark MLlib's own MultilayerPerceptronClassifier, in local mode or on a cluster.

The same configuration, seed and rows give the same bits on any number of cores (see
:data:`workers.solvers.mllib.PARTITIONS`), where the CPU's vectors are as wide and a native BLAS is found or
not found alike: Spark computes with either.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Split
from studies.errors import StudyFileError, nearest
from studies.records.reports import Failure
from studies.space.configuration import Configuration
from workers.spark import session as spark_session
from workers.spark.failures import interrupted, killed_where_it_hangs, translated
from workers.spark.fit import describe, fit, one_an_epoch, padded
from workers.spark.rows import heap_mib, load, load_seconds, refusal, write_once
from workers.spark.session import AnySpark
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.training.initialisation import initial_weights
from workers.training.network import forward, parameters, unflatten
from workers.training.trainer import Deadline, State, TrainingFailed, check_finite, layer_sizes

OPTIMIZERS = ("l-bfgs", "gd")
"""MLlib's solvers. ``l-bfgs`` is Breeze's, with 10 corrections and a strong Wolfe line search. ``gd`` is
gradient descent on all rows with a constant step. Neither takes mini-batches."""


class SparkTrainer:
    """Trains (features, *hidden sigmoid, classes softmax) on the training rows of one split.

    Args:
        split: the rows.
        hidden: units of each hidden layer.
        directory: cache directory of the split; the training rows are written there once, for the JVM.
        settings: the study's.
    """

    def __init__(
        self, split: Split, hidden: Sequence[int], directory: Path, settings: SparkSettings = DEFAULTS
    ) -> None:
        self._layers = layer_sizes(split, hidden)
        self._train = split.train
        self._directory = directory
        self._settings = settings
        self._refusal = refusal(split.train, len(split.classes), settings.partitions)
        self._lock = threading.Lock()
        self._loaded: tuple[AnySpark, Any] | None = None

    def rungs(self, configuration: Configuration, wanted: Sequence[int]) -> tuple[int, ...]:
        """All of them for gd; the last for l-bfgs, which would lose its curvature history at a stop.

        Where the study asks for l-bfgs to ``restart``, that loss is what it wants.
        """
        whole = configuration.optimizer == "l-bfgs" and self._settings.rungs == "last"
        return tuple(wanted[-1:]) if whole else tuple(wanted)

    def begin(self, configuration: Configuration, seed: int) -> State:
        """See :meth:`workers.training.trainer.Trainer.begin`. Also starts the session and loads the rows
        where needed.

        Raises:
            MachineError: where Spark can't be started.
        """
        weights = initial_weights(
            configuration.initialisation, self._layers, seed, biases=configuration.biases
        )
        if self._refusal is None:
            # Here, so that the seconds of it count as setup and not as training.
            with self._session_and_rows(0):
                pass
        return State(epoch=0, weights=weights)

    def advance(
        self,
        configuration: Configuration,
        seed: int,  # noqa: ARG002 - the initial weights are already sampled; nothing else is
        state: State,
        epoch: int,
        deadline: Deadline,
    ) -> State:
        """See :meth:`workers.training.trainer.Trainer.advance`.

        A run of l-bfgs that converges, or whose line search fails twice, has fewer losses than epochs.

        Raises:
            TrainingFailed: also with cause ``data`` where the rows, the weights or the step can't be used,
                ``out of memory`` where the JVM has too little, and ``spark died`` where the JVM is gone or
                hangs. The next trial gets a fresh session then.
            StudyFileError: where the optimizer is not one of :data:`OPTIMIZERS`.
            MachineError: where Spark can't be started.
        """
        if epoch <= state.epoch:
            return state
        self._check(configuration, state)
        deadline.check(state.epoch)
        vector, history = self._fit(configuration, state, epoch - state.epoch, deadline)
        losses = one_an_epoch(configuration.optimizer, history)
        _check_losses(losses, state.epoch)
        notes = describe(configuration.optimizer, history, epoch - state.epoch)
        if self._settings.rungs == "restart":
            losses = padded(losses, epoch - state.epoch, history[0])
        advanced = replace(
            state,
            epoch=epoch,
            weights=unflatten(vector, self._layers),
            losses=(*state.losses, *losses),
            notes=(*state.notes, *notes),
        )
        check_finite(advanced)
        return advanced

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :meth:`workers.training.trainer.Trainer.predict`; in NumPy, equal to Spark's own to 1e-12."""
        return forward(state.weights, features)

    @property
    def device(self) -> str:
        """``JVM CPU``, with the BLAS where it is a native one; or the cluster."""
        if not self._settings.local:
            return f"Spark at {self._settings.master}"
        native = self._loaded is not None and self._loaded[0].native_blas
        return "JVM CPU, native BLAS" if native else "JVM CPU"

    def warm(self) -> AnySpark | None:
        """Start the session, load the rows, and train one step of nothing; ``None`` where rows are refused.

        Java loads the classes of a fit and compiles them at the first one, which takes as long as ten later
        iterations; here nobody waits for them.

        Raises:
            MachineError: where Spark can't be started.
            TrainingFailed: where it dies or runs out of memory.
        """
        if self._refusal is not None:
            return None
        with self._session_and_rows(0) as (spark, _):
            for optimizer in OPTIMIZERS:
                configuration = Configuration("spark", "glorot_uniform", optimizer, 1, learning_rate=0.1)
                state = State(0, initial_weights(configuration.initialisation, self._layers, 0))
                with killed_where_it_hangs(spark, load_seconds(self._train), "train a first step", 0):
                    self._fit(configuration, state, 1, Deadline())
            return spark

    def _fit(
        self, configuration: Configuration, state: State, iterations: int, deadline: Deadline
    ) -> tuple[NDArray[np.float64], list[float]]:
        with (
            self._session_and_rows(state.epoch) as (spark, rows),
            translated(spark, state.epoch),
            interrupted(spark, deadline, state.epoch),
        ):
            return fit(rows, self._layers, configuration, state.weights, iterations)

    def _check(self, configuration: Configuration, state: State) -> None:
        """Refuse what Spark would accept silently, and then fail on or train to NaN with."""
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

    @contextlib.contextmanager
    def _session_and_rows(self, epoch: int) -> Iterator[tuple[AnySpark, Any]]:
        """The session, while it is used, and, in it, the training rows as a cached DataFrame of features and
        label.
        """
        needed = heap_mib(self._train, parameters(self._layers))
        with spark_session.using(needed, self._settings) as spark:
            with self._lock:
                loaded = self._loaded
                if loaded is None or loaded[0] is not spark:
                    files = write_once(self._train, self._directory, self._settings.partitions)
                    limit, what = load_seconds(self._train), "load the training rows"
                    with translated(spark, epoch), killed_where_it_hangs(spark, limit, what, epoch):
                        loaded = self._loaded = (spark, load(spark, files))
            yield loaded


def _mismatch(state: State, layers: Sequence[int]) -> str | None:
    """How the state's weights don't fit the layers: Spark fits a first layer of a wrong width unseen."""
    expected = [shape for i, o in pairwise(layers) for shape in ((i, o), (o,))]
    shapes = [array.shape for array in state.weights]
    if shapes != expected:
        return f"layers {tuple(layers)} need weights of shapes {expected}, found {shapes}"
    return None


def _positive(step: float | None) -> bool:
    return step is not None and bool(np.isfinite(step)) and step > 0


def _check_losses(losses: Sequence[float], epoch: int) -> None:
    """Refuse a run with a loss that isn't finite, also where a later one is finite again."""
    for done, loss in enumerate(losses, start=epoch + 1):
        if not np.isfinite(loss):
            raise TrainingFailed(Failure("diverged", f"loss not finite after epoch {done}", done))
