"""The objective that L-BFGS minimises, computed by TensorFlow: all training rows at once.

The rows go through the network some at a time, so that large sets do without large hidden activations. On a
CPU the function is not compiled by XLA, which takes a tenth to a half longer: products are what the time goes
into, and TensorFlow's own are quicker.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Rows
from studies.space.configuration import DEFAULT_ACTIVATION
from workers.solvers.history import Vector
from workers.tensorflow import memory as tensorflow_memory
from workers.tensorflow.internals import without_stack_traces
from workers.tensorflow.network import losses_and_gradients
from workers.tensorflow.setup import DEVICE, tf
from workers.training.network import parameters

Precision = Literal["float32", "float64"]

ROWS_AT_ONCE = 2048 if DEVICE == "CPU" else 8192
"""Rows that go through the network together, at most."""

_TRACING = threading.Lock()
"""Held while a function is traced, not while it runs."""


class FullBatchRows:
    """Rows in TensorFlow's memory, copied there once, for the objectives of any number of trials.

    Args:
        rows: 1 or more.
        precision: that of the networks.

    Raises:
        ValueError: where there are no rows.
    """

    def __init__(self, rows: Rows, precision: Precision = "float32") -> None:
        if len(rows) == 0:
            raise ValueError("an objective needs rows, found 0")
        self.count = len(rows)
        self.precision: Precision = precision
        batches = math.ceil(self.count / ROWS_AT_ONCE)
        self.shape = batches, math.ceil(self.count / batches)
        self.features = self.batched(np.asarray(rows.features, dtype=precision))
        self.labels = self.batched(np.asarray(rows.labels, dtype=np.int32))

    def batched(self, array: NDArray[Any]) -> Any:
        """(rows, …) as a tensor of (batches, rows of a batch, …), filled up with zeros."""
        batches, size = self.shape
        padding = [(0, batches * size - self.count)] + [(0, 0)] * (array.ndim - 1)
        return tf.constant(np.pad(array, padding).reshape(batches, size, *array.shape[1:]))


class FullBatchObjective:
    """Cross-entropy of (features, *hidden, classes softmax) on all rows, and its gradient.

    Called with the (parameters,) weights in Spark's order, see :func:`workers.training.network.flatten`, it
    returns the value in nats a row, and the gradient in the precision of the weights. Whatever the precision
    of the network is, the losses of the rows are summed up in float64. Safe to use from several threads.

    Args:
        rows: what to train on.
        layers: (features, *hidden, classes).
        weights: (rows,) weight of each row's loss, float64; 1 / rows by default. For MLlib's objective, see
            :func:`mllib_row_weights`.
        activation: of the hidden layers, a name in :data:`workers.tensorflow.network.ACTIVATIONS`.
        weight_decay: factor on the sum of the squared weights, biases not among them.

    Raises:
        ValueError: where there are not as many weights as rows.
    """

    def __init__(
        self,
        rows: FullBatchRows,
        layers: Sequence[int],
        weights: NDArray[np.float64] | None = None,
        activation: str = DEFAULT_ACTIVATION,
        weight_decay: float = 0.0,
    ) -> None:
        weights = np.full(rows.count, 1.0 / rows.count) if weights is None else weights
        if weights.shape != (rows.count,):
            raise ValueError(f"{rows.count} rows need a weight each, found shape {weights.shape}")
        self._precision = rows.precision
        self._parameters = parameters(layers)
        # Rows that only fill up the last batch weigh nothing.
        self._inputs = (
            rows.features,
            rows.labels,
            rows.batched(np.asarray(weights, dtype=np.float64)),
            tf.constant(weight_decay, rows.precision),
        )
        with _TRACING, without_stack_traces():
            self._function = _traced(tuple(layers), rows.shape, rows.precision, activation)

    def __call__(self, x: Vector) -> tuple[float, Vector]:
        """Value and gradient at ``x``.

        Raises:
            ValueError: where it hasn't as many numbers as the layers need.
        """
        if x.shape != (self._parameters,):
            raise ValueError(f"{self._parameters} weights are needed, found shape {x.shape}")
        # What is too large for float32 makes a value that isn't finite: the line search steps back.
        with np.errstate(over="ignore"):
            flat = tf.constant(x.astype(self._precision, copy=False))
        with tensorflow_memory.running():
            value, gradient = self._function(flat, *self._inputs)
        # TensorFlow may hand out its own memory.
        return float(value.numpy()), np.array(gradient.numpy(), dtype=x.dtype)


def mllib_row_weights(rows: int, block_size: int, partitions: int) -> NDArray[np.float64]:
    """(rows,) weight of each row's loss in what MLlib's MultilayerPerceptronClassifier minimises; sums to 1.

    MLlib's ``DataStacker`` cuts each partition into blocks of ``block_size`` rows and a shorter last one;
    ``AffineLayerModel.grad`` and ``SoftmaxLayerModelWithCrossEntropyLoss.loss`` divide by the block's rows,
    and ``LBFGS.CostFun`` by the number of blocks. So the objective is the mean over all blocks of each
    block's mean, and partitions matter only through the shorter block that each of them ends with.

    Args:
        rows: in the order of the partitions, which are runs of them as ``np.array_split`` makes them.
        block_size: MLlib's blockSize.
        partitions: how many.
    """
    sizes = mllib_block_sizes(rows, block_size, partitions)
    return np.concatenate([np.full(size, 1.0 / (len(sizes) * size)) for size in sizes])


def mllib_block_sizes(rows: int, block_size: int, partitions: int) -> list[int]:
    """Rows of each of MLlib's blocks, in their order; arguments as of :func:`mllib_row_weights`."""
    return [
        min(block_size, len(part) - first)
        for part in np.array_split(np.arange(rows), partitions)
        for first in range(0, len(part), block_size)
    ]


