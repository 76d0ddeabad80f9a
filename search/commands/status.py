"""``search status`` and ``search stop``: what drivers say of themselves, and what they are asked to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from search.driving.status import STATUS_SECONDS, RunningSegment
from search.output.tables import Column, fitted_table, indented, inset
from search.output.terminal import Text
from search.words import count_of, duration_text, of_limit
from studies.records.ranking import FailedTrials, failures_of
from studies.stored_study import StoredStudy, ask_to_stop, read_study
from studies.study_file import read_study_file

SILENT_SECONDS = 20.0
"""After how long a driver that says nothing is taken to be dead."""


@dataclass(frozen=True)
class Status:
    """What is known of a study that runs, or ran.

    Attributes:
        name: of the study.
        state: ``running``, ``ended``, ``starting`` where its driver has said nothing yet, or ``dead`` where
            it stopped saying anything.
        ended: why the last launch ended.
        driver: where it runs, or ran; several drivers of one study are named one by one.
        slots: of its cluster, and ``cluster`` what that is.
        states: trials by state; those that wait at a rung are ``paused``.
        rungs: trials whose best rung so far it is, by epochs.
        running: what runs now.
        doing: what runs now beside the search, in words.
        failures: by cause.
        seconds: of searching, over every launch.
        limit: trials after which the study ends.
        best: number and score of the best complete trial.
    """

    name: str
    state: str
    ended: str
    driver: str
    cluster: str
    slots: int
    states: Mapping[str, int]
    rungs: Mapping[int, int]
    running: tuple[RunningSegment, ...]
    failures: tuple[FailedTrials, ...]
    seconds: float
    limit: int | None
    best: tuple[int, float] | None
    doing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def status(path: str | Path) -> Status:
    """The status of the study that a study file describes, from its storage.

    Raises:
        StudyFileError: where the study file can't be used.
        StorageError: where the study isn't in its storage yet, or the storage can't be opened.
    """
    file = read_study_file(path)
    stored = read_study(file)
    now = datetime.now(UTC)
    # Those of several drivers that speak; where none does, the last that did.
    said = [status for status in stored.statuses if _speaks(status, now)] or list(stored.statuses[-1:])
    states = Counter("paused" if record.paused else record.state for record in stored.records)
    rungs = Counter(max(record.rung_scores) for record in stored.records if record.rung_scores)
    complete = [(record.value, -record.number) for record in stored.records if record.value is not None]
    state = _state(stored, now)
    running = [one for status in said for one in status.get("running", ())] if state == "running" else []
    return Status(
        name=file.study.name,
        state=state,
        ended=stored.ended,
        driver=", ".join(f"process {one['pid']} on {one['host']}" for one in said),
        cluster=", ".join(dict.fromkeys(one["cluster"] for one in said)),
        slots=sum(one["slots"] for one in said),
        states=dict(sorted(states.items())),
        rungs=dict(sorted(rungs.items())),
        running=tuple(RunningSegment(**one) for one in running),
        failures=failures_of(stored.records),
        seconds=stored.seconds,
        limit=file.study.trial_limit,
        best=(-max(complete)[1], max(complete)[0]) if complete else None,
        doing=", ".join(one["doing"] for one in said if one.get("doing")) if state == "running" else "",
    )


def stop(path: str | Path, *, now: bool = False) -> str:
    """Ask a study's driver to stop; returns what was done, for a person.

    Args:
        path: the study file.
        now: leave what runs to the next launch, instead of finishing it.

    Raises:
        StudyFileError, StorageError: as :func:`status`.
    """
    stored = read_study(read_study_file(path))
    found = _state(stored, datetime.now(UTC))
    if found != "running":
        return f"nothing to stop: the study is {_STATES[found]}"
    ask_to_stop(stored, now=now)
    what = "stops now" if now else "finishes what runs and stops"
    return f"asked: the driver {what} within {STATUS_SECONDS:g} s or so; `search status` tells"


def _state(stored: StoredStudy, now: datetime) -> str:
    if stored.ended:
        return "ended"
    if not stored.statuses:
        return "starting"
    return "running" if any(_speaks(status, now) for status in stored.statuses) else "dead"


def _speaks(status: Mapping[str, Any], now: datetime) -> bool:
    """Whether a driver has said something of late."""
    return now - datetime.fromisoformat(status["at"]) < timedelta(seconds=SILENT_SECONDS)


def render_status(found: Status, console: Console) -> None:
    """Print a status for a person."""
    ended = sum(count for state, count in found.states.items() if state not in ("running", "paused"))
    console.print(Text.assemble((found.name, "bold"), f": {_STATES[found.state]}"))
    if found.ended:
        console.print(indented(f"Ended: {found.ended}"))
    if found.driver:
        console.print(indented(f"Driver: {found.driver}; {found.cluster}"))
    pace = f", {ended * 60 / found.seconds:.1f} a minute" if found.seconds > 0 else ""
    searched = duration_text(found.seconds)
    console.print(indented(f"{of_limit(ended, found.limit, 'ended')} in {searched}{pace}"))
    states = ", ".join(f"{count} {state}" for state, count in found.states.items())
    if states:
        console.print(indented(states))
    if found.best:
        console.print(indented(f"Best so far: {found.best[1]:.3f}, trial {found.best[0]}"))
    if found.rungs:
        reached = ", ".join(f"{epochs}: {count}" for epochs, count in found.rungs.items())
        console.print(indented(f"Trials by the last epoch that they were scored at: {reached}"))
    for group in found.failures:
        console.print(
            indented(f"Failed: {count_of(len(group.trials), 'trial')} {group.cause}: {group.message}")
        )
    if found.doing:
        console.print(indented(found.doing))
    if found.running:
        console.print(Text("\nRunning", style="bold"))
        columns = [
            Column("trial", [str(one.trial) for one in found.running]),
            Column("to epoch", [str(one.rung) for one in found.running]),
            Column("for", [duration_text(one.seconds) for one in found.running]),
            Column("worker", [one.worker for one in found.running], right=False, optional=True),
        ]
        console.print(inset(fitted_table(columns, console.width)))


_STATES: Mapping[str, str] = {
    "running": "running",
    "ended": "not running",
    "starting": "starting, or killed before its first trial",
    "dead": "not running; its driver was killed, launch it again to go on",
}
