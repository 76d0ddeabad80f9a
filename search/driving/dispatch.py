"""Sends segments to the cluster, retries those that failed through no fault of their own, and gives all other
results to the loop.

All but the waiting for futures runs in the driver's thread.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from typing import Any

from distributed import KilledWorker
from distributed.scheduler import NoValidWorkerError, NoWorkerError

from search.cluster.pulse import ANSWER_SECONDS
from search.cluster.running import NO_WORKERS_SECONDS, RunningCluster
from search.driving.logs import Waiting, WorkersSeen, log_failure
from search.driving.runs import Run
from search.loop.attempts import Attempt, after_failure, with_count
from search.loop.events import Lost, Reported, Resized
from search.loop.placement import Speeds, place
from search.loop.slots import GPU, Slots
from studies.frameworks import SPARK_MLLIB, framework_of
from studies.records.reports import Cause, Failure, SegmentReport
from studies.records.trials import TrialRecord
from studies.sections.study import Retry
from workers.spark.settings import SparkSettings
from workers.task import MESSAGE_CHARACTERS, Segment, run_segment, task_key
from workers.tenants import Look, Task
from workers.warmup import warm

LOST_SECONDS = 20.0
"""How long the connection to the scheduler may be away, or the scheduler silent, before the cluster is given
up."""


@dataclass(frozen=True)
class Ended:
    """A run came back: what the client's thread tells the driver's.

    Attributes:
        lost: why the cluster can't be used any more; empty where it can.
        died: address of the worker that died while it ran.
    """

    run: Run
    report: SegmentReport
    lost: str = ""
    died: str = ""


Settled = tuple[Any, Exception | None]
"""What a future returned, and what it raised, where it did."""


@dataclass(frozen=True)
class Noted:
    """Notes from a worker for a person."""

    notes: tuple[str, ...]


@dataclass
class Dispatcher:
    """One a launch. No more segments are with Dask than the cluster has slots, so that none waits there.

    Args:
        cluster: where they run.
        rules: what is run again.
        deliver: takes each :class:`Ended` and :class:`Noted`; called from the client's own thread.
        quarantined: keys of configurations that are not run, because they kill the processes that run them.
        launch: distinguishes its tasks from those of other drivers, launches and dispatchers of the study.
    """

    cluster: RunningCluster
    rules: Retry
    deliver: Callable[[Ended | Noted], None]
    quarantined: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.monotonic
    launch: str = field(default_factory=lambda: secrets.token_hex(4))
    _slots: Slots = field(init=False)
    _queue: deque[tuple[Segment, Attempt]] = field(default_factory=deque)
    _runs: dict[int, Run] = field(default_factory=dict)
    _disconnected: float | None = None
    _warming: Any = None
    _starving: float | None = None
    _speeds: Speeds = field(default_factory=Speeds)
    # Slots by kind, because runs are too many to count each time; and the kinds of which one run has all.
    _taken: Counter[str] = field(default_factory=Counter)
    _alone: set[str] = field(default_factory=set)
    _looked: Look | None = None
    _workers_seen: WorkersSeen = field(default_factory=WorkersSeen)
    _scheduler_wait: Waiting = field(default_factory=lambda: Waiting("the scheduler, which does not answer"))
    _workers_wait: Waiting = field(default_factory=lambda: Waiting("a worker: there is none for what waits"))
    _epochs: dict[int, int] = field(default_factory=dict)  # that unfinished trials have, by number

    def __post_init__(self) -> None:
        self._slots = self.cluster.slots

    def submit(self, segment: Segment) -> SegmentReport | None:
        """Start a segment once a slot of its kind is free; a report at once where it must not be run."""
        if segment.configuration.key() in self.quarantined:
            message = "not run: this configuration killed the processes that ran it before"
            return _failed(segment, Failure("worker died", message))
        self._queue.append((replace(segment, launch=self.launch), Attempt()))
        self._fill()
        return None

    def warm_spark(
        self, study: str, token: str, split: str, hidden: tuple[int, ...], settings: SparkSettings
    ) -> None:
        """Start Spark's session and load the rows, where its first trial would otherwise wait for both.

        It takes a slot of Spark's, so that a trial of Spark's waits for it while others run.
        """
        (kind,) = self._slots.kinds(SPARK_MLLIB.name)
        key = task_key(study, token, self.launch, "spark-warm-up")
        where = {"resources": {kind: 1}, **self.cluster.where()}
        self._warming = self.cluster.client.submit(
            warm, split, hidden, settings, key=key, pure=False, retries=0, **where
        )
        self._deliver_once_done(self._warming, lambda settled: Noted(_notes_of(settled)))

    def ended(self, ended: Ended) -> Reported | Lost | None:
        """What the loop should know of a run that came back; nothing where it is run again."""
        run = ended.run
        if self._runs.get(run.segment.trial) is not run:
            return None  # given up meanwhile
        if ended.lost:
            return Lost(ended.lost)
        if ended.died:
            self.cluster.lost_worker(ended.died)
        self._remove(run)
        if ended.report.worn:
            self.cluster.replace(ended.report.worn)
        self._note_speed(run, ended.report)
        report = self._again_or_report(run, self._with_cause(ended))
        self._fill()
        return Reported(report) if report else None

    def withdraw(self) -> tuple[int, ...]:
        """Take back the segments that wait for a slot; their trials' numbers."""
        withdrawn = tuple(segment.trial for segment, attempt in self._queue if attempt.number == 1)
        self._queue = deque((segment, attempt) for segment, attempt in self._queue if attempt.number > 1)
        return withdrawn

    def watch(self) -> Iterator[Reported | Lost | Resized]:
        """Look for segments that don't come back, and for a scheduler that is gone; a few times a second."""
        self._log_cluster()
        if self._is_lost():
            yield Lost("the connection to the cluster's scheduler is lost")
            return
        yield from self._resize()
        yield from self._look_at_runs()
        for run in [run for run in self._runs.values() if run.is_overdue(self.clock())]:
            yield from self._give_up(run)
        self._fill()
        if reason := self._starves():
            yield Lost(reason)

    def _log_cluster(self) -> None:
        """Log workers that came or went, and a scheduler that doesn't answer."""
        self._workers_seen.look(self.cluster.addresses())
        away = self.cluster.client.status != "running" or self.cluster.silent_seconds() > ANSWER_SECONDS
        self._scheduler_wait.see(away, self.clock())

    def _resize(self) -> Iterator[Resized]:
        """See whether workers came or went, where they do so by themselves."""
        if self.cluster.pulse is not None and (slots := self.cluster.present()) != self._slots:
            self._slots = slots
            yield Resized(slots)

    def _starves(self) -> str:
        """Why segments wait in vain; empty where they don't, or it is too early to know."""
        waiting = {segment.configuration.framework for segment, _ in self._queue}
        if self.cluster.pulse is None and any(self._slots.of(name) == 0 for name in waiting):
            return "every slot is held by a trial that doesn't return"
        present = self.cluster.present()
        if present.total and all(present.of(name) for name in waiting):
            self._starving = None
            self._workers_wait.see(False, self.clock())
            return ""
        self._starving = self._starving or self.clock()
        self._workers_wait.see(True, self.clock())
        patience = self.cluster.patience or NO_WORKERS_SECONDS
        if self.clock() - self._starving <= patience:
            return ""
        return f"the cluster lost all its workers, and none came back for {patience:g} s"

    def _note_speed(self, run: Run, report: SegmentReport) -> None:
        """Remember how long an epoch took there; not Spark's, which differs from the others'."""
        in_spark = framework_of(run.segment.configuration.framework).in_spark
        epochs_before = self._epochs.pop(report.trial, 0)
        if report.failure is None and not in_spark:
            self._speeds.measured(run.kind, report.ledger.train, report.epoch - epochs_before)
            if not report.finished:
                self._epochs[report.trial] = report.epoch

    def _give_up(self, run: Run) -> Iterator[Reported | Lost | Resized]:
        """End the process of a segment that hangs, or do without its thread, which can't be ended."""
        self._remove(run)
        seconds = self.clock() - run.waited
        cause: Cause = "timeout"
        if self.cluster.restarts:
            # If it is nowhere, it has just ended, or its process has.
            self.cluster.end_worker_of(run.segment.key)
            message = f"its process did not answer for {seconds:.0f} s and was ended"
            cause = "worker died" if run.silent and self._is_shared() else "timeout"
        else:
            message = f"it did not come back for {seconds:.0f} s; a thread can't be ended: a slot is lost"
            self._slots = self._slots.without(run.kind)
            yield Resized(self._slots)
            if not self._slots.by_kind.get(run.kind):
                yield Lost("every slot is held by a trial that doesn't return")
        yield from self._after(run, Failure(cause, message))

    def _after(self, run: Run, failure: Failure) -> Iterator[Reported]:
        report = self._again_or_report(run, _failed(run.segment, failure))
        if report is not None:
            yield Reported(report)

    def _with_cause(self, ended: Ended) -> SegmentReport:
        """The report, with the cause of its worker's death where that is known and its own."""
        innocent = self._runs_beside_others(ended.run) and not ended.run.attempt.alone
        if not ended.died or innocent or not self.cluster.ran_out_of_memory(ended.died):
            return ended.report
        message = f"the worker {ended.died} took more memory than it may and was ended"
        return replace(ended.report, failure=Failure("out of memory", message))

    def _is_shared(self) -> bool:
        return self.cluster.pulse is not None and self.cluster.pulse.others > 0

    def _runs_beside_others(self, run: Run) -> bool:
        return self.cluster.slots_a_worker(run.kind) > 1

    def _again_or_report(self, run: Run, report: SegmentReport) -> SegmentReport | None:
        failure = report.failure
        if failure is not None:
            beside_others = self._runs_beside_others(run)
            waited = run.may_have_waited(shared=self._is_shared())
            attempt = after_failure(run.attempt, failure, beside_others, self.rules, waited=waited)
            name = run.segment.name or f"trial {run.segment.trial}"
            log_failure(name, run.attempt.number, failure, again=attempt is not None)
            if attempt is not None:
                self._queue.appendleft((replace(run.segment, attempt=attempt.number - 1), attempt))
                return None
            if failure.cause == "worker died":
                self.quarantined.add(run.segment.configuration.key())
            report = replace(report, failure=with_count(failure, run.attempt))
        return replace(report, attempts=run.attempt.number)

    def _fill(self) -> None:
        """Give Dask as many segments as there are free slots, in order within each kind.

        No more: Dask would give it to a busy worker, and a worker's death fails all that it was given.
        """
        if not self._queue:
            return
        all_free = self._present()
        free = {kind: count - self._taken[kind] for kind, count in all_free.items()}
        free.update(dict.fromkeys(self._alone, 0))
        waiting: deque[tuple[Segment, Attempt]] = deque()
        for_gpus = 0
        while self._queue and any(count > 0 for count in free.values()):
            segment, attempt = self._queue.popleft()
            framework = segment.configuration.framework
            kind = place(framework, self._slots, free, self._speeds, for_gpus)
            # A segment that must run alone waits for those that run, and no later one overtakes it.
            waits_alone = attempt.alone and kind is not None and free[kind] != all_free.get(kind)
            if kind is not None and not waits_alone:
                self._run(segment, attempt, kind)
                free[kind] = 0 if attempt.alone else free[kind] - 1
                continue
            waiting.append((segment, attempt))
            for_gpus += GPU in self._slots.kinds(framework)
            if attempt.alone:
                free.update(dict.fromkeys(self._slots.kinds(framework), 0))
        self._queue.extendleft(reversed(waiting))

    def _present(self) -> dict[str, int]:
        """Slots of the workers that are connected, by kind; no more than may be used."""
        present = self.cluster.present().by_kind
        return {kind: min(count, present.get(kind, 0)) for kind, count in self._slots.by_kind.items()}

    def _run(self, segment: Segment, attempt: Attempt, kind: str) -> None:
        now = self.clock()
        run = Run(segment, attempt, now, kind, waited=now)
        self._add(run)
        amount = self.cluster.slots_a_worker(kind) if attempt.alone else 1
        where = {"resources": {kind: amount}, **self.cluster.where()}
        # pure=False and an own key: Dask would take a repeated configuration for the same work.
        run.future = self.cluster.client.submit(
            run_segment, segment, key=segment.key, pure=False, retries=0, **where
        )
        self._deliver_once_done(
            run.future, lambda settled: _ended(run, settled, self.clock() - run.submitted)
        )

    def _deliver_once_done(self, future: Any, news: Callable[[Settled], Ended | Noted]) -> None:
        """Deliver what a future came to, from the client's event loop.

        Dask's own callbacks run in one thread, which fetches one result after the other and, where the client
        closes meanwhile, waits for the rest of time and keeps the process from ending.
        """

        async def wait() -> None:
            self.deliver(news(await _settled(future)))

        self.cluster.client.loop.add_callback(wait)

    def _add(self, run: Run) -> None:
        self._runs[run.segment.trial] = run
        self._taken[run.kind] += 1
        if run.attempt.alone:
            self._alone.add(run.kind)

    def _remove(self, run: Run) -> None:
        del self._runs[run.segment.trial]
        self._taken[run.kind] -= 1
        if run.attempt.alone:
            self._alone.remove(run.kind)

    def _look_at_runs(self) -> Iterator[Reported]:
        """See which have begun, and which never will: they are run again.

        Of those that seem to hang, the scheduler is asked once more: its answer may be a second old.
        """
        pulse = self.cluster.pulse
        if pulse is not None and pulse.looked is not self._looked:
            self._looked = pulse.looked
            self._note_states(list(self._runs.values()), pulse.looked.tasks)
        overdue = [run for run in self._runs.values() if run.is_overdue(self.clock())]
        if overdue:
            self._note_states(overdue, self.cluster.tasks())
        for run in [run for run in self._runs.values() if run.is_stranded(self.clock())]:
            self._remove(run)
            yield from self._after(run, Failure("worker died", "its worker is gone, and no other took it"))

    def _note_states(self, runs: Iterable[Run], tasks: Mapping[str, Task]) -> None:
        present = self.cluster.present()
        for run in runs:
            if (task := tasks.get(run.segment.key)) is not None:
                run.note(task, self.clock(), present.of(run.segment.configuration.framework) > 0)

    def _is_lost(self) -> bool:
        if self.cluster.silent_seconds() > LOST_SECONDS:
            return True
        if self.cluster.client.status == "running":
            self._disconnected = None
            return False
        self._disconnected = self._disconnected or self.clock()
        return self.clock() - self._disconnected > LOST_SECONDS


