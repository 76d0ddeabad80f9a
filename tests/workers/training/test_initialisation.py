from __future__ import annotations

import math
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from studies.errors import StudyFileError
from workers.training.initialisation import (
    ORTHOGONAL_GRID,
    SCHEMES,
    TRUNCATED_STDDEV,
    constant_biases,
    initial_weights,
)

FAN_IN, FAN_OUT = 150, 80

UNIFORM_LIMITS = {
    "glorot_uniform": math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(6 / FAN_IN),
    "spark_uniform": 2.4 / math.sqrt(FAN_IN),
    "seed_uniform": math.sqrt(6 / (FAN_IN + FAN_OUT)),
}
NORMAL_STDDEVS = {  # before the truncation
    "glorot_normal": math.sqrt(2 / (FAN_IN + FAN_OUT)) / TRUNCATED_STDDEV,
    "he_normal": math.sqrt(2 / FAN_IN) / TRUNCATED_STDDEV,
    "lecun_normal": math.sqrt(1 / FAN_IN) / TRUNCATED_STDDEV,
    "truncated_normal": 0.01,
}
SCHEME = st.sampled_from(sorted(SCHEMES))
LAYERS = st.lists(st.integers(1, 12), min_size=2, max_size=5)
SEED = st.integers(0, 2**63)


def first_layer(scheme: str, seed: int = 3) -> NDArray[np.float64]:
    return np.asarray(initial_weights(scheme, (FAN_IN, FAN_OUT, 2), seed)[0], dtype=np.float64)


def test_the_nine_schemes_are_there() -> None:
    assert set(SCHEMES) == {*UNIFORM_LIMITS, *NORMAL_STDDEVS, "orthogonal"}


@pytest.mark.parametrize(("scheme", "limit"), UNIFORM_LIMITS.items())
def test_uniform_schemes_follow_their_distribution(scheme: str, limit: float) -> None:
    values = first_layer(scheme).ravel()
    assert 0.999 * limit < np.abs(values).max() <= limit
    assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert stats.kstest(values, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("scheme", "stddev"), NORMAL_STDDEVS.items())
def test_normal_schemes_follow_their_truncated_distribution(scheme: str, stddev: float) -> None:
    values = first_layer(scheme).ravel()
    assert 1.98 * stddev < np.abs(values).max() <= 2 * stddev
    assert values.std() == pytest.approx(stddev * TRUNCATED_STDDEV, rel=0.02)
    assert stats.kstest(values, stats.truncnorm(-2, 2, scale=stddev).cdf).pvalue > 1e-3


def test_the_variance_correction_is_that_of_a_normal_truncated_at_two() -> None:
    assert stats.truncnorm(-2, 2).std() == pytest.approx(TRUNCATED_STDDEV, rel=1e-12)


@given(fan_in=st.integers(1, 40), fan_out=st.integers(1, 40), seed=SEED)
@settings(deadline=None)
def test_orthogonal_weights_are_orthonormal_and_exact_in_single_precision(
    fan_in: int, fan_out: int, seed: int
) -> None:
    W = initial_weights("orthogonal", (fan_in, fan_out), seed)[0]
    product = W.T @ W if fan_in >= fan_out else W @ W.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=2e-5)
    np.testing.assert_array_equal(W * ORTHOGONAL_GRID, np.rint(W * ORTHOGONAL_GRID))
    np.testing.assert_array_equal(W.astype(np.float32).astype(np.float64), W)


def test_orthogonal_weights_are_as_often_turned_one_way_as_the_other() -> None:
    # A rotation drawn uniformly sends the first axis to a uniform angle; QR's own signs would not.
    firsts = np.array([initial_weights("orthogonal", (2, 2), seed)[0][0] for seed in range(600)])
    angles = np.arctan2(firsts[:, 1], firsts[:, 0])
    assert stats.kstest(angles, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"spark_uniform", "seed_uniform"}))
def test_biases_are_zero_where_the_scheme_says_nothing_else(scheme: str) -> None:
    weights = initial_weights(scheme, (5, 4, 3), 1)
    assert not weights[1].any()
    assert not weights[3].any()


def test_seed_uniform_is_glorot_uniform_with_biases_of_one() -> None:
    question = initial_weights("seed_uniform", (5, 4, 3), 1)
    glorot = initial_weights("glorot_uniform", (5, 4, 3), 1, biases=1.0)
    for one, other in zip(question, glorot, strict=True):
        np.testing.assert_array_equal(one, other)


