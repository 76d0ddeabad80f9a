"""Trains networks with TensorFlow: Keras's optimizers on mini-batches, compiled epoch by epoch.

The same configuration, seed and rows give the same bits on the same kind of machine, in any thread, cut into
segments at any epoch or not at all: the order of an epoch's rows and its dropout depend on nothing but the
seed and the epoch's number, no global seed is used, and the optimizer's slots are part of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Split
from studies.records.reports import Failure
from studies.space.configuration import DEFAULT_ACTIVATION, Configuration
from workers.tensorflow import epoch as tensorflow_epoch
from workers.tensorflow.full_batch import OPTIMIZERS as FULL_BATCH_OPTIMIZERS
from workers.tensorflow.full_batch import FullBatchTraining
from workers.tensorflow.network import logits
from workers.tensorflow.programs import ProgramPool
from workers.tensorflow.recipe import DeviceRows, epoch_key, recipe_of
from workers.tensorflow.setup import DESCRIPTION, tf
from workers.training.initialisation import initial_weights
from workers.training.network import ROWS_AT_ONCE
from workers.training.trainer import Deadline, State, TrainingFailed, check_finite, layer_sizes

OPTIMIZERS = (*tensorflow_epoch.OPTIMIZERS, *FULL_BATCH_OPTIMIZERS)
"""Keras's on mini-batches, and Spark's two on all rows."""

_POOL = ProgramPool()
"""The pool of this process: a second trainer on as many rows finds the compiled programs of the first."""


class TensorFlowTrainer:
    """Trains (features, *hidden, classes softmax) on the training rows of one split.

    The objective of a step is, over the rows of its batch,

        loss_scale · mean(class weight · cross-entropy) + weight_decay · Σ w²

    with the sum over all matrices, biases not among them, and class weights counted in all training rows.
    l-bfgs and gd take their steps on all rows at once, without ``loss_scale``; see
    :class:`workers.tensorflow.full_batch.FullBatchTraining`.

    Args:
        split: the rows; the training rows are copied to the device once.
        hidden: units of each hidden layer.
        pool: where compiled programs are kept; by default the pool of this process.
    """

    def __init__(self, split: Split, hidden: Sequence[int], pool: ProgramPool = _POOL) -> None:
        self._layers = layer_sizes(split, hidden)
        self._rows = DeviceRows(split.train, len(split.classes))
        self._full_batch = FullBatchTraining(split.train, self._layers)
        self._pool = pool

    def rungs(self, configuration: Configuration, wanted: Sequence[int]) -> tuple[int, ...]:  # noqa: ARG002
        """All of them: every epoch's end is a place to stop."""
        return tuple(wanted)

    def begin(self, configuration: Configuration, seed: int) -> State:
        """See :meth:`workers.training.trainer.Trainer.begin`."""
        weights = initial_weights(
            configuration.initialisation, self._layers, seed, biases=configuration.biases
        )
        return State(0, weights, activation=configuration.activation or DEFAULT_ACTIVATION)

    def advance(
        self, configuration: Configuration, seed: int, state: State, epoch: int, deadline: Deadline
    ) -> State:
        """See :meth:`workers.training.trainer.Trainer.advance`.

        Raises:
            TrainingFailed: also with cause ``out of memory``, where the device has too little.
            StudyFileError: where the optimizer or the activation is not known.
            ValueError: where the configuration lacks a learning rate or a batch size.
        """
        if epoch <= state.epoch:
            return state
        try:
            if configuration.optimizer in FULL_BATCH_OPTIMIZERS:
                return self._full_batch.advance(configuration, state, epoch, deadline)
            return self._advance_by_batches(configuration, seed, state, epoch, deadline)
        except tf.errors.ResourceExhaustedError as error:
            raise TrainingFailed(Failure("out of memory", str(error), state.epoch)) from error

    def _advance_by_batches(
        self, configuration: Configuration, seed: int, state: State, epoch: int, deadline: Deadline
    ) -> State:
        recipe = recipe_of(configuration)
        program = self._pool.program(epoch_key(recipe, self._layers, self._rows.count))
        with program.variables() as variables:
            slots = state.slots or program.initial_slots
            variables.load(state.weights, slots, recipe.learning_rate)
            inputs = self._rows.inputs(recipe, seed)
            losses = list(state.losses)
            for number in range(state.epoch + 1, epoch + 1):
                deadline.check(number - 1)
                loss, finite = program.train_epoch(variables, inputs(number))
                losses.append(loss)
                if not finite or not np.isfinite(loss):
                    check_finite(State(number, variables.weights(), losses=tuple(losses)))
            weights, slots = variables.weights(), variables.slots()
            return replace(state, epoch=epoch, weights=weights, slots=slots, losses=tuple(losses))

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :meth:`workers.training.trainer.Trainer.predict`.

        The logits are computed in float32, as in training, and the softmax in float64. Not compiled: each
        number of rows would cost a compilation, and the products are all the work there is.
        """
        weights = [tf.constant(array, tf.float32) for array in state.weights]
        blocks = []
        for first in range(0, max(len(features), 1), ROWS_AT_ONCE):
            block = tf.constant(features[first : first + ROWS_AT_ONCE], tf.float32)
            of_block = logits(weights, block, state.activation)
            blocks.append(tf.nn.softmax(tf.cast(of_block, tf.float64)).numpy())
        return np.concatenate(blocks)

    @property
    def device(self) -> str:
        """``CPU``, with its threads where a cluster set them, or ``GPU:0``."""
        return DESCRIPTION