def quarantined_keys(failures: Iterable[tuple[str, Failure | None]]) -> set[str]:
    """The configurations, by key, that an earlier launch found to kill their workers."""
    return {key for key, failure in failures if failure is not None and failure.cause == "worker died"}


def failures_by_key(records: Iterable[TrialRecord]) -> Iterator[tuple[str, Failure | None]]:
    """Of each trial that reported, the key of its configuration and its failure, if it failed."""
    for record in records:
        if record.configuration is not None and record.report is not None:
            yield record.configuration.key(), record.report.failure


async def _settled(future: Any) -> Settled:
    """What a future returned, or the exception that it raised instead."""
    try:
        return await future.result(), None
    except Exception as error:
        return None, error


def _ended(run: Run, settled: Settled, elapsed: float) -> Ended:
    """What a future came to, as a report; Dask's errors become failures."""
    segment = run.segment
    lost, died = "", ""
    answer, error = settled
    report = SegmentReport(trial=segment.trial, epoch=0)
    match error:
        case None:
            report = _answer(segment, answer)
        case KilledWorker():
            died = str(error.last_worker.address) if error.last_worker else ""
            failure = Failure("worker died", f"the worker {died or 'unknown'} died while it ran")
            report = _failed(segment, failure)
        case NoWorkerError() | NoValidWorkerError():  # the second where the task wants a resource
            lost = "the cluster lost all its workers, and none came back"
        case CancelledError():
            lost = "the cluster's scheduler went away"
        case _:
            message = f"the task did not come back: {type(error).__name__}: {error}"
            report = _failed(segment, Failure("bug", message[:MESSAGE_CHARACTERS]))
    return Ended(run, report.with_elapsed(elapsed), lost, died)


def _answer(segment: Segment, report: SegmentReport) -> SegmentReport:
    """The report, where it is this segment's; a failure where it is another's."""
    asked, answered = (segment.trial, segment.assignment), (report.trial, report.assignment)
    if answered == asked:
        return report
    message = f"its result is that of another task and was thrown away: asked for {asked}, found {answered}"
    return _failed(segment, Failure("bug", message[:MESSAGE_CHARACTERS]))


def _notes_of(settled: Settled) -> tuple[str, ...]:
    warmed, error = settled
    if isinstance(error, (CancelledError, KilledWorker, NoWorkerError)):
        return ()  # the trials' own failures will show it
    if error is not None:
        return (f"Spark could not be started: {error}",)
    notes: tuple[str, ...] = warmed.notes
    return notes


def _failed(segment: Segment, failure: Failure) -> SegmentReport:
    return SegmentReport(trial=segment.trial, epoch=0, failure=failure, assignment=segment.assignment)
