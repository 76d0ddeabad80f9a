"""The network itself, in NumPy: what both frameworks train, computed without either.

Hidden layers and a softmax over the classes; with sigmoid layers it is the network of Spark MLlib's
MultilayerPerceptronClassifier. Training is the frameworks' business; predicting, comparing and translating
weights is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.errors import StudyFileError
from workers.training.trainer import Weights

ROWS_AT_ONCE = 8192
"""Rows that go through the network together, so that a large set needs no large hidden activations."""


def forward(
    weights: Weights, features: NDArray[np.floating[Any]], activation: str = "sigmoid"
) -> NDArray[np.float64]:
    """(rows, classes) float64 probabilities of (rows, features); each row sums to 1.

    ``activation`` is a name in :data:`ACTIVATIONS`.

    Weights that aren't finite give NaN in every row that they reach, without a warning:
    :func:`workers.training.scores.score` refuses such rows.
    """
    probabilities = np.empty((len(features), len(weights[-1])))
    for block, logits in _logits_by_block(weights, features, activation):
        probabilities[block] = softmax(logits)
    return probabilities


def cross_entropy(
    weights: Weights,
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    activation: str = "sigmoid",
) -> float:
    """Mean over the rows of -log(probability of the row's label), in nats; NaN without rows.

    Computed from the logits, so that it stays exact where the probability itself rounds to 0.
    """
    if not len(features):
        return float("nan")
    total = 0.0
    for block, logits in _logits_by_block(weights, features, activation):
        total += cross_entropy_of_logits(logits, labels[block]) * len(logits)
    return total / len(features)


def cross_entropy_of_logits(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over the rows of -log(softmax of (rows, classes) logits) at the row's label, in nats."""
    with np.errstate(invalid="ignore"):
        shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, classes) probabilities; the largest logit is taken off first, so that no exp overflows."""
    with np.errstate(invalid="ignore"):
        z: NDArray[np.float64] = logits - logits.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    return z


def class_weights(class_weight: str, labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """(classes,) how many times the loss of a row of each class counts.

    ``balanced`` is rows / (classes × rows of the class), so that the mean over the rows stays 1, as
    scikit-learn's ``compute_class_weight`` has it, after G. King and L. Zeng, "Logistic regression in rare
    events data", Political Analysis 9, 2001. A class without rows counts 0 times.

    Raises:
        StudyFileError: where ``class_weight`` is neither ``none`` nor ``balanced``.
    """
    if class_weight == "none":
        return np.ones(classes)
    if class_weight != "balanced":
        raise StudyFileError(
            f"found the unknown class weight '{class_weight}'",
            where="space.class_weight",
            allowed="none, balanced",
        )
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (classes * np.maximum(counts, 1)), 0.0)


def flatten(weights: Weights) -> NDArray[np.float64]:
    """One float64 vector in Spark MLlib's order: layer after layer, W in C order, then b."""
    return np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in weights])


def unflatten(vector: NDArray[np.floating[Any]], layers: Sequence[int]) -> Weights:
    """The weights that :func:`flatten` made one vector of, float64, in memory of their own.

    Args:
        vector: (parameters,) in Spark MLlib's order.
        layers: (features, *hidden, classes).

    Raises:
        ValueError: where the vector hasn't as many numbers as these layers need.
    """
    expected = parameters(layers)
    if vector.shape != (expected,):
        raise ValueError(f"layers {tuple(layers)} need {expected} numbers, found shape {vector.shape}")
    weights: list[NDArray[np.float64]] = []
    start = 0
    for fan_in, fan_out in pairwise(layers):
        for shape in ((fan_in, fan_out), (fan_out,)):
            end = start + int(np.prod(shape))
            weights.append(np.array(vector[start:end], dtype=np.float64).reshape(shape))
            start = end
    return tuple(weights)


def parameters(layers: Sequence[int]) -> int:
    """How many weights and biases a network of these layers has."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(layers))


def _logits_by_block(
    weights: Weights, features: NDArray[np.floating[Any]], activation: str
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Which rows, and what the softmax is taken of for them: (rows, classes)."""
    activate = ACTIVATIONS[activation]
    double = tuple(np.asarray(array, dtype=np.float64) for array in weights)
    for first in range(0, len(features), ROWS_AT_ONCE):
        block = slice(first, first + ROWS_AT_ONCE)
        activations = np.asarray(features[block], dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            for W, b in zip(double[:-2:2], double[1:-2:2], strict=True):
                activations = activate(activations @ W + b)
            logits: NDArray[np.float64] = activations @ double[-2] + double[-1]
        yield block, logits


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-z)), in place; where exp overflows to infinity the quotient is 0, as it should be."""
    np.exp(np.negative(z, out=z), out=z)
    z += 1.0
    return np.reciprocal(z, out=z)


def _tanh(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """In place."""
    return np.tanh(z, out=z)


def _relu(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """max(z, 0), in place."""
    return np.maximum(z, 0.0, out=z)


ACTIVATIONS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = MappingProxyType(
    {"sigmoid": _sigmoid, "tanh": _tanh, "relu": _relu}
)
"""What hidden layers apply, by name; each may overwrite its argument."""
