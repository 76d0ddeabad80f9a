"""What finalists are worth, from the probabilities that their networks give to the rows. Pure.

The finalists are ranked by their mean over new seeds on the validation rows, so that the test rows choose
nothing: what they say of the best is unbiased, and so are the differences from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.confusions import NAMES, score_of
from search.logistic import logistic_probabilities
from search.resampling import Table, drawn_means, drawn_scores, draws_for, holm, interval, p_value
from search.thresholds import said_at, tuned_threshold
from studies.configuration import Configuration
from studies.data.split import Rows, Split
from studies.finalists_record import (
    Finalist,
    Finalists,
    Interval,
    PrecisionRecall,
    Tuned,
    Verdict,
)
from studies.records import SCORE_NAMES, Scores
from workers.scores import confusion_of, metric_of, passing, score

SIGNIFICANT = 0.05
"""Corrected p-value below which a finalist is told apart from the best."""

CURVE_POINTS = 101
"""Points that are kept of a precision-recall curve."""


@dataclass(frozen=True, eq=False)
class Trained:
    """One training of a finalist: its seed, its seconds, and what it says to the rows, (rows, classes)."""

    seed: int
    seconds: float
    validation: NDArray[np.float64]
    test: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A finalist with its trainings; see :class:`studies.finalists_record.Finalist`."""

    trial: int
    configuration: Configuration
    found: float
    trained: tuple[Trained, ...]
    failed: tuple[str, ...] = ()


def evaluate(
    candidates: Sequence[Candidate], split: Split, metric: str, seed: int, asked: Sequence[str]
) -> Finalists:
    """The finalists' record. This looks at the labels of the test rows.

    Args:
        candidates: in any order; those without a training that came to an end are only listed.
        split: the rows.
        metric: the study's.
        seed: of the draws.
        asked: keys of the trainings, to be kept.
    """
    ended = [one for one in candidates if one.trained]
    by_validation = {id(one): _scores(one, split.validation, split.positive, "validation") for one in ended}
    means = {
        key: float(np.mean([metric_of(s, metric) for s in found])) for key, found in by_validation.items()
    }
    ended.sort(key=lambda one: (-means[id(one)], -one.found, one.trial))
    comparison = _compare(ended, split, metric, seed)
    finalists = tuple(
        _finalist(one, by_validation[id(one)], compared, split, metric)
        for one, compared in zip(ended, comparison.finalists, strict=True)
    )
    logistic = logistic_probabilities(split.train, len(split.classes), split.test.features)
    return Finalists(
        metric=metric,
        finalists=finalists,
        failed={one.trial: one.failed for one in candidates if not one.trained},
        logistic=score(split.test.labels, logistic, split.positive),
        draws=comparison.draws,
        asked=tuple(asked),
    )


@dataclass(frozen=True)
class _Compared:
    """A finalist's interval, and how it compares with the best."""

    interval: Interval
    verdict: Verdict
    difference: Interval | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class _Comparison:
    finalists: tuple[_Compared, ...]
    draws: int


def _compare(ended: Sequence[Candidate], split: Split, metric: str, seed: int) -> _Comparison:
    """All finalists on the same drawn rows, the best first."""
    if not ended:
        return _Comparison((), 0)
    test, positive = split.test, split.positive
    table = Table(test.labels, [one.test for candidate in ended for one in candidate.trained], positive)
    draws = draws_for(table, metric)
    drawn = drawn_scores(table, metric, draws, seed)
    ends = np.cumsum([len(candidate.trained) for candidate in ended])
    means = [
        drawn_means(drawn[:, end - len(one.trained) : end], seed + 1 + place)
        for place, (one, end) in enumerate(zip(ended, ends, strict=True))
    ]
    lowest = -1.0 if metric == "mcc" else 0.0
    observed = [_mean(_scores(one, test, positive, "test"), metric) for one in ended]
    apart = holm([p_value(one - means[0]) for one in means[1:]])
    compared = [_Compared(Interval(*interval(means[0], lowest, 1.0)), "best")]
    for place, p in enumerate(apart, start=1):
        verdict: Verdict = "tied"
        if p < SIGNIFICANT:
            verdict = "worse" if observed[place] < observed[0] else "better"
        difference = Interval(*interval(means[place] - means[0], -2.0, 2.0))
        compared.append(_Compared(Interval(*interval(means[place], lowest, 1.0)), verdict, difference, p))
    return _Comparison(tuple(compared), draws)


def _finalist(
    one: Candidate, validation: Sequence[Scores], compared: _Compared, split: Split, metric: str
) -> Finalist:
    test = _scores(one, split.test, split.positive, "test")
    return Finalist(
        trial=one.trial,
        configuration=one.configuration,
        found=one.found,
        seeds=tuple(training.seed for training in one.trained),
        failed=one.failed,
        validation=tuple(metric_of(scores, metric) for scores in validation),
        test=tuple(metric_of(scores, metric) for scores in test),
        interval=compared.interval,
        verdict=compared.verdict,
        difference=compared.difference,
        p_value=compared.p_value,
        scores={name: _mean(test, name) for name in SCORE_NAMES},
        confusion=_plain(np.sum([scores.confusion for scores in test], axis=0)),
        tuned=_tuned(one, split, metric),
        curve=_curve(one, split),
        train_seconds=float(np.mean([training.seconds for training in one.trained])),
    )


def _tuned(one: Candidate, split: Split, metric: str) -> Tuned:
    """Each training with the threshold that its validation rows like best, on the test rows."""
    thresholds, counts = [], []
    for training in one.trained:
        threshold = tuned_threshold(split.validation.labels, training.validation, split.positive, metric)
        said = said_at(training.test, split.positive, threshold)
        thresholds.append(threshold)
        counts.append(confusion_of(split.test.labels, said, len(split.classes)))
    stacked = np.stack(counts)
    means = {name: float(score_of(stacked, name, split.positive).mean()) for name in NAMES}
    return Tuned(tuple(thresholds), means, _plain(stacked.sum(axis=0)))


def _curve(one: Candidate, split: Split) -> tuple[PrecisionRecall, ...]:
    """Precision and recall of the test rows of all trainings together, at thresholds spread over recall."""
    probability = np.concatenate([training.test[:, split.positive] for training in one.trained])
    positive = np.tile(split.test.labels == split.positive, len(one.trained))
    thresholds, hits, said = passing(positive, probability)
    if not hits[-1]:
        return ()
    recall, precision = hits / hits[-1], hits / said
    # Of thresholds with the same recall the first has the best precision.
    wanted = np.searchsorted(recall, np.linspace(recall[0], 1.0, CURVE_POINTS))
    kept = np.unique(np.append(0, np.minimum(wanted, len(hits) - 1)))
    points = zip(thresholds[kept].tolist(), precision[kept].tolist(), recall[kept].tolist(), strict=True)
    return tuple(PrecisionRecall(*point) for point in points)


def _scores(one: Candidate, rows: Rows, positive: int, row_set: str) -> list[Scores]:
    return [score(rows.labels, getattr(training, row_set), positive) for training in one.trained]


def _mean(scores: Sequence[Scores], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in scores]))


def _plain(counts: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in counts)
