"""The seam between a trial and a framework: begin → advance → predict.

A trainer turns a configuration into a :class:`State`, a state into a later one, and a state into
probabilities. States are plain NumPy arrays, so that they can be written, sent and compared. Training is
deterministic: the same configuration, seed and rows give the same state, and a run that is cut into
segments gives the same state as one that is not, wherever the trainer's ``rungs`` allow cutting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Split
from studies.records.reports import CurvePoint, Failure
from studies.space.configuration import DEFAULT_ACTIVATION, Configuration

Weights = tuple[NDArray[np.floating[Any]], ...]
"""Of a multilayer perceptron (W1, b1, W2, b2, …): each W (fan_in, fan_out), each b (fan_out,); float64 as
initialised, and whatever precision the framework trains in after that. Of another trainer any arrays, one or
more."""


@dataclass(frozen=True)
class State:
    """All that a trial needs to resume.

    Attributes:
        epoch: epochs done.
        weights: the network's weights, see :data:`Weights`.
        activation: what its hidden layers apply.
        slots: whatever else the optimizer carries, by name; empty at the start.
        losses: training loss of each epoch done, in nats a row; empty at the start. Without class weights,
            loss scale and weight decay; with dropout where there is any.
        validation_scores: (epoch, score) where the validation rows were scored on the way.
        best: the state after the epoch with the best validation score, for a trial that may stop early.
        notes: what a person should know about how it was trained, e.g. line searches that failed.
    """

    epoch: int
    weights: Weights
    slots: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    validation_scores: tuple[tuple[int, float], ...] = ()
    activation: str = DEFAULT_ACTIVATION
    best: State | None = None
    notes: tuple[str, ...] = ()


class TrainingFailed(Exception):  # noqa: N818  it is an outcome that becomes a record, not an error
    """A training that can't continue; carries the failure for the trial's record."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True)
class Deadline:
    """When a trial must stop. Checked between epochs, because a running kernel can't be interrupted.

    Attributes:
        at: reading of ``clock`` after which :meth:`check` raises; infinite by default.
        clock: seconds, monotonic.
        stopped: whether the driver of this process wants everything to stop now.
    """

    at: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    stopped: Callable[[], bool] = lambda: False

    def check(self, epoch: int) -> None:
        """Raise :class:`TrainingFailed` with cause ``timeout`` where the deadline has passed."""
        if self.stopped():
            raise TrainingFailed(Failure("timeout", "stopped by the driver", epoch))
        if self.clock() > self.at:
            raise TrainingFailed(Failure("timeout", "the trial's time was up", epoch))


class Trainer(Protocol):
    """Trains one framework's trials on one split of rows. Safe to use from several threads.

    An instance belongs to one worker process and one split; it may keep compiled functions, a session or
    device copies of the rows between trials.
    """

    def rungs(self, configuration: Configuration, wanted: Sequence[int]) -> tuple[int, ...]:
        """Those of the ``wanted`` epoch counts at which this configuration can stop and resume exactly.

        ``wanted`` ascends; its last one, at which training ends, is always kept.
        """

    def begin(self, configuration: Configuration, seed: int) -> State:
        """The state before the first epoch: the initial weights of (initialisation, layers, seed)."""

    def advance(
        self, configuration: Configuration, seed: int, state: State, epoch: int, deadline: Deadline
    ) -> State:
        """Train until ``epoch`` epochs are done in all.

        Raises:
            TrainingFailed: where weights or loss stop being finite (``diverged``), the deadline passes
                (``timeout``), or the rows can't be used (``data``).
        """

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(rows, classes) float64 probabilities, each row summing to 1."""

    @property
    def device(self) -> str:
        """What the training runs on, for the trial's record: ``CPU``, ``GPU:0`` …"""


def layer_sizes(split: Split, hidden: Sequence[int]) -> tuple[int, ...]:
    """(features, *hidden, classes)."""
    return (split.features, *hidden, len(split.classes))


def check_finite(state: State) -> None:
    """Raise :class:`TrainingFailed` with cause ``diverged`` where a weight or the last loss isn't finite.

    The loss alone isn't enough: relu turns a huge step into NaN weights with a finite loss.
    """
    finite = all(np.isfinite(array).all() for array in state.weights)
    if finite and (not state.losses or np.isfinite(state.losses[-1])):
        return
    what = "loss" if finite else "weights"
    raise TrainingFailed(Failure("diverged", f"{what} not finite after epoch {state.epoch}", state.epoch))


def curve_of(state: State) -> tuple[CurvePoint, ...]:
    """The state's losses, from epoch 1, with the validation scores where there are any.

    An l-bfgs that converged early has fewer losses than epochs; where it was scored after that, its loss is
    still the last one.
    """
    scores = dict(state.validation_scores)
    trained = tuple(CurvePoint(epoch, loss, scores.get(epoch)) for epoch, loss in enumerate(state.losses, 1))
    if not trained:
        return ()
    later = sorted(epoch for epoch in scores if epoch > len(state.losses))
    return (*trained, *(CurvePoint(epoch, state.losses[-1], scores[epoch]) for epoch in later))
