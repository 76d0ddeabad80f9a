"""The full-batch objective in TensorFlow, and L-BFGS on it against Spark's own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import workers.tensorflow.objective as module
from studies.data.split import Rows, Split
from workers.contract import drawn_split
from workers.solvers.lbfgs import begin, iterations
from workers.solvers.mllib import PARTITIONS
from workers.tensorflow.objective import FullBatchObjective, FullBatchRows, mllib_row_weights
from workers.training.initialisation import initial_weights
from workers.training.network import cross_entropy, flatten, parameters, unflatten
from workers.training.trainer import layer_sizes

BLOCK_SIZE = 128
LAYERS = (8, 5, 3)


@pytest.fixture(scope="module")
def split() -> Split:
    return drawn_split((0.5, 0.3, 0.2), rows=333)


@pytest.fixture(scope="module")
def start() -> NDArray[np.float64]:
    return flatten(initial_weights("glorot_uniform", LAYERS, 3))


def objective_on(
    rows: Rows, precision: module.Precision = "float64", weights: NDArray[np.float64] | None = None
) -> FullBatchObjective:
    return FullBatchObjective(FullBatchRows(rows, precision), LAYERS, weights)


def first(rows: Rows, count: int) -> Rows:
    return Rows(rows.features[:count], rows.labels[:count])


def test_the_value_is_the_mean_cross_entropy(split: Split, start: NDArray[np.float64]) -> None:
    expected = cross_entropy(unflatten(start, LAYERS), split.train.features, split.train.labels)
    assert objective_on(split.train)(start)[0] == pytest.approx(expected, rel=1e-13)
    single = objective_on(split.train, "float32")(start)[0]
    assert single == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("layers", "activation", "weight_decay"),
    [((8, 3), "sigmoid", 0.0), ((8, 5, 3), "tanh", 0.1), ((8, 4, 6, 3), "sigmoid", 0.01)],
)
def test_the_gradient_is_that_of_the_value(
    split: Split, layers: tuple[int, ...], activation: str, weight_decay: float
) -> None:
    rows = FullBatchRows(split.train, "float64")
    objective = FullBatchObjective(rows, layers, activation=activation, weight_decay=weight_decay)
    x = np.random.default_rng(1).normal(size=parameters(layers))
    _, gradient = objective(x)
    delta = 1e-6
    for place in range(len(x)):
        along = np.zeros_like(x)
        along[place] = delta
        slope = (objective(x + along)[0] - objective(x - along)[0]) / (2 * delta)
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_hidden_layers_apply_the_activation(
    split: Split, start: NDArray[np.float64], activation: str
) -> None:
    rows = FullBatchRows(split.train, "float64")
    value, _ = FullBatchObjective(rows, LAYERS, activation=activation)(start)
    expected = cross_entropy(unflatten(start, LAYERS), split.train.features, split.train.labels, activation)
    assert value == pytest.approx(expected, rel=1e-13)


def test_weight_decay_adds_the_squared_weights_but_no_biases(
    split: Split, start: NDArray[np.float64]
) -> None:
    rows = FullBatchRows(split.train, "float64")
    x = start + 0.5  # so that no bias is 0
    plain, _ = FullBatchObjective(rows, LAYERS)(x)
    decayed, _ = FullBatchObjective(rows, LAYERS, weight_decay=0.3)(x)
    squares = sum(float((W**2).sum()) for W in unflatten(x, LAYERS)[::2])
    assert decayed - plain == pytest.approx(0.3 * squares, rel=1e-12)


@pytest.mark.parametrize("rows_at_once", [1, 7, 50, 332, 333, 1000])
def test_how_many_rows_go_through_at_once_does_not_matter(
    split: Split, start: NDArray[np.float64], rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, gradient = objective_on(split.train)(start)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    other_value, other_gradient = objective_on(split.train)(start)
    assert other_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(other_gradient, gradient, rtol=1e-9, atol=1e-15)


def test_the_weights_of_the_rows_are_heeded(split: Split, start: NDArray[np.float64]) -> None:
    weights = np.random.default_rng(2).uniform(size=len(split.train))
    objectives = [objective_on(first(split.train, n), weights=weights[:n]) for n in (200, 201)]
    (value, gradient), (more, more_gradient) = (objective(start) for objective in objectives)
    row = Rows(split.train.features[200:201], split.train.labels[200:201])
    alone, alone_gradient = objective_on(row)(start)
    assert more - value == pytest.approx(weights[200] * alone, rel=1e-9)
    np.testing.assert_allclose(more_gradient - gradient, weights[200] * alone_gradient, atol=1e-12)


@given(
    rows=st.integers(PARTITIONS, 400), block_size=st.integers(1, 150), partitions=st.integers(1, PARTITIONS)
)
def test_mllibs_row_weights_give_every_block_the_same_weight(
    rows: int, block_size: int, partitions: int
) -> None:
    weights = mllib_row_weights(rows, block_size, partitions)
    blocks = [
        part[first : first + block_size]
        for part in np.array_split(weights, partitions)
        for first in range(0, len(part), block_size)
    ]
    assert len(weights) == rows
    np.testing.assert_allclose([block.sum() for block in blocks], 1 / len(blocks), rtol=1e-12)
    assert all((block == block[0]).all() for block in blocks)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_has_the_precision_of_the_weights(
    split: Split, start: NDArray[np.float64], precision: module.Precision, dtype: type
) -> None:
    objective = objective_on(split.train, precision)
    x = start.astype(dtype)
    value, gradient = objective(x)
    again, other = objective(x)
    assert isinstance(value, float)
    assert gradient.dtype == dtype
    gradient += 1.0  # nobody else's memory
    assert np.array_equal(objective(x)[1], other)
    assert again == value


def test_weights_too_large_for_the_precision_give_no_number_and_no_warning(split: Split) -> None:
    x = np.full(parameters(LAYERS), 1e300)
    value, _ = objective_on(split.train, "float32")(x)
    assert not np.isfinite(value)


def test_threads_do_not_see_each_other(split: Split, start: NDArray[np.float64]) -> None:
    objective = objective_on(split.train)
    points = [start * factor for factor in np.linspace(0.5, 2, 16)]
    alone = [objective(x) for x in points]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(objective, points))
    for (value, gradient), (other, other_gradient) in zip(alone, together, strict=True):
        assert value == other
        assert np.array_equal(gradient, other_gradient)


def test_what_does_not_fit_is_refused(split: Split, start: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="found 0"):
        FullBatchRows(first(split.train, 0))
    with pytest.raises(ValueError, match="333 rows need"):
        objective_on(split.train, weights=np.ones(3))
    with pytest.raises(ValueError, match="63 weights are needed"):
        objective_on(split.train)(start[1:])


def spark_history(
    split: Split, layers: Sequence[int], start: NDArray[np.float64], count: int, directory: Path
) -> list[float]:
    """MLlib's own objectiveHistory."""
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.linalg import Vectors

    from workers.spark import session as spark_session
    from workers.spark.rows import load, write_once

    rows = load(spark_session.start(), write_once(split.train, directory))
    classifier = MultilayerPerceptronClassifier(
        layers=list(layers),
        solver="l-bfgs",
        maxIter=count,
        blockSize=BLOCK_SIZE,
        initialWeights=Vectors.dense(start),
    )
    return list(classifier.fit(rows).summary().objectiveHistory)


