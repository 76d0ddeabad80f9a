"""Optuna's TPE over a bounded part of a study, so that drawing a trial doesn't take longer and longer.

TPE models two densities: of the best trials, at most 25, and of all others (J. Bergstra and others,
"Algorithms for Hyper-Parameter Optimization", NeurIPS 2011; ``default_gamma`` in Optuna). The best are never
left out here, so that the first density is the same. The second is that of the latest trials alone, which
Optuna's own weights favour too.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

LATEST = 1900
"""The latest trials that TPE looks at, whatever their scores."""

BEST = 100
"""The best of the earlier ones; TPE's first density is of 25 trials at most."""

_READ = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""What TPE reads."""


class BoundedTPESampler(TPESampler):
    """TPE that looks at the best and the latest trials of a study to be maximised.

    Each trial is drawn from what the study held when its first parameter was asked for.
    """

    _part: _Part | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As Optuna's, from the part."""
        self._part = _Part(study, trial.number)
        return super().infer_relative_search_space(self._part, trial)

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

    def _part_of(self, study: Study, trial: FrozenTrial) -> _Part:
        if self._part is None or self._part.drawn_for != trial.number:
            self._part = _Part(study, trial.number)
        return self._part


class _Part(Study):
    """A study that shows some of its trials alone.

    Attributes:
        drawn_for: number of the trial that is drawn from it.
    """

    def __init__(self, whole: Study, drawn_for: int) -> None:
        self.drawn_for = drawn_for
        self._whole = whole
        self._shown = best_and_latest(whole._get_trials(deepcopy=False, states=_READ))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def _get_trials(
        self,
        deepcopy: bool = True,  # noqa: ARG002 - nothing that reads this part changes a trial
        states: Container[TrialState] | None = None,
        use_cache: bool = False,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        return [trial for trial in self._shown if states is None or trial.state in states]


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
    complete = (trial for trial in earlier if trial.state == TrialState.COMPLETE)
    kept = heapq.nlargest(best, complete, key=_value)
    if len(kept) < best:
        pruned = (trial for trial in earlier if trial.state == TrialState.PRUNED)
        kept += heapq.nlargest(best - len(kept), pruned, key=_furthest)
    kept += [trial for trial in earlier if trial.state == TrialState.RUNNING]
    return [*sorted(kept, key=lambda trial: trial.number), *trials[-latest:]]


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _furthest(trial: FrozenTrial) -> tuple[float, float]:
    return max(trial.intermediate_values.items(), default=(-1.0, 0.0))
