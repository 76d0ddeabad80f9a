"""The Dask task: one segment of one trial, from a checkpoint to a report.

Idempotent and deterministic: run twice, on any worker, it gives the same report but for the seconds.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from distributed import get_worker
from numpy.typing import NDArray

from studies.data.split import Split
from studies.errors import CheckpointError, MachineError, PluginError
from studies.frameworks import shipped_framework
from studies.plugins import Origin
from studies.records.reports import SCORED, Assignment, Failure, Scores, SegmentReport, TimeLedger
from studies.space.configuration import DEFAULT_ACTIVATION, Configuration
from workers import process
from workers.checkpoints.checkpoints import Checkpoints, trial_identity
from workers.checkpoints.outcomes import PREDICTED, Outcome, Outcomes, outcome_key
from workers.machine.wear import worn_worker
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.training import early_stopping
from workers.training.scores import metric_of, score
from workers.training.trainer import (
    Deadline,
    State,
    Trainer,
    TrainingFailed,
    check_finite,
    curve_of,
    layer_sizes,
)

MESSAGE_CHARACTERS = 1000
"""What is kept of a failure's message, from its start; TensorFlow puts whole graphs into some."""

TRACEBACK_CHARACTERS = 4000
"""What is kept of a bug's traceback, from its end: it goes into storage with the trial."""

CLOCK: Callable[[], float] = time.monotonic
"""What ``trial_timeout`` is measured with, in seconds."""


@dataclass(frozen=True)
class Segment:
    """What a worker must know to run one segment. Small, and free of storage and of data.

    Attributes:
        study: name of the study.
        trial: number of the trial.
        attempt: how often this segment was submitted before.
        configuration, seed: what to train.
        rungs: epoch counts at which the validation rows are scored, ascending; training ends at the last.
        hidden: units of each hidden layer.
        metric: the study's metric, for the scores at the rungs.
        split: cache directory of the rows.
        checkpoints: directory or URL of the checkpoints; ``None`` keeps none, and starts over each time.
        checkpoints_limit: bytes that all of them may take; ``None`` for no limit.
        until: the rung at which this segment ends. A trainer that can't stop there goes on to the first rung
            at which it can.
        patience: epochs without a better validation score after which a trial ends; ``None`` for no such end.
            Not for frameworks that can't stop early, such as Spark.
        trial_timeout: seconds after the segment's training began, from which on no further epoch begins.
        spark: how Spark's trials of the study run.
        outcomes: directory or URL where a finished trial's weights and probabilities are kept; ``None`` keeps
            neither. See :mod:`workers.checkpoints.outcomes`.
        weights: whether the weights, and the probabilities of the test rows, are kept there too.
        predictions: the same place for its probabilities of the validation rows alone, for a person to look
            at; ``None`` keeps none.
        name: what its tasks are called instead of ``trial-12``.
        token: what tells the study from others of its name.
        launch: what tells the driver that submits it from others of the study, and from earlier ones.
        plugin: where the configuration's framework comes from, where it isn't built in.
    """

    study: str
    trial: int
    configuration: Configuration
    seed: int
    rungs: tuple[int, ...]
    hidden: tuple[int, ...]
    metric: str
    split: str
    checkpoints: str | None
    until: int
    attempt: int = 0
    patience: int | None = None
    trial_timeout: float | None = None
    checkpoints_limit: int | None = None
    spark: SparkSettings = DEFAULTS
    outcomes: str | None = None
    weights: bool = True
    predictions: str | None = None
    name: str = ""
    token: str = ""
    launch: str = ""
    plugin: Origin | None = None

    @property
    def key(self) -> str:
        """Name of the Dask task: ``sms-spam-3f9c2a1b04de/trial-12/rung-27/6e0f51c2``, with the attempt after
        the first.

        Dask takes equal keys for the same work, whoever submits them.
        """
        again = f"attempt-{self.attempt + 1}" if self.attempt else ""
        what = (self.name or f"trial-{self.trial}", f"rung-{self.until}", again)
        return task_key(self.study, self.token, self.launch, *what)

    @property
    def assignment(self) -> Assignment:
        """What its report must say that it answers."""
        return Assignment(self.token, self.configuration.key(), self.seed, self.until)


def task_key(study: str, token: str, launch: str, *what: str) -> str:
    """Name of a Dask task that no other study, driver or launch has; Dask's dashboard groups by its start."""
    return "/".join(part for part in (f"{study}-{token}" if token else study, *what, launch) if part)


def run_segment(segment: Segment) -> SegmentReport:
    """Train a trial to the segment's last rung and score it; failures come back as values."""
    return replace(_run(segment), worn=worn_worker())


