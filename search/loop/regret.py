"""What the best score of a search could still gain: an upper bound, by a Gaussian process.

After Makarova et al., "Automatic Termination for Hyperparameter Optimization", AutoML 2022: the highest upper
confidence bound over the space, less the highest lower confidence bound of the configurations that were
tried. Their factor of the standard deviations is used,

    β = 2 log(d t² π² / (6 δ)) / 5,          d axes, t trials, δ = 0.1.

Three things are this project's. Low scores are drawn a little nearer to the best: a space of networks is full
of configurations that learn nothing. A trial that was pruned counts with the score that it had come to, as it
does for the samplers, and one that diverged with the lowest. And no score can rise above 1.

What it is worth, as benchmarks/regret.py counts it with a limit of 0.02: where scores fall off smoothly it
stopped all of 32 searches, after some 30 trials, and none too soon. Where most configurations score nothing
it is cautious: of 32 searches it stopped 12 within 100 trials, of those by TPE 1 in 16, none too soon; so it
belongs beside ``trials`` or ``timeout``. It can't see a narrow peak that no trial came near: all of 16 such
searches were stopped too soon. Noise of the scores keeps it up: at a standard deviation of 0.003 it stood
between 0.004 and 0.008 after 160 trials of a smooth score.

An estimate is a pure function of the trials told, in their order, and so is when it is due. It takes no
more than :data:`POINTS` of them, and a bounded number of candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from search.loop.candidates import Candidates
from studies.records.trials import TrialRecord
from studies.space.numbers import Flags, Floats, Ints
from studies.space.space import SearchSpace

FIRST = 20
"""Trials told before the first estimate: fewer don't show how rough the scores are."""

EVERY, UNTIL, LATER = 5, 100, 25
"""An estimate is due after each 5 trials up to 100, and after each 25 from there on."""

POINTS = 240
"""Trials that an estimate looks at: the best half of them, and the others evenly spaced in their order."""

DRAWN = 240
"""Candidates drawn evenly from the space."""

PARENTS, CHILDREN = 12, 10
"""How many of the most promising get neighbours as candidates, and how many each; twice."""

CONFIDENCE = 0.1
"""δ of the paper: how likely the bound may fail, were the scores drawn from such a process."""

HIGHEST = 1.0
"""No score of a study can be above."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the trials say that say something about their configurations.

    Attributes:
        records: in the order in which they ended.
        scores: (records,) -inf for one that diverged.
        complete: (records,) whether it was trained to its end.
    """

    records: tuple[TrialRecord, ...]
    scores: Floats
    complete: Flags

    @classmethod
    def of(cls, told: Sequence[TrialRecord]) -> Evidence:
        """That of all of them."""
        scored = [(record, _score(record)) for record in told]
        known = [(record, score) for record, score in scored if score is not None]
        return cls(
            tuple(record for record, _ in known),
            np.array([score for _, score in known], dtype=np.float64),
            np.array([record.value is not None for record, _ in known], dtype=bool),
        )

    def take(self, chosen: Ints) -> Evidence:
        """Some of them."""
        return Evidence(
            tuple(self.records[place] for place in chosen), self.scores[chosen], self.complete[chosen]
        )


def is_due(told: int) -> bool:
    """Whether the regret is estimated after so many trials."""
    return told >= FIRST and told % (EVERY if told <= UNTIL else LATER) == 0


def regret_so_far(space: SearchSpace, told: Sequence[TrialRecord], enough: float) -> float | None:
    """The first estimate below ``enough`` that was due on the way, or else the last.

    So a study that had stopped, while trials were still running, is not gone on with by the next launch.
    """
    found = None
    for count in filter(is_due, range(len(told) + 1)):
        found = estimate(space, told[:count])
        if found is not None and found < enough:
            break
    return found


