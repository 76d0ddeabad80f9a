"""The network in TensorFlow: what it gives for rows, and how the loss of rows depends on its weights.

The gradients are written out, for two reasons. Whatever goes through ``tf.custom_gradient`` stays in a table
of TensorFlow's for ever, and with it the whole graph that it was traced in. And the products with a last
matrix of a few columns can be written so that XLA fuses them with what is around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from studies.space.configuration import DEFAULT_ACTIVATION
from workers.tensorflow.setup import tf

ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"sigmoid": tf.sigmoid, "tanh": tf.tanh, "relu": tf.nn.relu}
)
"""What hidden layers apply, by name, as in :data:`workers.training.network.ACTIVATIONS`."""

_SLOPES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "sigmoid": lambda outputs: outputs * (1.0 - outputs),
        "tanh": lambda outputs: 1.0 - outputs * outputs,
        "relu": lambda outputs: tf.cast(outputs > 0, outputs.dtype),
    }
)
"""Derivative of each activation, from what it gave."""

FEW_CLASSES = 4
"""Classes up to which the last layer's gradient is computed class by class."""

Factors = Callable[[int, Any], Any]
"""(hidden layer, counted from 0; its outputs (rows, units)) → what they are multiplied by, or ``None``."""


def logits(weights: Sequence[Any], features: Any, activation: str = DEFAULT_ACTIVATION) -> Any:
    """What the softmax is taken of, (rows, classes), as in :mod:`workers.training.network`; traced, or run at
    once.

    Args:
        weights: W1, b1, W2, b2, …
        features: (rows, features).
        activation: a name in :data:`ACTIVATIONS`.
    """
    outputs = features
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        outputs = ACTIVATIONS[activation](outputs @ W + b)
    return outputs @ weights[-2] + weights[-1]


def losses_and_gradients(
    weights: Sequence[Any],
    rows: tuple[Any, Any],
    row_weights: Any,
    activation: str = DEFAULT_ACTIVATION,
    factors: Factors = lambda _layer, _outputs: None,
) -> tuple[Any, list[Any]]:
    """The cross-entropy of each row, (rows,), and the gradient of their weighted sum by each of the weights.

    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986.

    Args:
        weights: W1, b1, W2, b2, …
        rows: (rows, features) and (rows,) int32 labels.
        row_weights: (rows,) weight of each row's loss in the sum.
        activation: a name in :data:`ACTIVATIONS`.
        factors: what the outputs of hidden layers are multiplied by, for dropout.
    """
    features, labels = rows
    inputs, slopes = [features], []
    for layer, (W, b) in enumerate(zip(weights[:-2:2], weights[1:-2:2], strict=True)):
        outputs = ACTIVATIONS[activation](inputs[-1] @ W + b)
        slope, factor = _SLOPES[activation](outputs), factors(layer, outputs)
        inputs.append(outputs if factor is None else outputs * factor)
        slopes.append(slope if factor is None else slope * factor)
    scores = inputs[-1] @ weights[-2] + weights[-1]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
    errors = tf.nn.softmax(scores) - tf.one_hot(labels, scores.shape[1], dtype=scores.dtype)
    upstream = errors * tf.expand_dims(row_weights, 1)
    of_outputs, of_W = _through_last_matrix(upstream, inputs[-1], weights[-2])
    gradients = [tf.reduce_sum(upstream, axis=0), of_W]  # the last first
    for layer in reversed(range(len(slopes))):
        upstream = of_outputs * slopes[layer]
        gradients += [tf.reduce_sum(upstream, axis=0), tf.matmul(inputs[layer], upstream, transpose_a=True)]
        if layer:
            of_outputs = tf.matmul(upstream, weights[2 * layer], transpose_b=True)
    return losses, gradients[::-1]


def _through_last_matrix(upstream: Any, outputs: Any, V: Any) -> tuple[Any, Any]:
    """The gradients of ``outputs @ V`` by both, from that by the product, (rows, classes).

    As matrix products those of a matrix of two columns cost a tenth of a step.
    """
    if V.shape[1] > FEW_CLASSES:
        return tf.matmul(upstream, V, transpose_b=True), tf.matmul(outputs, upstream, transpose_a=True)
    columns = tf.unstack(tf.expand_dims(upstream, 1), axis=2)  # classes × (rows, 1)
    of_outputs = tf.add_n([column * v for column, v in zip(columns, tf.unstack(V, axis=1), strict=True)])
    of_V = tf.stack([tf.reduce_sum(outputs * column, axis=0) for column in columns], axis=1)
    return of_outputs, of_V


def dropout_factors(shape: Sequence[int], rate: Any, random: Any, number: Any) -> Any:
    """Factors on the outputs of a layer: 0 for some, 1 / (1 - rate) for the others. Runs under XLA only.

    N. Srivastava and others, "Dropout", JMLR 15, 2014; the inverted form in its section 10, where predicting
    scales nothing.

    Args:
        shape: (rows, units).
        rate: () float32, probability of being set to 0.
        random: (2,) int32, seed of the epoch.
        number: () int32, different for each sample of the epoch.
    """
    # Named, because the default differs between devices; this one gives the same numbers on all of them, and
    # takes XLA a sixth of the time of Philox.
    uniform = tf.random.stateless_uniform(
        shape, random + tf.stack([0, number]), alg=tf.random.Algorithm.THREEFRY
    )
    return tf.where(uniform < rate, 0.0, 1.0 / (1.0 - rate))
