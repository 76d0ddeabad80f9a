"""A study on a server as one of its drivers sees it: what it wrote itself needn't be read back.

Optuna's cache reads every unfinished trial again, each time that it is asked for trials: with a thousand of
them on a cluster that alone takes longer than they run. Whose a trial is stands in it, though, and a driver
writes its own trials alone, until it is taken for dead and others take them over. So a driver's own trials
are kept in memory as those of a sole writer are, and those of others are read when there are new ones, or
when they have ended.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from studies.optuna_internals import trial_id_of
from studies.records.schema import CONFIGURATION, OWNER
from studies.storage.memory import DRAFT, StudyMemory, set_member
from studies.storage.writers.writer import Change, SharedWriter


class SharedStudyMemory(StudyMemory):
    """The memory of a study in which other drivers write trials too.

    What they have written is seen after :meth:`refresh`.

    Args:
        writer: stores all that is written.
        driver: the name that this process writes on its trials.
    """

    def __init__(self, writer: SharedWriter, driver: str) -> None:
        self._shared = writer
        self._driver = driver
        self._strangers: set[int] = set()
        self._in_turn = False
        self._unsure: set[int] = set()  # trials that were seen in a turn that may be lost
        super().__init__(writer)
        self._newest = max(self._trials, default=0)

    def refresh(self, *, scores: bool = False) -> None:
        """Read the trials of others that are new, or not any more in the state that they were in; and those
        that a turn wrote which was lost.

        Whose the others are that run, and how far they have come, may have changed since they were read:
        :meth:`take` looks again.

        Args:
            scores: read those that run too, for what they have come to on the way.
        """
        self._trials.pop(DRAFT, None)  # of an ask that was broken off
        states = self._shared.states(self._newest, self._strangers)
        changed = [trial for trial, state in states.items() if self._is_old(trial, state, scores)]
        self._in_turn = False
        self._read({*changed, *self._unsure})
        self._unsure.clear()
        self._newest = max([self._newest, *states])

    def begin_turn(self) -> None:
        """See what others have written; what is written from here on may be lost with the turn."""
        self.refresh()
        self._in_turn = True

    def end_turn(self) -> None:
        """What was written in the turn is stored for good."""
        self._in_turn = False
        self._unsure.clear()

    def _is_old(self, trial_id: int, state: TrialState, scores: bool) -> bool:
        known = self._trials.get(trial_id)
        if known is None or trial_id not in self._strangers:
            return known is None
        return scores or state != known.state or CONFIGURATION not in known.user_attrs

    def take(self, trial_ids: Sequence[int], unless_of: Container[str]) -> list[FrozenTrial]:
        """Write this driver's name on those trials that run and are of nobody who is there. In a turn.

        Args:
            trial_ids: the trials, as far as is known; they are read once more.
            unless_of: the drivers that are there.

        Returns:
            Those that are this driver's now, as they are in the database.
        """
        self._read(trial_ids)
        free = [
            trial_id
            for trial_id in trial_ids
            if trial_id in self._trials
            and self._trials[trial_id].state == TrialState.RUNNING
            and self._trials[trial_id].user_attrs.get(OWNER) not in unless_of
        ]
        taken = self._shared.take(free, OWNER, self._driver)
        self._read(free)
        return [self._trials[trial_id] for trial_id in free if trial_id in taken]

    def _store(self, trial_id: int, change: Change) -> bool:
        """Write; where somebody else has ended the trial, see what it has come to."""
        if self._in_turn:
            self._unsure.add(trial_id)
        try:
            return super()._store(trial_id, change)
        except UpdateFinishedTrialError:
            self._read_back(trial_id)
            raise

    def _read(self, trial_ids: Collection[int]) -> None:
        """Read trials; one that is not stored was never made."""
        if not trial_ids:
            return
        last = next(reversed(self._trials), 0)
        new = [trial_id for trial_id in trial_ids if trial_id not in self._trials]
        found = self._shared.read(trial_ids)
        for trial in found:
            self._see(trial)
        for trial_id in set(trial_ids) - {trial_id_of(trial) for trial in found}:
            self._forget(trial_id)
        if min(new, default=last) < last:
            # Somebody who takes no turns, as a person with Optuna's own tools, was between two of ours.
            self._trials = dict(sorted(self._trials.items()))

    def _forget(self, trial_id: int) -> None:
        self._trials.pop(trial_id, None)
        for group in (self._unfinished, self._waiting, self._strangers):
            group.discard(trial_id)

    def _see(self, trial: FrozenTrial) -> None:
        super()._see(trial)
        trial_id = trial_id_of(trial)
        if self._in_turn:
            self._unsure.add(trial_id)
        own = trial.user_attrs.get(OWNER) == self._driver
        set_member(self._strangers, trial_id, not own and not trial.state.is_finished())
