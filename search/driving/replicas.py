"""Runs replicas: trainings of chosen configurations with chosen seeds, outside the search.

They run in parallel on the study's own cluster, as trials do, and each is kept when it ends: its report in
the study's storage, its outcome in a file. So a kill costs at most what was running, the next call runs only
what is missing, and equal replicas run once, whichever command asks for them.

Replicas are scored on the training and validation rows alone, as trials are. Their probabilities of the test
rows are kept with what they leave, and compared with no label before somebody opens the test rows.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.driving.dispatch import Dispatcher, Ended, Noted, failures_by_key, quarantined_keys
from search.driving.display import Display
from search.driving.interrupts import TICK_SECONDS, Events, interrupts_to, next_event
from search.driving.logs import DRIVING
from search.driving.opened import OpenedStudy
from search.driving.status import StoredStatus
from search.loop.events import Event, Interrupted, Lost, Reported
from search.loop.halving import ladder_of
from search.loop.stopping import INTERRUPTED, STOPPED_AT_ONCE
from search.words import count_of, one_line
from studies.errors import CheckpointError, ClusterLostError
from studies.frameworks import framework_of
from studies.records.replicas import Replica, ReplicaRecord
from studies.records.reports import SegmentReport
from workers import process
from workers.checkpoints.outcomes import Outcome, outcome_key, outcomes_of
from workers.spark.settings import SparkSettings
from workers.task import Segment
from workers.training.trainer import layer_sizes

__all__ = ["Replica", "ReplicaResult", "run_replicas"]

FOR_GOOD = frozenset({"diverged", "data"})
"""Causes of failures that are kept: the same training would fail again. The others are run again."""

NO_TRIAL = -1
"""What a kept report has for the number of its trial."""


@dataclass(frozen=True)
class ReplicaResult:
    """A replica that has come to its end.

    Attributes:
        report: with its scores, or the failure.
        outcome: its weights and probabilities; ``None`` for a failure, and where outcomes weren't asked for.
    """

    replica: Replica
    report: SegmentReport
    outcome: Outcome | None = None


def run_replicas(
    opened: OpenedStudy,
    replicas: Sequence[Replica],
    display: Display,
    *,
    what: str = "replicas",
    weights: bool = True,
) -> dict[Replica, ReplicaResult]:
    """The results of replicas; those that are not kept yet are run now.

    Args:
        opened: the study that they belong to.
        replicas: which; equal ones run once.
        display: what shows the progress.
        what: they are for, for a person.
        weights: whether whole outcomes are wanted. Otherwise their files hold the probabilities of the
            validation rows alone, a fraction of the size, and no result holds what is in its file.

    Raises:
        KeyboardInterrupt: where a person asked to stop. What ended is kept, and the next call resumes.
        ClusterLostError: where the cluster can't be used any more.
        CheckpointError: where the place of the outcomes refuses, or workers write to another place.
    """
    keys = {replica: key_of(opened, replica) for replica in dict.fromkeys(replicas)}
    kept = _kept(opened, keys, weights=weights)
    missing = [replica for replica in keys if replica not in kept]
    if missing:
        _Runs(opened, display, what, missing, keys, done=len(kept), weights=weights).run()
        kept |= _kept(opened, {replica: keys[replica] for replica in missing}, weights=weights, failed=True)
        _check_readable(opened, [replica for replica in missing if replica not in kept])
    return {replica: kept[replica] for replica in keys}


def predictions_of(opened: OpenedStudy, replica: Replica) -> NDArray[np.float64]:
    """(rows, classes) probabilities of the validation rows of a replica that has run.

    Raises:
        CheckpointError: where its file isn't there any more.
    """
    outcome = outcomes_of(opened.file, opened.store.folder).read(key_of(opened, replica))
    if outcome is None:
        raise _lost(opened, 1)
    return outcome.probabilities["validation"]


def key_of(opened: OpenedStudy, replica: Replica) -> str:
    """What a replica's report and outcome are kept under."""
    split = opened.prepared.split
    layers = layer_sizes(split, opened.file.study.model.hidden)
    code = framework_of(replica.configuration.framework).version
    return outcome_key(replica.configuration, replica.seed, layers, split.content_hash, code)


def _kept(
    opened: OpenedStudy, keys: Mapping[Replica, str], *, weights: bool, failed: bool = False
) -> dict[Replica, ReplicaResult]:
    """The results that are kept; with ``failed``, failures of every cause count as results."""
    files, results = outcomes_of(opened.file, opened.store.folder), {}
    records = opened.store.results.replicas()
    for replica, key in keys.items():
        record = records.get(key)
        if record is None:
            continue
        failure = record.report.failure
        if failure is not None:
            if failed or failure.cause in FOR_GOOD:
                results[replica] = ReplicaResult(replica, record.report)
            continue
        outcome = files.read(key)
        if outcome is not None and (outcome.weights or not weights):
            results[replica] = ReplicaResult(replica, record.report, outcome if weights else None)
    return results


def _check_readable(opened: OpenedStudy, lost: Sequence[Replica]) -> None:
    """Refuse results that a worker wrote where this process can't read them."""
    if lost:
        raise _lost(opened, len(lost))


def _lost(opened: OpenedStudy, trainings: int) -> CheckpointError:
    return CheckpointError(
        f"{count_of(trainings, 'training')} ended, but the files with their results are missing",
        where=outcomes_of(opened.file, opened.store.folder).url,
        remedy="give checkpoints.url a place that this machine and every worker reach, and run it again",
    )


