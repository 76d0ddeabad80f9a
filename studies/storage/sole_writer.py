"""A storage as its only writer sees it: what it wrote itself needn't be read back.

Optuna's own cache reads every unfinished trial from the database anew for each trial that is asked for, and
checks each write by reading. With some thousand trials that wait at rungs, that alone takes seconds. Here
everything is read once; from then on, writes go to the storage and to the copy in memory, and reads to the
copy.

In the copy, a trial that waits at a rung is pruned, with its last score as its value: that is what samplers
and pruners should learn from it. In the storage it is running, because it may go on.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Container, Iterator, Sequence, Set
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.storage.plain_rdb import Ending

DRAFT = -1
"""Id of the trial that is being drawn and not stored yet; there is at most one."""


class SoleWriterStorage(BaseStorage):
    """Optuna's storage interface over another storage, for one study of which this process is the only
    writer.

    Args:
        backend: where everything is kept.
        study_id: the study's, in the backend.
    """

    def __init__(self, backend: BaseStorage, study_id: int) -> None:
        self._backend = backend
        self._study_id = study_id
        self._drafting = False
        self._trials: dict[int, FrozenTrial] = {}
        self._unfinished: set[int] = set()  # as the backend has them
        self._waiting: set[int] = set()
        for trial in backend.get_all_trials(study_id, deepcopy=False):
            self._see(_copied(trial))
        self._drawn: dict[int, frozenset[str]] = {}
        self._held_back: list[tuple[int, str, Any]] | None = None
        self._endings: dict[int, Ending] = {}  # by the trial; there is at most one

    def draw_again(self, trial_id: int) -> None:
        """Show a trial as if nothing had been drawn for it, so that a sampler that is as it was at the time
        draws all of it alike. What is in the backend already can't be taken out and isn't written again.
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
    def notes_held_back(self) -> Iterator[None]:
        """Write system attributes of trials to the backend on leaving; the copy has them at once."""
        self._held_back = []
        try:
            yield
        finally:
            held, self._held_back = self._held_back, None
            for trial_id, key, value in held or ():
                self._write(self._backend.set_trial_system_attr, trial_id, key, value)

    @contextlib.contextmanager
    def ending(self, trial_id: int) -> Iterator[None]:
        """Write a trial's scores on the way and its attributes to the backend together with its end, which is
        set within; the copy has them at once. Where a backend can't, they are written one by one.
        """
        if getattr(self._backend, "ends_at_once", False):
            self._endings[trial_id] = Ending()
        try:
            yield
        finally:
            self._endings.clear()

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
        draft._trial_id = self._backend.create_new_trial(self._study_id, draft)
        self._see(draft)
        return draft._trial_id

    def pause(self, trial_id: int) -> None:
        """Show a running trial as pruned."""
        trial = self._trials[trial_id]
        trial.state = TrialState.PRUNED
        trial.values = [trial.intermediate_values[max(trial.intermediate_values)]]

    def resume(self, trial_id: int) -> None:
        """Show a trial as running again that :meth:`pause` was called for."""
        trial = self._trials[trial_id]
        trial.state = TrialState.RUNNING
        trial.values = None

    # Studies

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """The backend's."""
        return self._backend.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """The backend's."""
        self._backend.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """The backend's."""
        self._backend.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """The backend's."""
        self._backend.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """The backend's."""
        return self._backend.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """The backend's."""
        return self._backend.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The backend's."""
        return self._backend.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """The backend's: others write here too."""
        return self._backend.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """The backend's."""
        return self._backend.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """The backend's."""
        return self._backend.get_all_studies()

    # Trials: written to both

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial; ``template_trial`` as Optuna has it."""
        if self._drafting and template_trial is None:
            self._trials.pop(DRAFT, None)
            # Numbers have no gaps.
            self._trials[DRAFT] = _draft(number=len(self._trials))
            return DRAFT
        trial_id = self._backend.create_new_trial(study_id, template_trial)
        self._see(_copied(self._backend.get_trial(trial_id)))
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Keep what was drawn."""
        if param_name not in self._drawn.get(trial_id, ()):
            self._write(
                self._backend.set_trial_param, trial_id, param_name, param_value_internal, distribution
            )
        trial = self._trials[trial_id]
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """End a trial, or begin one that waits."""
        self._check_unfinished(trial_id)
        trial = self._trials[trial_id]
        if not self._set_state(trial_id, state, values):
            # An end that was stored, and whose acknowledgement was lost, is told a second time in vain.
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
        if ending := self._ending_of(trial_id):
            ending.scores[step] = intermediate_value
        else:
            self._backend.set_trial_intermediate_value(trial_id, step, intermediate_value)
        self._trials[trial_id].intermediate_values[step] = intermediate_value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute."""
        if ending := self._ending_of(trial_id):
            ending.attributes[key] = value
        else:
            self._write(self._backend.set_trial_user_attr, trial_id, key, value)
        self._trials[trial_id].user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keep an attribute of Optuna's."""
        if self._held_back is None:
            self._write(self._backend.set_trial_system_attr, trial_id, key, value)
        else:
            self._held_back.append((trial_id, key, value))
        self._trials[trial_id].system_attrs[key] = value

    def _write(self, method: Callable[..., None], trial_id: int, *values: Any) -> None:
        if trial_id != DRAFT:
            method(trial_id, *values)

    def _ending_of(self, trial_id: int) -> Ending | None:
        """What is to be written with the end of this trial, where that is being set."""
        if trial_id in self._endings:
            self._check_unfinished(trial_id)
        return self._endings.get(trial_id)

    def _check_unfinished(self, trial_id: int) -> None:
        trial = self._trials[trial_id]
        if trial.state.is_finished():
            raise UpdateFinishedTrialError(f"trial {trial.number} has ended already")

    def _set_state(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> bool:
        ending = self._ending_of(trial_id)
        if ending is None:
            return self._backend.set_trial_state_values(trial_id, state, values)
        backend: Any = self._backend
        done: bool = backend.end_trial(trial_id, state, values, ending)
        return done

    def _read_back(self, trial_id: int) -> None:
        self._see(_copied(self._backend.get_trial(trial_id)))

    def _see(self, trial: FrozenTrial) -> None:
        """Keep a trial that is as the backend has it."""
        self._trials[trial._trial_id] = trial
        set_member(self._unfinished, trial._trial_id, not trial.state.is_finished())
        set_member(self._waiting, trial._trial_id, trial.state == TrialState.WAITING)

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
        if study_id != self._study_id:
            return self._backend.get_all_trials(study_id, deepcopy, states)
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
    draft.number, draft._trial_id = number, DRAFT
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
