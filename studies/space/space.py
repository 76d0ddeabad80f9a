"""The space of a study: samples configurations, and checks whether a given one lies in it.

:mod:`studies.space.axes` has which values an axis accepts and which configurations use it.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studies.errors import StudyFileError, nearest
from studies.frameworks import (
    BUILT_IN,
    Framework,
    built_in,
    framework_of,
    is_known,
    known_names,
    records_of,
)
from studies.printable import as_toml, printable
from studies.sections.distributions import Choice, Distribution, Fixed, Range, Suggest, Value
from studies.sections.study import Study
from studies.space.axes import AXES, SCHEME_BIASES, AxisRule
from studies.space.configuration import Configuration

LARGEST_GRID_AXIS = 1_000_000
"""Most values of one axis of a grid: they are held in memory, and no search could try more."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One axis for one framework: the name under which Optuna knows it, and its distribution."""

    name: str
    distribution: Distribution


@dataclass(frozen=True, slots=True)
class Branch:
    """One framework with one optimizer, which decide what else is sampled.

    Attributes:
        framework: of all its configurations.
        probability: that a configuration sampled uniformly from the space is one of them.
        fixed: the parameters that make the branch, by the names that Optuna knows, and their values here;
            without those that have one value in the whole space.
        sampled: names of the other parameters that its configurations have.
    """

    framework: str
    probability: float
    fixed: Mapping[str, Value]
    sampled: frozenset[str]


