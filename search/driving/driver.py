"""Drives a search: passes events to the loop, and carries out its actions.

Of this process, only the driver's thread writes to storage; ARCHITECTURE.md says who else does.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from search.driving.dispatch import Dispatcher, Ended, Noted, failures_by_key, quarantined_keys
from search.driving.interrupts import TICK_SECONDS, Events, interrupts_to, next_event
from search.driving.logs import DRIVING, log_decision, log_event
from search.driving.opened import OpenedStudy
from search.driving.status import StoredStatus
from search.loop.events import (
    Action,
    Ask,
    Asked,
    Event,
    Finish,
    Interrupted,
    OthersFinished,
    Record,
    Recorded,
    Reported,
    Resized,
    Submit,
    Tell,
    Told,
    Withdrawn,
)
from search.loop.halving import ladder_of
from search.loop.loop import AtRungs, Loop
from search.loop.ordering import InOrder
from search.loop.slots import Slots
from search.loop.stopping import INTERRUPTED, STOPPED_AT_ONCE, Limits
from studies.errors import CheckpointError, ClusterLostError
from studies.frameworks import any_in_spark, framework_of
from studies.records.trials import NoTrial
from studies.samplers.pruners import asks_optuna
from studies.sections.study import Pruner, Study
from workers import process
from workers.checkpoints.checkpoints import checkpoints_of
from workers.checkpoints.outcomes import predictions_of
from workers.spark.settings import SparkSettings
from workers.task import Segment

SHARED = "other drivers use this scheduler too: slots are shared equally among those that want them"

MOST_PREDICTIONS = 100_000
"""Numbers up to which a trial's probabilities of the validation rows are kept for a person, 800 kB."""


