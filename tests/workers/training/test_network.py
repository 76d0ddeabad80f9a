from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from studies.errors import StudyFileError
from workers.training import network
from workers.training.network import class_weights, cross_entropy, flatten, forward, parameters, unflatten
from workers.training.trainer import Weights

LAYERS = st.lists(st.integers(1, 6), min_size=2, max_size=5)


def drawn(layers: list[int], seed: int, scale: float = 1.0) -> Weights:
    generator = np.random.default_rng(seed)
    return unflatten(scale * generator.standard_normal(parameters(layers)), layers)


def rows(count: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def test_forward_of_a_network_computed_by_hand() -> None:
    weights = (
        np.array([[1.0, -1.0], [0.0, 2.0]]),
        np.array([0.0, 1.0]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([0.0, 0.5]),
    )
    hidden = 1 / (1 + np.exp(-np.array([2.0, -2.0 + 6.0 + 1.0])))
    odds = np.exp(hidden[1] + 0.5 - hidden[0])
    expected = [[1 / (1 + odds), odds / (1 + odds)]]
    np.testing.assert_allclose(forward(weights, np.array([[2.0, 3.0]], np.float32)), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("activation", "hidden"), [("tanh", np.tanh([-3.0, 0.5])), ("relu", [0.0, 0.5]), ("sigmoid", None)]
)
def test_forward_with_each_activation_computed_by_hand(activation: str, hidden: NDArray[Any] | None) -> None:
    weights = (np.array([[-3.0, 0.5]]), np.zeros(2), np.eye(2), np.array([0.0, 0.25]))
    outputs = 1 / (1 + np.exp([3.0, -0.5])) if hidden is None else hidden
    odds = np.exp(outputs[1] + 0.25 - outputs[0])
    row, labels = np.ones((1, 1), np.float32), np.array([1])
    probabilities = forward(weights, row, activation)
    np.testing.assert_allclose(probabilities, [[1 / (1 + odds), odds / (1 + odds)]], rtol=1e-14)
    assert cross_entropy(weights, row, labels, activation) == pytest.approx(-np.log(probabilities[0, 1]))


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=40).filter(lambda drawn: len(set(drawn)) == 4))
def test_balanced_class_weights_are_those_of_scikit_learn(labels: list[int]) -> None:
    expected = compute_class_weight("balanced", classes=np.arange(4), y=np.array(labels))
    weights = class_weights("balanced", np.array(labels), 4)
    np.testing.assert_allclose(weights, expected, rtol=1e-15)
    assert weights[labels].mean() == pytest.approx(1.0)


def test_without_class_weights_and_without_rows_of_a_class() -> None:
    assert class_weights("none", np.array([0, 0, 1]), 3).tolist() == [1.0, 1.0, 1.0]
    assert class_weights("balanced", np.array([0, 0, 1]), 3).tolist() == [0.5, 1.0, 0.0]


def test_an_unknown_class_weight_is_refused() -> None:
    with pytest.raises(StudyFileError, match="'balance'"):
        class_weights("balance", np.array([0]), 1)


@given(layers=LAYERS, seed=st.integers(0, 2**32), scale=st.sampled_from([0.0, 0.1, 1.0, 1e3, 1e150, 1e300]))
@settings(deadline=None)
def test_probabilities_are_finite_and_sum_to_one_however_large_the_weights(
    layers: list[int], seed: int, scale: float
) -> None:
    probabilities = forward(drawn(layers, seed, scale), rows(7, layers[0]))
    assert probabilities.shape == (7, layers[-1])
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)


@given(layers=LAYERS, seed=st.integers(0, 2**32), shift=st.floats(-1e3, 1e3))
@settings(deadline=None)
def test_the_same_number_added_to_all_last_biases_changes_nothing(
    layers: list[int], seed: int, shift: float
) -> None:
    weights = drawn(layers, seed)
    shifted = (*weights[:-1], weights[-1] + shift)
    features = rows(5, layers[0])
    np.testing.assert_allclose(forward(shifted, features), forward(weights, features), rtol=1e-9)


