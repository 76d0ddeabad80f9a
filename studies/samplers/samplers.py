"""Optuna's samplers by the names of the study file. To add one: its name in
:class:`studies.sections.study.Sampler`, a row here, and its extra in ``pyproject.toml`` where it needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler

from studies.packages import check_packages
from studies.samplers.bounded_tpe import BoundedTPESampler
from studies.samplers.experimental import experimental_allowed
from studies.sections.study import Sampler

_MODULES: Mapping[str, str] = {"cmaes": "cmaes", "gp": "torch"}
"""What a sampler imports that a plain installation lacks; the extra has the sampler's name."""


def make_sampler(section: Sampler, seed: int, drawn: int) -> BaseSampler:
    """The sampler of a study.

    Args:
        section: the study file's ``[sampler]``.
        seed: the study's seed.
        drawn: trials that the study already holds. It goes into the seed, because a resumed sampler with the
            first launch's seed would draw the first launch's trials again.

    Raises:
        MachineError: as :func:`check_sampler`.
    """
    check_sampler(section)
    with experimental_allowed():
        return _MAKERS[section.kind](section, (seed + 7919 * drawn) % 2**32)


def check_sampler(section: Sampler) -> None:
    """Refuse a sampler that can't run here.

    Raises:
        MachineError: where the sampler needs a package that isn't installed.
    """
    module = _MODULES.get(section.kind)
    if module:
        check_packages(
            f"the sampler '{section.kind}'",
            [module],
            section.kind,
            where="sampler.kind",
            otherwise="or choose another sampler",
        )


def _tpe(section: Sampler, seed: int) -> BaseSampler:
    return BoundedTPESampler(n_startup_trials=section.startup_trials, seed=seed)


def _random(_section: Sampler, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _cmaes(section: Sampler, seed: int) -> BaseSampler:
    return CmaEsSampler(n_startup_trials=section.startup_trials, seed=seed, warn_independent_sampling=False)


def _gp(section: Sampler, seed: int) -> BaseSampler:
    return GPSampler(n_startup_trials=section.startup_trials, seed=seed, warn_independent_sampling=False)


def _qmc(_section: Sampler, seed: int) -> BaseSampler:
    return QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False)


_MAKERS: Mapping[str, Callable[[Sampler, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "cmaes": _cmaes,
    "gp": _gp,
    "qmc": _qmc,
    "grid": _random,  # every parameter of a grid's trial is enqueued, so that nothing is left to draw
}