@dataclass
class Search:
    """One launch: what the loop's actions are done with."""

    opened: OpenedStudy

    def __post_init__(self) -> None:
        self.file, self.prepared = self.opened.file, self.opened.prepared
        self.store, self.display = self.opened.store, self.opened.display
        self.cluster = self.opened.cluster()
        study = self.file.study
        self.events: Events = queue.SimpleQueue()
        ended = self.store.trials.ended()
        self.loop = Loop(
            limits=limits_of(study),
            # In logical order a search has the file's width, whatever the cluster has.
            slots=Slots(study.width) if study.reproducible else self.cluster.slots,
            started=time.monotonic(),
            ladder=ladder_of(study.pruner),
            at_rungs=at_rungs(study.pruner),
            ordered=study.reproducible,
            searched=self.store.launch.begin(),
        )
        self.order = InOrder() if study.reproducible else None
        self.dispatcher = Dispatcher(
            self.cluster, study.retry, self.events.put, quarantined_keys(failures_by_key(ended))
        )
        self.checkpoints = checkpoints_of(self.file, self.store.folder)
        self.spark = SparkSettings.of(study.spark, self.file.directory)
        self.predictions = _place_for_predictions(self.opened)
        self.status = StoredStatus(self.store, self.cluster)
        self.looked = 0.0
        self.finished = self.leads = False
        self.noted_that_it_waits = False
        unfinished = self.store.trials.unfinished()
        DRIVING.info(
            "launch of %s: %d trials ended before, %d are unfinished; %s",
            study.name,
            len(ended),
            len(unfinished),
            self.cluster.describe(),
        )
        self.actions = deque(self.loop.start(ended, unfinished, time.monotonic()))
        self.remove_leftovers()

    def run(self) -> bool:
        """Run from the first event to the last; whether this driver has to train the finalists.

        It has where the search ended by itself, has something to retrain, and no other driver still runs it.
        """
        process.go_on()
        with interrupts_to(self.events):
            if any_in_spark(self.file.space.frameworks) and not isinstance(self.actions[0], Finish):
                self._warm_spark()
            self._work()
            while not self.finished:
                self.display.update(self.loop, time.monotonic())
                self._hear(next_event(self.events))
        complete = any(record.value is not None for record in self.loop.finished)
        return self.leads and complete and self.loop.stopping not in (INTERRUPTED, STOPPED_AT_ONCE)

    def remove_leftovers(self) -> None:
        """Remove the checkpoints of trials that were finished.

        A driver that is killed before it removes one leaves it behind. So does a worker: where one dies as
        its result is fetched, Dask runs that task again, though no driver waits for it.

        Raises:
            CheckpointError: where the place refuses.
        """
        for trial in self.checkpoints.trials() & {record.number for record in self.loop.finished}:
            self.checkpoints.remove(trial)

    def _warm_spark(self) -> None:
        study = self.file.study
        self.dispatcher.warm_spark(
            study.name,
            self.store.token,
            str(self.prepared.directory),
            tuple(study.model.hidden),
            self.spark,
        )

    def _hear(self, event: Event | Ended | Noted) -> None:
        """Pass on what happened to the loop."""
        if isinstance(event, Noted):
            for note in event.notes:
                self.opened.note_once(note)
        elif isinstance(event, Ended):
            outcome = self.dispatcher.ended(event)
            if outcome is not None:
                self._pass_on(outcome)
        else:
            self._pass_on(event)
        self._watch(time.monotonic())

    def _watch(self, now: float) -> None:
        """Check whether something hangs, and write the status; a few times a second."""
        if now < self.looked + TICK_SECONDS:
            return
        self.looked = now
        for news in self.cluster.news():
            self.display.note(news)
        if self.cluster.pulse is not None:
            self.display.cluster(self.cluster.describe())
            if self.cluster.pulse.others:
                self.opened.note_once(SHARED)
        finished = self.store.trials.news()
        if finished is not None:
            self._pass_on(OthersFinished(tuple(finished)))
        for event in self.dispatcher.watch():
            # In logical order the loop keeps the file's width; segments beyond the slots wait for one.
            if not (isinstance(event, Resized) and self.order is not None):
                self._pass_on(event)
        asked = self.status.keep(self.loop, now)
        if asked >= 1 and self.loop.stopping != INTERRUPTED:
            self._pass_on(Interrupted())
        if asked >= 2 and not self.finished:
            self._pass_on(Interrupted())

    def _pass_on(self, event: Event) -> None:
        """Give an event to the loop, in its turn, and carry out its actions before the next."""
        due: Sequence[Event] = [event]
        if isinstance(event, Interrupted):
            held = self.order.let_go() if self.order is not None else []
            due = [event, Withdrawn(self.dispatcher.withdraw()), *(Reported(report) for report in held)]
        elif isinstance(event, Reported) and self.order is not None and self.loop.stopping != INTERRUPTED:
            due = [Reported(report) for report in self.order.arrived(event.report)]
        for event in due:
            self._handle(event)
            self._work()

    def _handle(self, event: Event) -> None:
        log_event(event)
        self.actions.extend(self.loop.handle(event, time.monotonic()))

    def _work(self) -> None:
        while self.actions:
            self._do(self.actions.popleft())

    def _do(self, action: Action) -> None:
        log_decision(action)
        # Answered here and not through the queue, where an interrupt could be ahead of it: the loop would
        # stop without knowing what is in storage.
        match action:
            case Ask(place):
                asked = self.store.trials.ask(place)
                if isinstance(asked, NoTrial) and asked.waits_for_others:
                    self._note_that_it_waits()
                self._handle(Asked(asked))
            case Submit():
                self._submit(action)
            case Record(report):
                self._handle(Recorded(report.trial, *self.store.trials.record(report)))
            case Tell(report, pruned):
                record = self.store.trials.tell(report, pruned=pruned)
                self.checkpoints.remove(report.trial)
                self.display.trial_finished(record)
                self._handle(Told(record))
            case Finish():
                self._finish(action)

    def _note_that_it_waits(self) -> None:
        """Once, when nothing runs here any more, and only other drivers have trials to end."""
        if self.noted_that_it_waits or self.loop.running:
            return
        self.noted_that_it_waits = True
        self.display.note(
            "no new trials to start: other drivers are running the last ones; this one waits in case they "
            "need help; Ctrl-C ends it and loses nothing"
        )

    def _submit(self, action: Submit) -> None:
        if action.new:
            self.store.trials.begin_segment(action.trial.number, action.rung, action.place)
        if self.order is not None:
            self.order.submitted(action.trial.number)
        refused = self.dispatcher.submit(self._segment(action))
        if refused is not None:
            self.events.put(Reported(refused))

    def _segment(self, action: Submit) -> Segment:
        study, trial = self.file.study, action.trial
        return Segment(
            study=study.name,
            token=self.store.token,
            trial=trial.number,
            configuration=trial.configuration,
            seed=trial.seed,
            rungs=self.loop.rungs(trial.number, trial.configuration.epochs),
            until=action.rung,
            hidden=tuple(study.model.hidden),
            metric=study.objective.metric,
            split=str(self.prepared.directory),
            checkpoints=self.checkpoints.url,
            checkpoints_limit=self.checkpoints.limit,
            patience=study.model.patience,
            trial_timeout=_seconds_left(study.trial_timeout, action.trained),
            spark=self.spark,
            predictions=self.predictions,
            plugin=framework_of(trial.configuration.framework).origin,
        )

    def _finish(self, action: Finish) -> None:
        self.finished = True
        self.status.keep(self.loop, time.monotonic(), ended=action.reason)
        self.leads = self.store.launch.end(action.reason)
        if action.abandoned:
            process.stop_all()
            names = ", ".join(str(number) for number in action.abandoned)
            self.display.note(f"trials {names} resume with the next launch")
        if self.loop.refused:
            raise CheckpointError(
                self.loop.refused,
                remedy="make room, make the place writable, or change checkpoints.url; then launch again: "
                "nothing is lost",
            )
        if self.loop.lost:
            raise ClusterLostError(
                f"{action.reason}; finished trials are saved: launch the study again to resume"
            )


def _place_for_predictions(opened: OpenedStudy) -> str | None:
    """Where trials write their probabilities of the validation rows; nowhere, where these are many."""
    split = opened.prepared.split
    small = len(split.validation) * len(split.classes) <= MOST_PREDICTIONS
    return predictions_of(opened.file, opened.store.folder).url if small else None


def _seconds_left(limit: float | None, trained: float) -> float | None:
    """Seconds that a trial may still train for; at least a moment, after which it fails in its trainer."""
    return None if limit is None else max(limit - trained, 0.001)


def limits_of(study: Study) -> Limits:
    """When a study's search stops asking."""
    return Limits(
        trials=study.trial_limit,
        timeout=study.timeout,
        target=study.target,
        patience=study.patience,
        give_up=study.retry.give_up,
    )


def at_rungs(pruner: Pruner) -> AtRungs:
    """What trials do at a rung."""
    if pruner.kind == "asha":
        return "wait"
    return "asked" if asks_optuna(pruner) else "pass"
