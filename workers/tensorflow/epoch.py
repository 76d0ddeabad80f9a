"""One compiled function that trains a whole epoch, with Keras's own optimizers.

Three things about it are not obvious:

- A whole epoch is one XLA function, because a call for each batch costs more than the batch does: at these
  sizes ``keras.Model.fit`` takes three to eight times as long.
- Keras optimizers keep their slots in variables, and their stateless interface is refused on TensorFlow. So
  the epoch is traced with variables of its own, and the compiled function calls that trace with whichever
  variables it is given. Thus one compilation serves all threads.
- The learning rate is one of those variables; loss scale, class weights, weight decay and the rate of dropout
  are arguments: none of them is compiled in. Only whether there is dropout and decay is, because random
  numbers cost time, and so does reading all weights once more for each of an optimizer's slots.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studies.space.configuration import DEFAULT_ACTIVATION
from workers.tensorflow.internals import without_replicas
from workers.tensorflow.network import dropout_factors, losses_and_gradients
from workers.tensorflow.setup import keras, tf

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
        "lion": lambda: keras.optimizers.Lion(name="lion"),
    }
)
"""Keras's own optimizers with Keras's defaults; each trial sets its learning rate."""


FILLING = 0.02
"""Share of the training rows that a last batch may be filled up with: what it may cost of an epoch's time."""


@dataclass(frozen=True, slots=True)
class EpochKey:
    """All that decides the compiled code.

    Attributes:
        layers: (features, *hidden, classes).
        rows: training rows, 1 or more.
        optimizer: a name in :data:`OPTIMIZERS`.
        batch_size: rows a step, at most ``rows``.
        drop_last_batch: whether a partial last batch is left out; false where there is none.
        activation: a name in :data:`ACTIVATIONS`.
        dropout: whether outputs of hidden layers are left out at random.
        weight_decay: whether large weights are penalised.
    """

    layers: tuple[int, ...]
    rows: int
    optimizer: str
    batch_size: int
    drop_last_batch: bool
    activation: str = DEFAULT_ACTIVATION
    dropout: bool = False
    weight_decay: bool = False

    @property
    def full_batches(self) -> int:
        """Batches of ``batch_size`` rows an epoch."""
        return self.rows // self.batch_size

    @property
    def partial_batch(self) -> int:
        """Rows of the smaller last batch; 0 where there is none or it is left out."""
        return 0 if self.drop_last_batch else self.rows % self.batch_size

    @property
    def batches(self) -> int:
        """Steps an epoch."""
        return self.full_batches + (self.partial_batch > 0)

    @property
    def fills_partial_batch(self) -> bool:
        """Whether the last batch is filled up with rows that don't count, and takes its step as all others.

        A step of another size is compiled a second time, which takes a third of the time of the first.
        """
        filling = self.batch_size - self.partial_batch
        return self.partial_batch > 0 and filling <= FILLING * self.rows


class EpochInputs(NamedTuple):
    """What a compiled epoch is given besides its variables.

    Attributes:
        order: (rows,) int32, the row that each place in the epoch takes.
        features: (rows, features) float32.
        labels: (rows,) int32.
        class_factors: (classes,) float32, factor on the loss of each row of a class.
        weight_decay: () float32, factor on the sum of the squares of all matrices; ignored without
            ``EpochKey.weight_decay``.
        dropout: () float32 in [0, 1); ignored without ``EpochKey.dropout``.
        random: (2,) int32, seed of the epoch's dropout.
    """

    order: Any
    features: Any
    labels: Any
    class_factors: Any
    weight_decay: Any
    dropout: Any
    random: Any