def test_spark_uniform_draws_the_biases_like_the_weights() -> None:
    biases = initial_weights("spark_uniform", (9, 20_000), 1)[1]
    assert 0.79 < np.abs(biases).max() <= 0.8  # 2.4 / sqrt(9): of the layer's fan_in, as its weights
    assert stats.kstest(biases, stats.uniform(-0.8, 1.6).cdf).pvalue > 1e-3


@given(scheme=SCHEME, layers=LAYERS, seed=SEED)
@settings(deadline=None)
def test_weights_are_double_precision_of_the_layers_shapes(scheme: str, layers: list[int], seed: int) -> None:
    weights = initial_weights(scheme, layers, seed)
    assert [array.dtype for array in weights] == [np.dtype(np.float64)] * (2 * len(layers) - 2)
    assert [W.shape for W in weights[::2]] == list(pairwise(layers))
    assert [b.shape for b in weights[1::2]] == [(size,) for size in layers[1:]]
    assert all(np.isfinite(array).all() and array.flags.c_contiguous for array in weights)


@given(scheme=SCHEME, layers=LAYERS, seed=SEED, biases=st.floats(-1e6, 1e6))
@settings(deadline=None)
def test_biases_replace_the_biases_alone(scheme: str, layers: list[int], seed: int, biases: float) -> None:
    drawn = initial_weights(scheme, layers, seed)
    replaced = initial_weights(scheme, layers, seed, biases)
    for one, other in zip(drawn[::2], replaced[::2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert all((b == biases).all() for b in replaced[1::2])


@given(scheme=SCHEME, layers=LAYERS, more=st.lists(st.integers(1, 12), min_size=1, max_size=3), seed=SEED)
@settings(deadline=None)
def test_a_layer_is_drawn_alike_whatever_comes_after_it(
    scheme: str, layers: list[int], more: list[int], seed: int
) -> None:
    short = initial_weights(scheme, layers, seed)
    long = initial_weights(scheme, layers + more, seed)
    for one, other in zip(short, long[: len(short)], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_seeds_and_layers_differ_and_a_seed_repeats_itself(scheme: str) -> None:
    first, again, other = (initial_weights(scheme, (8, 8, 8), seed) for seed in (1, 1, 2))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[2])


def test_the_numbers_of_a_seed_stay_what_they_are() -> None:
    # Old studies name their seeds: another NumPy or another order of draws must not change what they mean.
    W, b = initial_weights("spark_uniform", (2, 2), 7)
    np.testing.assert_allclose(
        W, [[1.010967604107111, -1.5168496593750889], [0.31005597409751307, 1.251834047688249]], rtol=1e-12
    )
    np.testing.assert_allclose(b, [0.7784046414876364, -1.1229045031331157], rtol=1e-12)


def test_threads_draw_the_same_numbers() -> None:
    found: list[NDArray[np.float64]] = []
    threads = [threading.Thread(target=lambda: found.append(first_layer("he_normal"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.array_equal(found[0], other) for other in found)


def test_an_unknown_scheme_is_named_with_those_that_are_known() -> None:
    with pytest.raises(StudyFileError) as raised:
        initial_weights("glorot_unifrom", (2, 2), 0)
    assert "glorot_unifrom" in raised.value.problem
    assert all(scheme in raised.value.allowed for scheme in SCHEMES)
    assert raised.value.remedy == "did you mean 'glorot_uniform'?"


@pytest.mark.parametrize("layers", [(), (3,), (3, 0, 2), (-1, 2)])
def test_layers_without_units_are_refused(layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="layers must be two or more sizes"):
        initial_weights("he_normal", layers, 0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        initial_weights("he_normal", (2, 2), -1)


@given(scheme=SCHEME, other=SCHEME, layers=LAYERS, seed=SEED)
def test_biases_of_another_scheme_are_those_that_it_draws_itself(
    scheme: str, other: str, layers: list[int], seed: int
) -> None:
    mixed = initial_weights(scheme, layers, seed, biases=other)
    for got, own in zip(mixed[::2], initial_weights(scheme, layers, seed)[::2], strict=True):
        np.testing.assert_array_equal(got, own)
    for got, own in zip(mixed[1::2], initial_weights(other, layers, seed)[1::2], strict=True):
        np.testing.assert_array_equal(got, own)


@given(scheme=SCHEME, seed=SEED)
def test_constant_biases_are_what_a_scheme_sets_them_to(scheme: str, seed: int) -> None:
    constant = constant_biases(scheme)
    drawn = np.concatenate(initial_weights(scheme, (3, 4, 2), seed)[1::2])
    assert (constant is None) == (len(set(drawn)) > 1)
    assert constant is None or (drawn == constant).all()
