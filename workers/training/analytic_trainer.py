"""A trainer that learns in microseconds, for tests and for measuring everything around a trainer.

It trains no network, but it predicts from features alone and its scores are true: it mixes a guess with a
nearest-centroid classifier of the training rows, and with the epochs the mixture moves from the one to the
other. How fast is a closed form, so that one knows where the best configurations lie:

    quality(e) = 1 - exp(-rate · e)                                    after e epochs, in [0, 1)
    rate       = OPTIMIZERS[optimizer] · exp(-log10(learning_rate / 0.1)² / 2) · (32 / batch_size)^(1/4)
    logits(x)  = (1 - t) · guess(x) + t · knowledge(x),                t = reach · quality(e)

``knowledge`` is scaled to the least cross-entropy on the training rows, once a trainer. ``guess`` comes from
the initial weights, so that seeds and schemes matter a little. ``reach`` in [0, 1], once a trial, is where on
the straight line between them the training cross-entropy is least; it is convex along that line, so that it
falls from epoch to epoch. The weights shrink by exp(-rate) an epoch. A learning rate above 10 diverges in
the first epoch. Nothing else of a configuration matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Split
from studies.errors import StudyFileError, nearest
from studies.space.configuration import Configuration
from workers.training.initialisation import initial_weights
from workers.training.network import cross_entropy_of_logits, softmax
from workers.training.trainer import Deadline, State, Weights, check_finite, layer_sizes

OPTIMIZERS: Mapping[str, float] = MappingProxyType({"sgd": 0.1, "adam": 0.2})
"""Rate an epoch of each optimizer at its best learning rate, 0.1, and batches of 32 rows."""

DIVERGES_ABOVE = 10.0
"""Learning rate above which a training leaves the finite numbers."""

GUESS_WAVES = 3.0
"""Radians of the sine that makes a guess, over one standard deviation of a feature."""

BEST_LEARNING_RATE = 0.1
"""Where training is fastest; a decade away from it, the rate is 0.61 of that, two decades away 0.14."""

STEEPEST = 10.0
"""Largest factor on the nearest-centroid logits: separable rows would ask for an infinite one."""

HALVINGS = 12
"""Bisections of :func:`_least_loss`: to 1/4096 of its range."""

NEVER = -50.0
"""Offset of a class without training rows."""

Logits = NDArray[np.float64]
"""(rows, classes)."""


class AnalyticTrainer:
    """See the module. Fulfils :class:`workers.training.trainer.Trainer`; can be cut at every epoch.

    Args:
        split: only its training rows are used.
        hidden: units of each hidden layer, for the initial weights.
    """

    device = "CPU"

    def __init__(self, split: Split, hidden: Sequence[int]) -> None:
        self._layers = layer_sizes(split, hidden)
        self._train = split.train
        self._mean, self._spread = _moments(split.train.features)
        standard = self._standard(split.train.features)
        self._centroids = _centroids(standard, split.train.labels, len(split.classes))
        nearness = self._nearness(split.train.features)
        self._steepness = _least_loss(np.zeros_like(nearness), nearness, split.train.labels, STEEPEST)
        self._knowledge = self._steepness * nearness

    def rungs(
        self,
        configuration: Configuration,  # noqa: ARG002  none of them is kept from being cut
        wanted: Sequence[int],
    ) -> tuple[int, ...]:
        """All of them."""
        return tuple(wanted)

    def begin(self, configuration: Configuration, seed: int) -> State:
        """The initial weights, and no slots."""
        weights = initial_weights(configuration.initialisation, self._layers, seed, configuration.biases)
        return State(epoch=0, weights=weights)

    def advance(
        self,
        configuration: Configuration,
        seed: int,  # noqa: ARG002  whatever it decides, it decided in the initial weights
        state: State,
        epoch: int,
        deadline: Deadline,
    ) -> State:
        """Move along the closed form; the losses are measured on the training rows.

        Raises:
            StudyFileError: where the optimizer is none of :data:`OPTIMIZERS`.
            TrainingFailed: with cause ``diverged`` or ``timeout``.
        """
        rate = _rate(configuration, len(self._train))
        direction = state.slots["direction"] if state.epoch else _direction(state.weights)
        guess = self._guess(direction, self._train.features)
        towards = self._knowledge - guess
        reach = state.slots["reach"] if state.epoch else _least_loss(guess, towards, self._train.labels, 1.0)
        while state.epoch < epoch:
            deadline.check(state.epoch)
            done = state.epoch + 1
            quality = 1.0 - math.exp(-rate * done)
            loss = cross_entropy_of_logits(guess + float(reach) * quality * towards, self._train.labels)
            state = replace(
                state,
                epoch=done,
                weights=tuple(array * math.exp(-rate) for array in state.weights),
                slots={"direction": direction, "reach": np.array(reach), "quality": np.array(quality)},
                losses=(*state.losses, loss),
            )
            check_finite(state)
        return state

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(rows, classes) float64 probabilities of (rows, features)."""
        if not state.epoch:
            return softmax(self._guess(_direction(state.weights), features))
        moved = float(state.slots["reach"]) * float(state.slots["quality"])
        guess = self._guess(state.slots["direction"], features)
        return softmax((1.0 - moved) * guess + moved * self._steepness * self._nearness(features))

    def _nearness(self, features: NDArray[np.float32]) -> Logits:
        """How much nearer a row is to each class's centroid, in standard deviations along the widest gap.

        x·m - |m|²/2 is half of what |x - m|² lacks of |x|², and that is the same for all classes.
        """
        slopes, offsets = self._centroids
        nearness: Logits = self._standard(features) @ slopes + offsets
        return nearness

    def _guess(self, direction: NDArray[Any], features: NDArray[np.float32]) -> Logits:
        """A wave over a projection of the features: equal for equal rows, and ignorant of labels."""
        waves: Logits = np.sin(
            GUESS_WAVES * self._standard(features) @ direction + np.arange(direction.shape[1])
        )
        return max(1.0, self._steepness) * waves

    def _standard(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        standard: NDArray[np.float64] = (features - self._mean) / self._spread
        return standard


def _rate(configuration: Configuration, rows: int) -> float:
    """Of the closed form; NaN above the learning rate that diverges."""
    speed = OPTIMIZERS.get(configuration.optimizer)
    if speed is None:
        raise _unknown_optimizer(configuration.optimizer)
    learning_rate = BEST_LEARNING_RATE if configuration.learning_rate is None else configuration.learning_rate
    if learning_rate > DIVERGES_ABOVE:
        return math.nan
    decades = math.log10(learning_rate / BEST_LEARNING_RATE)
    batch_size = configuration.batch_size or rows
    return speed * math.exp(-(decades**2) / 2.0) * math.pow(32.0 / batch_size, 0.25)


def _moments(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each feature, (features,) each; 1 where a feature doesn't vary."""
    mean = features.mean(axis=0, dtype=np.float64)
    spread = features.std(axis=0, dtype=np.float64)
    return mean, np.where(spread > 0, spread, 1.0)


def _centroids(
    standard: NDArray[np.float64], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes (features, classes) and offsets (classes,) of the nearest-centroid logits.

    A class without training rows has no centroid, and is never the nearest.
    """
    members = np.eye(classes)[labels]
    counts = members.sum(axis=0)
    means = (standard.T @ members) / np.maximum(counts, 1.0)
    gaps = np.linalg.norm(means[:, :, np.newaxis] - means[:, np.newaxis, :], axis=0)
    widest = float(gaps[np.ix_(counts > 0, counts > 0)].max()) or 1.0
    offsets = np.where(counts > 0, -0.5 * (means**2).sum(axis=0) / widest, NEVER)
    return means / widest, offsets


def _direction(weights: Weights) -> NDArray[np.float64]:
    """(features, classes): what the weights do to features without sigmoids, each column of length 1."""
    product = reduce(lambda later, W: W @ later, reversed(weights[::2]))
    lengths = np.linalg.norm(product, axis=0)
    return np.asarray(product / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)


def _least_loss(start: Logits, towards: Logits, labels: NDArray[np.int64], farthest: float) -> float:
    """The t in [0, farthest] where the cross-entropy of ``start + t · towards`` is least, rounded down.

    The loss is convex in t, so that bisection on its slope finds it.
    """
    rows = np.arange(len(labels))

    def slope(t: float) -> float:
        expected = (softmax(start + t * towards) * towards).sum(axis=1)
        return float((expected - towards[rows, labels]).mean())

    if slope(farthest) <= 0.0:
        return farthest
    falling, rising = 0.0, farthest
    for _ in range(HALVINGS):
        middle = (falling + rising) / 2.0
        if slope(middle) < 0.0:
            falling = middle
        else:
            rising = middle
    return falling


def _unknown_optimizer(optimizer: str) -> StudyFileError:
    return StudyFileError(
        f"found the unknown optimizer '{optimizer}' of the analytic trainer",
        where="space.optimizer.analytic",
        allowed=", ".join(OPTIMIZERS),
        remedy=nearest(optimizer, OPTIMIZERS),
    )
