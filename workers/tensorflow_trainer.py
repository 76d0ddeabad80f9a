"""Trains networks with TensorFlow: Keras's optimizers on mini-batches, compiled epoch by epoch.

The same configuration, seed and rows give the same bits on the same kind of machine, in any thread, cut into
segments at any epoch or not at all: the order of an epoch's rows depends on nothing but the seed and the
epoch's number, no global seed is used, and the optimizer's slots are part of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studies.configuration import Configuration
from studies.data.split import Split
from studies.errors import StudyFileError, nearest
from studies.records import Failure
from workers.initialisation import initial_weights
from workers.network import ROWS_AT_ONCE
from workers.tensorflow_epoch import OPTIMIZERS, EpochKey, logits
from workers.tensorflow_programs import ProgramPool
from workers.tensorflow_setup import DEVICE, tf
from workers.trainer import Deadline, State, TrainingFailed, check_finite, layer_sizes

_POOL = ProgramPool()
"""The pool of this process: a second trainer on as many rows finds the compiled programs of the first."""


class TensorFlowTrainer:
    """Trains (features, *hidden sigmoid, classes softmax) on the training rows of one split.

    The loss of a step is the mean cross-entropy over the rows of its batch, times the configuration's
    ``loss_scale``.

    Args:
        split: the rows; the training rows are copied to the device once.
        hidden: units of each hidden layer.
        pool: where compiled programs are kept; by default the pool of this process.
    """

    def __init__(self, split: Split, hidden: Sequence[int], pool: ProgramPool = _POOL) -> None:
        self._layers = layer_sizes(split, hidden)
        self._rows = len(split.train)
        self._features = tf.constant(split.train.features, tf.float32)
        self._labels = tf.constant(split.train.labels, tf.int32)
        self._pool = pool

    def rungs(self, configuration: Configuration, wanted: Sequence[int]) -> tuple[int, ...]:  # noqa: ARG002
        """All of them: every epoch's end is a place to stop."""
        return tuple(wanted)

    def begin(self, configuration: Configuration, seed: int) -> State:
        """See :meth:`workers.trainer.Trainer.begin`."""
        weights = initial_weights(
            configuration.initialisation, self._layers, seed, biases=configuration.biases
        )
        return State(epoch=0, weights=weights)

    def advance(
        self, configuration: Configuration, seed: int, state: State, epoch: int, deadline: Deadline
    ) -> State:
        """See :meth:`workers.trainer.Trainer.advance`.

        Raises:
            TrainingFailed: also with cause ``out of memory``, where the device has too little.
            StudyFileError: where the optimizer is not one of :data:`OPTIMIZERS`.
            ValueError: where the configuration lacks a learning rate or a batch size.
        """
        recipe = _recipe(configuration)
        if epoch <= state.epoch:
            return state
        try:
            program = self._pool.program(_program_key(recipe, self._layers, self._rows))
            with program.variables() as variables:
                slots = state.slots or program.initial_slots
                variables.load(state.weights, slots, recipe.learning_rate)
                losses = list(state.losses)
                for number in range(state.epoch + 1, epoch + 1):
                    deadline.check(number - 1)
                    order = row_order(seed, number, self._rows, recipe.shuffle)
                    loss, finite = program.train_epoch(
                        variables, order, self._features, self._labels, recipe.loss_scale
                    )
                    losses.append(loss)
                    if not finite or not np.isfinite(loss):
                        check_finite(State(number, variables.weights(), losses=tuple(losses)))
                weights, slots = variables.weights(), variables.slots()
                return replace(state, epoch=epoch, weights=weights, slots=slots, losses=tuple(losses))
        except tf.errors.ResourceExhaustedError as error:
            raise TrainingFailed(Failure("out of memory", str(error), state.epoch)) from error

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :meth:`workers.trainer.Trainer.predict`.

        The logits are computed in float32, as in training, and the softmax in float64. Not compiled: each
        number of rows would cost a compilation, and the products are all the work there is.
        """
        weights = [tf.constant(array, tf.float32) for array in state.weights]
        blocks = []
        for first in range(0, max(len(features), 1), ROWS_AT_ONCE):
            block = tf.constant(features[first : first + ROWS_AT_ONCE], tf.float32)
            blocks.append(tf.nn.softmax(tf.cast(logits(weights, block), tf.float64)).numpy())
        return np.concatenate(blocks)

    @property
    def device(self) -> str:
        """``CPU`` or ``GPU:0``."""
        return DEVICE


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What this trainer reads of a configuration, none of it missing."""

    optimizer: str
    learning_rate: float
    batch_size: int
    shuffle: bool
    drop_last_batch: bool
    loss_scale: float


def row_order(seed: int, epoch: int, rows: int, shuffle: bool) -> NDArray[np.int32]:
    """(rows,) the order of the rows in an epoch, counted from 1; that of the source without ``shuffle``.

    Epoch 0 isn't used: ``SeedSequence((seed, 0))`` is ``SeedSequence(seed)``, which the initial weights are
    drawn from.
    """
    if not shuffle:
        return np.arange(rows, dtype=np.int32)
    return np.random.default_rng(np.random.SeedSequence((seed, epoch))).permutation(rows).astype(np.int32)


def _recipe(configuration: Configuration) -> _Recipe:
    """The configuration's choices; those that it leaves out as the study file's defaults have them."""
    if configuration.optimizer not in OPTIMIZERS:
        raise StudyFileError(
            f"found the unknown optimizer '{configuration.optimizer}' for TensorFlow",
            where="space.optimizer.tensorflow",
            allowed=", ".join(OPTIMIZERS),
            remedy=nearest(configuration.optimizer, OPTIMIZERS),
        )
    if configuration.learning_rate is None or configuration.batch_size is None:
        raise ValueError(f"{configuration.describe()}: a learning rate and a batch size are needed")
    return _Recipe(
        optimizer=configuration.optimizer,
        learning_rate=configuration.learning_rate,
        batch_size=configuration.batch_size,
        shuffle=configuration.shuffle is not False,
        drop_last_batch=bool(configuration.drop_last_batch),
        loss_scale=1.0 if configuration.loss_scale is None else configuration.loss_scale,
    )


def _program_key(recipe: _Recipe, layers: tuple[int, ...], rows: int) -> EpochKey:
    """The key of the recipe's program; recipes that run the same code get the same key."""
    if rows == 0:
        raise TrainingFailed(Failure("data", "there are no training rows", 0))
    if recipe.drop_last_batch and rows < recipe.batch_size:
        message = (
            f"nothing would be trained: the {rows} training rows are fewer than one batch of "
            f"{recipe.batch_size}, and drop_last_batch leaves a partial batch out"
        )
        raise TrainingFailed(Failure("data", message, 0))
    batch_size = min(recipe.batch_size, rows)
    partial = rows % batch_size != 0
    return EpochKey(layers, rows, recipe.optimizer, batch_size, recipe.drop_last_batch and partial)
