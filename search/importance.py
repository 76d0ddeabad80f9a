"""How much each choice mattered: Optuna's PED-ANOVA over the complete trials, overall and by framework.

PED-ANOVA (S. Watanabe, A. Bansal and F. Hutter, IJCAI 2023, arXiv 2304.10255; for parameters that only some
trials have, arXiv 2601.20800) compares where the best trials lie in the space with where all of them lie: a
parameter whose values separate the best from the rest has a large share. So shares answer "what do the best
trials have in common?", not "how much does the score change along this axis?".

How many trials are "the best" is :func:`best_count`; a share that shuffled scores reach as well is marked.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from studies.distributions import Distribution, Fixed, Range
from studies.trial_record import TrialRecord

FEWEST_TRIALS = 10
"""Complete trials below which no shares are given."""

SHUFFLES = 19
"""A parameter that matters nothing beats this many shuffles of the scores once in twenty times."""


@dataclass(frozen=True, slots=True)
class Share:
    """One parameter's part in what sets the best trials apart; the shares of a group sum to 1.

    ``by_chance`` is whether one of :data:`SHUFFLES` random reorderings of the scores gave this parameter at
    least as much, so that its share can't be told from noise at the level of 5%.
    """

    axis: str
    share: float
    by_chance: bool


@dataclass(frozen=True, slots=True)
class ImportanceGroup:
    """Shares within some of the trials, largest first.

    Attributes:
        framework: the framework whose trials these are; empty for all trials.
        trials: complete trials that the shares rest on.
        best: how many of them count as the best.
        shares: empty where there are none to give; ``reason`` then says why.
    """

    framework: str
    trials: int
    best: int = 0
    shares: tuple[Share, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares over all trials, and within each framework where there is more than one."""

    overall: ImportanceGroup
    frameworks: tuple[ImportanceGroup, ...] = ()


def importance(records: Sequence[TrialRecord], distributions: Mapping[str, Distribution]) -> Importance:
    """Importance of every drawn parameter.

    Overall, an axis that each framework has for itself is named ``axis.framework``; within a framework it is
    named ``axis``.

    Args:
        records: trials; only complete ones count.
        distributions: by Optuna's parameter names, see :meth:`studies.space.SearchSpace.parameters`.
    """
    # A study file whose space was edited after the trials were drawn no longer knows some of their values.
    complete = [r for r in records if r.value is not None and r.configuration and _fits(r, distributions)]
    by_framework: dict[str, list[TrialRecord]] = {}
    for record in complete:
        if record.configuration is not None:
            by_framework.setdefault(record.configuration.framework, []).append(record)
    optuna_distributions = {
        name: _to_optuna(distribution)
        for name, distribution in distributions.items()
        if not isinstance(distribution, Fixed)
    }
    overall = _group("", complete, optuna_distributions)
    if len(by_framework) < 2:
        return Importance(overall)
    inner = {name: value for name, value in optuna_distributions.items() if name != "framework"}
    return Importance(
        overall,
        tuple(_group(framework, members, inner) for framework, members in sorted(by_framework.items())),
    )