class SearchSpace:
    """Samples configurations, and checks whether a given one lies in the space.

    Args:
        study: the study whose space this is.
        where: name of the study file, for error messages.

    Raises:
        StudyFileError: where a value is not one that its axis can have.
    """

    def __init__(self, study: Study, where: str = "study") -> None:
        self._where = where
        self.framework = self._framework(study)
        self.frameworks = tuple(str(name) for name in self.framework.values() or ())
        self._parameters = {
            (framework, rule.name): self._parameter(study, rule, framework)
            for framework in self.frameworks
            for rule in AXES
        }
        self._check_other_frameworks(study)
        for framework in records_of(self.frameworks):
            self._check_fixed_activation(study, framework)
            if framework.origin is not None:
                self._check_all_used(study, framework)

    def sample(self, suggest: Suggest) -> Configuration:
        """Sample one configuration; hyperparameters that it doesn't use are not sampled."""
        framework = str(self.framework.sample("framework", suggest))
        values: dict[str, Any] = {}
        for rule in AXES:
            if rule.used_by(framework, values.get("optimizer", "")):
                parameter = self._parameters[framework, rule.name]
                values[rule.name] = parameter.distribution.sample(parameter.name, suggest)
        return _configuration(framework, values)

    def place(self, given: Mapping[str, Value], where: str) -> dict[str, Value]:
        """The Optuna parameters of a configuration that may leave out choices.

        Args:
            given: values by axis name.
            where: the table in the study file, for error messages.

        Raises:
            StudyFileError: where a name is unknown, unused by this configuration, or its value is outside
                the space.
        """
        framework = self._given_framework(given, where)
        optimizers = self._given_optimizers(given, framework)
        placed: dict[str, Value] = {}
        if isinstance(self.framework, Choice):
            placed["framework"] = framework
        for name, value in given.items():
            if name == "framework":
                continue
            self._check_used(name, framework, optimizers, where)
            parameter = self._parameters[framework, name]
            distribution = parameter.distribution
            if not distribution.contains(value):
                raise StudyFileError(
                    f"{name} = {as_toml(value)} is outside the space",
                    where=f"{self._where}: {where}",
                    allowed=distribution.describe(),
                    remedy=_nearest_choice(value, distribution) or f"change the value, or widen space.{name}",
                )
            if not isinstance(distribution, Fixed):
                placed[parameter.name] = distribution.own(value)
        return placed

    def grid(self) -> Iterator[dict[str, Value]]:
        """Every configuration as Optuna parameters.

        Raises:
            StudyFileError: where an axis can't be counted.
        """
        for framework, optimizer in self._pairs():
            parameters = self._used(framework, optimizer)
            for parameter in parameters:
                self._check_grid(parameter)
            free = [p for p in parameters if not isinstance(p.distribution, Fixed)]
            head: dict[str, Value] = {"framework": framework} if isinstance(self.framework, Choice) else {}
            for values in itertools.product(*(p.distribution.values() or () for p in free)):
                yield head | dict(zip((p.name for p in free), values, strict=True))

    def size(self) -> int | None:
        """Number of configurations, or ``None`` where a range of numbers has no end of them."""
        total = 0
        for framework, optimizer in self._pairs():
            counts = [p.distribution.count() for p in self._used(framework, optimizer)]
            if any(count is None for count in counts):
                return None
            total += math.prod(count or 0 for count in counts)
        return total

    @property
    def most_epochs(self) -> int:
        """The most epochs that a configuration can have."""
        epochs = [self._parameters[framework, "epochs"].distribution for framework in self.frameworks]
        return max(int(_highest(distribution)) for distribution in epochs)

    def parameters(self) -> dict[str, Distribution]:
        """The distributions by the names that Optuna knows, without fixed ones and unused ones."""
        distributions: dict[str, Distribution] = {"framework": self.framework}
        for framework, optimizer in self._pairs():
            for rule in AXES:
                if rule.used_by(framework, optimizer):
                    parameter = self._parameters[framework, rule.name]
                    distributions[parameter.name] = parameter.distribution
        return {name: value for name, value in distributions.items() if not isinstance(value, Fixed)}

    def _check_grid(self, parameter: Parameter) -> None:
        count = parameter.distribution.count()
        if count is not None and count <= LARGEST_GRID_AXIS:
            return
        problem = "can't be counted" if count is None else f"has {count:,} values"
        raise StudyFileError(
            f"{parameter.distribution.describe()} {problem}, so that it is no grid",
            where=f"{self._where}: space.{parameter.name}",
            allowed='with sampler.kind = "grid": a list, a fixed value, or a range with a step, '
            f"of up to {LARGEST_GRID_AXIS:,} values",
        )

    def branches(self) -> tuple[Branch, ...]:
        """The boxes that the space is made of: within each, every parameter is sampled independently."""
        branches = []
        for framework, optimizer in self._pairs():
            head, *others = self._used(framework, optimizer)
            fixed: dict[str, Value] = {"framework": framework} if isinstance(self.framework, Choice) else {}
            if isinstance(head.distribution, Choice):
                fixed[head.name] = optimizer
            optimizers = self._parameters[framework, "optimizer"].distribution.values() or ()
            probability = 1 / (len(self.frameworks) * len(optimizers))
            sampled = frozenset(p.name for p in others if not isinstance(p.distribution, Fixed))
            branches.append(Branch(framework, probability, fixed, sampled))
        return tuple(branches)

    def _framework(self, study: Study) -> Distribution:
        distribution: Distribution = study.space.framework
        if isinstance(distribution, dict):
            raise StudyFileError(
                f"found a table of {', '.join(distribution)}",
                where=f"{self._where}: space.framework",
                allowed=f"a list of {', '.join(known_names())}, or one of them",
            )
        values = distribution.values() if isinstance(distribution, (Fixed, Choice)) else None
        for value in values or (distribution.describe(),):
            if not isinstance(value, str) or not is_known(value):
                raise StudyFileError(
                    f"found {as_toml(value)}",
                    where=f"{self._where}: space.framework",
                    allowed=", ".join(known_names()),
                    remedy=nearest(str(value), known_names()),
                )
        return distribution

    def _check_fixed_activation(self, study: Study, framework: Framework) -> None:
        """Refuse an activation for all frameworks, where this one has another and no choice."""
        fixed = framework.fixed.get("activation")
        if fixed is None:
            return
        axis, where = study.space.activation, "space.activation"
        if axis is None:
            axis, where = Fixed(study.model.activation), "model.activation"
        elif isinstance(axis, dict):
            axis, where = axis.get(framework.name, Fixed(fixed)), f"space.activation.{framework.name}"
        if axis.contains(fixed):
            return
        others = next(record.name for record in BUILT_IN if record.uses("activation"))
        raise StudyFileError(
            f"found {axis.describe()}, but {framework.title}'s multilayer perceptron has {fixed} layers only",
            where=f"{self._where}: {where}",
            remedy=f"give activation.{others} = {_as_toml(axis)} in [space] instead, "
            f"or take {framework.name} out of space.framework",
        )

    def _check_all_used(self, study: Study, framework: Framework) -> None:
        """Refuse an axis given for a framework that doesn't use it, or in a space where none does.

        Only for frameworks that aren't built in: files accepted before this rule must stay so.
        """
        for rule in AXES:
            axis = getattr(study.space, rule.name)
            named = isinstance(axis, dict) and framework.name in axis
            given = rule.name in study.space.model_fields_set and not isinstance(axis, dict)
            used = {record.name for record in records_of(self.frameworks) if record.uses(rule.name)}
            if framework.name not in used and (named or (given and not used)):
                known = [rule.name for rule in AXES if framework.uses(rule.name)]
                raise StudyFileError(
                    f"not used by {framework.name}",
                    where=f"{self._where}: space.{rule.name}{f'.{framework.name}' * named}",
                    allowed=", ".join(("framework", *known)),
                    remedy=f"leave {rule.name} out",
                )

    def _parameter(self, study: Study, rule: AxisRule, framework: str) -> Parameter:
        axis = getattr(study.space, rule.name)
        name = rule.name
        if isinstance(axis, dict):
            name = f"{rule.name}.{framework}"
            axis = axis.get(framework)
        if axis is None:
            axis, name = _default(study, rule.name, framework), f"{rule.name}.{framework}"
        if rule.name == "optimizer" and not framework_of(framework).uses(rule.name):
            return Parameter(name, Fixed(""))
        self._check_values(rule, framework, axis, name)
        return Parameter(name, axis)

    def _check_other_frameworks(self, study: Study) -> None:
        """Check values for a framework that the space leaves out too: a mistake there must not hide."""
        for rule in AXES:
            axis = getattr(study.space, rule.name)
            for framework in set(axis) - set(self.frameworks) if isinstance(axis, dict) else ():
                if not built_in(framework):
                    names = dict.fromkeys((*self.frameworks, *known_names()))
                    raise StudyFileError(
                        f"found the unknown key '{printable(framework)}'",
                        where=f"{self._where}: space.{rule.name}",
                        allowed="low, high, log, step, or one distribution for each of " + ", ".join(names),
                        remedy=nearest(framework, names),
                    )
                self._check_values(rule, framework, axis[framework], f"{rule.name}.{framework}")

    def _check_values(self, rule: AxisRule, framework: str, axis: Distribution, name: str) -> None:
        ends = (axis.low, axis.high) if isinstance(axis, Range) else axis.values()
        for value in ends:
            kind = rule.kind(framework)
            if not kind.accepts(value):
                hint = nearest(str(value), kind.names)
                if rule.name == "optimizer" and not hint:
                    hint = f"give each framework its own: optimizer.{framework} = [...]"
                raise StudyFileError(
                    f"found {as_toml(value)}",
                    where=f"{self._where}: space.{name}",
                    allowed=kind.allowed,
                    remedy=hint,
                )

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for framework in self.frameworks:
            for optimizer in self._parameters[framework, "optimizer"].distribution.values() or ():
                yield framework, str(optimizer)

    def _used(self, framework: str, optimizer: str) -> list[Parameter]:
        """The parameters of one framework with one optimizer, which itself is fixed here."""
        name = self._parameters[framework, "optimizer"].name
        free = isinstance(self._parameters[framework, "optimizer"].distribution, Choice)
        chosen = Parameter(name, Choice((optimizer,)) if free else Fixed(optimizer))
        others = [
            self._parameters[framework, rule.name]
            for rule in AXES
            if rule.name != "optimizer" and rule.used_by(framework, optimizer)
        ]
        return [chosen, *others]

    def _given_framework(self, given: Mapping[str, Value], where: str) -> str:
        if "framework" not in given and len(self.frameworks) == 1:
            return self.frameworks[0]
        name = given.get("framework")
        if name in self.frameworks:
            return str(name)
        raise StudyFileError(
            "no framework given" if name is None else f"framework = {as_toml(name)} is outside the space",
            where=f"{self._where}: {where}",
            allowed=", ".join(self.frameworks),
            remedy=nearest(str(name), self.frameworks),
        )

    def _given_optimizers(self, given: Mapping[str, Value], framework: str) -> tuple[str, ...]:
        if "optimizer" in given:
            return (str(given["optimizer"]),)
        values = self._parameters[framework, "optimizer"].distribution.values() or ()
        return tuple(str(value) for value in values)

    def _check_used(self, name: str, framework: str, optimizers: tuple[str, ...], where: str) -> None:
        rule = next((rule for rule in AXES if rule.name == name), None)
        if rule is None:
            names = ["framework", *(rule.name for rule in AXES)]
            raise StudyFileError(
                f"unknown key '{name}'",
                where=f"{self._where}: {where}",
                allowed=", ".join(names),
                remedy=nearest(name, names),
            )
        if not any(rule.used_by(framework, optimizer) for optimizer in optimizers):
            raise StudyFileError(
                f"{name} is not used by {framework} with {' or '.join(optimizers)}",
                where=f"{self._where}: {where}",
                remedy=f"leave {name} out of this configuration",
            )


