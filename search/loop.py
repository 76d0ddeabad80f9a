"""The search loop's bookkeeping: events in, actions out.

Nothing here knows Dask, storage, a clock or a model. :class:`Loop` is told what happened and when, and says
what to do next; :mod:`search.driver` does it. A trial is in exactly one place at a time::

    Ask → Asked → Submit → Reported → Tell
"""

from __future__ import annotations

from dataclasses import dataclass, field

from studies.records import SegmentReport
from studies.store import AskedTrial
from studies.trial_record import TrialRecord

INTERRUPTED = "interrupted"
"""Why a search ended that was asked to stop, and finished what ran."""

STOPPED_AT_ONCE = "interrupted twice"
"""Why a search ended that was asked to stop at once; what ran is run again by the next launch."""


@dataclass(frozen=True)
class Limits:
    """When a search ends, and how many trials it runs at once.

    Attributes:
        slots: trials in flight at most.
        trials: trials told in all, over every launch; ``None`` for no limit.
        timeout: seconds after the start at which asking stops.
        target: score at which asking stops.
    """

    slots: int
    trials: int | None = None
    timeout: float | None = None
    target: float | None = None


@dataclass(frozen=True)
class Asked:
    """A trial was drawn and stored; ``None`` where there is nothing left to draw.

    ``wait`` says that other drivers run what is left, and may leave it behind.
    """

    trial: AskedTrial | None
    wait: bool = False


@dataclass(frozen=True)
class Reported:
    """A submitted trial ended, well or not."""

    report: SegmentReport


@dataclass(frozen=True)
class Told:
    """A trial's end is in storage."""

    record: TrialRecord


@dataclass(frozen=True)
class Heard:
    """What other drivers of the study told since the last time; from now on, asking may help again."""

    told: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class Interrupted:
    """Somebody pressed Ctrl-C, or sent SIGTERM."""


@dataclass(frozen=True)
class Tick:
    """Time went by."""


Event = Asked | Reported | Told | Heard | Interrupted | Tick


@dataclass(frozen=True)
class Ask:
    """Draw a trial, store it, and answer with :class:`Asked`."""


@dataclass(frozen=True)
class Submit:
    """Run a trial on the cluster; :class:`Reported` follows."""

    trial: AskedTrial


@dataclass(frozen=True)
class Tell:
    """Store a trial's end, and answer with :class:`Told`."""

    report: SegmentReport


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do. ``abandoned`` are trials that still run and stay in storage as running."""

    reason: str
    abandoned: tuple[int, ...] = ()


Action = Ask | Submit | Tell | Finish


@dataclass(frozen=True)
class Running:
    """A trial in flight, since a reading of the driver's clock in seconds."""

    trial: AskedTrial
    since: float


@dataclass
class Loop:
    """Decides what a search does next.

    Attributes:
        limits: when it ends.
        started: the clock's reading when it began, in seconds.
        running: trials in flight by number.
        told: trials whose end is in storage, from earlier launches too.
        best: the best complete trial so far.
        stopping: why nothing more is asked for; empty while the search goes on.
    """

    limits: Limits
    started: float
    running: dict[int, Running] = field(default_factory=dict)
    told: list[TrialRecord] = field(default_factory=list)
    best: TrialRecord | None = None
    stopping: str = ""
    _asking: int = 0
    _telling: int = 0
    _waiting: bool = False
    _recovered: list[AskedTrial] = field(default_factory=list)
    _kept: set[int] = field(default_factory=set)
    _finished: bool = False

    def start(self, told: list[TrialRecord], unfinished: list[AskedTrial], now: float) -> list[Action]:
        """Begin with what earlier launches left: trials that ended, and trials to be run again."""
        for record in told:
            self._keep(record)
        self._recovered = list(unfinished)
        return self._next(now)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do after an event."""
        if isinstance(event, Asked):
            return self._asked(event, now)
        if isinstance(event, Reported):
            return self._reported(event, now)
        if isinstance(event, Told):
            self._telling -= 1
            self._keep(event.record)
        if isinstance(event, Heard):
            self._waiting = False
            for record in event.told:
                self._keep(record)
        if isinstance(event, Interrupted):
            return self._interrupted(now)
        return self._next(now)

    def _asked(self, event: Asked, now: float) -> list[Action]:
        self._asking -= 1
        if event.trial is None and event.wait:
            self._waiting = True
            return self._next(now)
        if event.trial is None:
            self.stopping = self.stopping or "every configuration of the grid was tried"
            return self._next(now)
        return [self._submit(event.trial, now), *self._next(now)]

    def _reported(self, event: Reported, now: float) -> list[Action]:
        if self.running.pop(event.report.trial, None) is None:
            return []
        self._telling += 1
        return [Tell(event.report), *self._next(now)]

    def _interrupted(self, now: float) -> list[Action]:
        if self.stopping == INTERRUPTED:
            self._finished = True
            return [Finish(STOPPED_AT_ONCE, tuple(sorted(self.running)))]
        self.stopping = INTERRUPTED
        return self._next(now)

    def _next(self, now: float) -> list[Action]:
        """Fill the free slots, or finish."""
        if self._finished:
            return []
        self._decide_to_stop(now)
        actions: list[Action] = []
        while self._free() and self._recovered:
            # Trials that are in storage already are run even when no new one may be asked for.
            if self.stopping == INTERRUPTED:
                break
            actions.append(self._submit(self._recovered.pop(0), now))
        while not (self.stopping or self._waiting) and self._free() and self._wanted():
            self._asking += 1
            actions.append(Ask())
        if self.stopping and not (self.running or self._asking or self._telling):
            self._finished = True
            left = tuple(trial.number for trial in self._recovered)
            actions.append(Finish(self.stopping, left))
        return actions

    def _decide_to_stop(self, now: float) -> None:
        if self.stopping:
            return
        limits = self.limits
        if limits.trials is not None and len(self.told) >= limits.trials:
            self.stopping = f"{limits.trials} trials are done"
        elif limits.timeout is not None and now - self.started >= limits.timeout:
            self.stopping = f"{limits.timeout:g} s are over"
        elif limits.target is not None and self.best is not None and (self.best.value or 0) >= limits.target:
            self.stopping = f"the target {limits.target:g} is reached"

    def _submit(self, trial: AskedTrial, now: float) -> Submit:
        self.running[trial.number] = Running(trial, now)
        return Submit(trial)

    def _keep(self, record: TrialRecord) -> None:
        if record.number in self._kept:  # a trial that another driver told may be heard of twice
            return
        self._kept.add(record.number)
        self.told.append(record)
        if record.value is not None and (
            self.best is None or self.best.value is None or record.value > self.best.value
        ):
            self.best = record

    def _free(self) -> bool:
        return len(self.running) + self._asking < self.limits.slots

    def _wanted(self) -> bool:
        limit = self.limits.trials
        under_way = len(self.running) + self._asking + self._telling
        return limit is None or len(self.told) + under_way < limit