@functools.lru_cache(maxsize=64)
def _traced(
    layers: tuple[int, ...], shape: tuple[int, int], precision: Precision, activation: str
) -> Callable[..., tuple[Any, Any]]:
    """(flat weights, features, labels, row weights, weight decay) → (value () float64, flat gradient)."""
    batches = shape[0]

    def objective(
        flat: Any, features: Any, labels: Any, row_weights: Any, weight_decay: Any
    ) -> tuple[Any, Any]:
        network = _network(flat, layers)

        def add_batch(number: Any, value: Any, gradient: Any) -> tuple[Any, Any, Any]:
            weights = row_weights[number]
            losses, gradients = losses_and_gradients(
                network, (features[number], labels[number]), tf.cast(weights, precision), activation
            )
            loss = tf.reduce_sum(tf.cast(losses, tf.float64) * weights)
            return number + 1, value + loss, gradient + _flat(gradients)

        squares = tf.add_n([tf.reduce_sum(tf.cast(W, tf.float64) ** 2) for W in network[::2]])
        decay = tf.cast(weight_decay, tf.float64) * squares
        slopes = [
            2 * weight_decay * part if place % 2 == 0 else tf.zeros_like(part)
            for place, part in enumerate(network)
        ]
        _, value, gradient = tf.while_loop(
            lambda number, *_: number < batches,
            add_batch,
            (tf.constant(0), decay, _flat(slopes)),
            maximum_iterations=batches,
        )
        return value, gradient

    traced = tf.function(objective, jit_compile=DEVICE != "CPU", autograph=False)
    traced.get_concrete_function(
        tf.TensorSpec((parameters(layers),), precision),
        tf.TensorSpec((*shape, layers[0]), precision),
        tf.TensorSpec(shape, tf.int32),
        tf.TensorSpec(shape, tf.float64),
        tf.TensorSpec((), precision),
    )
    function: Callable[..., tuple[Any, Any]] = traced
    return function


def _network(flat: Any, layers: Sequence[int]) -> list[Any]:
    """W1, b1, W2, b2, … of the flat weights; traced."""
    arrays = []
    start = 0
    for fan_in, fan_out in pairwise(layers):
        for shape in ((fan_in, fan_out), (fan_out,)):
            size = math.prod(shape)
            arrays.append(tf.reshape(flat[start : start + size], shape))
            start += size
    return arrays


def _flat(arrays: Sequence[Any]) -> Any:
    """One vector of W1, b1, W2, b2, …; traced."""
    return tf.concat([tf.reshape(array, [-1]) for array in arrays], axis=0)