def our_history(
    split: Split,
    layers: Sequence[int],
    start: NDArray[np.float64],
    count: int,
    precision: module.Precision = "float64",
) -> list[float]:
    """The objective before the first iteration and after each, as MLlib keeps it."""
    weights = mllib_row_weights(len(split.train), BLOCK_SIZE, PARTITIONS)
    objective = FullBatchObjective(FullBatchRows(split.train, precision), layers, weights)
    begun = begin(objective, start)
    history = [begun.value]
    for state in iterations(objective, begun):
        history.append(state.value)
        if state.iteration == count:
            break
    return history


CASES = {
    "two classes": ((0.8, 0.2), (5,), "spark_uniform", 0),
    "three classes": ((0.5, 0.3, 0.2), (5,), "glorot_uniform", 1),
    "two hidden layers": ((0.5, 0.3, 0.2), (7, 4), "spark_uniform", 2),
    "large weights": ((0.6, 0.4), (6,), "he_normal", 3),
    "small weights": ((0.6, 0.4), (6,), "truncated_normal", 4),
    "no hidden layer": ((0.7, 0.3), (), "glorot_normal", 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_objectives_are_sparks(case: str, tmp_path: Path) -> None:
    shares, hidden, initialisation, seed = CASES[case]
    split = drawn_split(shares, rows=333, distance=1.0, seed=seed)
    layers = layer_sizes(split, hidden)
    start = flatten(initial_weights(initialisation, layers, seed))
    theirs = spark_history(split, layers, start, 10, tmp_path)
    ours = our_history(split, layers, start, 10)
    assert len(theirs) == 11
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(our_history(split, layers, start, 10, "float32"), theirs, rtol=1e-4)


@pytest.mark.slow
def test_the_objectives_are_sparks_on_a_network_of_full_size(tmp_path: Path) -> None:
    split = drawn_split((0.87, 0.13), features=300, rows=3112, distance=2.0)
    layers = layer_sizes(split, (600,))
    start = flatten(initial_weights("spark_uniform", layers, 7))
    theirs = spark_history(split, layers, start, 10, tmp_path)
    np.testing.assert_allclose(our_history(split, layers, start, 10), theirs, rtol=1e-11)


@pytest.mark.slow
def test_a_run_converges_where_sparks_does(tmp_path: Path) -> None:
    # Wide clouds, which the network soon tells apart: the two have not parted by then.
    split = drawn_split(rows=333, distance=6.0)
    layers = layer_sizes(split, (5,))
    start = flatten(initial_weights("spark_uniform", layers, 1))
    theirs = spark_history(split, layers, start, 200, tmp_path)
    ours = our_history(split, layers, start, 200)
    assert 20 < len(theirs) < 201
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.slow
def test_line_searches_that_fail_are_in_the_history_as_they_are_in_sparks(tmp_path: Path) -> None:
    # So sure of the wrong class that the loss falls in a straight line for further than any search goes.
    split = drawn_split((0.8, 0.2), rows=333)
    layers = layer_sizes(split, (5,))
    start = np.zeros(parameters(layers))
    start[-2:] = -300.0, 300.0
    theirs = spark_history(split, layers, start, 10, tmp_path)
    ours = our_history(split, layers, start, 10)
    assert len(set(theirs)) == 1
    assert len(theirs) == 3  # the start, without its history, and given up
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
