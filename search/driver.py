"""Runs a search: opens everything, hands events to the loop, and does what the loop says.

The driver's thread is the only one that writes storage.
"""

from __future__ import annotations

import queue
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from search.cluster import start_cluster
from search.dispatch import Dispatcher
from search.display import Display, make_display
from search.loop import Ask, Asked, Event, Finish, Interrupted, Limits, Loop, Submit, Tell, Tick, Told
from search.preflight import package_versions, preflight, prepare_data
from search.results import StudyReport, report
from studies.configuration import Configuration
from studies.data import Prepared
from studies.facts import facts_of
from studies.store import AskedTrial, StudyStore, open_store
from studies.study_file import StudyFile, read_study_file
from workers import process
from workers.checkpoints import Checkpoints
from workers.spark_settings import SparkSettings
from workers.task import Segment

TICK_SECONDS = 0.25
"""How long the driver waits for an event before it looks at the clock."""


def launch(path: str | Path, *, fresh: bool = False, display: Display | None = None) -> StudyReport:
    """Run a study to its end, or go on with one that was stopped.

    Args:
        path: the study file.
        fresh: remove what the storage holds of this study first.
        display: what shows the progress; by default a live view on a terminal, and lines elsewhere.

    Returns:
        The study's report, as :func:`search.report` gives it.

    Raises:
        UserError: before any trial, where the study file, its data, its storage or this machine can't be
            used.
    """
    file = read_study_file(path)
    preflight(file)
    display = display or make_display()
    with ExitStack() as stack:
        display.start(file.study.name)
        stack.callback(display.stop)
        prepared = _prepare(file, display)
        facts = facts_of(prepared.split)
        store = stack.enter_context(
            open_store(file, prepared.split.content_hash, facts, package_versions(), fresh=fresh)
        )
        cluster = stack.enter_context(start_cluster(file.study.cluster))
        if fresh:
            _checkpoints(file).clear()
        _Search(file, prepared, store, display).run(cluster.client, cluster.slots)
    return report(path)


@dataclass
class _Search:
    """One launch: what the loop's actions are done with."""

    file: StudyFile
    prepared: Prepared
    store: StudyStore
    display: Display

    def run(self, client: Any, slots: int) -> None:
        """From the first event to the last."""
        study = self.file.study
        limits = Limits(slots, study.trial_limit, study.timeout, study.target)
        loop = Loop(limits, started=time.monotonic())
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        dispatcher = Dispatcher(client, events.put)
        process.go_on()
        self.store.begin()
        with _interrupts_to(events):
            ended = [record for record in self.store.records() if record.state != "running"]
            actions = deque(loop.start(ended, self.store.unfinished(), time.monotonic()))
            while True:
                while actions:
                    action = actions.popleft()
                    if isinstance(action, Finish):
                        self._finish(action)
                        return
                    # Answered here and not through the queue, where an interrupt could be ahead of it: what
                    # is in storage would be unknown to the loop when it stops.
                    answer = self._do(action, dispatcher)
                    if answer is not None:
                        actions.extend(loop.handle(answer, time.monotonic()))
                self.display.update(loop, time.monotonic())
                actions.extend(loop.handle(_next_event(events), time.monotonic()))

    def _do(self, action: Ask | Submit | Tell, dispatcher: Dispatcher) -> Asked | Told | None:
        if isinstance(action, Ask):
            return Asked(self.store.ask())
        if isinstance(action, Submit):
            dispatcher.submit(self._segment(action.trial))
            return None
        record = self.store.tell(action.report)
        dispatcher.release(action.report.trial)
        _checkpoints(self.file).remove(action.report.trial)
        self.display.trial_told(record)
        return Told(record)

    def _segment(self, trial: AskedTrial) -> Segment:
        study = self.file.study
        return Segment(
            study=study.name,
            trial=trial.number,
            configuration=trial.configuration,
            seed=trial.seed,
            rungs=rungs_of(trial.configuration),
            hidden=tuple(study.model.hidden),
            metric=study.objective.metric,
            split=str(self.prepared.directory),
            checkpoints=str(_checkpoints(self.file).directory),
            patience=study.model.patience,
            trial_timeout=study.trial_timeout,
            spark=SparkSettings.of(study.spark, self.file.directory),
        )

    def _finish(self, action: Finish) -> None:
        self.store.end(action.reason)
        if action.abandoned:
            process.stop_all()
            names = ", ".join(str(number) for number in action.abandoned)
            self.display.note(f"trials {names} will be run again by the next launch")


def rungs_of(configuration: Configuration) -> tuple[int, ...]:
    """The epochs at which a trial's validation rows are scored: 1, 3, 9, 27, 81 … and its last."""
    rungs = []
    rung = 1
    while rung < configuration.epochs:
        rungs.append(rung)
        rung *= 3
    return (*rungs, configuration.epochs)


def _prepare(file: StudyFile, display: Display) -> Prepared:
    display.note("reading the data")
    prepared = prepare_data(file)
    where = "from the cache" if prepared.cached else "made and cached"
    split = prepared.split
    display.note(f"{len(split.train)} training rows × {split.features} features, {where}")
    return prepared


def _checkpoints(file: StudyFile) -> Checkpoints:
    return Checkpoints(file.work_directory / "checkpoints" / file.study.name)


def _next_event(events: queue.SimpleQueue[Event]) -> Event:
    try:
        return events.get(timeout=TICK_SECONDS)
    except queue.Empty:
        return Tick()


@contextmanager
def _interrupts_to(events: queue.SimpleQueue[Event]) -> Iterator[None]:
    """Ctrl-C and SIGTERM become events, so that nothing is cut in the middle of a write."""

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        events.put(Interrupted())

    previous: Mapping[int, Any] = {}
    with suppress(ValueError):  # not the main thread: somebody else owns the signals
        previous = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
