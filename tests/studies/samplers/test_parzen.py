"""The estimator with its caches says to the last bit what Optuna's says."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

from studies.samplers.parzen import CachedParzenEstimator

SPACES: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "decay": FloatDistribution(-0.5, 2.0),
    "scheme": CategoricalDistribution(("a", "b", "c")),
    "size": CategoricalDistribution((16, 32)),
    "width": IntDistribution(1, 64, log=True),
    "tenth": FloatDistribution(0.0, 1.0, step=0.1),
}

SETTINGS = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)


def drawn(name: str, draw: np.random.RandomState, count: int) -> NDArray[Any]:
    distribution = SPACES[name]
    if isinstance(distribution, CategoricalDistribution):
        return draw.randint(0, len(distribution.choices), count)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.step is not None:
        steps = round((distribution.high - distribution.low) / distribution.step)
        return distribution.low + draw.randint(0, steps + 1, count) * distribution.step
    if distribution.log:
        return np.exp(draw.uniform(np.log(distribution.low), np.log(distribution.high), count))
    return draw.uniform(distribution.low, distribution.high, count)


@given(
    names=st.sets(st.sampled_from(sorted(SPACES)), min_size=1),
    seed=st.integers(0, 2**31),
    observed=st.integers(0, 60),
    asked=st.integers(1, 2),
)
@settings(deadline=None, max_examples=150)
def test_every_density_is_optunas_to_the_last_bit(
    names: set[str], seed: int, observed: int, asked: int
) -> None:
    draw = np.random.RandomState(seed)
    space = {name: SPACES[name] for name in sorted(names)}
    observations = {name: drawn(name, draw, observed) for name in space}
    ours = CachedParzenEstimator(observations, space, SETTINGS)
    theirs = _ParzenEstimator(observations, space, SETTINGS)
    for _ in range(asked):
        samples = {name: drawn(name, draw, 24) for name in space}
        if seed % 3 == 0 and "decay" in samples:
            samples["decay"][0] = 3.0  # outside of every kernel
        assert np.array_equal(ours.log_pdf(samples), theirs.log_pdf(samples), equal_nan=True)
