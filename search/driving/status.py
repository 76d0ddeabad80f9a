"""The status that a driver writes to storage every few seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from search.cluster.running import RunningCluster
from search.driving.note import dashboard_note
from search.loop.loop import Loop
from studies.records.trials import TrialRecord
from studies.storage.sharing.drivers import this_driver
from studies.store.store import StudyStore

STATUS_SECONDS = 2.0
"""Seconds between two writes of a driver's status."""


@dataclass(frozen=True)
class RunningSegment:
    """A segment on the cluster: its trial, the epoch that it trains to, where, and for how many seconds."""

    trial: int
    rung: int
    worker: str
    seconds: float


class StoredStatus:
    """Keeps a study's status in its storage, and its note for the dashboard, for one launch."""

    def __init__(self, store: StudyStore, cluster: RunningCluster) -> None:
        self._store = store
        self._cluster = cluster
        self._note = ""
        self._due = 0.0
        self._process = this_driver()
        # Where others run the study too, requests made before this driver joined aren't for it.
        self._stops = store.launch.stops_asked_for()

    def keep(self, loop: Loop, now: float, *, ended: str = "") -> int:
        """Write the status where that is due; returns a new request: 1 to stop, 2 at once, 0 for none.

        ``ended`` is why the launch ends, where it does.
        """
        if now < self._due and not ended:
            return 0
        self._due = now + STATUS_SECONDS
        self._store.launch.keep_status(loop.seconds(now), self._status(loop, now, bool(ended)))
        self._keep_note(loop.finished, ended)
        return self._new_stops()

    def keep_progress(self, text: str, now: float, *, last: bool = False) -> int:
        """The same for trainings beside the search; ``text`` is their progress in words."""
        if now < self._due and not last:
            return 0
        self._due = now + STATUS_SECONDS
        self._store.launch.keep_doing({**self._driver(), "doing": text, "running": []})
        return self._new_stops()

    def _new_stops(self) -> int:
        before, self._stops = self._stops, self._store.launch.stops_asked_for()
        return self._stops if self._stops > before else 0

    def _keep_note(self, finished: Sequence[TrialRecord], ended: str) -> None:
        file = self._store.file
        note = dashboard_note(
            file.path.name, file.study.objective.metric, finished, limit=file.study.trial_limit, ended=ended
        )
        if note != self._note:
            self._store.launch.keep_note(note)
            self._note = note

    def _status(self, loop: Loop, now: float, last: bool) -> dict[str, Any]:
        tasks = {} if last else self._cluster.tasks()
        by_trial = {_trial_of(key): task.worker for key, task in tasks.items()}
        running = [
            RunningSegment(trial.number, trial.rung, by_trial.get(trial.number, ""), now - trial.since)
            for trial in ([] if last else loop.running)
        ]
        return {**self._driver(), "running": [vars(segment) for segment in running]}

    def _driver(self) -> dict[str, Any]:
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": self._process.host,
            "pid": self._process.pid,
            "kernel": self._process.kernel,
            "started": self._process.started,
            "cluster": self._cluster.describe(),
            "slots": self._cluster.slots.total,
        }


def _trial_of(key: str) -> int | None:
    """12 of ``sms-spam-3f9c2a1b04de/trial-12/rung-27/6e0f51c2``."""
    name = key.split("/")[1] if key.count("/") >= 2 else ""
    number = name.removeprefix("trial-")
    return int(number) if number.isdigit() else None