def estimate(space: SearchSpace, told: Sequence[TrialRecord]) -> float | None:
    """What the best score could still gain, at most; ``None`` where the trials don't say.

    Args:
        space: the study's.
        told: trials that ended, in the order in which they did.
    """
    # Late: SciPy's solvers take half a second to load, and few studies ask for this.
    from search.loop.gaussian_process import fit

    candidates = Candidates.of(space)
    found = Evidence.of(told)
    if not candidates.axes or not found.complete.any() or np.isfinite(found.scores).sum() < FIRST:
        return None
    best = float(found.scores[found.complete].max())
    seen = _chosen(found)
    y = _compressed(np.maximum(seen.scores, seen.scores[np.isfinite(seen.scores)].min()))
    spread = float(y.std())
    if spread < 1e-9:  # nothing learns, or all do alike: no surface to go by
        return None
    X = candidates.rows([record.params for record in seen.records])
    process = fit(X, (y - y.mean()) / spread, candidates.categorical)
    trials = len(found.scores)
    factor = _factor(len(candidates.axes), trials)

    def bounds(rows: Floats, side: int) -> Floats:
        mean, deviation = process.predict(rows)
        return mean + side * factor * deviation

    surest = float(bounds(X[seen.complete], -1).max())
    highest = _highest(lambda rows: bounds(rows, 1), X, candidates, np.random.default_rng(trials))
    return min(spread * (highest - surest), HIGHEST - best)


def _score(record: TrialRecord) -> float | None:
    """What a trial came to; ``None`` where that says nothing about its configuration."""
    if record.value is not None:
        return record.value
    failure = record.report.failure if record.report else None
    if failure is not None:
        return -math.inf if failure.cause == "diverged" else None
    return record.rung_scores[max(record.rung_scores)] if record.rung_scores else None


def _compressed(scores: Floats) -> Floats:
    """(trials,) the same order and the same best; what is far below it is drawn nearer.

    b - r log(1 + (b - s) / r), of the best b and the range r: its slope is 1 at the best, so that gains keep
    their measure, and 1/2 at the worst. Less of a range is too bold: on the noisy skewed surface of
    benchmarks/regret.py, after 20 trials of TPE, 6 estimates in 8 would have stopped the search too soon with
    r the gap to the upper quartile, 5 with scores cut off at the median, and none with this.
    """
    best = scores.max()
    reach = max(float(best - scores.min()), 1e-12)
    nearer: Floats = best - reach * np.log1p((best - scores) / reach)
    return nearer


def _chosen(found: Evidence) -> Evidence:
    """No more than :data:`POINTS`, in their order; the best complete one among them."""
    count = len(found.scores)
    if count <= POINTS:
        return found
    # Of equal scores the complete one first: the bound of the best is that of complete trials.
    falling = np.lexsort((np.arange(count), ~found.complete, -found.scores))
    best, others = falling[: POINTS // 2], np.sort(falling[POINTS // 2 :])
    some = others[np.linspace(0, len(others) - 1, POINTS - len(best)).astype(np.intp)]
    foremost = falling[found.complete[falling]][:1]
    return found.take(np.unique(np.concatenate([best, some, foremost])))


def _factor(axes: int, trials: int) -> float:
    """√β of the paper, see the module."""
    return math.sqrt(2.0 * math.log(axes * trials**2 * math.pi**2 / (6.0 * CONFIDENCE)) / 5.0)


def _highest(
    upper: Callable[[Floats], Floats], seen: Floats, candidates: Candidates, generator: np.random.Generator
) -> float:
    """The highest upper bound that is found: of the trials, of even draws, and of neighbours of the best."""
    X = np.concatenate([seen, candidates.draw(DRAWN, generator)])
    bounds = upper(X)
    for _ in range(2):
        parents = X[np.argsort(-bounds, kind="stable")[:PARENTS]]
        near = candidates.near(np.repeat(parents, CHILDREN, axis=0), generator)
        X, bounds = np.concatenate([X, near]), np.concatenate([bounds, upper(near)])
    return float(bounds.max())