def best_count(trials: int) -> int:
    """How many trials count as the best: a third up to 60 trials, then 20, from 200 on a tenth.

    Optuna's own tenth leaves too few with few trials: on 60 trials with a planted learning rate, the third
    told it from chance in half of the runs, the tenth in an eighth. At least 5, as Optuna's documents advise.
    """
    return max(5, min(trials // 3, max(20, trials // 10)))


def _group(
    framework: str, records: Sequence[TrialRecord], distributions: Mapping[str, BaseDistribution]
) -> ImportanceGroup:
    values = [float(record.value) for record in records if record.value is not None]
    reason = _reason_against(values)
    if reason:
        return ImportanceGroup(framework, len(records), reason=reason)
    best = _clear_cut(values, best_count(len(values)))
    drawn = {name for record in records for name in record.params if name in distributions}
    varying = [name for name in distributions if name in drawn and _varies(name, records)]
    if not varying:
        return ImportanceGroup(framework, len(records), best, reason="no choice differs between the trials")
    study = _study(records, distributions)
    found = _divergences(study, varying, values, best)
    total = sum(found.values())
    if total == 0:
        return ImportanceGroup(framework, len(records), best, reason="nothing sets the best trials apart")
    ceilings = _shuffled_ceilings(study, varying, values, best)
    shares = (
        Share(_axis(name, framework), found[name] / total, found[name] <= ceilings[name]) for name in varying
    )
    return ImportanceGroup(
        framework, len(records), best, tuple(sorted(shares, key=lambda share: (-share.share, share.axis)))
    )


def _reason_against(values: Sequence[float]) -> str:
    if len(values) < FEWEST_TRIALS:
        return f"needs {FEWEST_TRIALS} complete trials, there are {len(values)}"
    if min(values) == max(values):
        return "every trial has the same score"
    return ""


def _clear_cut(values: Sequence[float], wanted: int) -> int:
    """Trials that are the best when those tied with the last of ``wanted`` are taken in, but never all."""
    falling = sorted(values, reverse=True)
    cut = falling[wanted - 1]
    if cut == falling[-1]:
        return sum(value > cut for value in values)
    return sum(value >= cut for value in values)


def _divergences(
    study: optuna.Study, names: Sequence[str], values: Sequence[float], best: int
) -> dict[str, float]:
    """Each parameter's Pearson divergence between the best trials and all, with ``values[i]`` for trial i."""
    # Late: where scikit-learn is installed, Optuna's package imports it, which takes some seconds.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    # Optuna takes ceil(quantile × trials) trials: half a trial less keeps rounding errors from adding one.
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(best - 0.5) / len(values))
    with warnings.catch_warnings():
        # normalize is experimental in Optuna 5.0, and a target always warns that lower must be better.
        warnings.simplefilter("ignore")
        return get_param_importances(
            study,
            evaluator=evaluator,
            params=list(names),
            target=lambda trial: -values[trial.number],
            normalize=False,
        )


def _shuffled_ceilings(
    study: optuna.Study, names: Sequence[str], values: Sequence[float], best: int
) -> dict[str, float]:
    """The largest divergence of each parameter over :data:`SHUFFLES` reorderings of the scores."""
    generator = random.Random(0)  # fixed, so that a report printed twice says the same
    ceilings = dict.fromkeys(names, 0.0)
    for _ in range(SHUFFLES):
        shuffled = generator.sample(values, len(values))
        found = _divergences(study, names, shuffled, best)
        ceilings = {name: max(ceilings[name], found[name]) for name in names}
    return ceilings


def _study(records: Sequence[TrialRecord], distributions: Mapping[str, BaseDistribution]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    trials = []
    for record in records:
        params = {name: value for name, value in record.params.items() if name in distributions}
        own = {name: distributions[name] for name in params}
        trials.append(optuna.create_trial(value=record.value, params=params, distributions=own))
    study.add_trials(trials)
    return study


def _to_optuna(distribution: Distribution) -> BaseDistribution:
    """The distribution that :meth:`studies.distributions.Distribution.draw` makes Optuna store."""
    if isinstance(distribution, Fixed):
        return CategoricalDistribution((distribution.value,))
    if not isinstance(distribution, Range):
        return CategoricalDistribution(distribution.choices)
    if distribution.whole:
        step = 1 if distribution.step is None else int(distribution.step)
        high = distribution.low + math.floor((distribution.high - distribution.low) / step) * step
        return IntDistribution(int(distribution.low), int(high), log=distribution.log, step=step)
    with warnings.catch_warnings():
        # Optuna warns where the step does not divide the range, as it did when the trials were drawn.
        warnings.simplefilter("ignore")
        return FloatDistribution(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )


def _fits(record: TrialRecord, distributions: Mapping[str, Distribution]) -> bool:
    return all(
        distributions[name].contains(value) for name, value in record.params.items() if name in distributions
    )


def _varies(name: str, records: Sequence[TrialRecord]) -> bool:
    found = [record.params[name] for record in records if name in record.params]
    return any(value != found[0] for value in found)


def _axis(name: str, framework: str) -> str:
    return name.removesuffix(f".{framework}") if framework else name
