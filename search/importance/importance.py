"""How much each choice mattered, overall and by framework: two measures, curves and significant regions.

The two (rows of :mod:`search.importance.measures`) answer different questions, and both are shown with
intervals and the trials that they rest on.

- PED-ANOVA (:mod:`search.importance.ped_shares`): what do the best trials have in common? A parameter whose
  values separate the best from the rest has a large share. How many are "the best" is
  :func:`search.importance.ped_shares.best_count`; a share that shuffled scores reach as well is marked.
- fANOVA (:mod:`search.importance.variance`): how much does the score change along each axis, over the whole
  space, noise left out? A parameter can have a large part there and none in PED-ANOVA, where it only tells
  separates the bad from the very bad. There is none where the model predicts unseen trials no better than
  their mean.

What a headline names is significant after correcting for the number of parameters.

Scores are those of :mod:`search.importance.scores`, so that pruned trials have a part.
Failed ones have none, but for those that diverged in :mod:`search.importance.regions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search.importance import measures
from search.importance.measures import Basis, Part
from search.importance.ped_anova import grid_of
from search.importance.ped_shares import Share, best_count, best_of, shares_of
from search.importance.regions import Outcome, Region, significant_regions
from search.importance.scores import comparable_scores
from search.importance.variance import Variance, variance_of
from studies.records.trials import TrialRecord
from studies.sections.distributions import Value
from studies.space.numbers import Axis, Floats, axes_of
from studies.space.space import Branch, SearchSpace

FEWEST_TRIALS = 10
"""Trials below which no shares are given."""


@dataclass(frozen=True, slots=True)
class ImportanceGroup:
    """Importance within some of the trials.

    Attributes:
        framework: the framework whose trials these are; empty for all trials.
        trials: trials that it rests on.
        stopped: how many of them were pruned.
        best: how many of them count as the best.
        shares: by PED-ANOVA, largest first; empty where there are none to give; ``reason`` then says why.
        variance: fANOVA.
        most: the parameter that mattered most: of those whose effect is significant after correcting for the
            number of parameters, the one that explains most; empty where none is.
        parts: of each choice, by measure, see :mod:`search.importance.measures`.
    """

    framework: str
    trials: int
    stopped: int = 0
    best: int = 0
    shares: tuple[Share, ...] = ()
    reason: str = ""
    variance: Variance = field(default_factory=Variance)
    most: str = ""
    parts: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Importance:
    """Importance over all trials, and within each framework where there is more than one.

    ``regions`` are those of the whole space whose trials always did well or badly.
    """

    overall: ImportanceGroup
    frameworks: tuple[ImportanceGroup, ...] = ()
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scored:
    """A trial with the score that it is compared by."""

    framework: str
    params: Mapping[str, Value]
    score: float
    stopped: bool


def importance(
    records: Sequence[TrialRecord], space: SearchSpace, scores: Mapping[int, float] | None = None
) -> Importance:
    """Importance of every sampled parameter.

    Overall, an axis that each framework has for itself is named ``axis.framework``; within a framework it is
    named ``axis``.

    Args:
        records: trials.
        space: that they were sampled from.
        scores: by trial number; trials without one have no part. By default those of
            :func:`search.importance.scores.comparable_scores`.
    """
    axes = axes_of(space.parameters())
    known = comparable_scores(records) if scores is None else scores
    inside = _inside(records, axes)
    scored = [
        _Scored(record.configuration.framework, record.params, known[record.number], record.state == "pruned")
        for record in inside
        if record.configuration is not None and record.number in known
    ]
    regions = significant_regions(_outcomes(inside, known), axes)
    frameworks = sorted({trial.framework for trial in scored})
    inner_frameworks = frameworks if len(frameworks) > 1 else []
    # Groups are independent, and NumPy releases Python's lock: a core each.
    with ThreadPoolExecutor() as pool:
        waited_for = pool.submit(_group, "", scored, axes, space.branches())
        inner = list(pool.map(lambda name: _inner_group(name, scored, axes, space), inner_frameworks))
        overall = waited_for.result()
    return Importance(overall, tuple(inner), regions)


def _outcomes(records: Iterable[TrialRecord], scores: Mapping[int, float]) -> list[Outcome]:
    """Scored trials, and those that diverged: the only failure that the configuration itself causes."""
    outcomes = []
    for record in records:
        failure = record.report.failure if record.report else None
        if record.number in scores:
            outcomes.append(Outcome(record.params, scores[record.number], record.state == "pruned"))
        elif record.state == "fail" and failure is not None and failure.cause == "diverged":
            outcomes.append(Outcome(record.params, None))
    return outcomes


def _inner_group(
    framework: str, scored: Sequence[_Scored], axes: Sequence[Axis], space: SearchSpace
) -> ImportanceGroup:
    members = [trial for trial in scored if trial.framework == framework]
    branches = [branch for branch in space.branches() if branch.framework == framework]
    return _group(framework, members, [axis for axis in axes if axis.name != "framework"], branches)


def _group(
    framework: str, trials: Sequence[_Scored], axes: Sequence[Axis], branches: Sequence[Branch]
) -> ImportanceGroup:
    stopped = sum(trial.stopped for trial in trials)
    scores = np.array([trial.score for trial in trials])
    reason = _reason_against(scores)
    if reason:
        return ImportanceGroup(framework, len(trials), stopped, reason=reason)
    count = int(best_of(np.ones((1, len(trials))), scores, best_count(len(trials))).sum())
    varying = [axis for axis in axes if _varies(axis.name, trials)]
    if not varying:
        reason = "no choice differs between the trials"
        return ImportanceGroup(framework, len(trials), stopped, count, reason=reason)
    params_of = [trial.params for trial in trials]
    names = [axis.name.removesuffix(f".{framework}") if framework else axis.name for axis in varying]
    grids = {
        name: grid_of([params.get(axis.name) for params in params_of], axis.distribution)
        for name, axis in zip(names, varying, strict=True)
    }
    shares = shares_of(grids, scores)
    variance = variance_of(names, varying, branches, params_of, scores)
    reason = "" if shares else "nothing sets the best trials apart"
    basis = Basis(names, varying, branches, params_of, scores, shares, variance)
    return ImportanceGroup(
        framework=framework,
        trials=len(trials),
        stopped=stopped,
        best=count,
        shares=shares,
        reason=reason,
        variance=variance,
        most=_most(shares, variance),
        parts={measure.name: measure.parts(basis) for measure in measures.MEASURES},
    )


def _most(shares: Sequence[Share], variance: Variance) -> str:
    explained = {effect.axes[0]: effect.share for effect in variance.effects}
    significant = [share for share in shares if share.significant]
    return (
        max(significant, key=lambda share: (explained.get(share.axis, 0.0), share.share)).axis
        if significant
        else ""
    )


def _reason_against(scores: Floats) -> str:
    if len(scores) < FEWEST_TRIALS:
        return f"needs {FEWEST_TRIALS} complete trials, there are {len(scores)}"
    if scores.min() == scores.max():
        return "every trial has the same score"
    return ""


def _inside(records: Sequence[TrialRecord], axes: Sequence[Axis]) -> list[TrialRecord]:
    """Trials that the space knows all values of: a study file may have been edited since they were drawn."""
    known = np.array([record.configuration is not None for record in records], dtype=bool)
    for axis in axes:
        known &= axis.fits([record.params.get(axis.name) for record in records])
    return [record for record, fits in zip(records, known, strict=True) if fits]


def _varies(name: str, trials: Sequence[_Scored]) -> bool:
    values: list[Any] = [trial.params[name] for trial in trials if name in trial.params]
    return any(value != values[0] for value in values)
