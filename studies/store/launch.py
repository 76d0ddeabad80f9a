"""What a launch says of itself in storage, and hears of there: status, note, wishes to stop, its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.records.schema import ENDED, NOTE_PIECE, NOTE_VERSION, SECONDS, STATUS, STOP
from studies.storage.sharing.sharing import Sharing
from studies.storage.writers.writer import Writer


class Launch:
    """One driver's launch of a study.

    Args:
        writer: of the study.
        sharing: the other drivers, where there may be some.
    """

    def __init__(self, writer: Writer, sharing: Sharing) -> None:
        self._writer = writer
        self._sharing = sharing
        self._status: Mapping[str, Any] = {}

    def begin(self) -> float:
        """Say in storage that a launch is under way; returns the seconds that earlier ones searched."""
        self._writer.set_attribute(ENDED, "")
        if self.is_alone():  # or the others would miss a wish that they are to stop
            self._writer.set_attribute(STOP, 0)
            if self._sharing.is_shared:
                self._writer.set_attribute(STATUS, {})
        return self._seconds()

    def _seconds(self) -> float:
        return float(self._writer.attributes(SECONDS).get(SECONDS, 0.0))

    def begin_replicas(self) -> str:
        """Say in storage that something runs beside the search; returns why the search ended, for :meth:`end`
        once that is over.
        """
        ended = str(self._writer.attributes(ENDED).get(ENDED, ""))
        self.begin()
        return ended

    def keep_status(self, seconds: float, status: Mapping[str, Any]) -> None:
        """Write how long the study has been searched for, over every launch, and what runs now."""
        # Drivers that search at the same time count it once, and the study's time never goes back.
        self._writer.set_attribute(SECONDS, max(seconds, self._seconds()))
        self.keep_doing(status)

    def keep_doing(self, status: Mapping[str, Any]) -> None:
        """Write what runs now, where that is no part of the search."""
        self._status = status
        self._writer.set_attribute(self._sharing.status_key, dict(status))

    def keep_note(self, text: str) -> None:
        """Write the study's note where Optuna's dashboard reads it, in place of the one that is there.

        As ``optuna_dashboard.save_note`` does, whose package is an extra: a version, which the page watches,
        and the text in pieces, of which this one is one.
        """
        there = self._writer.notes()
        pieces = sorted(key for key in there if key.startswith(NOTE_PIECE))
        if len(pieces) == 1 and there[pieces[0]] == text:
            return
        self._writer.set_note(NOTE_VERSION, int(there.get(NOTE_VERSION, 0)) + 1)
        for key in {f"{NOTE_PIECE}0", *pieces}:
            self._writer.set_note(key, text if key == f"{NOTE_PIECE}0" else "")

    def stops_asked_for(self) -> int:
        """How often somebody asked this launch to stop, see :func:`studies.stored_study.ask_to_stop`."""
        return int(self._writer.attributes(STOP).get(STOP, 0))

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
        self._writer.set_attribute(ENDED, reason)
        if self._sharing.is_shared and self._status:  # what it said under its own name went with it
            self._writer.set_attribute(STATUS, dict(self._status))
        return True
