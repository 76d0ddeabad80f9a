"""Optuna's TPE over a bounded part of a study, so that drawing a trial doesn't take longer and longer.

TPE models two densities: of the best trials, at most 25, and of all others (J. Bergstra and others,
"Algorithms for Hyper-Parameter Optimization", NeurIPS 2011; ``shown_best``). The best are never
left out here, so that the first density is the same. The second is that of the latest trials alone, which
Optuna's own weights favour too.

What is drawn from a part is to the last bit what Optuna draws from a study that holds no more. But Optuna
splits and reads all trials again for each group of parameters; here that is done once for a part. And from
twice :data:`REUSE` trials on, or where many run at once, some trials are drawn one after the other from the
densities of one part: two hundred trials change little by one more, and a thousand slots want a hundred
trials a second.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from studies.optuna_internals import DensitiesSampler, Density, StudyView, shown_best, trials_of_all_brackets
from studies.samplers.experimental import experimental_allowed
from studies.samplers.parzen import CachedParzenEstimator

LATEST = 1900
"""The latest trials that TPE looks at, whatever their scores."""

BEST = 100
"""The best of the earlier ones; TPE's first density is of 25 trials at most."""

REUSE = 200
"""A part serves one sample for each so many trials that it holds, and one at least."""

RUNNING_REUSE = 50
"""The same of trials that run, of which some more or fewer change little."""

_READ = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""What TPE reads."""


class BoundedTPESampler(DensitiesSampler):
    """TPE that looks at the best and the latest trials of a study to be maximised.

    Each trial is sampled from what the study held when its first parameter was asked for, or some trials
    before. Parameters that occur together are modelled together (``multivariate`` and ``group`` in Optuna).

    Args:
        n_startup_trials: trials that are sampled at random first.
        seed: of the sampling.
    """

    def __init__(self, *, n_startup_trials: int, seed: int) -> None:
        with experimental_allowed():
            super().__init__(
                CachedParzenEstimator,
                n_startup_trials=n_startup_trials,
                seed=seed,
                multivariate=True,
                group=True,
            )
        self._part: _Part | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As Optuna's, from the part."""
        return super().infer_relative_search_space(self._part_of(study, trial).kinds, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As Optuna's, from the part."""
        return super().sample_relative(self._part_of(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As Optuna's, from the part."""
        part = self._part_of(study, trial)
        return super().sample_independent(part, trial, param_name, param_distribution)

    def densities(
        self, study: Study, trial: FrozenTrial, space: Mapping[str, BaseDistribution]
    ) -> Sequence[Density]:
        """Of the best trials of the part, and of all others."""
        part, names = self._part_of(study, trial), tuple(space)
        if names not in part.densities:
            part.densities[names] = [
                self.density(_observations(self.params_of(part, half), space), space) for half in part.halves
            ]
        return part.densities[names]

    def _part_of(self, study: Study, trial: FrozenTrial) -> _Part:
        if self._part is None or not self._part.is_for(trial.number):
            self._part = _Part(study, trial.number)
        return self._part


class _Part(StudyView):
    """A study that shows some of its trials alone.

    Args:
        whole: the study.
        first_trial: number of the first trial that is sampled from it.
        shown: the trials by number; the best and the latest by default.

    Attributes:
        densities: of the best and of the other trials, by the names of parameters that are sampled together.
    """

    def __init__(self, whole: Study, first_trial: int, shown: Sequence[FrozenTrial] | None = None) -> None:
        self.densities: dict[tuple[str, ...], Sequence[Density]] = {}
        self._first_trial = first_trial
        read = trials_of_all_brackets(whole, _READ) if shown is None else shown
        super().__init__(whole, best_and_latest(read) if shown is None else read)

    def is_for(self, number: int) -> bool:
        """Whether the trial of this number may be sampled from it."""
        return 0 <= number - self._first_trial < self._draws

    @cached_property
    def _draws(self) -> int:
        running = self.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return max(1, len(self.shown) // REUSE, len(running) // RUNNING_REUSE)

    @cached_property
    def kinds(self) -> _Part:
        """The first trial of each set of parameters: all that the groups of a space depend on."""
        first: dict[frozenset[str], FrozenTrial] = {}
        for trial in self.shown:
            if trial.state != TrialState.RUNNING:
                first.setdefault(frozenset(trial.distributions), trial)
        return _Part(self.whole, self._first_trial, list(first.values()))

    @cached_property
    def halves(self) -> tuple[Sequence[FrozenTrial], Sequence[FrozenTrial]]:
        """The best trials and all others, each by number, as TPE tells them apart."""
        others = [trial for trial in self.shown if trial.number != self._first_trial]
        ended = sum(trial.state != TrialState.RUNNING for trial in others)
        best = {trial.number for trial in _best(others, shown_best(ended))}
        return (
            [trial for trial in others if trial.number in best],
            [trial for trial in others if trial.number not in best],
        )


def _observations(
    params: Sequence[Mapping[str, Any]], space: Mapping[str, BaseDistribution]
) -> dict[str, npt.NDArray[Any]]:
    """The values of those trials that have all parameters of a space, as Optuna's estimators take them."""
    names = space.keys()
    rows = [row for row in params if names <= row.keys()]
    return {
        name: _internal([row[name] for row in rows], distribution) for name, distribution in space.items()
    }


def _internal(values: Sequence[Any], distribution: BaseDistribution) -> npt.NDArray[Any]:
    """``to_internal_repr`` of many values; Optuna's looks through the choices for each of them."""
    if isinstance(distribution, CategoricalDistribution):
        index = {choice: place for place, choice in reversed(list(enumerate(distribution.choices)))}
        return np.asarray([index[value] for value in values])
    return np.asarray(values, dtype=float)


def best_and_latest(
    trials: Sequence[FrozenTrial], best: int = BEST, latest: int = LATEST
) -> Sequence[FrozenTrial]:
    """The latest trials, the best of those before, and those before that still run, by number.

    Args:
        trials: by number; complete, pruned and running ones.
        best: how many of the earlier ones; complete ones before pruned ones, and of these those that came
            furthest, as TPE ranks them.
        latest: how many of the latest.
    """
    if len(trials) <= best + latest:
        return trials
    earlier = trials[:-latest]
    kept = _best(earlier, best)
    kept += [trial for trial in earlier if trial.state == TrialState.RUNNING]
    return [*sorted(kept, key=lambda trial: trial.number), *trials[-latest:]]


def _best(trials: Sequence[FrozenTrial], count: int) -> list[FrozenTrial]:
    """The best, as TPE ranks them; of equals the earlier."""
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE)
    best = heapq.nlargest(count, complete, key=_value)
    if len(best) < count:
        pruned = (trial for trial in trials if trial.state == TrialState.PRUNED)
        best += heapq.nlargest(count - len(best), pruned, key=_furthest)
    return best


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _furthest(trial: FrozenTrial) -> tuple[float, float]:
    return max(trial.intermediate_values.items(), default=(-1.0, 0.0))
