"""Finalists' scores and comparisons, from the probabilities that their networks predict. Pure.

The finalists are ranked by their mean over new seeds on the validation rows; the test rows play no part in
that choice. The best's networks are then tested: of equal configurations, the one with the luckier seeds.
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
from search.evaluation.thresholds import predicted_at, tuned_threshold
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
    """One training of a finalist: its seed, its seconds, and (rows, classes) probabilities by row set."""

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
        candidates: in any order; those without a completed training are only listed.
        split: the rows.
        metric: the study's.
        asked: keys of the trainings, to be kept.
    """
    rows = _Rows.of(split, metric)
    ended = [_Ended.of(finalist, split, rows) for finalist in candidates if finalist.trained]
    ended.sort(
        key=lambda finalist: (-finalist.validation_mean, -finalist.candidate.found, finalist.candidate.trial)
    )
    logistic = logistic_probabilities(split.train, len(split.classes), split.test.features)
    baseline = score(split.test.labels, logistic, split.positive)
    compared, over_logistic = _compare(ended, rows.test, _tested([logistic], [baseline], rows.test))
    return Finalists(
        metric=metric,
        finalists=tuple(
            _finalist(finalist, each, split, rows) for finalist, each in zip(ended, compared, strict=True)
        ),
        failed={finalist.trial: finalist.failed for finalist in candidates if not finalist.trained},
        logistic=baseline,
        asked=tuple(asked),
        over_logistic=over_logistic,
        margin=MARGIN,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows on which the best was chosen, and those on which it is tested."""

    validation: LabelledRows
    test: LabelledRows

    @classmethod
    def of(cls, split: Split, metric: str) -> _Rows:
        classes, positive = len(split.classes), split.positive
        labels = (split.validation.labels, split.test.labels)
        return cls(*(LabelledRows(labels_of_set, classes, positive, metric) for labels_of_set in labels))


@dataclass(frozen=True, eq=False)
class _Ended:
    """A candidate with its networks' scores."""

    candidate: Candidate
    test_scores: Sequence[Scores]
    validation: Tested
    test: Tested

    @classmethod
    def of(cls, candidate: Candidate, split: Split, rows: _Rows) -> _Ended:
        sides = [(split.validation, "validation", rows.validation), (split.test, "test", rows.test)]
        scores, tested = [], []
        for some, name, labelled in sides:
            probabilities = [getattr(training, name) for training in candidate.trained]
            scores.append([score(some.labels, each, split.positive) for each in probabilities])
            tested.append(_tested(probabilities, scores[-1], labelled))
        return cls(candidate, scores[1], *tested)

    @property
    def validation_mean(self) -> float:
        return float(np.mean(self.validation.scores))


def _tested(
    probabilities: Sequence[NDArray[np.float64]], scores: Sequence[Scores], rows: LabelledRows
) -> Tested:
    return Tested(
        [Answers(each.argmax(axis=1), each[:, rows.positive]) for each in probabilities],
        tuple(metric_of(each, rows.metric) for each in scores),
    )


def _compare(
    ended: Sequence[_Ended], rows: LabelledRows, logistic: Tested
) -> tuple[tuple[Compared, ...], Difference | None]:
    """All finalists on the same rows, the best first, and the best with the logistic regression."""
    if not ended:
        return (), None
    tested = [finalist.test for finalist in ended]
    scored = rows.scored([*tested, logistic], fixed=[len(tested)])
    return compare(rows, tested, scored), difference(rows, scored, 0, len(tested))


def _finalist(finalist: _Ended, compared: Compared, split: Split, rows: _Rows) -> Finalist:
    trained = finalist.candidate.trained
    of_seeds, of_rows = luck(
        finalist.candidate.found, (rows.validation, finalist.validation), (rows.test, finalist.test)
    )
    return Finalist(
        trial=finalist.candidate.trial,
        configuration=finalist.candidate.configuration,
        found=finalist.candidate.found,
        seeds=tuple(training.seed for training in trained),
        failed=finalist.candidate.failed,
        validation=finalist.validation.scores,
        test=finalist.test.scores,
        interval=compared.interval,
        verdict=compared.verdict,
        difference=compared.difference,
        p_value=compared.p_value,
        scores={name: _mean(finalist.test_scores, name) for name in SCORE_NAMES},
        confusion=_plain(np.sum([scores.confusion for scores in finalist.test_scores], axis=0)),
        tuned=_tuned(finalist, split, rows.test),
        curve=_curve(finalist.candidate, split),
        train_seconds=float(np.mean([training.seconds for training in trained])),
        prediction=compared.prediction,
        luck_of_seeds=of_seeds,
        luck_of_rows=of_rows,
    )


def _tuned(finalist: _Ended, split: Split, rows: LabelledRows) -> Tuned:
    """Each training with the threshold that is best on its validation rows, scored on the test rows."""
    # What a threshold doesn't change is tuned, and compared, by F1.
    judged = rows if rows.metric in NAMES else replace(rows, metric="f1")
    thresholds, answers, counts = [], [], []
    for training in finalist.candidate.trained:
        threshold = tuned_threshold(
            split.validation.labels, training.validation, split.positive, judged.metric
        )
        predicted = predicted_at(training.test, split.positive, threshold)
        thresholds.append(threshold)
        answers.append(Answers(predicted, training.test[:, split.positive]))
        counts.append(confusion_of(split.test.labels, predicted, len(split.classes)))
    stacked = np.stack(counts)
    scores = {name: score_of(stacked, name, split.positive) for name in NAMES}
    before = Tested(
        finalist.test.answers, tuple(getattr(each, judged.metric) for each in finalist.test_scores)
    )
    return Tuned(
        tuple(thresholds),
        {name: float(each.mean()) for name, each in scores.items()},
        _plain(stacked.sum(axis=0)),
        judged.metric,
        change(judged, before, Tested(answers, tuple(scores[judged.metric].tolist()))),
    )


def _curve(candidate: Candidate, split: Split) -> tuple[PrecisionRecall, ...]:
    """Precision and recall of the test rows of all trainings together, at thresholds spread over recall."""
    probability = np.concatenate([training.test[:, split.positive] for training in candidate.trained])
    positive = np.tile(split.test.labels == split.positive, len(candidate.trained))
    thresholds, hits, rows_reaching = passing(positive, probability)
    if not hits[-1]:
        return ()
    recall, precision = hits / hits[-1], hits / rows_reaching
    # Of thresholds with the same recall the first has the best precision.
    wanted = np.searchsorted(recall, np.linspace(recall[0], 1.0, CURVE_POINTS))
    kept = np.unique(np.append(0, np.minimum(wanted, len(hits) - 1)))
    points = zip(thresholds[kept].tolist(), precision[kept].tolist(), recall[kept].tolist(), strict=True)
    return tuple(PrecisionRecall(*point) for point in points)


def _mean(scores: Sequence[Scores], name: str) -> float:
    return float(np.mean([getattr(each, name) for each in scores]))


def _plain(counts: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in counts)
