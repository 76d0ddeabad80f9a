"""What the finalists are worth, as storage keeps it and reports show it.

All scores are those of new trainings, with seeds that the search didn't use; those on the test rows were
computed once, after every training had ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from studies.records.reading import known_fields, read_record
from studies.records.reports import OF_CONFUSION, SCORE_NAMES, Scores
from studies.records.schema import FINALISTS
from studies.space.configuration import Configuration

Record = TypeVar("Record")

Verdict = Literal["best", "equivalent", "tied", "worse", "better"]
"""How a finalist compares with the best on the test rows: ``tied`` is no significant difference,
``equivalent`` one that is significantly smaller than the margin. The best was chosen on the validation rows,
so that another may do better on the test rows."""


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``, 95%."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Of two means on the same test rows.

    Attributes:
        value: the one less the other.
        low, high: its 95% interval.
        p_value: two-sided, that there is none; below 0.05 where the interval leaves out 0.
    """

    value: float
    low: float
    high: float
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether chance alone is an unlikely cause, at 5%."""
        return self.p_value < SIGNIFICANT


SIGNIFICANT = 0.05
"""p-value below which a difference is significant."""


@dataclass(frozen=True)
class PrecisionRecall:
    """One point of a precision-recall curve: rows with at least this probability are said to be positive."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Tuned:
    """The same networks, each with the threshold that is best on its validation rows.

    Attributes:
        thresholds: probabilities of the positive class from which rows are said to be of it, by training.
        scores: means on the test rows, as in :class:`Finalist`.
        confusion: counts on the test rows, summed over the trainings.
        metric: what the thresholds are best for.
        difference: what they add to the mean ``metric`` on the test rows; ``None`` in earlier studies.
    """

    thresholds: tuple[float, ...]
    scores: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...]
    metric: str = "f1"
    difference: Difference | None = None

    @property
    def recommended(self) -> bool:
        """Whether the test rows show a significant gain over predicting the most probable class."""
        return self.difference is not None and self.difference.significant and self.difference.value > 0.0


@dataclass(frozen=True)
class Finalist:
    """A configuration that was retrained with several seeds.

    Attributes:
        trial: number of its first trial in the search.
        found: validation score that made it a finalist, the mean of its runs in the search.
        seeds: of the trainings that came to an end.
        failed: causes of those that didn't.
        validation, test: the study's metric on these rows, by training.
        interval: of the mean of ``test``, from seeds and test rows together.
        verdict: against the best.
        difference: of the means of ``test``, the best's taken off; ``None`` for the best itself. It leaves
            out 0 just where ``p_value`` is below 0.05.
        p_value: two-sided, that there is none, corrected for the number of comparisons (Holm).
        scores: means on the test rows of every score that is one number, by name.
        confusion: counts on the test rows, summed over the trainings, as in
            :class:`~studies.records.reports.Scores`.
        tuned: with thresholds tuned on the validation rows.
        curve: precision and recall on the test rows of all trainings together, by falling threshold.
        train_seconds: mean seconds of a training.
        prediction: 95% interval of the score of one new network on as many new rows; ``None`` with one
            training.
        luck_of_seeds: 95% interval of ``found`` less the mean of ``validation``; ``None`` with one training.
        luck_of_rows: 95% interval of the mean of ``validation`` less the true mean; ``None`` as above.
    """

    trial: int
    configuration: Configuration
    found: float
    seeds: tuple[int, ...]
    failed: tuple[str, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    interval: Interval
    verdict: Verdict
    difference: Interval | None
    p_value: float | None
    scores: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...]
    tuned: Tuned
    curve: tuple[PrecisionRecall, ...]
    train_seconds: float
    prediction: Interval | None = None
    luck_of_seeds: Interval | None = None
    luck_of_rows: Interval | None = None

    @property
    def validation_mean(self) -> float:
        """Mean over the new seeds on the validation rows; it ranks the finalists."""
        return sum(self.validation) / len(self.validation)

    @property
    def test_mean(self) -> float:
        """Mean over the new seeds on the test rows."""
        return sum(self.test) / len(self.test)

    @property
    def optimism(self) -> tuple[float, float]:
        """How optimistic the validation score was when it was found: less the mean over new seeds on the same
        rows, which is luck with the seed, and less that on the test rows, which is luck with the rows too.
        """
        return self.found - self.validation_mean, self.found - self.test_mean


