"""The pool of compiled epochs that a process keeps, and the variables that trials train in.

Trials in several threads share a compiled epoch, each with :class:`Variables` of its own: no code is compiled
twice, and no trial sees another one's numbers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tensorflow import memory as tensorflow_memory
from workers.tensorflow.epoch import CompiledEpoch, EpochInputs, EpochKey, compile_epoch
from workers.tensorflow.internals import without_stack_traces
from workers.tensorflow.setup import tf
from workers.training.trainer import Weights

KEPT_PROGRAMS = 64
"""Programs that a pool keeps. Machine code takes some 2.5 MB each for a small network, measured."""

_TRACING = threading.RLock()
"""Held while variables, Keras optimizers and graphs are made, in whichever pool; not while they run."""


class Variables:
    """What one training changes, in TensorFlow's memory: weights, optimizer slots, learning rate."""

    def __init__(self, epoch: CompiledEpoch) -> None:
        self.all = [tf.Variable(value) for value in epoch.initial]
        self._weights = self.all[: epoch.weights]
        self._slots = {name: self.all[place] for name, place in epoch.slots.items()}
        self._learning_rate = self.all[epoch.learning_rate]

    def load(self, weights: Weights, slots: Mapping[str, NDArray[np.generic]], learning_rate: float) -> None:
        """Set everything. Weights of any precision are rounded to float32.

        Raises:
            ValueError: where the slots are those of another optimizer.
        """
        if set(slots) != set(self._slots):
            raise ValueError(f"this optimizer has the slots {sorted(self._slots)}, found {sorted(slots)}")
        # What is too large for float32 becomes infinite, and the check after the epoch finds it.
        with np.errstate(over="ignore"):
            single = [np.asarray(value, dtype=np.float32) for value in weights]
        for variable, value in zip(self._weights, single, strict=True):
            variable.assign(value)
        for name, variable in self._slots.items():
            variable.assign(slots[name])
        self._learning_rate.assign(learning_rate)

    def weights(self) -> Weights:
        """Copies of the weights, float32."""
        return tuple(_copy(variable) for variable in self._weights)

    def slots(self) -> dict[str, NDArray[np.generic]]:
        """Copies of the optimizer's slots and its count of steps, by name."""
        return {name: _copy(variable) for name, variable in self._slots.items()}


class Program:
    """A compiled epoch, and those of its variables that no trial is using. To be made one at a time."""

    def __init__(self, key: EpochKey) -> None:
        self.key = key
        with without_stack_traces():
            self._epoch = compile_epoch(key)
        self._batch_rows = np.full(key.full_batches, key.batch_size)
        if key.partial_batch:
            self._batch_rows = np.append(self._batch_rows, key.partial_batch)
        self._idle: list[Variables] = []

    @property
    def initial_slots(self) -> dict[str, NDArray[np.generic]]:
        """The slots of an optimizer that has not taken a step."""
        return {name: self._epoch.initial[place] for name, place in self._epoch.slots.items()}

    @contextmanager
    def variables(self) -> Iterator[Variables]:
        """Variables for the caller alone, still with the numbers of the trial that used them last."""
        with _TRACING:
            variables = self._idle.pop() if self._idle else Variables(self._epoch)
        yield variables
        # Not in a finally: after an error it is cheaper to drop them than to make sure that they are usable.
        self._idle.append(variables)

    def train_epoch(self, variables: Variables, inputs: EpochInputs) -> tuple[float, bool]:
        """Train one epoch.

        Args:
            variables: of this program; trained in place.
            inputs: tensors.

        Returns:
            Mean cross-entropy, without any factors, in nats a row, of the rows that were trained on, each
            before its own batch's step; and whether all weights are finite after the epoch.
        """
        with tensorflow_memory.running():
            losses, finite = self._epoch.function(inputs, variables.all)
        loss = float(np.average(losses.numpy().astype(np.float64), weights=self._batch_rows))
        return loss, bool(finite.numpy())


class ProgramPool:
    """Keeps the programs that were used last. Safe to use from several threads.

    Machine code of single programs can't be freed. So when as many have been evicted as are kept, all code is
    freed, and the kept ones are compiled again when they are used next; or the whole process is replaced once
    its trial has ended. Thus there is never code of more than
    twice the programs that are kept, beside that of evicted ones that a trial is still using.

    Args:
        kept: how many programs.
        make: what makes one.
        release: what frees the machine code of all programs.
    """

    def __init__(
        self,
        kept: int = KEPT_PROGRAMS,
        make: Callable[[EpochKey], Program] = Program,
        release: Callable[[], object] = tensorflow_memory.make_room,
    ) -> None:
        self._kept = kept
        self._make = make
        self._release = release
        self._evicted = 0
        self._programs: OrderedDict[EpochKey, Program] = OrderedDict()

    def program(self, key: EpochKey) -> Program:
        """The program of ``key``, made where it is not kept. An evicted one lives while it is in use."""
        with _TRACING:
            program = self._programs.pop(key, None) or self._make(key)
            self._programs[key] = program
            while len(self._programs) > self._kept:
                self._programs.popitem(last=False)
                self._evicted += 1
            if self._evicted >= self._kept:
                self._release()
                self._evicted = 0
            return program


def _copy(variable: Any) -> NDArray[Any]:
    # TensorFlow may hand out its own memory, which the next epoch overwrites.
    return np.array(variable.numpy())
