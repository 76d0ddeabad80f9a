"""The axes that a space can have: which values each accepts, and which configurations use it.

To add an axis: a field of :class:`studies.space.configuration.Configuration`, a key of
:class:`studies.sections.study.Space`, its name in :data:`studies.frameworks.HYPERPARAMETERS`, and a row of
:data:`AXES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studies.frameworks import ACTIVATIONS, INITIALISATIONS, Framework, framework_of
from studies.sections.distributions import Value, is_finite
from studies.space.configuration import DEFAULT_CLASS_WEIGHT, FULL_BATCH

CLASS_WEIGHTS = (DEFAULT_CLASS_WEIGHT, "balanced")
"""How much the loss of a row can count; see :func:`workers.training.network.class_weights`."""

LARGEST_COUNT = 2**31 - 1
"""Of epochs and of rows a step: the largest `int` of the JVM, which is what Spark counts iterations with."""

SCHEME_BIASES = "scheme"
"""The value of the axis ``biases`` that leaves them to the scheme."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the values of an axis must be, as a test and in words; ``names`` are those that it has, if any."""

    allowed: str
    accepts: Callable[[Value], bool]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AxisRule:
    """One axis.

    Attributes:
        name: field of the configuration and key of the space.
        of: what its values must be, for a framework.
        with_optimizer: whether a configuration with this optimizer has this choice, in frameworks that do.
    """

    name: str
    of: Callable[[Framework], Kind]
    with_optimizer: Callable[[str], bool] = lambda _optimizer: True

    def kind(self, framework: str) -> Kind:
        """What the values must be for one framework."""
        return self.of(framework_of(framework))

    def used_by(self, framework: str, optimizer: str) -> bool:
        """Whether a configuration of this framework with this optimizer has this choice."""
        return framework_of(framework).uses(self.name) and self.with_optimizer(optimizer)


def _names(names: tuple[str, ...]) -> Kind:
    return Kind(", ".join(names), lambda value: value in names, names)


def _is_above_zero(value: Value) -> bool:
    return is_finite(value) and float(value) > 0


def _is_zero_or_above(value: Value) -> bool:
    return is_finite(value) and float(value) >= 0


def _is_rate(value: Value) -> bool:
    return is_finite(value) and 0 <= float(value) < 1


def _is_count(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_COUNT


def _any(kind: Kind) -> Callable[[Framework], Kind]:
    """The same for every framework."""
    return lambda _framework: kind


def _with_steps(optimizer: str) -> bool:
    return optimizer != "l-bfgs"


def _with_batches(optimizer: str) -> bool:
    return optimizer not in FULL_BATCH


_ABOVE_ZERO = _any(Kind("numbers above 0", _is_above_zero))
_ZERO_OR_ABOVE = _any(Kind("numbers of at least 0", _is_zero_or_above))
_RATE = _any(Kind("numbers of at least 0 and below 1", _is_rate))
_COUNT = _any(Kind(f"whole numbers from 1 to {LARGEST_COUNT}", _is_count))
_FLAG = _any(Kind("true or false", lambda value: isinstance(value, bool)))
_BIASES = Kind(
    f'"{SCHEME_BIASES}", numbers, or the name of an initialisation: {", ".join(INITIALISATIONS)}',
    lambda value: value in (SCHEME_BIASES, *INITIALISATIONS) or is_finite(value),
    (SCHEME_BIASES, *INITIALISATIONS),
)

AXES: tuple[AxisRule, ...] = (
    AxisRule("optimizer", lambda framework: _names(framework.optimizers)),
    AxisRule("initialisation", lambda framework: _names(framework.initialisations or INITIALISATIONS)),
    AxisRule("biases", _any(_BIASES)),
    AxisRule("learning_rate", _ABOVE_ZERO, _with_steps),
    AxisRule("batch_size", _COUNT, _with_batches),
    AxisRule("shuffle", _FLAG, _with_batches),
    AxisRule("drop_last_batch", _FLAG, _with_batches),
    AxisRule("loss_scale", _ABOVE_ZERO, _with_batches),
    AxisRule("activation", lambda framework: _names(framework.activations or ACTIVATIONS)),
    AxisRule("class_weight", _any(_names(CLASS_WEIGHTS))),
    AxisRule("weight_decay", _ZERO_OR_ABOVE),
    AxisRule("dropout", _RATE, _with_batches),
    AxisRule("epochs", _COUNT),
)
"""In the order in which they are sampled: the optimizer first, because others depend on it."""
