"""``search status`` and ``search stop``: reads drivers' statuses, and asks drivers to stop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from search.driving.status import STATUS_SECONDS, RunningSegment
from search.output.tables import Column, fitted_table, indented, inset
from search.output.terminal import Text
from search.words import count_of, duration_text, listed, of_limit
from studies.processes import is_there
from studies.records.ranking import FailedTrials, failures_of
from studies.records.reading import read_record
from studies.stored_study import StoredStudy, ask_to_stop, read_study
from studies.study_file import read_study_file

SILENT_SECONDS = 20.0
"""After how long a driver elsewhere that writes nothing is taken to be dead."""

LOOK_SECONDS = 0.5
"""Between two reads of what such a driver writes."""

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Status:
    """What is known of a study that runs, or ran.

    Attributes:
        name: of the study.
        state: ``running``, ``ended``, ``starting`` where its driver has written nothing yet, or ``dead``
            where it stopped writing.
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


def status(path: str | Path, announce: Announce = lambda _: None) -> Status:
    """The status of the study that a study file describes, from its storage.

    Takes up to :data:`SILENT_SECONDS` where a driver ran on another machine and was killed.

    Args:
        path: the study file.
        say: is called with what is waited for.

    Raises:
        StudyFileError: where the study file can't be used.
        StorageError: where the study isn't in its storage yet, or the storage can't be opened.
    """
    file = read_study_file(path)
    stored = read_study(file)
    alive = () if stored.ended else live_statuses(stored, announce)
    # Of several drivers those that run; where none does, the last that did.
    drivers = alive or stored.statuses[-1:]
    states = Counter("paused" if record.paused else record.state for record in stored.records)
    rungs = Counter(max(record.rung_scores) for record in stored.records if record.rung_scores)
    complete = [(record.value, -record.number) for record in stored.records if record.value is not None]
    state = _state(stored, alive)
    running = (
        [status for status in drivers for status in status.get("running", ())] if state == "running" else []
    )
    return Status(
        name=file.study.name,
        state=state,
        ended=stored.ended,
        driver=", ".join(f"process {status['pid']} on {status['host']}" for status in drivers),
        cluster=", ".join(dict.fromkeys(status["cluster"] for status in drivers)),
        slots=sum(status["slots"] for status in drivers),
        states=dict(sorted(states.items())),
        rungs=dict(sorted(rungs.items())),
        running=tuple(read_record(RunningSegment, status) for status in running),
        failures=failures_of(stored.records),
        seconds=stored.seconds,
        limit=file.study.trial_limit,
        best=(-max(complete)[1], max(complete)[0]) if complete else None,
        doing=", ".join(status["doing"] for status in drivers if status.get("doing"))
        if state == "running"
        else "",
    )


def stop(path: str | Path, *, now: bool = False, announce: Announce = lambda _: None) -> str:
    """Ask a study's driver to stop; returns what was done, for a person.

    Args:
        path: the study file.
        now: leave what runs to the next launch, instead of finishing it.
        say: is called with what is waited for.

    Raises:
        StudyFileError, StorageError: as :func:`status`.
    """
    stored = read_study(read_study_file(path))
    state = _state(stored, () if stored.ended else live_statuses(stored, announce))
    if state != "running":
        return f"nothing to stop: the study is {_STATES[state]}"
    ask_to_stop(stored, now=now)
    what = "stops now" if now else "finishes what runs and stops"
    return f"asked: the driver {what} within {STATUS_SECONDS:g} s or so; see `search status`"


def live_statuses(
    stored: StoredStudy, announce: Announce = lambda _: None, sleep: Callable[[float], None] = time.sleep
) -> tuple[Mapping[str, Any], ...]:
    """The statuses of the drivers that run now, as first read.

    A driver on this machine runs if its process does; one elsewhere runs if it writes again. Two machines'
    clocks may differ by more than any bound, so they are not compared.
    """
    runs = {_process(status): _runs_here(status) for status in stored.statuses}
    first = {_process(status): status["at"] for status in stored.statuses}
    waited = 0.0
    while None in runs.values() and waited < _patience(runs):
        if waited == 0.0:
            hosts = listed([host for (host, _), here in runs.items() if here is None])
            announce(f"waiting up to {SILENT_SECONDS:g} s for the driver on {hosts} to write its status")
        sleep(LOOK_SECONDS)
        waited += LOOK_SECONDS
        for status in stored.statuses_now():
            if runs.get(_process(status), True) is None and status["at"] != first[_process(status)]:
                runs[_process(status)] = True
    return tuple(status for status in stored.statuses if runs[_process(status)])


def _process(status: Mapping[str, Any]) -> tuple[str, int]:
    return status["host"], status["pid"]


def _runs_here(status: Mapping[str, Any]) -> bool | None:
    # Earlier code wrote neither.
    return is_there(status.get("kernel", ""), status["pid"], status.get("started", 0))


def _patience(runs: Mapping[tuple[str, int], bool | None]) -> float:
    """Seconds to wait for drivers of which nothing is known; less where others show that storage works."""
    return min(SILENT_SECONDS, 3 * STATUS_SECONDS) if True in runs.values() else SILENT_SECONDS


def _state(stored: StoredStudy, alive: Sequence[Mapping[str, Any]]) -> str:
    if stored.ended:
        return "ended"
    if not stored.statuses:
        return "starting"
    return "running" if alive else "dead"


def render_status(status: Status, console: Console) -> None:
    """Print a status for a person."""
    ended = sum(count for state, count in status.states.items() if state not in ("running", "paused"))
    console.print(Text.assemble((status.name, "bold"), f": {_STATES[status.state]}"))
    if status.ended:
        console.print(indented(f"Ended: {status.ended}"))
    if status.driver:
        console.print(indented(f"Driver: {status.driver}; {status.cluster}"))
    pace = f", {ended * 60 / status.seconds:.1f} a minute" if status.seconds > 0 else ""
    searched = duration_text(status.seconds)
    console.print(indented(f"{of_limit(ended, status.limit)} in {searched}{pace}"))
    states = ", ".join(f"{count} {state}" for state, count in status.states.items())
    if states:
        console.print(indented(states))
    if status.best:
        console.print(indented(f"Best so far: {status.best[1]:.3f}, trial {status.best[0]}"))
    if status.rungs:
        reached = ", ".join(f"{epochs}: {count}" for epochs, count in status.rungs.items())
        console.print(indented(f"Trials by the last epoch that they were scored at: {reached}"))
    for group in status.failures:
        console.print(
            indented(f"Failed: {count_of(len(group.trials), 'trial')} {group.cause}: {group.message}")
        )
    if status.doing:
        console.print(indented(status.doing))
    if status.running:
        console.print(Text("\nRunning", style="bold"))
        columns = [
            Column("trial", [str(segment.trial) for segment in status.running]),
            Column("to epoch", [str(segment.rung) for segment in status.running]),
            Column("for", [duration_text(segment.seconds) for segment in status.running]),
            Column("worker", [segment.worker for segment in status.running], right=False, optional=True),
        ]
        console.print(inset(fitted_table(columns, console.width)))


_STATES: Mapping[str, str] = {
    "running": "running",
    "ended": "not running",
    "starting": "starting, or killed before its first trial",
    "dead": "not running; its driver was killed: launch it again to resume",
}
