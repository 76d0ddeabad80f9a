"""A Gaussian process over the axes of a space: Matérn 5/2, with a length for each axis.

Two configurations are as far apart along an axis as their numbers in [0, 1] are, and 1 apart where they have
different categories. One that doesn't have the axis lies beside its middle, at a distance of 1: so all
distances are those of points in a Euclidean space, without which there is no covariance. After
Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006: equations 2.25 and 2.26 for the
predictions, 5.8 and 5.9 for the likelihood and its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from studies.space.numbers import ABSENT, Floats

FITTED = 100
"""Points, evenly spaced in their order, whose likelihood the lengths are fitted to: it takes their third
power of time, at each step."""

STEPS = 30
"""Evaluations of the likelihood, at most."""

LENGTH = 0.3
"""The prior's median of an axis's length, times the root of the number of axes."""

SPREAD = 2.0
"""Standard deviation of the prior of the logarithm of 1/length²: the length within a factor e."""

NOISE, NOISE_SPREAD = 1e-2, 2.0
"""The prior's median of the noise's variance, and the standard deviation of its logarithm; the scores have
variance 1."""

LEAST_NOISE = 1e-4
"""Keeps the covariance invertible where a configuration was drawn twice."""

WEIGHTS, AMPLITUDES, NOISES = (-8.0, 6.0), (0.0, 3.0), (-12.0, 1.0)
"""Bounds of the logarithms. The function varies at least as much as the scores that were seen: a process that
is told that most are alike is not to conclude that all are."""


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Made by :func:`fit`.

    Attributes:
        points: (points, axes) as :func:`studies.space.numbers.table_of` has them.
        categorical: (axes,) whether an axis has categories.
        weights: (axes,) 1/length².
        amplitude: variance of the function.
        factor: (points, points) lower Cholesky factor of the covariance of the scores.
        solved: (points,) the covariance's inverse times the scores.
    """

    points: Floats
    categorical: tuple[bool, ...]
    weights: Floats
    amplitude: float
    factor: Floats
    solved: Floats

    def predict(self, X: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (rows,) of the function at X (rows, axes), without the noise."""
        correlation, _ = _matern(self.weights, squared_gaps(self.points, X, self.categorical))
        covariance = self.amplitude * correlation
        mean = covariance.T @ self.solved
        explained = linalg.solve_triangular(self.factor, covariance, lower=True, check_finite=False)
        variance = self.amplitude - np.einsum("ij,ij->j", explained, explained)
        return mean, np.sqrt(np.maximum(variance, 0.0))


def fit(X: Floats, y: Floats, categorical: Sequence[bool]) -> GaussianProcess:
    """The process with the lengths, the amplitude and the noise that are likeliest, given their priors.

    Args:
        X: (points, axes).
        y: (points,) of mean 0 and variance 1.
        categorical: (axes,) whether an axis has categories.
    """
    kinds = tuple(categorical)
    axes = X.shape[1]
    centre = np.append(np.full(axes, -np.log(axes * LENGTH**2)), [0.0, np.log(NOISE)])
    spread = np.append(np.full(axes, SPREAD), [1.0, NOISE_SPREAD])
    some = np.unique(np.linspace(0, len(y) - 1, min(len(y), FITTED)).astype(np.intp))
    gaps = squared_gaps(X[some], X[some], kinds)
    found = optimize.minimize(
        lambda at: _unlikelihood(at, gaps, y[some], centre, spread),
        centre,
        jac=True,
        method="L-BFGS-B",
        bounds=[*[WEIGHTS] * axes, AMPLITUDES, NOISES],
        options={"maxfun": STEPS},
    )
    scales = np.exp(found.x)
    weights, amplitude, noise = scales[:-2], float(scales[-2]), float(scales[-1])
    correlation, _ = _matern(weights, squared_gaps(X, X, kinds))
    covariance = amplitude * correlation + (noise + LEAST_NOISE) * np.eye(len(y))
    factor = linalg.cholesky(covariance, lower=True, check_finite=False)
    solved = linalg.cho_solve((factor, True), y, check_finite=False)
    return GaussianProcess(X, kinds, weights, amplitude, factor, solved)


def squared_gaps(one: Floats, other: Floats, categorical: Sequence[bool]) -> Floats:
    """(axes, rows of one, rows of other) squared distances along each axis."""
    gaps = np.empty((one.shape[1], len(one), len(other)))
    for axis, has_categories in enumerate(categorical):
        a, b = one[:, axis, None], other[None, :, axis]
        if has_categories:
            gaps[axis] = a != b
        else:
            aside = (a == ABSENT) != (b == ABSENT)
            gaps[axis] = aside + (np.where(a == ABSENT, 0.5, a) - np.where(b == ABSENT, 0.5, b)) ** 2
    return gaps


def _matern(weights: Floats, gaps: Floats) -> tuple[Floats, Floats]:
    """Matérn 5/2 of the distance r, with its derivative by r²: Rasmussen and Williams, equation 4.17.

    (1 + √5 r + 5r²/3) exp(-√5 r), and -5/6 (1 + √5 r) exp(-√5 r).
    """
    squared = np.tensordot(weights, gaps, axes=1)
    root = np.sqrt(5.0 * squared)
    decay = np.exp(-root)
    return (1.0 + root + 5.0 / 3.0 * squared) * decay, -5.0 / 6.0 * (1.0 + root) * decay


def _unlikelihood(
    at: Floats, gaps: Floats, y: Floats, centre: Floats, spread: Floats
) -> tuple[float, Floats]:
    """Minus the logarithm of likelihood times priors, but for a constant, and its gradient.

    Args:
        at: logarithms of the weights (axes,), of the amplitude, and of the noise's variance.
        gaps: (axes, points, points).
        y: (points,).
        centre: of the normal priors of ``at``.
        spread: of these.
    """
    scales = np.exp(at)
    weights, amplitude, noise = scales[:-2], scales[-2], scales[-1]
    correlation, slope = _matern(weights, gaps)
    unit = np.eye(len(y))
    factor = linalg.cholesky(
        amplitude * correlation + (noise + LEAST_NOISE) * unit, lower=True, check_finite=False
    )
    inverse = linalg.cho_solve((factor, True), unit, check_finite=False)
    solved = inverse @ y
    off = (at - centre) / spread
    value = 0.5 * y @ solved + np.log(np.diag(factor)).sum() + 0.5 * off @ off
    by_covariance = 0.5 * (inverse - np.outer(solved, solved))
    by_weights = amplitude * weights * (gaps.reshape(len(weights), -1) @ (by_covariance * slope).ravel())
    by_amplitude = amplitude * (by_covariance * correlation).sum()
    by_noise = noise * np.trace(by_covariance)
    return float(value), np.append(by_weights, [by_amplitude, by_noise]) + off / spread