def _run(segment: Segment) -> SegmentReport:
    clock = _Clock()
    try:
        return _train_and_score(segment, clock)
    except TrainingFailed as failed:
        return _failed(segment, clock, failed.failure)
    except MemoryError as error:
        return _failed(segment, clock, Failure("out of memory", str(error) or "MemoryError"))
    except PluginError as error:
        return _failed(segment, clock, Failure("plug-in", str(error)))
    except MachineError as error:
        # Spark alone is started here, and may start the next time; its message says all that is known.
        return _failed(segment, clock, Failure("spark died", str(error)))
    except (Exception, SystemExit) as error:
        # Nothing may leave a task but a report: Dask would retry, blame the worker, or end the search.
        message = _message_of(error)
        return _failed(segment, clock, Failure("bug", message, traceback=_traceback_of(error, message)))


@dataclass
class _Clock:
    """Adds up where the seconds go, also when a trial fails on the way."""

    setup: float = 0.0
    train: float = 0.0
    score: float = 0.0

    @contextlib.contextmanager
    def timing(self, what: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + time.perf_counter() - begun)

    def ledger(self) -> TimeLedger:
        return TimeLedger(setup=self.setup, train=self.train, score=self.score)


def _train_and_score(segment: Segment, clock: _Clock) -> SegmentReport:
    with clock.timing("setup"):
        split = process.split_at(segment.split)
        segment = replace(
            segment,
            checkpoints=process.place_of(segment.checkpoints, segment.split),
            outcomes=process.place_of(segment.outcomes, segment.split),
            predictions=process.place_of(segment.predictions, segment.split),
        )
        trainer = process.trainer_for(
            segment.configuration.framework, segment.split, segment.hidden, segment.spark, segment.plugin
        )
        stops = _stops(segment, trainer)
        state = _newest(segment, split, stops[-1]) or trainer.begin(segment.configuration, segment.seed)
    state = _train(segment, stops, trainer, split, state, clock)
    finished = _is_finished(segment, state)
    with clock.timing("score"):
        left = early_stopping.left_by(state)
        probabilities = _predict(trainer, split, left, SCORED if finished else ("validation",))
        scores = _score(split, probabilities, left.epoch)
        _keep(segment, split, state)
        if finished:
            _leave(segment, trainer, split, left, probabilities)
    return SegmentReport(
        trial=segment.trial,
        epoch=state.epoch,
        finished=finished,
        curve=curve_of(state),
        scores=scores,
        ledger=clock.ledger(),
        worker=_worker_name(),
        device=trainer.device,
        versions=process.versions_of(segment.configuration.framework, segment.plugin),
        notes=_notes(segment, state) if finished else (),
        assignment=segment.assignment,
    )


def _newest(segment: Segment, split: Split, at_most_epoch: int) -> State | None:
    """The state of the trial's newest checkpoint, where checkpoints are kept and it has one."""
    if segment.checkpoints is None:
        return None
    with _failing_of_the_disk(segment.checkpoints):
        kept = Checkpoints(segment.checkpoints, segment.checkpoints_limit)
        return kept.newest(segment.trial, _identity(segment, split), at_most_epoch)


def _keep(segment: Segment, split: Split, state: State) -> None:
    if segment.checkpoints is None:
        return
    with _failing_of_the_disk(segment.checkpoints):
        kept = Checkpoints(segment.checkpoints, segment.checkpoints_limit)
        kept.write(segment.trial, _identity(segment, split), state)


def _leave(
    segment: Segment,
    trainer: Trainer,
    split: Split,
    state: State,
    known: Mapping[str, NDArray[np.float64]],
) -> None:
    """Keep what a finished trial leaves, before it reports: whoever has the report finds it.

    Args:
        segment, trainer, split: of the trial.
        state: that it leaves.
        known: its probabilities of the rows that were scored.
    """
    layers = layer_sizes(split, segment.hidden)
    code = "" if segment.plugin is None else segment.plugin.id
    key = outcome_key(segment.configuration, segment.seed, layers, split.content_hash, code)
    if segment.outcomes is not None and not segment.weights:
        seen = Outcome((), state.activation, {"validation": known["validation"]})
        with _failing_of_the_disk(segment.outcomes):
            Outcomes(segment.outcomes).write(key, seen)
    elif segment.outcomes is not None:
        left = _predict(trainer, split, state, [name for name in PREDICTED if name not in known])
        probabilities = {name: known[name] if name in known else left[name] for name in PREDICTED}
        with _failing_of_the_disk(segment.outcomes):
            Outcomes(segment.outcomes).write(key, Outcome(state.weights, state.activation, probabilities))
    if segment.predictions is not None:
        seen = Outcome((), DEFAULT_ACTIVATION, {"validation": known["validation"]})
        # Nothing is built on them: a disk that refuses costs a picture, and no trial.
        with contextlib.suppress(CheckpointError, MachineError):
            Outcomes(segment.predictions).write(key, seen)


