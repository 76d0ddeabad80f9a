"""The axes that a space can have: which values each accepts, and which configurations use it.

To add an axis: a field of :class:`studies.space.configuration.Configuration`, a key of
:class:`studies.sections.study.Space`, and a row of :data:`AXES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from studies.sections.distributions import Choice, Value, is_finite
from studies.space.configuration import DEFAULT_ACTIVATION, DEFAULT_CLASS_WEIGHT, FULL_BATCH

OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "tensorflow": (
        "sgd",
        "momentum",
        "nesterov",
        "rmsprop",
        "adagrad",
        "adam",
        "adamw",
        "nadam",
        "lion",
        "l-bfgs",
        "gd",
    ),
    "spark": ("l-bfgs", "gd"),
    "analytic": ("sgd", "adam"),
}
"""What each framework's trainer can run."""

DEFAULT_OPTIMIZERS: Mapping[str, Choice] = {
    "tensorflow": Choice(("sgd", "momentum", "rmsprop", "adam", "l-bfgs")),
    "spark": Choice(("l-bfgs", "gd")),
    "analytic": Choice(("sgd", "adam")),
}

INITIALISATIONS = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "truncated_normal",
    "spark_uniform",
    "seed_uniform",
)
"""The schemes of :mod:`workers.training.initialisation`."""

ACTIVATIONS = (DEFAULT_ACTIVATION, "tanh", "relu")
"""What hidden layers can apply in TensorFlow; Spark MLlib has the first alone."""

CLASS_WEIGHTS = (DEFAULT_CLASS_WEIGHT, "balanced")
"""How much the loss of a row can count; see :func:`workers.training.network.class_weights`."""

LARGEST_COUNT = 2**31 - 1
"""Of epochs and of rows a step: the largest `int` of the JVM, which is what Spark counts iterations with."""

SCHEME_BIASES = "scheme"
"""The value of the axis ``biases`` that leaves them as the scheme draws them."""


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
        kinds: what its values must be, by framework, or for every framework under ``""``.
        used_by: whether a configuration of (framework, optimizer) has this choice.
    """

    name: str
    kinds: Mapping[str, Kind]
    used_by: Callable[[str, str], bool]

    def kind(self, framework: str) -> Kind:
        """What the values must be for one framework."""
        return self.kinds.get(framework) or self.kinds[""]


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


def _always(_framework: str, _optimizer: str) -> bool:
    return True


def _with_steps(_framework: str, optimizer: str) -> bool:
    return optimizer != "l-bfgs"


def _with_batches(_framework: str, optimizer: str) -> bool:
    return optimizer not in FULL_BATCH


def _with_tensorflow_batches(framework: str, optimizer: str) -> bool:
    return framework == "tensorflow" and optimizer not in FULL_BATCH


def _with_tensorflow(framework: str, _optimizer: str) -> bool:
    return framework == "tensorflow"


_ABOVE_ZERO = {"": Kind("numbers above 0", _is_above_zero)}
_ZERO_OR_ABOVE = {"": Kind("numbers of at least 0", _is_zero_or_above)}
_RATE = {"": Kind("numbers of at least 0 and below 1", _is_rate)}
_COUNT = {"": Kind(f"whole numbers from 1 to {LARGEST_COUNT}", _is_count)}
_FLAG = {"": Kind("true or false", lambda value: isinstance(value, bool))}
_BIASES = Kind(
    f'"{SCHEME_BIASES}", numbers, or the name of an initialisation: {", ".join(INITIALISATIONS)}',
    lambda value: value in (SCHEME_BIASES, *INITIALISATIONS) or is_finite(value),
    (SCHEME_BIASES, *INITIALISATIONS),
)

AXES: tuple[AxisRule, ...] = (
    AxisRule("optimizer", {name: _names(names) for name, names in OPTIMIZERS.items()}, _always),
    AxisRule("initialisation", {"": _names(INITIALISATIONS)}, _always),
    AxisRule("biases", {"": _BIASES}, _always),
    AxisRule("learning_rate", _ABOVE_ZERO, _with_steps),
    AxisRule("batch_size", _COUNT, _with_batches),
    AxisRule("shuffle", _FLAG, _with_tensorflow_batches),
    AxisRule("drop_last_batch", _FLAG, _with_tensorflow_batches),
    AxisRule("loss_scale", _ABOVE_ZERO, _with_tensorflow_batches),
    AxisRule("activation", {"": _names(ACTIVATIONS)}, _with_tensorflow),
    AxisRule("class_weight", {"": _names(CLASS_WEIGHTS)}, _with_tensorflow),
    AxisRule("weight_decay", _ZERO_OR_ABOVE, _with_tensorflow),
    AxisRule("dropout", _RATE, _with_tensorflow_batches),
    AxisRule("epochs", _COUNT, _always),
)
"""In the order in which they are drawn: the optimizer first, because others depend on it."""