@given(layers=LAYERS, seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_a_row_is_predicted_by_itself(layers: list[int], seed: int) -> None:
    weights = drawn(layers, seed)
    features = rows(6, layers[0], seed)
    together = forward(weights, features)
    apart = np.vstack([forward(weights, features[row : row + 1]) for row in range(6)])
    np.testing.assert_allclose(together, apart, rtol=1e-12)


def test_sets_larger_than_a_block_are_predicted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = drawn([3, 4, 2], 1)
    features = rows(23, 3)
    labels = np.arange(23) % 2
    whole, loss = forward(weights, features), cross_entropy(weights, features, labels)
    monkeypatch.setattr(network, "ROWS_AT_ONCE", 5)
    np.testing.assert_allclose(forward(weights, features), whole, rtol=1e-14)
    assert cross_entropy(weights, features, labels) == pytest.approx(loss, rel=1e-14)


def test_no_rows_give_no_probabilities_and_no_loss() -> None:
    weights = drawn([3, 4, 2], 1)
    empty = np.empty((0, 3), np.float32)
    assert forward(weights, empty).shape == (0, 2)
    assert np.isnan(cross_entropy(weights, empty, np.empty(0, np.int64)))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_show_in_the_probabilities(broken: float) -> None:
    weights = drawn([3, 4, 2], 1)
    weights[-2][:] = broken
    assert np.isnan(forward(weights, rows(4, 3))).all()
    assert np.isnan(cross_entropy(weights, rows(4, 3), np.zeros(4, np.int64)))


def test_weights_in_single_precision_are_computed_in_double() -> None:
    single = tuple(array.astype(np.float32) for array in drawn([3, 4, 2], 1))
    double = tuple(array.astype(np.float64) for array in single)
    np.testing.assert_array_equal(forward(single, rows(4, 3)), forward(double, rows(4, 3)))


@given(layers=LAYERS, seed=st.integers(0, 2**32), scale=st.sampled_from([0.1, 1.0, 3.0]))
@settings(deadline=None)
def test_cross_entropy_is_the_mean_log_loss_of_the_probabilities(
    layers: list[int], seed: int, scale: float
) -> None:
    weights, features = drawn(layers, seed, scale), rows(9, layers[0])
    labels = np.random.default_rng(seed).integers(0, layers[-1], 9)
    chosen = forward(weights, features)[np.arange(9), labels]
    assert cross_entropy(weights, features, labels) == pytest.approx(
        -np.log(chosen).mean(), rel=1e-9, abs=1e-12
    )


def test_cross_entropy_stays_exact_where_the_probability_is_zero() -> None:
    weights = (np.array([[0.0, 0.0]]), np.array([0.0, 1e4]))
    features = np.ones((1, 1), np.float32)
    assert forward(weights, features)[0, 0] == 0.0
    assert cross_entropy(weights, features, np.array([0])) == 1e4


@given(layers=LAYERS, data=st.data())
@settings(deadline=None)
def test_flatten_and_unflatten_undo_each_other(layers: list[int], data: st.DataObject) -> None:
    vector = data.draw(arrays(np.float64, parameters(layers), elements=st.floats(allow_nan=False)))
    weights = unflatten(vector, layers)
    assert [array.shape for array in weights] == [
        shape for pair in pairwise(layers) for shape in (pair, pair[1:])
    ]
    np.testing.assert_array_equal(flatten(weights), vector)


def test_the_order_is_layer_after_layer_with_w_by_rows_and_then_b() -> None:
    weights = unflatten(np.arange(11.0), [2, 2, 1, 1])
    assert [array.tolist() for array in weights] == [
        [[0.0, 1.0], [2.0, 3.0]],
        [4.0, 5.0],
        [[6.0], [7.0]],
        [8.0],
        [[9.0]],
        [10.0],
    ]


def test_flatten_reads_by_rows_whatever_the_order_in_memory() -> None:
    W = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert flatten((W, np.array([6.0, 7.0, 8.0]))).tolist() == list(np.arange(9.0))


def test_unflattened_weights_do_not_share_memory_with_the_vector() -> None:
    vector = np.zeros(parameters([2, 2]))
    unflatten(vector, [2, 2])[0][:] = 1.0
    assert not vector.any()


@pytest.mark.parametrize("length", [0, 8, 10])
def test_a_vector_of_the_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"layers \(2, 3\) need 9 numbers, found shape"):
        unflatten(np.zeros(length), [2, 3])
