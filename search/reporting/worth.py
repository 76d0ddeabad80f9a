"""What configurations are worth on the test rows: by finalists, where there are some, else by the search.

A finalist was retrained with several seeds, and its interval is of seeds and test rows together. Without
finalists there is one training, the search's own, and the interval is of the test rows alone. Until the test
rows are opened, there are the validation scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search.evaluation.row_noise import row_interval
from search.reporting.report import StudyReport
from studies.records.finalists import Finalist
from studies.records.reports import SCORE_NAMES
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Worth:
    """What one configuration is worth.

    Attributes:
        trial: its first trial in the search.
        configuration: itself.
        validation: its validation score in the search, by which it was chosen.
        score: the study's metric on the test rows; on the validation rows where ``tested`` is false.
        interval: of ``score``, 95%; ``None`` where there is none.
        scores: all that are one number, on the same rows; means over the trainings.
        confusion: counts, summed over the trainings.
        trainings: how many networks the figures are means of.
        retrained: mean validation score over new seeds; ``None`` without finalists.
        tested: whether there are test scores: the test rows were opened for it.
        finalist: the whole of it, where it is one.
    """

    trial: int
    configuration: Configuration
    validation: float
    score: float
    interval: tuple[float, float] | None
    scores: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...]
    trainings: int
    retrained: float | None
    tested: bool
    finalist: Finalist | None = None

    @property
    def row_set(self) -> str:
        """The rows that the scores are of."""
        return "test" if self.tested else "validation"


def winner(report: StudyReport) -> Worth | None:
    """The configuration to use: the best finalist, or the best of the search."""
    best = contenders(report)
    return best[0] if best else None


def contenders(report: StudyReport) -> list[Worth]:
    """The best of each framework, the winner first."""
    if report.finalists is not None and report.finalists.finalists:
        first: dict[str, Finalist] = {}
        for finalist in report.finalists.finalists:
            first.setdefault(finalist.configuration.framework, finalist)
        return [_of_finalist(finalist, report.metric) for finalist in first.values()]
    found = (_of_record(report, record) for record in report.best_by_framework.values())
    return [worth for worth in found if worth is not None]


def _of_finalist(finalist: Finalist, metric: str) -> Worth:
    return Worth(
        trial=finalist.trial,
        configuration=finalist.configuration,
        validation=finalist.found,
        score=finalist.test_mean,
        interval=(finalist.interval.low, finalist.interval.high),
        scores={**finalist.scores, metric: finalist.test_mean},
        confusion=finalist.confusion,
        trainings=len(finalist.test),
        retrained=finalist.validation_mean,
        tested=True,
        finalist=finalist,
    )


def _of_record(report: StudyReport, record: TrialRecord) -> Worth | None:
    test = report.test_scores(record)
    _, shown = report.judged(record)
    if record.configuration is None or shown is None:
        return None
    positive = report.facts.positive_index
    return Worth(
        trial=record.number,
        configuration=record.configuration,
        validation=report.score(record),
        score=getattr(test, report.metric) if test is not None else report.score(record),
        interval=row_interval(test.confusion, report.metric, positive) if test is not None else None,
        scores={name: getattr(shown, name) for name in SCORE_NAMES},
        confusion=shown.confusion,
        trainings=1,
        retrained=None,
        tested=test is not None,
    )
