"""What the TensorFlow trainer reads of a configuration, and what it makes of it for each epoch.

All that is random in an epoch depends on nothing but the seed and the epoch's number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Rows
from studies.errors import StudyFileError, nearest
from studies.records.reports import Failure
from studies.space.configuration import DEFAULT_ACTIVATION, DEFAULT_CLASS_WEIGHT, Configuration
from workers.tensorflow.epoch import OPTIMIZERS, EpochInputs, EpochKey
from workers.tensorflow.network import ACTIVATIONS
from workers.tensorflow.setup import tf
from workers.training.network import class_weights
from workers.training.trainer import TrainingFailed


@dataclass(frozen=True, slots=True)
class Recipe:
    """The choices of a configuration, none of them missing."""

    optimizer: str
    learning_rate: float
    batch_size: int
    shuffle: bool
    drop_last_batch: bool
    loss_scale: float
    activation: str
    class_weight: str
    weight_decay: float
    dropout: float


class DeviceRows:
    """Training rows in TensorFlow's memory, copied there once.

    Args:
        rows: the rows.
        classes: how many classes there are.
    """

    def __init__(self, rows: Rows, classes: int) -> None:
        self._labels = rows.labels
        self._classes = classes
        self.count = len(rows)
        self.features = tf.constant(rows.features, tf.float32)
        self.labels = tf.constant(rows.labels, tf.int32)

    def inputs(self, recipe: Recipe, seed: int) -> Callable[[int], EpochInputs]:
        """A function that gives the inputs of each epoch, counted from 1."""
        factors = recipe.loss_scale * class_weights(recipe.class_weight, self._labels, self._classes)
        class_factors = tf.constant(factors, tf.float32)
        weight_decay = tf.constant(recipe.weight_decay, tf.float32)
        dropout = tf.constant(recipe.dropout, tf.float32)

        def of_epoch(epoch: int) -> EpochInputs:
            return EpochInputs(
                order=tf.constant(row_order(seed, epoch, self.count, recipe.shuffle)),
                features=self.features,
                labels=self.labels,
                class_factors=class_factors,
                weight_decay=weight_decay,
                dropout=dropout,
                random=tf.constant(dropout_seed(seed, epoch)),
            )

        return of_epoch


def recipe_of(configuration: Configuration) -> Recipe:
    """The configuration's choices; those that it leaves out as the study file's defaults have them.

    Raises:
        StudyFileError: where the optimizer or the activation is not known.
        ValueError: where the configuration lacks a learning rate or a batch size.
    """
    _check_known("optimizer", configuration.optimizer, OPTIMIZERS)
    activation = configuration.activation or DEFAULT_ACTIVATION
    _check_known("activation", activation, ACTIVATIONS)
    if configuration.learning_rate is None or configuration.batch_size is None:
        raise ValueError(f"{configuration.describe()}: a learning rate and a batch size are needed")
    return Recipe(
        optimizer=configuration.optimizer,
        learning_rate=configuration.learning_rate,
        batch_size=configuration.batch_size,
        shuffle=configuration.shuffle is not False,
        drop_last_batch=bool(configuration.drop_last_batch),
        loss_scale=1.0 if configuration.loss_scale is None else configuration.loss_scale,
        activation=activation,
        class_weight=configuration.class_weight or DEFAULT_CLASS_WEIGHT,
        weight_decay=configuration.weight_decay or 0.0,
        dropout=configuration.dropout or 0.0,
    )


def epoch_key(recipe: Recipe, layers: tuple[int, ...], rows: int) -> EpochKey:
    """The key of the recipe's program; recipes that run the same code get the same key.

    Raises:
        TrainingFailed: with cause ``data``, where nothing would be trained.
    """
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
    return EpochKey(
        layers=layers,
        rows=rows,
        optimizer=recipe.optimizer,
        batch_size=batch_size,
        drop_last_batch=recipe.drop_last_batch and partial,
        activation=recipe.activation,
        dropout=recipe.dropout > 0,
        weight_decay=recipe.weight_decay > 0,
    )


def row_order(seed: int, epoch: int, rows: int, shuffle: bool) -> NDArray[np.int32]:
    """(rows,) the order of the rows in an epoch, counted from 1; that of the source without ``shuffle``.

    Epoch 0 isn't used: ``SeedSequence((seed, 0))`` is ``SeedSequence(seed)``, that of the initial weights.
    """
    if not shuffle:
        return np.arange(rows, dtype=np.int32)
    return np.random.default_rng(np.random.SeedSequence((seed, epoch))).permutation(rows).astype(np.int32)


def dropout_seed(seed: int, epoch: int) -> NDArray[np.int32]:
    """(2,) seed of an epoch's dropout, apart from that of its order of rows."""
    return np.random.SeedSequence((seed, epoch), spawn_key=(1,)).generate_state(2).view(np.int32)


def _check_known(axis: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise StudyFileError(
            f"found the unknown {axis} '{name}' for TensorFlow",
            where=f"space.{axis}.tensorflow",
            allowed=", ".join(known),
            remedy=nearest(name, known),
        )
