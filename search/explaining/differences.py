"""What differs between two configurations, change by change, and every configuration between them. Pure.

Each choice that both make, and make differently, is a change of its own. What one side hasn't got comes with
the optimizer that needs it: L-BFGS has no batch size, so that going to SGD is one change, its learning rate
and batches included. Where a choice is only missing because the framework lacks it (Spark's layers are
sigmoid, and its rows weigh alike), it counts as made the framework's way.

What is between them depends on the set of changes made and not on their order. A mixture that Spark can't
train, such as Spark with SGD, is trained by TensorFlow: there, the framework's change changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from search.words import brief_label, count_of
from studies.errors import StudyFileError
from studies.frameworks import BUILT_IN, INITIALISATIONS, SPARK_MLLIB, TENSORFLOW, framework_of, records_of
from studies.space.axes import AXES
from studies.space.configuration import FULL_BATCH, Configuration
from workers.training.initialisation import constant_biases

SCORE = "score"
"""The change of what is called the score; it needs no training."""

NAMES: Mapping[str, str] = {
    "framework": "framework",
    "weights": "initial weights",
    "biases": "initial biases",
    "optimizer": "optimizer",
    "learning_rate": "learning rate",
    "batch_size": "batch size",
    "shuffle": "shuffling",
    "drop_last_batch": "last batch",
    "loss_scale": "loss scale",
    "activation": "activation",
    "class_weight": "class weights",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "epochs": "epochs",
    SCORE: "score",
}
"""Every change there can be, in the order in which they are listed, in words."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared.

    Attributes:
        name: as a person gave it: ``spark``, ``trial 12``.
        configuration: what is trained.
        score: name of the score that it is judged by.
    """

    name: str
    configuration: Configuration
    score: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One change.

    Attributes:
        name: a key of :data:`NAMES`.
        before, after: what it was and becomes, in words.
        brings: what comes with it, or goes, in words.
    """

    name: str
    before: str
    after: str
    brings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The change in words, without what comes with it."""
        # Iterations and epochs say by themselves what they are.
        name = "" if self.name == "epochs" else f"{NAMES[self.name]} "
        return f"{name}{self.before} → {self.after}"

    @property
    def is_measuring(self) -> bool:
        """Whether nothing is trained differently."""
        return self.name == SCORE


class Between:
    """The changes from one side to the other, and every mixture.

    Args:
        start: where the path begins.
        end: where it ends.

    Raises:
        StudyFileError: where there is nothing between them, because they are of two frameworks of which one
            trains no multilayer perceptron.
    """

    def __init__(self, start: Side, end: Side) -> None:
        frameworks = {start.configuration.framework, end.configuration.framework}
        others = [record.name for record in records_of(sorted(frameworks)) if not record.perceptron]
        if others and len(frameworks) > 1:
            networks = " and ".join(record.name for record in BUILT_IN if record.perceptron)
            raise StudyFileError(
                f"there is nothing between {start.name} and {end.name}: one is {others[0]}, "
                "which trains no multilayer perceptron",
                allowed=f"two configurations of {networks}, or two of {others[0]}",
            )
        self._start = _choices(start)
        self._end = _choices(end)
        self.differences = tuple(self._differences())

    def at(self, changed: frozenset[int]) -> tuple[Configuration, str]:
        """What is trained, and by which score it is judged, once these changes are made."""
        made = {self.differences[number].name for number in changed}
        chosen = {
            name: self._end[name] if name in made or self._start[name] is None else self._start[name]
            for name in NAMES
        }
        if chosen["framework"] == SPARK_MLLIB.name and why_not_spark(chosen):
            chosen["framework"] = TENSORFLOW.name
        return _configuration(chosen), chosen[SCORE]

    @property
    def without_spark(self) -> str:
        """What Spark lacks of the two sides' choices, in words; empty where it can train all between them."""
        frameworks = (self._start["framework"], self._end["framework"])
        if set(frameworks) != {SPARK_MLLIB.name, TENSORFLOW.name}:
            return ""
        other = self._end if frameworks[1] == TENSORFLOW.name else self._start
        return why_not_spark(other)

    def _differences(self) -> Iterator[Difference]:
        for name in NAMES:
            before, after = self._start[name], self._end[name]
            if before is None or after is None or before == after:
                continue
            brings = tuple(self._comes_along()) if name == "optimizer" else ()
            yield Difference(name, _words(name, self._start), _words(name, self._end), brings)

    def _comes_along(self) -> Iterator[str]:
        """What only one of the two optimizers has."""
        for name in NAMES:
            before, after = self._start[name], self._end[name]
            if (before is None) != (after is None):
                with_it = self._end if before is None else self._start
                verb = "with" if before is None else "without"
                yield f"{verb} {NAMES[name]} {_words(name, with_it)}"


