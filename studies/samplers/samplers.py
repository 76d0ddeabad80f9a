"""Makes the sampler that a study file names."""

from __future__ import annotations

import importlib

from optuna.samplers import BaseSampler

from studies import plugins
from studies.packages import check_packages
from studies.samplers.experimental import experimental_allowed
from studies.samplers.table import SAMPLERS
from studies.sections.study import Sampler


def make_sampler(section: Sampler, seed: int, trials: int) -> BaseSampler:
    """The sampler of a study.

    Args:
        section: the study file's ``[sampler]``.
        seed: the study's seed.
        trials: how many the study already holds. It goes into the seed, because a resumed sampler with the
            first launch's seed would sample the first launch's trials again.

    Raises:
        MachineError: as :func:`check_sampler`.
        PluginError: where a plug-in makes no sampler of Optuna's.
    """
    check_sampler(section)
    seed = (seed + 7919 * trials) % 2**32
    with experimental_allowed():
        if section.kind in SAMPLERS:
            module, _, name = SAMPLERS[section.kind].make.partition(plugins.SEPARATOR)
            sampler: BaseSampler = getattr(importlib.import_module(module), name)(section, seed)
            return sampler
        plugin = plugins.known(plugins.SAMPLERS, section.kind)
        made = plugin.value(section, seed)
    if not isinstance(made, BaseSampler):
        raise plugin.origin.error(
            f"made {type(made).__name__}", allowed="an optuna.samplers.BaseSampler", where="sampler.kind"
        )
    return made


def check_sampler(section: Sampler) -> None:
    """Refuse a sampler that can't run here.

    Raises:
        MachineError: where the sampler needs a package that isn't installed.
    """
    row = SAMPLERS.get(section.kind)
    if row is not None and row.module:
        check_packages(
            f"the sampler '{section.kind}'",
            [row.module],
            section.kind,
            where="sampler.kind",
            otherwise="or choose another sampler",
        )
