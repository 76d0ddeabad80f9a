"""What a launch says of itself in storage, and hears of there: status, note, wishes to stop, its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from studies.optuna_internals import storage_of, study_id_of, user_attributes_of
from studies.records.schema import ENDED, NOTE_PIECE, NOTE_VERSION, SECONDS, STATUS, STOP
from studies.storage.sharing.leases import Sharing


class Launch:
    """One driver's launch of a study.

    Args:
        study: Optuna's.
        sharing: the other drivers, where there may be some.
    """

    def __init__(self, study: optuna.Study, sharing: Sharing) -> None:
        self._study = study
        self._sharing = sharing
        self._status: Mapping[str, Any] = {}

    @property
    def _attributes(self) -> Mapping[str, Any]:
        """The study's user attributes, to be read alone: ``Study.user_attrs`` copies all of them, and what
        runs on a thousand slots is among them.
        """
        attributes: Mapping[str, Any] = user_attributes_of(self._study)
        return attributes

    def begin(self) -> float:
        """Say in storage that a launch is under way; returns the seconds that earlier ones searched."""
        self._study.set_user_attr(ENDED, "")
        if self.is_alone():  # or the others would miss a wish that they are to stop
            self._study.set_user_attr(STOP, 0)
            if self._sharing.is_shared:
                self._study.set_user_attr(STATUS, {})
        return float(self._attributes.get(SECONDS, 0.0))

    def begin_replicas(self) -> str:
        """Say in storage that something runs beside the search; returns why the search ended, for :meth:`end`
        once that is over.
        """
        ended = str(self._attributes.get(ENDED, ""))
        self.begin()
        return ended

    def keep_status(self, seconds: float, status: Mapping[str, Any]) -> None:
        """Write how long the study has been searched for, over every launch, and what runs now."""
        # Drivers that search at the same time count it once, and the study's time never goes back.
        self._study.set_user_attr(SECONDS, max(seconds, self._attributes.get(SECONDS, 0.0)))
        self.keep_doing(status)

    def keep_doing(self, status: Mapping[str, Any]) -> None:
        """Write what runs now, where that is no part of the search."""
        self._status = status
        self._study.set_user_attr(self._sharing.status_key, dict(status))

    def keep_note(self, text: str) -> None:
        """Write the study's note where Optuna's dashboard reads it, in place of the one that is there.

        As ``optuna_dashboard.save_note`` does, whose package is an extra: a version, which the page watches,
        and the text in pieces, of which this one is one.
        """
        storage, study_id = storage_of(self._study), study_id_of(self._study)
        there = storage.get_study_system_attrs(study_id)
        pieces = sorted(key for key in there if key.startswith(NOTE_PIECE))
        if len(pieces) == 1 and there[pieces[0]] == text:
            return
        storage.set_study_system_attr(study_id, NOTE_VERSION, int(there.get(NOTE_VERSION, 0)) + 1)
        for key in {f"{NOTE_PIECE}0", *pieces}:
            storage.set_study_system_attr(study_id, key, text if key == f"{NOTE_PIECE}0" else "")

    def stops_asked_for(self) -> int:
        """How often somebody asked this launch to stop, see :func:`studies.stored_study.ask_to_stop`."""
        return int(self._attributes.get(STOP, 0))

    def is_alone(self) -> bool:
        """Whether no other driver is on the study."""
        return self._sharing.is_alone()

    def end(self, reason: str) -> bool:
        """Say in storage why the launch ended, unless other drivers of the study go on.

        Returns:
            Whether this driver was the last, and so does what one alone should.
        """
        if not self._sharing.leave():
            return False
        self._study.set_user_attr(ENDED, reason)
        if self._sharing.is_shared and self._status:  # what it said under its own name went with it
            self._study.set_user_attr(STATUS, dict(self._status))
        return True
