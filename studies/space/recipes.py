"""A ``[recipe.NAME]`` table as the configuration that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.errors import StudyFileError, nearest
from studies.printable import as_toml
from studies.sections.distributions import Choice, Fixed
from studies.sections.study import Recipe, Study
from studies.space.axes import AXES, SCHEME_BIASES, AxisRule
from studies.space.configuration import DEFAULT_CLASS_WEIGHT, Configuration

RESERVED = ("best", "worst", "default")
"""Names that `search explain` resolves itself; a recipe may be called ``default``, and replaces it then."""


def recipe_configuration(study: Study, name: str, file: str) -> Configuration:
    """What a recipe trains.

    Args:
        study: whose recipe it is.
        name: of the recipe.
        file: name of the study file, for error messages.

    Raises:
        StudyFileError: where its name could be a trial's, or a value is missing, unused or not one that the
            framework can have.
    """
    recipe, where = study.recipe[name], f"{file}: recipe.{name}"
    if name in RESERVED[:2] or name.isdecimal():
        raise StudyFileError(
            f"a recipe can't be called '{name}'",
            where=where,
            allowed="names that are no number, and not " + " or ".join(RESERVED[:2]),
        )
    _check_framework(study, recipe, where)
    given = recipe.model_dump(exclude={"framework", "score"})
    with_optimizer = f" with {recipe.optimizer}" if recipe.optimizer else ""
    values: dict[str, Any] = {}
    for rule in AXES:
        value = given[rule.name]
        if not rule.used_by(recipe.framework, recipe.optimizer or ""):
            if value is not None:
                raise StudyFileError(
                    f"{rule.name} is not used by {recipe.framework}{with_optimizer}",
                    where=where,
                    remedy=f"leave {rule.name} out",
                )
            continue
        values[rule.name] = _default(study, rule.name, where) if value is None else value
        _check(rule, recipe.framework, values[rule.name], where)
    if values.get("biases") == SCHEME_BIASES:
        values["biases"] = None
    elif isinstance(values.get("biases"), (int, float)):
        values["biases"] = float(values["biases"])
    return Configuration.from_dict({"framework": recipe.framework, **values})


def _check_framework(study: Study, recipe: Recipe, where: str) -> None:
    """A study prepares its machine for the frameworks of its space."""
    axis = study.space.framework
    if isinstance(axis, (Fixed, Choice)) and not axis.contains(recipe.framework):
        raise StudyFileError(
            f"framework = '{recipe.framework}' is not in the space",
            where=where,
            allowed=axis.describe(),
            remedy="widen space.framework",
        )


def _check(rule: AxisRule, framework: str, value: Any, where: str) -> None:
    kind = rule.kind(framework)
    if not kind.accepts(value):
        raise StudyFileError(
            f"found {as_toml(value)}",
            where=f"{where}.{rule.name}",
            allowed=kind.allowed,
            remedy=nearest(str(value), kind.names),
        )


def _default(study: Study, name: str, where: str) -> Any:
    defaults: Mapping[str, Any] = {
        "biases": SCHEME_BIASES,
        "epochs": study.model.epochs,
        "activation": study.model.activation,
        "shuffle": True,
        "drop_last_batch": False,
        "loss_scale": 1.0,
        "class_weight": DEFAULT_CLASS_WEIGHT,
        "weight_decay": 0.0,
        "dropout": 0.0,
    }
    if name not in defaults:
        raise StudyFileError(f"{name} is missing", where=where, remedy=f"add {name} = …")
    return defaults[name]
