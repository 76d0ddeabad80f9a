"""One compiled function that trains a whole epoch, with Keras's own optimizers.

Three things about it are not obvious:

- A whole epoch is one XLA function, because a call for each batch costs more than the batch does: at these
  sizes ``keras.Model.fit`` takes three to eight times as long.
- Keras optimizers keep their slots in variables, and their stateless interface is refused on TensorFlow. So
  the epoch is traced with variables of its own, and the compiled function calls that trace with whichever
  variables it is given. Thus one compilation serves all threads.
- The learning rate is one of those variables and the loss scale an argument: neither is compiled in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tensorflow_setup import keras, tf

OPTIMIZERS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "sgd": lambda: keras.optimizers.SGD(name="sgd"),
        "momentum": lambda: keras.optimizers.SGD(momentum=0.9, name="momentum"),
        "nesterov": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True, name="nesterov"),
        "rmsprop": lambda: keras.optimizers.RMSprop(name="rmsprop"),
        "adagrad": lambda: keras.optimizers.Adagrad(name="adagrad"),
        "adam": lambda: keras.optimizers.Adam(name="adam"),
        "adamw": lambda: keras.optimizers.AdamW(name="adamw"),
        "nadam": lambda: keras.optimizers.Nadam(name="nadam"),
    }
)
"""Keras's own optimizers with Keras's defaults; each trial sets its learning rate."""


@dataclass(frozen=True, slots=True)
class EpochKey:
    """All that decides the compiled code.

    Attributes:
        layers: (features, *hidden, classes).
        rows: training rows, 1 or more.
        optimizer: a name in :data:`OPTIMIZERS`.
        batch_size: rows a step, at most ``rows``.
        drop_last_batch: whether a partial last batch is left out; false where there is none.
    """

    layers: tuple[int, ...]
    rows: int
    optimizer: str
    batch_size: int
    drop_last_batch: bool

    @property
    def full_batches(self) -> int:
        """Batches of ``batch_size`` rows an epoch."""
        return self.rows // self.batch_size

    @property
    def partial_batch(self) -> int:
        """Rows of the smaller last batch; 0 where there is none or it is left out."""
        return 0 if self.drop_last_batch else self.rows % self.batch_size


@dataclass(frozen=True)
class CompiledEpoch:
    """What :func:`compile_epoch` makes.

    Attributes:
        function: (order (rows,) int32, features (rows, features) float32, labels (rows,) int32, loss scale ()
            float32, variables) → (mean cross-entropy of each batch (batches,) float32, whether all weights
            are finite () bool). Trains the variables in place. Compiled by XLA at its first call.
        initial: value of each variable before the first step, in the order of the function's variables.
        weights: how many of them, from the first, are the network's weights.
        slots: place of each optimizer slot among them, the count of steps included, the learning rate not.
        learning_rate: place of the learning rate.
    """

    function: Callable[..., tuple[Any, Any]]
    initial: tuple[NDArray[np.generic], ...]
    weights: int
    slots: Mapping[str, int]
    learning_rate: int


def compile_epoch(key: EpochKey) -> CompiledEpoch:
    """Trace one epoch. Not safe in several threads at once: Keras builds and names variables here."""
    network = _network(key.layers)
    optimizer = OPTIMIZERS[key.optimizer]()
    optimizer.build(network)
    keras_variables = (*network, *optimizer.variables)
    variables = [variable.value for variable in keras_variables]
    signature = (
        tf.TensorSpec((key.rows,), tf.int32),
        tf.TensorSpec((key.rows, key.layers[0]), tf.float32),
        tf.TensorSpec((key.rows,), tf.int32),
        tf.TensorSpec((), tf.float32),
    )
    epoch = tf.function(_epoch(key, network, optimizer), autograph=False)
    function = _on_any_variables(epoch.get_concrete_function(*signature), variables)
    function.get_concrete_function(*signature, variables)  # traced here, under the caller's lock
    # Keras counts the names of variables that it leaves unnamed, so that those differ between processes.
    names = {
        place: f"unnamed_{place}" if variable.path.startswith("variable") else variable.path.split("/")[-1]
        for place, variable in enumerate(keras_variables)
    }
    learning_rate = next(place for place, name in names.items() if name == "learning_rate")
    return CompiledEpoch(
        function=function,
        initial=tuple(np.array(variable.numpy()) for variable in variables),
        weights=len(network),
        slots={
            name: place for place, name in names.items() if place >= len(network) and place != learning_rate
        },
        learning_rate=learning_rate,
    )


def logits(weights: Sequence[Any], features: Any) -> Any:
    """What the softmax is taken of, (rows, classes), as in :mod:`workers.network`; traced, or run at once."""
    activations = features
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        activations = tf.sigmoid(activations @ W + b)
    return activations @ weights[-2] + weights[-1]


def _network(layers: Sequence[int]) -> list[Any]:
    """Keras variables W1, b1, W2, b2, … of zeros."""
    variables = []
    for number, (fan_in, fan_out) in enumerate(itertools.pairwise(layers), start=1):
        for name, shape in ((f"W{number}", (fan_in, fan_out)), (f"b{number}", (fan_out,))):
            variables.append(keras.Variable(np.zeros(shape, np.float32), dtype="float32", name=name))
    return variables


def _epoch(key: EpochKey, network: Sequence[Any], optimizer: Any) -> Callable[..., tuple[Any, Any]]:
    """The epoch as a function to trace, on the variables that it is given here."""
    weights = [variable.value for variable in network]

    def step(rows: Any, features: Any, labels: Any, loss_scale: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels=tf.gather(labels, rows), logits=logits(weights, tf.gather(features, rows))
                )
            )
            objective = loss * loss_scale
        optimizer.apply(tape.gradient(objective, weights), network)
        return loss

    def epoch(order: Any, features: Any, labels: Any, loss_scale: Any) -> tuple[Any, Any]:
        size, full = key.batch_size, key.full_batches

        def full_batch(number: Any, losses: Any) -> tuple[Any, Any]:
            rows = tf.slice(order, [number * size], [size])
            return number + 1, losses.write(number, step(rows, features, labels, loss_scale))

        losses = tf.TensorArray(tf.float32, size=full + (key.partial_batch > 0), element_shape=())
        _, losses = tf.while_loop(
            lambda number, _: number < full, full_batch, (tf.constant(0), losses), maximum_iterations=full
        )
        if key.partial_batch:
            losses = losses.write(full, step(order[full * size :], features, labels, loss_scale))
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(weight)) for weight in weights])
        return losses.stack(), finite

    return epoch


def _on_any_variables(traced: Any, variables: Sequence[Any]) -> Any:
    """An XLA function with variables as its last argument; ``traced`` runs on them, not on its own."""
    place_of = {id(variable.handle): place for place, variable in enumerate(variables)}
    captured = [place_of[id(handle)] for handle in traced.captured_inputs]
    results = [tf.float32, tf.bool]

    def run(order: Any, features: Any, labels: Any, loss_scale: Any, given: Sequence[Any]) -> Any:
        handles = [given[place].handle for place in captured]
        return tf.raw_ops.StatefulPartitionedCall(
            args=[order, features, labels, loss_scale, *handles], Tout=results, f=traced
        )

    return tf.function(run, jit_compile=True, autograph=False)