@dataclass(frozen=True)
class Finalists:
    """The finalists of a study, best first.

    Attributes:
        metric: of the study; what ``validation``, ``test`` and ``interval`` are of.
        finalists: by their mean on the validation rows over new seeds, best first.
        failed: finalists of which no training came to an end: number of the first trial, and the causes.
        logistic: test scores of a logistic regression on the same features.
        asked: keys of the trainings, whether they came to an end or not.
        over_logistic: the best's mean less the logistic regression's score, one comparison by itself;
            ``None`` in studies of earlier code.
        margin: differences within it are called as good; ``None`` in studies of earlier code.
    """

    metric: str
    finalists: tuple[Finalist, ...]
    failed: Mapping[int, tuple[str, ...]]
    logistic: Scores
    asked: tuple[str, ...]
    over_logistic: Difference | None = None
    margin: float | None = None

    @property
    def winner(self) -> Finalist:
        """The one that the search alone would have chosen: that with the best validation score in it."""
        return max(self.finalists, key=lambda finalist: (finalist.found, -finalist.trial))

    @property
    def tied(self) -> tuple[Finalist, ...]:
        """Those without a significant difference from the best, the best among them."""
        return tuple(
            finalist for finalist in self.finalists if finalist.verdict in ("best", "equivalent", "tied")
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            **asdict(self),
            "finalists": [
                {**asdict(finalist), "configuration": finalist.configuration.used()}
                for finalist in self.finalists
            ],
            "failed": {str(trial): causes for trial, causes in self.failed.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Finalists:
        """The inverse of :meth:`to_dict`, also after JSON."""
        return cls(
            metric=values["metric"],
            finalists=tuple(_finalist(finalist, values["metric"]) for finalist in values["finalists"]),
            failed={int(trial): tuple(causes) for trial, causes in values["failed"].items()},
            logistic=Scores.from_dict(values["logistic"]),
            asked=tuple(values["asked"]),
            over_logistic=_read(Difference, values.get("over_logistic")),
            margin=values.get("margin"),
        )


def finalists_of(attributes: Mapping[str, Any]) -> Finalists | None:
    """The finalists among a study's attributes."""
    values = attributes.get(FINALISTS)
    return None if values is None else Finalists.from_dict(values)


def _finalist(values: Mapping[str, Any], metric: str) -> Finalist:
    tuned = values["tuned"]
    known = known_fields(Finalist, values)
    numbers = {name: tuple(values[name]) for name in ("seeds", "failed", "validation", "test")}
    intervals = ("interval", "prediction", "luck_of_seeds", "luck_of_rows")
    return Finalist(
        **{
            **known,
            **numbers,
            **{name: _read(Interval, values.get(name)) for name in intervals},
            "difference": _possible(_read(Interval, values.get("difference")), metric),
            "configuration": Configuration.from_dict(values["configuration"]),
            "scores": _scores(values["scores"], SCORE_NAMES),
            "confusion": _counts(values["confusion"]),
            "tuned": Tuned(
                tuple(tuned["thresholds"]),
                _scores(tuned["scores"], OF_CONFUSION),
                _counts(tuned["confusion"]),
                tuned.get("metric", "f1"),
                _read(Difference, tuned.get("difference")),
            ),
            "curve": tuple(read_record(PrecisionRecall, point) for point in values["curve"]),
        }
    )


def _possible(difference: Interval | None, metric: str) -> Interval | None:
    """Within what two scores can differ by; earlier code stored ends beyond it."""
    if difference is None:
        return None
    most = 2.0 if metric == "mcc" else 1.0
    return Interval(max(-most, difference.low), min(most, difference.high))


def _read(kind: type[Record], values: Mapping[str, float] | None) -> Record | None:
    return None if values is None else read_record(kind, values)


def _scores(values: Mapping[str, float], names: Sequence[str]) -> Mapping[str, float]:
    """Every score by name; NaN where earlier code computed none, as in :meth:`Scores.from_dict`."""
    return {name: values.get(name, math.nan) for name in names}


def _counts(rows: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in rows)