def why_not_spark(chosen: Mapping[str, Any]) -> str:
    """What of these choices Spark's multilayer perceptron hasn't got, in words; empty where it has all."""
    lacks = [] if chosen["optimizer"] in SPARK_MLLIB.optimizers else [f"no {chosen['optimizer']}"]
    lacks += [
        f"no {NAMES[name]} {_words(name, chosen)}"
        for name, own in SPARK_MLLIB.fixed.items()
        if chosen[name] != own and not (name == "dropout" and chosen["optimizer"] in FULL_BATCH)
    ]
    return ", ".join(lacks)


def _choices(side: Side) -> dict[str, Any]:
    """All choices, by the keys of :data:`NAMES`; ``None`` where the optimizer has no such choice."""
    configuration = side.configuration
    chosen = {name: getattr(configuration, name, None) for name in NAMES}
    # Spark has none of these choices, and full-batch optimizers have no dropout.
    fixed = SPARK_MLLIB.fixed if framework_of(configuration.framework).perceptron else {}
    for name, own in fixed.items():
        if chosen[name] is None:
            chosen[name] = own
    weights, biases = _weights_and_biases(configuration)
    return chosen | {"weights": weights, "biases": biases, SCORE: side.score}


def _weights_and_biases(configuration: Configuration) -> tuple[str, float | str]:
    """The scheme of the weights, and the biases: a number, or the scheme that draws them."""
    scheme = configuration.initialisation
    by = scheme if configuration.biases is None else configuration.biases
    if not isinstance(by, str):
        number: float | None = by
    else:
        number = constant_biases(by) if by in INITIALISATIONS else None
    # seed_uniform has the weights of glorot_uniform, so that the two differ in their biases alone.
    return "glorot_uniform" if scheme == "seed_uniform" else scheme, by if number is None else number


def _initialisation(weights: str, biases: float | str) -> tuple[str, float | str | None]:
    """The shortest way to say weights and biases: equal ones must be equal configurations."""
    for scheme in (weights, "seed_uniform"):
        if _weights_and_biases(Configuration("", scheme, "", 1)) == (weights, biases):
            return scheme, None
    return weights, biases


def _configuration(chosen: Mapping[str, Any]) -> Configuration:
    framework, optimizer = chosen["framework"], chosen["optimizer"]
    initialisation, biases = _initialisation(chosen["weights"], chosen["biases"])
    others = {
        rule.name: chosen[rule.name]
        for rule in AXES
        if rule.name not in ("initialisation", "biases") and rule.used_by(framework, optimizer)
    }
    values = {"framework": framework, "initialisation": initialisation, "biases": biases, **others}
    return Configuration.from_dict(values)


def _words(name: str, chosen: Mapping[str, Any]) -> str:
    value = chosen[name]
    if name == "epochs":
        return count_of(value, "iteration" if chosen["optimizer"] in FULL_BATCH else "epoch")
    if name == SCORE:
        return brief_label(value)
    if name == "shuffle":
        return "each epoch" if value else "never"
    if name == "drop_last_batch":
        return "dropped" if value else "kept"
    if name == "biases" and isinstance(value, str):
        return f"as {value}"
    return f"{value:g}" if isinstance(value, float) else str(value)
