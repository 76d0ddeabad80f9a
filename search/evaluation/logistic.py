"""The baseline that a network has to beat: a logistic regression on the same features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from studies.data.split import Rows
from workers.training.network import softmax

PENALTY = 1.0
"""Half of this times the sum of the squared slopes, of standardised features, is added to the sum of the
losses: scikit-learn's ``C=1`` for three classes or more."""

MOST_ITERATIONS = 300
"""Of L-BFGS; on standardised features it needs some dozens."""

ROWS_AT_ONCE = 8192
"""Rows that are taken to double precision together."""


def logistic_probabilities(train: Rows, classes: int, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """(rows, classes): the predictions of a multinomial logistic regression for (rows, features).

    T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning", 2009, section 4.4, with
    an L2 penalty on the slopes. Features are standardised by the training rows, which is done to the
    slopes, so that no second copy of the rows is made.
    """
    mean = train.features.mean(axis=0, dtype=np.float64)
    spread = train.features.std(axis=0, dtype=np.float64)
    scale = np.where(spread > 0, spread, 1.0)
    shape = (train.features.shape[1] + 1, classes)

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        slopes, offsets = _unscaled(weights, mean, scale)
        loss, by_feature, by_class = 0.0, np.zeros((shape[0] - 1, classes)), np.zeros(classes)
        for block, rows in _blocks(train.features):
            probabilities = softmax(rows @ slopes + offsets)
            picked = (np.arange(len(rows)), train.labels[block])
            loss -= np.log(np.maximum(probabilities[picked], np.finfo(np.float64).tiny)).sum()
            probabilities[picked] -= 1.0
            by_feature += rows.T @ probabilities
            by_class += probabilities.sum(axis=0)
        gradient = np.vstack([(by_feature - np.outer(mean, by_class)) / scale[:, np.newaxis], by_class])
        gradient[:-1] += PENALTY * weights[:-1]
        penalty = PENALTY / 2.0 * (weights[:-1] ** 2).sum()
        return (loss + penalty) / len(train), gradient.ravel() / len(train)

    options = {"maxiter": MOST_ITERATIONS, "gtol": 1e-6}
    solution = minimize(objective, np.zeros(shape[0] * classes), jac=True, method="L-BFGS-B", options=options)
    slopes, offsets = _unscaled(solution.x.reshape(shape), mean, scale)
    return np.concatenate([softmax(rows @ slopes + offsets) for _, rows in _blocks(features)])


def _unscaled(
    weights: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes and offsets for the features as they are, of those for standardised ones."""
    slopes = weights[:-1] / scale[:, np.newaxis]
    return slopes, weights[-1] - mean @ slopes


def _blocks(features: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    for first in range(0, len(features), ROWS_AT_ONCE):
        block = slice(first, first + ROWS_AT_ONCE)
        yield block, features[block].astype(np.float64)