@contextlib.contextmanager
def _failing_of_the_disk(url: str) -> Iterator[None]:
    """A disk that is full, read-only or gone is a cause of its own, and no bug."""
    try:
        yield
    except (CheckpointError, MachineError) as error:
        raise TrainingFailed(Failure("disk", f"{error.problem}, in {url}")) from error


def _identity(segment: Segment, split: Split) -> str:
    """Whose checkpoints are this trial's; those made without patience don't know the best epoch."""
    layers = layer_sizes(split, segment.hidden)
    code = "" if segment.plugin is None else segment.plugin.id
    identity = trial_identity(segment.configuration, segment.seed, layers, split.content_hash, code)
    return identity if segment.patience is None else f"{identity}, with patience"


def _stops(segment: Segment, trainer: Trainer) -> tuple[int, ...]:
    """The epochs at which the validation rows are scored, up to that at which the segment ends.

    With patience they are all epochs. The last is the first at or after the segment's rung at which the
    trainer can stop.
    """
    last = segment.rungs[-1]
    wanted = segment.rungs if _patience(segment) is None else range(1, last + 1)
    possible = trainer.rungs(segment.configuration, wanted)
    end = next((rung for rung in possible if rung >= segment.until), last)
    return tuple(rung for rung in possible if rung <= end)


def _train(
    segment: Segment, stops: Sequence[int], trainer: Trainer, split: Split, state: State, clock: _Clock
) -> State:
    """From stop to stop, with a validation score at each, until the last or until patience is over."""
    limit = float("inf") if segment.trial_timeout is None else segment.trial_timeout
    deadline = Deadline(CLOCK() + limit, CLOCK, stopped=process.is_stopped)
    for stop in stops:
        if state.epoch >= stop:
            continue
        if _is_finished(segment, state):
            break
        with clock.timing("train"):
            state = trainer.advance(segment.configuration, segment.seed, state, stop, deadline)
            check_finite(state)
        with clock.timing("score"):
            scores = _score(split, _predict(trainer, split, state, ("validation",)), state.epoch)
        state = early_stopping.with_score(state, metric_of(scores["validation"], segment.metric))
        if _patience(segment) is not None:
            state = early_stopping.with_best(state)
    return state


def _notes(segment: Segment, state: State) -> tuple[str, ...]:
    return (*early_stopping.describe(state, segment.rungs[-1]), *state.notes)


def _patience(segment: Segment) -> int | None:
    framework = shipped_framework(segment.configuration.framework, segment.plugin)
    return segment.patience if framework.stops_early else None


def _is_finished(segment: Segment, state: State) -> bool:
    """Whether the trial, not only the segment, is at its end."""
    patience = _patience(segment)
    out = patience is not None and early_stopping.is_out_of_patience(state, patience)
    return out or state.epoch >= segment.rungs[-1]


def _predict(
    trainer: Trainer, split: Split, state: State, row_sets: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """(rows, classes) probabilities of each of these sets of rows."""
    return {name: trainer.predict(state, getattr(split, name).features) for name in row_sets}


def _score(split: Split, probabilities: Mapping[str, NDArray[np.float64]], epoch: int) -> dict[str, Scores]:
    scores = {}
    for name, of_rows in probabilities.items():
        try:
            scores[name] = score(getattr(split, name).labels, of_rows, split.positive)
        except TrainingFailed as failed:
            # What scores sees probabilities alone, and doesn't know the epoch.
            raise TrainingFailed(replace(failed.failure, epoch=epoch)) from failed
    return scores


def _failed(segment: Segment, clock: _Clock, failure: Failure) -> SegmentReport:
    return SegmentReport(
        trial=segment.trial,
        epoch=failure.epoch or 0,
        ledger=clock.ledger(),
        worker=_worker_name(),
        versions=process.versions_of(segment.configuration.framework, segment.plugin),
        failure=replace(failure, message=failure.message[:MESSAGE_CHARACTERS]),
        assignment=segment.assignment,
    )


def _message_of(error: BaseException) -> str:
    """Also where the exception can't say what it is."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _traceback_of(error: BaseException, message: str) -> str:
    whole = "".join(traceback.format_exception(error))
    if len(whole) <= TRACEBACK_CHARACTERS:
        return whole
    # The end of the whole could be all message, and say nothing of where it happened.
    end = f"{message[:MESSAGE_CHARACTERS]}\n"
    frames = "".join(traceback.format_tb(error.__traceback__))
    return frames[len(end) - TRACEBACK_CHARACTERS :] + end


def _worker_name() -> str:
    try:
        return str(get_worker().name)
    except ValueError:
        return "no cluster"  # called directly, as tests and benchmarks do
