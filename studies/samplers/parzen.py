"""TPE's density estimator, quick to be asked again and again.

Optuna's computes the logarithms of all kernels' weights and masses again for each sampled trial: with
two thousand kernels most of what a draw costs. These depend on the kernels alone, and are computed once here.
What comes out is the same to the last bit, because all sums are taken in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.optuna_internals import Choices, Density, Floats, log_normal_density, log_normal_mass


@dataclass(frozen=True, eq=False)
class _Kernels:
    """What of a density depends on its kernels alone.

    Attributes:
        categories: (column of the sample, (choices, kernels) logarithm of each choice's weight).
        numbers: (column of the sample, whether it is looked at by its logarithm).
        middle, deviation: (kernels, numbers) of the normal distributions.
        low, high: (kernels, numbers) where they are cut off, in deviations from the middle.
        log_mass: (kernels, numbers) logarithm of what is left between these.
        log_deviation: (kernels, numbers).
        log_weight: (kernels,).
    """

    categories: Sequence[tuple[int, Floats]]
    numbers: Sequence[tuple[int, bool]]
    middle: Floats
    deviation: Floats
    low: Floats
    high: Floats
    log_mass: Floats
    log_deviation: Floats
    log_weight: Floats


class CachedParzenEstimator(Density):
    """Optuna's estimator, see the module."""

    def log_pdf(self, samples_dict: Mapping[str, NDArray[Any]]) -> Floats:
        """(samples,) logarithm of the density at each sample, which is given by the parameters' names."""
        kernels = self._kernels
        if kernels is None:
            whole: Floats = super().log_pdf(dict(samples_dict))
            return whole
        samples = self.columns(samples_dict)
        log_densities = np.zeros((len(samples), len(kernels.log_weight)))
        for column, log_weights in kernels.categories:
            log_densities += log_weights[samples[:, column].astype(np.int64)]
        if kernels.numbers:
            log_densities += _log_normal(samples, kernels).sum(axis=-1)
        log_densities += kernels.log_weight
        largest = log_densities.max(axis=1)
        largest[np.isneginf(largest)] = 0
        with np.errstate(divide="ignore"):
            density: Floats = np.log(np.exp(log_densities - largest[:, None]).sum(axis=1)) + largest
        return density

    @cached_property
    def _kernels(self) -> _Kernels | None:
        """``None`` where a parameter has steps, whose masses depend on the sample."""
        categories, numbers, normal = [], [], []
        for column, parameter in enumerate(self.parameters):
            if isinstance(parameter, Choices):
                categories.append((column, np.ascontiguousarray(np.log(parameter.weights).T)))
            elif parameter.steps:
                return None
            else:
                numbers.append((column, parameter.by_log))
                normal.append(parameter)
        middle = np.asarray([each.middle for each in normal]).T
        deviation = np.asarray([each.deviation for each in normal]).T
        low = (np.asarray([each.low for each in normal]) - middle) / deviation
        high = (np.asarray([each.high for each in normal]) - middle) / deviation
        return _Kernels(
            categories,
            numbers,
            middle,
            deviation,
            low,
            high,
            log_normal_mass(low, high) if normal else low,
            np.log(deviation),
            self.log_weights,
        )


def _log_normal(samples: Floats, kernels: _Kernels) -> Floats:
    """(samples, kernels, numbers) logarithm of each kernel's density of each number."""
    columns = [np.log(samples[:, at]) if by_log else samples[:, at] for at, by_log in kernels.numbers]
    scaled = (np.stack(columns, axis=1)[:, None, :] - kernels.middle) / kernels.deviation
    log_densities: Floats = log_normal_density(scaled) - kernels.log_mass - kernels.log_deviation
    outside = (scaled < kernels.low) | (scaled > kernels.high)
    nowhere = kernels.low == kernels.high
    if outside.any() or nowhere.any():
        log_densities = np.select(
            [np.broadcast_to(nowhere, log_densities.shape), outside], [np.nan, -np.inf], default=log_densities
        )
    return log_densities
