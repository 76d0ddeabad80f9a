"""The search loop's bookkeeping: events in, actions out.

Nothing here knows Dask, storage, a clock or a model. :class:`Loop` receives what happened and when, and
answers what to do next; :mod:`search.driving.driver` does it. A trial is in exactly one phase at a time::

    Ask → READY → RUNNING → RECORDING → PAUSED → RUNNING … → TELLING → finished
                     └── failed, or at its last epoch ──────────┘

A free slot is given first to a trial that is ready, then to one that waits at a rung and may resume, and only
then to a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from search.loop.active_trials import ActiveTrials, LoopTrial, Phase
from search.loop.events import (
    Action,
    Ask,
    Asked,
    Event,
    Finish,
    Interrupted,
    Lost,
    OthersFinished,
    Record,
    Recorded,
    Reported,
    Resized,
    Submit,
    Tell,
    Tick,
    Told,
    Withdrawn,
)
from search.loop.halving import Halving, Ladder
from search.loop.slots import Slots
from search.loop.stopping import (
    INTERRUPTED,
    NO_CHECKPOINTS,
    STOPPED_AT_ONCE,
    Limits,
    Progress,
    gives_up,
    reason_to_stop,
)
from studies.records.reports import SegmentReport
from studies.records.trials import AskedTrial, NoTrial, TrialRecord, UnfinishedTrial

READY_A_SLOT = 2
"""Trials a slot that may wait for one of their kind. A Spark trial that was sampled while Spark's slots are
busy must not keep another trial from a free slot; but not all sampled trials may pile up so."""

AtRungs = Literal["pass", "wait", "asked"]


@dataclass
class Loop:
    """Decides what a search does next.

    Attributes:
        limits: when it stops asking.
        slots: segments at once.
        started: the clock's reading when it began, in seconds.
        ladder: the rungs.
        ordered: whether results come in the order in which their segments were decided on.
        at_rungs: what happens at one: trials ``pass`` all of them in one segment, ``wait`` there to be
            promoted, or are ``asked`` about, of Optuna's pruner.
        searched: seconds of earlier launches.
        finished: trials whose end is in storage, from earlier launches too, in the order of their ends.
        progress: of these.
        stopping: why nothing more is asked for; empty while the search continues.
        halted: whether trials that wait or would be run again are left to the next launch.
        refused: the error of the checkpoints' place, where the search stopped for that.
        lost: whether it ended because the cluster can't be used any more.
    """

    limits: Limits
    slots: Slots
    started: float
    ladder: Ladder = field(default_factory=Ladder)
    at_rungs: AtRungs = "pass"
    ordered: bool = False
    searched: float = 0.0
    finished: list[TrialRecord] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    stopping: str = ""
    halted: bool = False
    refused: str = ""
    lost: bool = False
    _active: ActiveTrials = field(default_factory=ActiveTrials)
    _exhausted: str = ""
    _asking: bool = False
    _waits_for_others: bool = False
    _next_place: int = 0
    _kept: set[int] = field(default_factory=set)
    _finished: bool = False
    _halving: Halving = field(init=False)

    def __post_init__(self) -> None:
        self._halving = Halving(self.ladder, self.limits.trials)

    @property
    def best(self) -> TrialRecord | None:
        """The best complete trial so far."""
        return self.progress.best

    @property
    def running(self) -> list[LoopTrial]:
        """Trials with a segment on the cluster."""
        return self._active.of(Phase.RUNNING)

    @property
    def paused(self) -> list[LoopTrial]:
        """Trials that wait at a rung."""
        return self._active.of(Phase.PAUSED)

    def seconds(self, now: float) -> float:
        """How long the study has been searched for, over every launch."""
        return self.searched + now - self.started

    def start(
        self, finished: Sequence[TrialRecord], unfinished: Sequence[UnfinishedTrial], now: float
    ) -> list[Action]:
        """Resume where earlier launches ended.

        Args:
            finished: trials that ended, in the order in which they did.
            unfinished: trials that did not, in the order in which their segments were decided on.
            now: the clock's reading.
        """
        for record in finished:
            self._keep(record)
            if record.configuration is not None:
                self._reached(record.number, record.configuration.epochs, record.rung_scores)
        if gives_up(self.limits, self.progress):
            # Launched all the same: the cause is assumed to be fixed.
            self.progress = replace(self.progress, forgiven=self.progress.finished)
        self._next_place = max((trial.place + 1 for trial in unfinished), default=0)
        resumed = [action for trial in unfinished for action in self._resume(trial)]
        # What is next depends on what storage answers to these, where there are any.
        return [*resumed, *self._prune_hopeless()] or self._next(now)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do after an event."""
        match event:
            case Reported(report):
                # What is next depends on what storage answers to this.
                return self._reported(report, now)
            case Recorded():
                return [*self._recorded(event), *self._next(now)]
            case Interrupted():
                return self._interrupted(now)
            case Lost(reason):
                self.lost = True
                return self._abandon(reason)
            case Asked(trial):
                self._asking = False
                # What is next depends on what storage answers to these, where there are any.
                return self._asked(trial) or self._next(now)
            case Told(record):
                self._active.remove(record.number)
                self._keep(record)
            case OthersFinished(finished):
                self._waits_for_others = False
                for record in finished:
                    self._keep(record)
            case Withdrawn(numbers):
                for number in numbers:
                    self._active.move(self._active[number], Phase.READY)
            case Resized(slots):
                self.slots = slots
            case Tick():
                pass
        return self._next(now)

    def rungs(self, number: int, epochs: int) -> tuple[int, ...]:
        """The epochs after which a trial's score is looked at; the last is its end."""
        return self.ladder.rungs(epochs, self.ladder.bracket(number))

    # Events

    def _asked(self, asked: AskedTrial | UnfinishedTrial | NoTrial) -> list[Action]:
        match asked:
            case UnfinishedTrial():
                return self._resume(asked)
            case AskedTrial():
                rung = self._rung_after(asked, 0)
                self._active.add(LoopTrial(asked, Phase.READY, rung, place=self._new_place()))
            case NoTrial(waits_for_others=True):
                self._waits_for_others = True
            case NoTrial():
                self._exhausted = "every configuration of the grid was tried"
        return []

    def _reported(self, report: SegmentReport, now: float) -> list[Action]:
        trial = self._active.running(report.trial)
        if trial is None:
            return []
        failure = report.failure
        if failure is not None and failure.cause == "disk":
            # No fault of the trial's, and the next would meet it too.
            self._halt(NO_CHECKPOINTS)
            self.refused = failure.message
            self._active.move(trial, Phase.READY)
            return self._next(now)
        if self.ordered and self.halted:
            # What is sampled after one result must not depend on the next: the next launch resumes the trial
            # from its checkpoint.
            self._active.move(trial, Phase.READY)
            return self._next(now)
        trial.report = report.following(trial.report)
        return [self._store(trial, trial.report)]

    def _store(self, trial: LoopTrial, report: SegmentReport) -> Record | Tell:
        if report.finished or report.failure is not None:
            self._active.move(trial, Phase.TELLING)
            return Tell(report)
        self._active.move(trial, Phase.RECORDING)
        return Record(report)

    def _recorded(self, event: Recorded) -> list[Action]:
        trial = self._active[event.trial]
        epoch = trial.report.epoch if trial.report else 0
        self.progress = self.progress.with_score()
        if event.stop:
            return [self._prune(trial)]
        if self.at_rungs != "wait":
            trial.rung = self._rung_after(trial.asked, epoch)
            self._active.move(trial, Phase.READY)
            return []
        trial.rung, trial.score = epoch, event.score
        self._active.move(trial, Phase.PAUSED)
        self._halving.reached(trial.number, epoch, event.score, waits=True)
        return self._prune_hopeless()

    def _interrupted(self, now: float) -> list[Action]:
        if self.stopping == INTERRUPTED:
            return self._abandon(STOPPED_AT_ONCE)
        self._halt(INTERRUPTED)
        return self._next(now)

    def _halt(self, reason: str) -> None:
        """Begin nothing more; what runs trains to its rung, and the next launch resumes there."""
        self.halted = True
        if self.stopping != INTERRUPTED:
            self.stopping = reason

    def _abandon(self, reason: str) -> list[Action]:
        if self._finished:
            return []
        self._finished = True
        return [Finish(reason, self._active.numbers)]

    # Decisions

    def _next(self, now: float) -> list[Action]:
        """Fill the free slots, or finish."""
        if self._finished:
            return []
        if not self.stopping:
            seconds = self.seconds(now)
            self.stopping = reason_to_stop(self.limits, self.progress, seconds)
        actions: list[Action] = [*self._submissions(now)]
        if self._may_ask():
            # One at a time: the next sample depends on those before it.
            self._asking = True
            actions.append(Ask(self._next_place))
        elif self._is_idle():
            actions += self._ending(now)
        return actions

    def _submissions(self, now: float) -> Iterator[Submit]:
        """Segments for the free slots: of trials that are ready, then of those that may be promoted."""
        if self.halted:
            return
        free = self._free()
        for trial in self._active.of(Phase.READY):
            if free[self._kind(trial, free)] > 0:
                yield self._submit(trial, trial.rung, free, now)
        if self.stopping or not _any(free):
            return
        for number in list(self._halving.promotable()):
            trial = self._active[number]
            if free[self._kind(trial, free)] > 0:
                self._halving.resumed_or_ended(number)
                yield self._submit(trial, self._rung_after(trial.asked, trial.rung), free, now)

    def _submit(self, trial: LoopTrial, rung: int, free: dict[str, int], now: float) -> Submit:
        free[self._kind(trial, free)] -= 1
        new = trial.place is None
        place = self._new_place() if trial.place is None else trial.place
        trial.rung, trial.since, trial.place = rung, now, None
        self._active.move(trial, Phase.RUNNING)
        trained = trial.report.ledger.train if trial.report else 0.0
        return Submit(trial.asked, rung, place, new, trained)

    def _may_ask(self) -> bool:
        if self._asking or self._waits_for_others or self.stopping or self._exhausted:
            return False
        if not _any(self._free()):
            return False
        if self._active.count(Phase.READY) >= READY_A_SLOT * self.slots.total:
            return False
        limit = self.limits.trials
        return limit is None or len(self.finished) + len(self._active) < limit

    def _is_idle(self) -> bool:
        """Whether nothing is on its way, and nothing more will be begun."""
        under_way = self._active.phases - {Phase.PAUSED}
        if self.halted:
            under_way -= {Phase.READY}
        return not (self._asking or under_way)

    def _ending(self, now: float) -> list[Action]:
        if self.halted:
            return self._abandon(self.stopping)
        if self._active.count(Phase.PAUSED):
            if self.progress.best is None and not self.stopping:
                return [self._promote_best(now)]
            return [self._prune(trial) for trial in self.paused]
        reason = self.stopping or self._exhausted
        return self._abandon(reason) if reason else []

    def _promote_best(self, now: float) -> Submit:
        """With few trials none ranks high enough to be promoted to its end; then the best one is."""
        best = max(self.paused, key=lambda trial: (trial.rung, trial.score or 0.0, -trial.number))
        self._halving.resumed_or_ended(best.number)
        return self._submit(best, self._rung_after(best.asked, best.rung), self._free(), now)

    def _prune(self, trial: LoopTrial) -> Tell:
        if trial.report is None:
            raise RuntimeError(f"trial {trial.number} is to be pruned without a report")
        self._halving.resumed_or_ended(trial.number)
        self._active.move(trial, Phase.TELLING)
        return Tell(trial.report, pruned=True)

    def _prune_hopeless(self) -> list[Action]:
        """Prune the trials that can no longer be promoted, so that their checkpoints can go."""
        return [self._prune(self._active[number]) for number in self._halving.take_hopeless()]

    # State

    def _resume(self, stored: UnfinishedTrial) -> list[Action]:
        """A trial of an earlier launch: its report is recorded, it waits, or its segment is run again."""
        report, asked = stored.report, stored.asked
        epoch = report.epoch if report else 0
        stored_alone = report is not None and stored.rung is None
        rung = stored.rung or self._rung_after(asked, epoch)
        place = None if stored_alone else stored.place
        score = stored.rung_scores.get(epoch)
        trial = LoopTrial(asked, Phase.READY, rung, report=report, place=place, score=score)
        self._active.add(trial)
        waits = stored_alone and self.at_rungs == "wait" and not (report and report.finished)
        # A score that was stored just before its report was is counted when it is reported once more.
        scores = {at: score for at, score in stored.rung_scores.items() if at <= epoch}
        self._reached(asked.number, asked.configuration.epochs, scores, epoch if waits else None)
        if waits:
            trial.rung = epoch
            self._active.move(trial, Phase.PAUSED)
        elif report is not None and stored_alone:
            return [self._store(trial, report)]
        return []

    def _reached(
        self, number: int, epochs: int, scores: Mapping[int, float], waits_at: int | None = None
    ) -> None:
        """The rungs that a trial of an earlier launch has passed, and the one that it waits at."""
        if self.at_rungs != "wait":
            return
        for rung in self.rungs(number, epochs)[:-1]:
            if rung in scores:
                self._halving.reached(number, rung, scores[rung], waits=rung == waits_at)

    def _rung_after(self, asked: AskedTrial, epoch: int) -> int:
        """Where a trial's segment ends that begins after ``epoch`` epochs."""
        epochs = asked.configuration.epochs
        if self.at_rungs == "pass":
            return epochs
        return next((rung for rung in self.rungs(asked.number, epochs) if rung > epoch), epochs)

    def _new_place(self) -> int:
        self._next_place += 1
        return self._next_place - 1

    def _keep(self, record: TrialRecord) -> None:
        if record.number in self._kept:  # a trial that another driver finished may be reported twice
            return
        self._kept.add(record.number)
        self.finished.append(record)
        self.progress = self.progress.after(record)

    def _kind(self, trial: LoopTrial, free: Mapping[str, int]) -> str:
        return self.slots.takes(trial.asked.configuration.framework, free)

    def _free(self) -> dict[str, int]:
        return self._active.free(self.slots)


def _any(free: Mapping[str, int]) -> bool:
    return any(count > 0 for count in free.values())
