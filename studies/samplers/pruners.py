"""Optuna's pruners by the names of the study file. To add one: its name in
:class:`studies.sections.study.Pruner` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    WilcoxonPruner,
)

from studies.samplers.experimental import experimental_allowed
from studies.sections.study import Pruner


def make_pruner(section: Pruner, epochs: int) -> BasePruner:
    """The pruner of a study; one that never prunes where trials run through, or wait to be promoted.

    Args:
        section: the study file's ``[pruner]``.
        epochs: the most that a trial can have.
    """
    with experimental_allowed():
        return _MAKERS[section.kind](section, epochs) if section.kind in _MAKERS else NopPruner()


def asks_optuna(section: Pruner) -> bool:
    """Whether the pruner is one of Optuna's."""
    return section.kind in _MAKERS


def _hyperband(section: Pruner, epochs: int) -> BasePruner:
    return HyperbandPruner(section.min_epochs, epochs, section.reduction_factor)


def _median(section: Pruner, _epochs: int) -> BasePruner:
    return MedianPruner(section.startup_trials, n_warmup_steps=section.min_epochs)


def _percentile(section: Pruner, _epochs: int) -> BasePruner:
    return PercentilePruner(section.percentile, section.startup_trials, n_warmup_steps=section.min_epochs)


def _wilcoxon(_section: Pruner, _epochs: int) -> BasePruner:
    # Optuna's default: its steps are scores of one trial, of which a trial has a few.
    return WilcoxonPruner(n_startup_steps=2)


_MAKERS: Mapping[str, Callable[[Pruner, int], BasePruner]] = {
    "hyperband": _hyperband,
    "median": _median,
    "percentile": _percentile,
    "wilcoxon": _wilcoxon,
}