def _nearest_choice(value: Value, distribution: Distribution) -> str:
    names = [choice for choice in distribution.values() or () if isinstance(choice, str)]
    return nearest(value, names) if isinstance(value, str) and names else ""


def _highest(distribution: Distribution) -> Value:
    if isinstance(distribution, Range):
        return distribution.high
    return max(distribution.values() or ())


def _default(study: Study, name: str, framework: str) -> Distribution:
    """The axis of a framework for which the study file gives nothing."""
    if name == "optimizer":
        record = framework_of(framework)
        return Choice(record.default_optimizers or record.optimizers or ("",))
    if name in ("epochs", "activation"):
        return Fixed(getattr(study.model, name))
    default: Distribution = type(study.space).model_fields[name].default
    return default


def _as_toml(distribution: Distribution) -> str:
    values = list(distribution.values() or ())
    return json.dumps(values[0] if isinstance(distribution, Fixed) else values)


def _configuration(framework: str, sampled: Mapping[str, Any]) -> Configuration:
    values = {"initialisation": "", "optimizer": "", **sampled}
    if values.get("biases") == SCHEME_BIASES:
        values["biases"] = None
    for name in ("biases", "learning_rate", "loss_scale", "weight_decay", "dropout"):
        if values.get(name) is not None and not isinstance(values[name], str):
            values[name] = float(values[name])
    return Configuration(framework=framework, **values)
