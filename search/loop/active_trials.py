"""The trials of a search that have not ended: where each is, and how many of each framework run. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from search.loop.slots import Slots
from studies.records.reports import SegmentReport
from studies.records.trials import AskedTrial


class Phase(Enum):
    """Where a trial is that has not ended."""

    READY = "ready"
    RUNNING = "running"
    RECORDING = "recording"
    PAUSED = "paused"
    TELLING = "telling"


@dataclass(slots=True)
class LoopTrial:
    """A trial that has not ended.

    Attributes:
        asked: what is trained.
        phase: where it is.
        rung: epochs after which its segment ends that is next, or runs; those that it has, while it is
            paused.
        since: reading of the driver's clock, in seconds, when its segment was submitted.
        report: of its last segment.
        place: of its next segment among all of the study, where storage knows of that segment already.
        score: on the validation rows, at the last rung that it reached.
    """

    asked: AskedTrial
    phase: Phase
    rung: int
    since: float = 0.0
    report: SegmentReport | None = None
    place: int | None = None
    score: float | None = None

    @property
    def number(self) -> int:
        """The trial's."""
        return self.asked.number


@dataclass
class ActiveTrials:
    """Trials by number and by phase; each is in one phase at a time."""

    _trials: dict[int, LoopTrial] = field(default_factory=dict)
    _phases: dict[Phase, dict[int, LoopTrial]] = field(default_factory=lambda: {phase: {} for phase in Phase})
    _frameworks: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, number: int) -> LoopTrial:
        return self._trials[number]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of them, ascending."""
        return tuple(sorted(self._trials))

    @property
    def phases(self) -> set[Phase]:
        """Those in which any trial is."""
        return {phase for phase, trials in self._phases.items() if trials}

    def of(self, phase: Phase) -> list[LoopTrial]:
        """The trials in a phase, in the order in which they came to it."""
        return list(self._phases[phase].values())

    def count(self, phase: Phase) -> int:
        """How many trials are in a phase."""
        return len(self._phases[phase])

    def running(self, number: int) -> LoopTrial | None:
        """The trial of this number, if it has a segment on the cluster."""
        return self._phases[Phase.RUNNING].get(number)

    def free(self, slots: Slots) -> dict[str, int]:
        """Free slots by kind; the dispatcher decides which one a trial runs on."""
        return slots.free(self._frameworks)

    def add(self, trial: LoopTrial) -> None:
        """One more, in its phase."""
        self._trials[trial.number] = trial
        self._enter(trial)

    def move(self, trial: LoopTrial, phase: Phase) -> None:
        """From its phase to another."""
        self._leave(trial)
        trial.phase = phase
        self._enter(trial)

    def remove(self, number: int) -> None:
        """A trial has ended."""
        self._leave(self._trials.pop(number))

    def _leave(self, trial: LoopTrial) -> None:
        del self._phases[trial.phase][trial.number]
        if trial.phase is Phase.RUNNING:
            self._frameworks[trial.asked.configuration.framework] -= 1

    def _enter(self, trial: LoopTrial) -> None:
        self._phases[trial.phase][trial.number] = trial
        if trial.phase is Phase.RUNNING:
            # Counted here, because counting a thousand of them at each event would cost more than the event.
            self._frameworks[trial.asked.configuration.framework] += 1
