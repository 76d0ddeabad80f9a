"""A plug-in's trainer, checked against what every trainer promises; a clear error where it breaks that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.errors import PluginError
from studies.plugins import Origin
from studies.space.configuration import Configuration
from workers.training.trainer import Deadline, State, Trainer

SUMS_WITHIN = 1e-6
"""How far the sum of a row's probabilities may be from 1."""

WEIGHTS = "State.weights, a tuple of NumPy arrays of numbers, of any shapes"


class CheckedTrainer:
    """Fulfils :class:`workers.training.trainer.Trainer` by calling another trainer.

    Every method raises :class:`studies.errors.PluginError` where the checked one returns what no trainer may.

    Args:
        origin: where the trainer comes from.
        trainer: that is called.
        classes: how many there are.
    """

    def __init__(self, origin: Origin, trainer: Trainer, classes: int) -> None:
        self._origin = origin
        self._trainer = trainer
        self._classes = classes

    def rungs(self, configuration: Configuration, wanted: Sequence[int]) -> tuple[int, ...]:
        """Some of the wanted ones, the last among them."""
        rungs: Any = self._trainer.rungs(configuration, wanted)
        is_sequence = isinstance(rungs, (tuple, list))
        if not is_sequence or not set(rungs) <= set(wanted) or wanted[-1] not in rungs:
            raise self._wrong("rungs", rungs, f"a tuple of some of {tuple(wanted)}, the last among them")
        return tuple(sorted(rungs))

    def begin(self, configuration: Configuration, seed: int) -> State:
        """A state of epoch 0."""
        return self._state("begin", self._trainer.begin(configuration, seed), 0)

    def advance(
        self, configuration: Configuration, seed: int, state: State, epoch: int, deadline: Deadline
    ) -> State:
        """A state of the epoch that was asked for."""
        after = self._trainer.advance(configuration, seed, state, epoch, deadline)
        return self._state("advance", after, max(epoch, state.epoch))

    def predict(self, state: State, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(rows, classes) probabilities; those that aren't finite are a training that diverged."""
        predicted: Any = self._trainer.predict(state, features)
        shape = (len(features), self._classes)
        allowed = f"an array of float64 of shape {shape}, (rows, classes)"
        if not isinstance(predicted, np.ndarray) or predicted.shape != shape or predicted.dtype.kind != "f":
            raise self._wrong("predict", predicted, allowed)
        probabilities: NDArray[np.float64] = predicted.astype(np.float64, copy=False)
        if not np.isfinite(probabilities).all():
            return probabilities
        if len(predicted) and predicted.min() < 0.0:
            raise self._wrong(
                "predict", f"the probability {predicted.min():.3g}", "probabilities from 0 to 1"
            )
        sums = predicted.sum(axis=1)
        far = np.abs(sums - 1.0) > SUMS_WITHIN
        if far.any():
            problem = f"a row of probabilities that sum to {sums[far][0]:.6g}"
            raise self._wrong("predict", problem, "rows that sum to 1")
        return probabilities

    @property
    def device(self) -> str:
        """As the checked trainer names it."""
        return str(self._trainer.device)

    def _state(self, method: str, state: Any, epoch: int) -> State:
        if not isinstance(state, State):
            raise self._wrong(method, state, "a workers.training.trainer.State")
        weights: Any = state.weights
        arrays = weights if isinstance(weights, tuple) else None
        if arrays is None:
            raise self._wrong(method, f"weights that are {_named(weights)}", WEIGHTS)
        if not arrays:
            raise self._wrong(method, "no weights", WEIGHTS)
        for number, array in enumerate(arrays):
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
                raise self._wrong(method, f"weights whose number {number} is {_named(array)}", WEIGHTS)
        if state.epoch != epoch:
            raise self._wrong(method, f"a state of epoch {state.epoch}", f"one of epoch {epoch}")
        if len(state.losses) > epoch:
            problem = f"{len(state.losses)} losses after epoch {epoch}"
            raise self._wrong(method, problem, "State.losses, one number an epoch or fewer")
        return state

    def _wrong(self, method: str, returned: Any, allowed: str) -> PluginError:
        what = returned if isinstance(returned, str) else _named(returned)
        return self._origin.error(f"returned {what} from {method}", allowed=allowed)


def _named(value: Any) -> str:
    """What something is: ``an array of float32 of shape (3, 2)``, ``list``."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]}".strip()
