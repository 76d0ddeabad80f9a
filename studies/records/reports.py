"""What a trial leaves behind: curve, scores, time ledger, or the failure that ended it.

All of these are plain values that go to JSON and back without loss, because they live as attributes of
Optuna trials, and that pickle small, because they come back from workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from studies.records.reading import known_fields, read_record

ROW_SETS = ("train", "validation", "test")
"""The three sets of rows that a split has, in this order."""

SCORED = ("train", "validation")
"""Those that a training is scored on. What a network is worth on the test rows is computed once they are
opened, and kept with that, see :mod:`studies.records.openings`."""

Cause = Literal[
    "diverged", "timeout", "out of memory", "worker died", "spark died", "data", "disk", "plug-in", "bug"
]
"""Why a trial failed: a training that left the finite numbers, a lack of time or memory, a dead worker,
a JVM of Spark's that died or hung and had to be killed, rows that the trainer refuses, a place for
checkpoints that refuses, a trainer of somebody's own that a worker can't import or that returned what no
trainer may, or an exception that nobody foresaw."""


STOPPED_EARLY = "stopped early"
"""What the note of a trial begins with that ended before its last epoch, out of patience."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one set of rows. All but ``log_loss`` (nats a row, lower is better) are in [-1, 1].

    ``precision``, ``recall``, ``f1`` and ``average_precision`` are those of the positive class;
    ``confusion[i][j]`` counts rows of class i that were predicted as class j. A score is NaN where the code
    that stored the others didn't have it yet.
    """

    f1: float
    f1_macro: float
    f1_weighted: float
    precision: float
    recall: float
    average_precision: float
    mcc: float
    accuracy: float
    log_loss: float
    confusion: tuple[tuple[int, ...], ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """The scores that ``dataclasses.asdict`` gave, also after a round through JSON."""
        confusion = tuple(tuple(int(count) for count in row) for row in values["confusion"])
        return cls(**{name: values.get(name, math.nan) for name in SCORE_NAMES}, confusion=confusion)


SCORE_NAMES = tuple(field.name for field in fields(Scores) if field.name != "confusion")
"""Every score that is one number."""

OF_CONFUSION = tuple(name for name in SCORE_NAMES if name not in ("average_precision", "log_loss"))
"""Those that a confusion matrix decides."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How far a trial was after ``epoch`` epochs.

    ``train_loss`` is the mean cross-entropy, in nats a row, of the epoch's own forward passes (for
    full-batch optimizers: the objective after that iteration); ``validation_score`` is the study's metric,
    at the epochs where it was computed.
    """

    epoch: int
    train_loss: float
    validation_score: float | None = None


@dataclass(frozen=True, slots=True)
class TimeLedger:
    """Where a trial's seconds went: waiting for a slot, loading and compiling, training, scoring."""

    queued: float = 0.0
    setup: float = 0.0
    train: float = 0.0
    score: float = 0.0

    @property
    def work(self) -> float:
        """Seconds without the waiting."""
        return self.setup + self.train + self.score

    def __add__(self, other: TimeLedger) -> TimeLedger:
        return TimeLedger(
            self.queued + other.queued,
            self.setup + other.setup,
            self.train + other.train,
            self.score + other.score,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial ended without a score: a value, not an exception.

    ``epoch`` is the epoch after which it was seen; ``traceback`` is kept for ``bug`` alone.
    """

    cause: Cause
    message: str
    epoch: int | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a segment is to train: ``study`` is the study's token, ``configuration`` its key."""

    study: str
    configuration: str
    seed: int
    rung: int


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What one segment of a trial returns to the driver.

    ``curve`` is that of the whole trial so far, ``ledger`` that of all its segments once the driver has added
    them up. Either ``failure`` is set, or ``scores`` holds the scores after ``epoch`` epochs: those on the
    validation rows, and where the trial is ``finished`` those on all of :data:`SCORED`. ``attempts`` counts
    how often its segments were run in all, retries among them. ``assignment`` is what the report answers;
    those that earlier code stored don't say. ``worn`` is the address of a worker process that should be
    replaced before its next trial, for the driver alone: it isn't stored.
    """

    trial: int
    epoch: int
    finished: bool = True
    attempts: int = 1
    curve: tuple[CurvePoint, ...] = ()
    scores: Mapping[str, Scores] = field(default_factory=dict)
    ledger: TimeLedger = TimeLedger()
    worker: str = ""
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    assignment: Assignment | None = None
    worn: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        values = asdict(self)
        del values["worn"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SegmentReport:
        """The report that :meth:`to_dict` gave, also after a round through JSON.

        Earlier code scored every trial on the test rows too. Those scores are not read: whoever sees them of
        every trial can choose by them.
        """
        failure, assignment = values.get("failure"), values.get("assignment")
        scores = values.get("scores", {})
        return cls(
            **{
                **known_fields(cls, values),
                "curve": tuple(read_record(CurvePoint, point) for point in values.get("curve", ())),
                "scores": {rows: Scores.from_dict(scores[rows]) for rows in SCORED if rows in scores},
                "ledger": read_record(TimeLedger, values.get("ledger", {})),
                "notes": tuple(values.get("notes", ())),
                "failure": read_record(Failure, failure) if failure else None,
                "assignment": read_record(Assignment, assignment) if assignment else None,
            }
        )

    def with_elapsed(self, seconds: float) -> SegmentReport:
        """The same report, with all that the driver waited for it beyond its own work booked as queued."""
        return replace(self, ledger=replace(self.ledger, queued=max(0.0, seconds - self.ledger.work)))

    def following(self, earlier: SegmentReport | None) -> SegmentReport:
        """The same report as that of a whole trial, of which ``earlier`` are the segments before."""
        if earlier is None:
            return self
        return replace(
            self,
            # A segment that failed brings no curve.
            curve=self.curve or earlier.curve,
            ledger=self.ledger + earlier.ledger,
            attempts=self.attempts + earlier.attempts,
        )

    def score(self, metric: str) -> float | None:
        """One of the scores on the validation rows; ``None`` for a failure."""
        return None if self.failure else float(getattr(self.scores["validation"], metric))
