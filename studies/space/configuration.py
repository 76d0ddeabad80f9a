"""One point of the space: all that decides how a trial is trained, except its seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

FULL_BATCH = frozenset({"l-bfgs", "gd"})
"""Optimizers that take one step on all rows an epoch, so that they have no batch size and no shuffling."""

DEFAULT_ACTIVATION = "sigmoid"
"""Activation of the hidden layers where a configuration names none: MLlib's only one."""

DEFAULT_CLASS_WEIGHT = "none"
"""Class weight where a configuration names none: every row's loss counts once."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration; ``None`` where the framework or the optimizer has no such choice.

    Attributes:
        framework: name of one that :func:`studies.frameworks.framework_of` knows.
        initialisation: name of a scheme in :mod:`workers.training.initialisation`; empty for a framework that
            uses none.
        biases: one number that all initial biases are set to, or the name of another scheme that samples
            them; ``None`` leaves them to the scheme.
        optimizer: one of the framework's optimizers; empty for one that has none.
        epochs: passes over the training rows; for full-batch optimizers, iterations.
        learning_rate: step size; ``None`` for l-bfgs, which searches its own.
        batch_size: rows a step; ``None`` for full-batch optimizers.
        shuffle: whether each epoch shuffles the rows again; ``None`` for full-batch optimizers.
        drop_last_batch: whether a partial last batch is left out; ``None`` for full-batch optimizers.
        loss_scale: factor on the mean cross-entropy. 0.5 gives the mean over both outputs of the log
            loss; ``None`` for Spark, whose loss is fixed, and for full-batch optimizers.
        activation: what hidden layers apply: ``sigmoid``, ``tanh`` or ``relu``; ``None`` for Spark, which
            has sigmoid only.
        class_weight: ``none``, or ``balanced``, where a row's loss counts rows / (classes × rows of its
            class) times; ``None`` for Spark.
        weight_decay: factor on the sum of the squared weights, biases not among them, that is added to the
            loss; ``None`` for Spark.
        dropout: probability with which each output of a hidden layer is left out in a training step;
            ``None`` for Spark and for full-batch optimizers.
    """

    framework: str
    initialisation: str
    optimizer: str
    epochs: int
    biases: float | str | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    shuffle: bool | None = None
    drop_last_batch: bool | None = None
    loss_scale: float | None = None
    activation: str | None = None
    class_weight: str | None = None
    weight_decay: float | None = None
    dropout: float | None = None

    def used(self) -> dict[str, Any]:
        """The choices that this configuration makes, by name, without those it doesn't have."""
        # Not by `asdict`, which copies: this is called for every trial of every report.
        choices = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in choices if value is not None and value != ""}

    def key(self) -> str:
        """A text that is equal for equal configurations, for counting repeats."""
        return json.dumps(self.used(), sort_keys=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Configuration:
        """The configuration that :meth:`used` gave."""
        known = {field.name for field in fields(cls)}
        without = {"initialisation": "", "optimizer": ""}
        return cls(**without | {name: value for name, value in values.items() if name in known})

    def describe(self) -> str:
        """One line for a person: ``tensorflow adam lr 0.001 batch 128 glorot_uniform 27 epochs, tanh``.

        Rarely used choices come last, and only where they are not the default.
        """
        parts = [self.framework, self.optimizer] if self.optimizer else [self.framework]
        if self.learning_rate is not None:
            parts.append(f"lr {self.learning_rate:.3g}")
        if self.batch_size is not None:
            parts.append(f"batch {self.batch_size}")
        if self.initialisation:
            parts.append(self.initialisation)
        if self.biases is not None:
            parts.append(
                f"biases {self.biases if isinstance(self.biases, str) else format(self.biases, 'g')}"
            )
        parts.append(f"{self.epochs} iterations" if self.optimizer in FULL_BATCH else f"{self.epochs} epochs")
        return ", ".join([" ".join(parts), *self._seldom()])

    def _seldom(self) -> Iterator[str]:
        if self.activation not in (None, DEFAULT_ACTIVATION):
            yield str(self.activation)
        if self.dropout:
            yield f"dropout {self.dropout:.3g}"
        if self.weight_decay:
            yield f"weight decay {self.weight_decay:.3g}"
        if self.class_weight not in (None, DEFAULT_CLASS_WEIGHT):
            yield f"{self.class_weight} classes"
        if self.shuffle is False:
            yield "no shuffling"
        if self.drop_last_batch:
            yield "last batch dropped"
        if self.loss_scale not in (None, 1.0):
            yield f"loss scale {self.loss_scale:g}"


def trial_seed(study_seed: int, repeat: int) -> int:
    """Seed of the ``repeat``-th trial (from 0) of one configuration.

    Every configuration is tried with the study's own seed first: all start from the same random numbers and
    are compared in pairs. A configuration that is sampled again gets the next seed, so that the repeat
    measures the noise.
    """
    return study_seed + repeat