@dataclass
class _Runs:
    """The replicas that run in one call, numbered by their places in ``missing``."""

    opened: OpenedStudy
    display: Display
    what: str
    missing: Sequence[Replica]
    keys: Mapping[Replica, str]
    done: int
    weights: bool

    def __post_init__(self) -> None:
        study = self.opened.file.study
        self.events: Events = queue.SimpleQueue()
        self.total = self.done + len(self.missing)
        self.open = set(range(len(self.missing)))
        self.stopping = ""
        self.looked = 0.0
        cluster = self.opened.cluster()
        quarantined = quarantined_keys(failures_by_key(self.opened.store.trials.ended()))
        self.dispatcher = Dispatcher(cluster, study.retry, self.events.put, quarantined)
        self.status = StoredStatus(self.opened.store, cluster)
        self.spark = SparkSettings.of(study.spark, self.opened.file.directory)

    def run(self) -> None:
        """Run them from the first to the last, or until a person asks to stop."""
        process.go_on()
        ended = self.opened.store.launch.begin_replicas()
        try:
            with interrupts_to(self.events):
                self._start()
                while self.open and self.stopping != STOPPED_AT_ONCE:
                    self._hear(next_event(self.events))
                    self._watch(time.monotonic())
            ended = self.stopping or ended
        finally:
            self.status.keep_progress("", time.monotonic(), last=True)
            self.opened.store.launch.end(ended)
        if self.stopping == STOPPED_AT_ONCE:
            process.stop_all()
        if self.stopping:
            raise KeyboardInterrupt

    def _start(self) -> None:
        DRIVING.debug("%s: %d trainings of %d to run", self.what, len(self.missing), self.total)
        self.display.note(f"{self.what}: {count_of(len(self.missing), 'training')} of {self.total} to run")
        if any(framework_of(replica.configuration.framework).in_spark for replica in self.missing):
            study, token = self.opened.file.study, self.opened.store.token
            directory = str(self.opened.prepared.directory)
            self.dispatcher.warm_spark(study.name, token, directory, tuple(study.model.hidden), self.spark)
        for number in range(len(self.missing)):
            refused = self.dispatcher.submit(self._segment(number))
            if refused is not None:
                self._keep(refused)

    def _hear(self, event: Event | Ended | Noted) -> None:
        if isinstance(event, Noted):
            for note in event.notes:
                self.opened.note_once(note)
        elif isinstance(event, Ended):
            self._do(self.dispatcher.ended(event))
        elif isinstance(event, Interrupted):
            self._interrupt()

    def _watch(self, now: float) -> None:
        """Check for what hangs and for a request to stop, and show the progress; a few times a second."""
        if now < self.looked + TICK_SECONDS:
            return
        self.looked = now
        self.opened.store.trials.news()  # which also shows other drivers that this one lives
        for event in self.dispatcher.watch():
            self._do(event)
        text = f"{self.what}: {self.done} of {self.total} trained"
        self.display.progress(text)
        for _ in range(self.status.keep_progress(text, now) - bool(self.stopping)):
            self._interrupt()

    def _do(self, event: object) -> None:
        if isinstance(event, Reported):
            self._keep(event.report)
        elif isinstance(event, Lost):
            raise ClusterLostError(
                f"{event.reason}; finished trainings are saved: run the command again to resume"
            )

    def _interrupt(self) -> None:
        """The first time, let running replicas finish; the second time, abandon them."""
        DRIVING.info("%s: asked to stop", self.what)
        self.stopping = STOPPED_AT_ONCE if self.stopping else INTERRUPTED
        self.open -= set(self.dispatcher.withdraw())

    def _keep(self, report: SegmentReport) -> None:
        replica = self.missing[report.trial]
        self.open.discard(report.trial)
        record = ReplicaRecord(replica, replace(report, trial=NO_TRIAL))
        self.opened.store.results.keep_replica(self.keys[replica], record)
        self.done += 1
        metric = self.opened.file.study.objective.metric
        DRIVING.debug("replica-%s ended: %s", self.keys[replica][:8], _line(record, metric))
        self.display.note(f"{self.what} {self.done}/{self.total}  {_line(record, metric)}")

    def _segment(self, number: int) -> Segment:
        replica, study = self.missing[number], self.opened.file.study
        return Segment(
            study=study.name,
            token=self.opened.store.token,
            trial=number,
            name=f"replica-{self.keys[replica][:8]}",
            configuration=replica.configuration,
            seed=replica.seed,
            rungs=ladder_of(study.pruner).rungs(replica.configuration.epochs),
            until=replica.configuration.epochs,
            hidden=tuple(study.model.hidden),
            metric=study.objective.metric,
            split=str(self.opened.prepared.directory),
            checkpoints=None,
            patience=study.model.patience,
            trial_timeout=study.trial_timeout,
            spark=self.spark,
            outcomes=outcomes_of(self.opened.file, self.opened.store.folder).url,
            weights=self.weights,
            plugin=framework_of(replica.configuration.framework).origin,
        )


def _line(record: ReplicaRecord, metric: str) -> str:
    """``0.943  tensorflow adam … 27 epochs  seed 8  3.2 s``, and the cause where it failed."""
    return "  ".join(_parts(record, metric))


def _parts(record: ReplicaRecord, metric: str) -> Iterator[str]:
    report, replica = record.report, record.replica
    score = report.score(metric)
    yield "failed" if score is None else f"{score:.3f}"
    yield replica.configuration.describe()
    yield f"seed {replica.seed}"
    yield f"{report.ledger.work:.1f} s"
    if report.failure is not None:
        yield f"{report.failure.cause}: {one_line(report.failure.message)}"
