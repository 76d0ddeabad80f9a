"""Samplers by the names of the study file.

To add one: a function of the section and a seed, as in :mod:`studies.samplers.optuna_samplers`, and a row
here; its extra in ``pyproject.toml``, where it needs one. From outside: ``docs/plugins.md``. Apart from what
makes them, because a study file is read without Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One sampler.

    Attributes:
        make: where the function is that makes it, as ``module:name``; imported when it is made.
        module: what it imports that a plain installation lacks; the extra has the sampler's name.
    """

    make: str
    module: str = ""


SAMPLERS: Mapping[str, Row] = {
    "tpe": Row("studies.samplers.optuna_samplers:tpe"),
    "random": Row("studies.samplers.optuna_samplers:random"),
    "cmaes": Row("studies.samplers.optuna_samplers:cmaes", "cmaes"),
    "gp": Row("studies.samplers.optuna_samplers:gp", "torch"),
    "qmc": Row("studies.samplers.optuna_samplers:qmc"),
    # Every parameter of a grid's trial is enqueued, so that nothing is left to sample.
    "grid": Row("studies.samplers.optuna_samplers:random"),
}
