"""Writes a study into a journal of Optuna's: each verb is one write of whole lines, under its lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from optuna.trial import FrozenTrial

from studies.optuna_internals import JournalInBatches
from studies.storage.writers.writer import Change


class JournalWriter:
    """See :class:`studies.storage.writers.writer.Writer`.

    A write that is killed leaves some of its lines; of a trial's end, scores and report come before it.

    Args:
        journal: Optuna's storage.
        study_id: the study's.
    """

    def __init__(self, journal: JournalInBatches, study_id: int) -> None:
        self._journal = journal
        self.study_id = study_id

    def create(self, trial: FrozenTrial) -> tuple[int, int]:
        """See :class:`Writer`."""
        trial_id = self._journal.create_new_trial(self.study_id, trial)
        return trial_id, self._journal.get_trial_number_from_id(trial_id)

    def change(self, trial_id: int, change: Change) -> bool:
        """See :class:`Writer`."""
        end = None if change.state is None or not change.ends else (change.state, change.values)
        written = (change.params, change.scores, change.attributes, change.notes)
        self._journal.change_trial(trial_id, *written, end=end)
        if change.state is None or end is not None:
            return True
        return self._journal.set_trial_state_values(trial_id, change.state, change.values)

    def read(self, trial_ids: Collection[int] | None = None) -> list[FrozenTrial]:
        """See :class:`Writer`."""
        if trial_ids is not None:
            return [self._journal.get_trial(trial_id) for trial_id in sorted(trial_ids)]
        return self._journal.get_all_trials(self.study_id, deepcopy=False)

    def attributes(self, prefix: str = "") -> Mapping[str, Any]:
        """See :class:`Writer`."""
        found = self._journal.get_study_user_attrs(self.study_id)
        return {key: value for key, value in found.items() if key.startswith(prefix)}

    def set_attribute(self, key: str, value: Any) -> None:
        """See :class:`Writer`."""
        self._journal.set_study_user_attr(self.study_id, key, value)

    def notes(self) -> Mapping[str, Any]:
        """See :class:`Writer`."""
        return self._journal.get_study_system_attrs(self.study_id)

    def set_note(self, key: str, value: Any) -> None:
        """See :class:`Writer`."""
        self._journal.set_study_system_attr(self.study_id, key, value)
