"""A study as samplers and pruners see it: what this driver wrote itself needn't be read back.

Optuna's own cache reads every unfinished trial from the database again for each trial that is asked for, and
checks each write by reading. With some thousand trials that wait at rungs, that alone takes seconds. Here
everything is read once; from then on, writes go to the storage and to the copy in memory, and reads to the
copy.

In the copy, a trial that waits at a rung is pruned, with its last score as its value: that is what samplers
and pruners should learn from it. In the storage it is running, because it may go on.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Container, Iterator, Sequence, Set
from datetime import datetime
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.optuna_internals import renumber, trial_id_of
from studies.storage.writers.writer import Change, Writer

DRAFT = -1
"""Id of the trial that is being drawn and not stored yet; there is at most one."""


class StudyMemory(BaseStorage):
    """Optuna's storage interface over one study's trials in memory, of which this process is the only writer.

    Args:
        writer: stores all that is written.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._drafting = False
        self._trials: dict[int, FrozenTrial] = {}
        self._unfinished: set[int] = set()  # as they are stored
        self._waiting: set[int] = set()
        for trial in writer.read():
            self._see(_copied(trial))
        self._drawn: dict[int, frozenset[str]] = {}
        self._together: dict[int, Change] = {}  # by the trial; there is at most one

    def draw_again(self, trial_id: int) -> None:
        """Show a trial as if nothing had been drawn for it, so that a sampler that is as it was at the time
        draws all of it alike. What is stored already can't be taken out and isn't written again.
        """
        trial = self._trials[trial_id]
        self._drawn[trial_id] = frozenset(trial.params)
        trial.params, trial.distributions = {}, {}

    def forget_after(self, trial_id: int, epoch: int) -> None:
        """Show a trial without its scores after an epoch: they were stored and their report wasn't, so that
        nothing may be decided on them before they come once more.
        """
        trial = self._trials[trial_id]
        scores = trial.intermediate_values.items()
        trial.intermediate_values = {step: score for step, score in scores if step <= epoch}

    @contextlib.contextmanager
    def together(self, trial_id: int) -> Iterator[None]:
        """What is written of a trial within is stored at once: on leaving, or with its state where that is
        set. The copy has it before.
        """
        self._together[trial_id] = Change()
        try:
            yield
            change = self._together[trial_id]
        finally:
            del self._together[trial_id]
        if not change.is_empty:
            self._store(trial_id, change)

    @contextlib.contextmanager
    def drafting(self) -> Iterator[None]:
        """A trial that is made within is kept in memory alone until :meth:`store`, which writes it at once.

        Written value by value, a trial costs a commit each for itself, for every parameter and attribute.
        """
        self._drafting = True
        try:
            yield
        finally:
            self._drafting = False

    def store(self, trial_id: int) -> int:
        """Write a draft; returns the id that it has from now on. Any other trial is stored already."""
        if trial_id != DRAFT:
            return trial_id
        draft = self._trials.pop(DRAFT)
        renumber(draft, *self._writer.create(draft))
        self._see(draft)
        return trial_id_of(draft)

    def pause(self, trial_id: int) -> None:
        """Show a running trial as pruned."""
        trial = self._trials[trial_id]
        trial.state = TrialState.PRUNED
        trial.values = [trial.intermediate_values[max(trial.intermediate_values)]]

    def resume(self, trial_id: int) -> None:
        """Show a trial as running again that :meth:`pause` was called for, unless it has ended since."""
        if trial_id in self._unfinished:
            trial = self._trials[trial_id]
            trial.state = TrialState.RUNNING
            trial.values = None

    # The study

    def get_study_id_from_name(self, study_name: str) -> int:  # noqa: ARG002
        """The one study's."""
        return self._writer.study_id

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """All scores are better the higher they are."""
        self._check(study_id)
        return [StudyDirection.MAXIMIZE]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Read from the storage: others write here too."""
        self._check(study_id)
        return dict(self._writer.attributes())

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Read from the storage."""
        self._check(study_id)
        return dict(self._writer.notes())

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep an attribute."""
        self._check(study_id)
        self._writer.set_attribute(key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep an attribute of Optuna's."""
        self._check(study_id)
        self._writer.set_note(key, value)

    def _check(self, study_id: int) -> None:
        if study_id != self._writer.study_id:
            raise KeyError(f"there is one study here, and it isn't {study_id}")

    def _refused(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError("this is the memory of one study, which neither makes nor removes any")

    create_new_study = delete_study = get_all_studies = get_study_name_from_id = _refused

    # Trials: written to both

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial; ``template_trial`` as Optuna has it."""
        self._check(study_id)
        if self._drafting and template_trial is None:
            self._trials.pop(DRAFT, None)
            # Numbers have no gaps.
            self._trials[DRAFT] = _draft(number=len(self._trials))
            return DRAFT
        trial = copy.deepcopy(template_trial) or create_trial(state=TrialState.RUNNING)
        renumber(trial, *self._writer.create(trial))
        self._see(trial)
        return trial_id_of(trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Keep what was drawn."""
        if param_name not in self._drawn.get(trial_id, ()):
            self._check_distribution(trial_id, param_name, distribution)
            self._write(trial_id, Change(params={param_name: (param_value_internal, distribution)}))
        trial = self._trials[trial_id]
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def _check_distribution(self, trial_id: int, name: str, distribution: BaseDistribution) -> None:
        """As Optuna's storages: a parameter has the same kind of distribution in all trials."""
        if trial_id != DRAFT:
            with_it = (trial for trial in self._trials.values() if name in trial.distributions)
            if (first := next(with_it, None)) is not None:
                check_distribution_compatibility(first.distributions[name], distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """End a trial, or begin one that waits; what is written together is stored with it."""
        self._check_unfinished(trial_id)
        change = self._together.get(trial_id, Change())
        change.add(Change(state=state, values=values))
        if trial_id in self._together:
            self._together[trial_id] = Change()
        trial = self._trials[trial_id]
        if not self._store(trial_id, change):
            # An end that was stored, and whose acknowledgement was lost, is written a second time in vain.
            self._read_back(trial_id)
            return False
        now = datetime.now()  # as Optuna has them, without a zone
        trial.state = state
        if values is not None:
            trial.values = list(values)
        if state == TrialState.RUNNING:
            trial.datetime_start = now
        if state.is_finished():
            trial.datetime_complete = now
        self._see(trial)
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Keep a score on the way."""
        self._write(trial_id, Change(scores={step: intermediate_value}))
        self._trials[trial_id].intermediate_values[step] = intermediate_value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute."""
        self._write(trial_id, Change(attributes={key: value}))
        self._trials[trial_id].user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute of Optuna's."""
        self._write(trial_id, Change(notes={key: value}))
        self._trials[trial_id].system_attrs[key] = value

    def _write(self, trial_id: int, change: Change) -> None:
        if trial_id == DRAFT:
            return
        if trial_id in self._together:
            if trial_id not in self._unfinished:
                self._refuse_ended(trial_id)
            self._together[trial_id].add(change)
        else:
            self._store(trial_id, change)

    def _store(self, trial_id: int, change: Change) -> bool:
        return self._writer.change(trial_id, change)

    def _check_unfinished(self, trial_id: int) -> None:
        if self._trials[trial_id].state.is_finished():
            self._refuse_ended(trial_id)

    def _refuse_ended(self, trial_id: int) -> NoReturn:
        raise UpdateFinishedTrialError(f"trial {self._trials[trial_id].number} has ended already")

    def _read_back(self, trial_id: int) -> None:
        for trial in self._writer.read([trial_id]):
            self._see(_copied(trial))

    def _see(self, trial: FrozenTrial) -> None:
        """Keep a trial that is as it is stored."""
        trial_id = trial_id_of(trial)
        self._trials[trial_id] = trial
        set_member(self._unfinished, trial_id, not trial.state.is_finished())
        set_member(self._waiting, trial_id, trial.state == TrialState.WAITING)

    # Trials: read from memory

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial; as with Optuna's cache, one that has ended is not copied."""
        trial = self._trials[trial_id]
        return trial if trial.state.is_finished() else _copied(trial)

    def running_but(self, held: Set[int]) -> list[FrozenTrial]:
        """The trials that run in the backend, also where they are shown as pruned, without some; by number.

        Args:
            held: ids of those that are left out.
        """
        return [self._trials[trial_id] for trial_id in sorted(self._unfinished - self._waiting - held)]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """All trials by number, or those in some states."""
        self._check(study_id)
        if isinstance(states, tuple) and states == (TrialState.WAITING,):
            found = [self._trials[trial_id] for trial_id in sorted(self._waiting)]
        else:
            # Trials are made in the order of their numbers, and a dict keeps it.
            found = [trial for trial in self._trials.values() if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


def set_member(group: set[int], member: int, belongs: bool) -> None:
    """Have a member in a group, or not."""
    (group.add if belongs else group.discard)(member)


def _draft(number: int) -> FrozenTrial:
    draft = create_trial(state=TrialState.RUNNING)
    renumber(draft, DRAFT, number)
    return draft


def _copied(trial: FrozenTrial) -> FrozenTrial:
    """A copy that later writes don't change; the values in it are not changed by anybody."""
    made = copy.copy(trial)
    made.params = dict(trial.params)
    made.distributions = dict(trial.distributions)
    made.user_attrs = dict(trial.user_attrs)
    made.system_attrs = dict(trial.system_attrs)
    made.intermediate_values = dict(trial.intermediate_values)
    return made
