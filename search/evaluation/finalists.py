"""What finalists are worth, from the probabilities that their networks give to the rows. Pure.

The finalists are ranked by their mean over new seeds on the validation rows, so that the test rows choose
nothing. The best's networks are then tested: of equal configurations, the one with the luckier seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.evaluation.influence import Answers
from search.evaluation.logistic import logistic_probabilities
from search.evaluation.statistics import (
    MARGIN,
    Compared,
    LabelledRows,
    Tested,
    change,
    compare,
    difference,
    luck,
)
from search.evaluation.thresholds import said_at, tuned_threshold
from studies.data.split import Split
from studies.records.finalists import Difference, Finalist, Finalists, PrecisionRecall, Tuned
from studies.records.reports import SCORE_NAMES, Scores
from studies.space.configuration import Configuration
from workers.training.confusions import NAMES, score_of
from workers.training.scores import confusion_of, metric_of, passing, score

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
    """A finalist with its trainings; see :class:`studies.records.finalists.Finalist`."""

    trial: int
    configuration: Configuration
    found: float
    trained: tuple[Trained, ...]
    failed: tuple[str, ...] = ()


def evaluate(candidates: Sequence[Candidate], split: Split, metric: str, asked: Sequence[str]) -> Finalists:
    """The finalists' record. This looks at the labels of the test rows.

    Args:
        candidates: in any order; those without a training that came to an end are only listed.
        split: the rows.
        metric: the study's.
        asked: keys of the trainings, to be kept.
    """
    rows = _Rows.of(split, metric)
    ended = [_Ended.of(one, split, rows) for one in candidates if one.trained]
    ended.sort(key=lambda one: (-one.validation_mean, -one.candidate.found, one.candidate.trial))
    logistic = logistic_probabilities(split.train, len(split.classes), split.test.features)
    baseline = score(split.test.labels, logistic, split.positive)
    compared, over_logistic = _compare(ended, rows.test, _tested([logistic], [baseline], rows.test))
    return Finalists(
        metric=metric,
        finalists=tuple(_finalist(one, each, split, rows) for one, each in zip(ended, compared, strict=True)),
        failed={one.trial: one.failed for one in candidates if not one.trained},
        logistic=baseline,
        asked=tuple(asked),
        over_logistic=over_logistic,
        margin=MARGIN,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows that chose the best, and those that test it."""

    validation: LabelledRows
    test: LabelledRows

    @classmethod
    def of(cls, split: Split, metric: str) -> _Rows:
        classes, positive = len(split.classes), split.positive
        labels = (split.validation.labels, split.test.labels)
        return cls(*(LabelledRows(one, classes, positive, metric) for one in labels))


@dataclass(frozen=True, eq=False)
class _Ended:
    """A candidate with its networks' scores."""

    candidate: Candidate
    test_scores: Sequence[Scores]
    validation: Tested
    test: Tested

    @classmethod
    def of(cls, one: Candidate, split: Split, rows: _Rows) -> _Ended:
        sides = [(split.validation, "validation", rows.validation), (split.test, "test", rows.test)]
        scores, tested = [], []
        for some, name, labelled in sides:
            probabilities = [getattr(training, name) for training in one.trained]
            scores.append([score(some.labels, each, split.positive) for each in probabilities])
            tested.append(_tested(probabilities, scores[-1], labelled))
        return cls(one, scores[1], *tested)

    @property
    def validation_mean(self) -> float:
        return float(np.mean(self.validation.scores))


def _tested(
    probabilities: Sequence[NDArray[np.float64]], scores: Sequence[Scores], rows: LabelledRows
) -> Tested:
    return Tested(
        [Answers(one.argmax(axis=1), one[:, rows.positive]) for one in probabilities],
        tuple(metric_of(one, rows.metric) for one in scores),
    )


def _compare(
    ended: Sequence[_Ended], rows: LabelledRows, logistic: Tested
) -> tuple[tuple[Compared, ...], Difference | None]:
    """All finalists on the same rows, the best first, and the best with the logistic regression."""
    if not ended:
        return (), None
    tested = [one.test for one in ended]
    scored = rows.scored([*tested, logistic], fixed=[len(tested)])
    return compare(rows, tested, scored), difference(rows, scored, 0, len(tested))


def _finalist(one: _Ended, compared: Compared, split: Split, rows: _Rows) -> Finalist:
    trained = one.candidate.trained
    of_seeds, of_rows = luck(one.candidate.found, (rows.validation, one.validation), (rows.test, one.test))
    return Finalist(
        trial=one.candidate.trial,
        configuration=one.candidate.configuration,
        found=one.candidate.found,
        seeds=tuple(training.seed for training in trained),
        failed=one.candidate.failed,
        validation=one.validation.scores,
        test=one.test.scores,
        interval=compared.interval,
        verdict=compared.verdict,
        difference=compared.difference,
        p_value=compared.p_value,
        scores={name: _mean(one.test_scores, name) for name in SCORE_NAMES},
        confusion=_plain(np.sum([scores.confusion for scores in one.test_scores], axis=0)),
        tuned=_tuned(one, split, rows.test),
        curve=_curve(one.candidate, split),
        train_seconds=float(np.mean([training.seconds for training in trained])),
        prediction=compared.prediction,
        luck_of_seeds=of_seeds,
        luck_of_rows=of_rows,
    )


def _tuned(one: _Ended, split: Split, rows: LabelledRows) -> Tuned:
    """Each training with the threshold that its validation rows like best, on the test rows."""
    # What a threshold doesn't change is tuned, and compared, by F1.
    judged = rows if rows.metric in NAMES else replace(rows, metric="f1")
    thresholds, answers, counts = [], [], []
    for training in one.candidate.trained:
        threshold = tuned_threshold(
            split.validation.labels, training.validation, split.positive, judged.metric
        )
        said = said_at(training.test, split.positive, threshold)
        thresholds.append(threshold)
        answers.append(Answers(said, training.test[:, split.positive]))
        counts.append(confusion_of(split.test.labels, said, len(split.classes)))
    stacked = np.stack(counts)
    scores = {name: score_of(stacked, name, split.positive) for name in NAMES}
    before = Tested(one.test.answers, tuple(getattr(each, judged.metric) for each in one.test_scores))
    return Tuned(
        tuple(thresholds),
        {name: float(each.mean()) for name, each in scores.items()},
        _plain(stacked.sum(axis=0)),
        judged.metric,
        change(judged, before, Tested(answers, tuple(scores[judged.metric].tolist()))),
    )


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


def _mean(scores: Sequence[Scores], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in scores]))


def _plain(counts: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in counts)
