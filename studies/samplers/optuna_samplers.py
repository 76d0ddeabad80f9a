"""Optuna's samplers, made for a study: each a function of the study file's ``[sampler]`` and a seed."""

from __future__ import annotations

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler

from studies.samplers.bounded_tpe import BoundedTPESampler
from studies.sections.study import Sampler


def tpe(section: Sampler, seed: int) -> BaseSampler:
    """The Tree-structured Parzen estimator, which asks at the same cost however many trials there are."""
    return BoundedTPESampler(n_startup_trials=section.startup_trials, seed=seed)


def random(_section: Sampler, seed: int) -> BaseSampler:
    """Independent draws."""
    return RandomSampler(seed=seed)


def cmaes(section: Sampler, seed: int) -> BaseSampler:
    """The covariance matrix adaptation evolution strategy."""
    return CmaEsSampler(n_startup_trials=section.startup_trials, seed=seed, warn_independent_sampling=False)


def gp(section: Sampler, seed: int) -> BaseSampler:
    """A Gaussian process."""
    return GPSampler(n_startup_trials=section.startup_trials, seed=seed, warn_independent_sampling=False)


def qmc(_section: Sampler, seed: int) -> BaseSampler:
    """A scrambled Sobol sequence."""
    return QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False)