@dataclass(frozen=True)
class CompiledEpoch:
    """What :func:`compile_epoch` makes.

    Attributes:
        function: (inputs, variables) → (mean cross-entropy of each batch (batches,) float32, whether all
            weights are finite () bool). Trains the variables in place. Compiled by XLA at its first call.
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
    without_replicas(optimizer)
    optimizer.build(network)
    keras_variables = (*network, *optimizer.variables)
    variables = [variable.value for variable in keras_variables]
    inputs = _signature(key)
    epoch = tf.function(_epoch(key, network, optimizer), autograph=False)
    function = _on_any_variables(epoch.get_concrete_function(inputs), variables)
    function.get_concrete_function(inputs, variables)  # traced here, under the caller's lock
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


def _signature(key: EpochKey) -> EpochInputs:
    return EpochInputs(
        order=tf.TensorSpec((key.rows,), tf.int32),
        features=tf.TensorSpec((key.rows, key.layers[0]), tf.float32),
        labels=tf.TensorSpec((key.rows,), tf.int32),
        class_factors=tf.TensorSpec((key.layers[-1],), tf.float32),
        weight_decay=tf.TensorSpec((), tf.float32),
        dropout=tf.TensorSpec((), tf.float32),
        random=tf.TensorSpec((2,), tf.int32),
    )


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
    hidden = len(key.layers) - 2

    def step(inputs: EpochInputs, number: Any, rows: tuple[Any, Any], counted: Any = None) -> Any:
        """Take one step and return the mean loss; ``counted`` are the rows that it is of, by default all."""

        def factors(layer: int, outputs: Any) -> Any:
            if not key.dropout:
                return None
            return dropout_factors(outputs.shape, inputs.dropout, inputs.random, number * hidden + layer)

        if counted is None:
            counted = tf.ones(rows[1].shape, tf.bool)
        counts = tf.cast(counted, tf.float32)
        total = tf.reduce_sum(counts)
        row_weights = tf.gather(inputs.class_factors, rows[1]) * counts / total
        losses, gradients = losses_and_gradients(weights, rows, row_weights, key.activation, factors)
        if key.weight_decay:
            # d(λ·Σw²)/dw. Of the matrices alone, which are every other one.
            gradients[::2] = [
                gradient + 2.0 * inputs.weight_decay * W
                for gradient, W in zip(gradients[::2], weights[::2], strict=True)
            ]
        optimizer.apply(gradients, network)
        return tf.reduce_sum(tf.where(counted, losses, 0.0)) / total

    def epoch(inputs: EpochInputs) -> tuple[Any, Any]:
        size, looped, width = key.batch_size, key.full_batches + key.fills_partial_batch, key.layers[0]
        # Once an epoch: a gather in every step takes a tenth of the time of a small one.
        features, labels = tf.gather(inputs.features, inputs.order), tf.gather(inputs.labels, inputs.order)

        def batch(number: Any, losses: Any) -> tuple[Any, Any]:
            first, counted = number * size, None
            if key.fills_partial_batch:
                wanted, first = first, tf.minimum(first, key.rows - size)
                counted = tf.range(size) >= wanted - first
            rows = tf.slice(features, [first, 0], [size, width]), tf.slice(labels, [first], [size])
            return number + 1, losses.write(number, step(inputs, number, rows, counted))

        losses = tf.TensorArray(tf.float32, size=key.batches, element_shape=())
        _, losses = tf.while_loop(
            lambda number, _: number < looped, batch, (tf.constant(0), losses), maximum_iterations=looped
        )
        if looped < key.batches:
            last = features[looped * size :], labels[looped * size :]
            losses = losses.write(looped, step(inputs, looped, last))
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(weight)) for weight in weights])
        return losses.stack(), finite

    return epoch


def _on_any_variables(traced: Any, variables: Sequence[Any]) -> Any:
    """An XLA function with variables as its last argument; ``traced`` runs on them, not on its own."""
    place_of = {id(variable.handle): place for place, variable in enumerate(variables)}
    captured = [place_of[id(handle)] for handle in traced.captured_inputs]
    results = [tf.float32, tf.bool]

    def run(inputs: EpochInputs, given: Sequence[Any]) -> Any:
        handles = [given[place].handle for place in captured]
        return tf.raw_ops.StatefulPartitionedCall(args=[*inputs, *handles], Tout=results, f=traced)

    return tf.function(run, jit_compile=True, autograph=False)
