"""``search status`` and ``search stop``: what drivers say of themselves, and what they are asked to do."""

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
"""Between two looks at what such a driver writes."""

Say = Callable[[str], None]


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


def status(path: str | Path, say: Say = lambda _: None) -> Status:
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
    alive = () if stored.ended else live_statuses(stored, say)
    # Of several drivers those that run; where none does, the last that did.
    said = alive or stored.statuses[-1:]
    states = Counter("paused" if record.paused else record.state for record in stored.records)
    rungs = Counter(max(record.rung_scores) for record in stored.records if record.rung_scores)
    complete = [(record.value, -record.number) for record in stored.records if record.value is not None]
    state = _state(stored, alive)
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
        running=tuple(read_record(RunningSegment, one) for one in running),
        failures=failures_of(stored.records),
        seconds=stored.seconds,
        limit=file.study.trial_limit,
        best=(-max(complete)[1], max(complete)[0]) if complete else None,
        doing=", ".join(one["doing"] for one in said if one.get("doing")) if state == "running" else "",
    )


def stop(path: str | Path, *, now: bool = False, say: Say = lambda _: None) -> str:
    """Ask a study's driver to stop; returns what was done, for a person.

    Args:
        path: the study file.
        now: leave what runs to the next launch, instead of finishing it.
        say: is called with what is waited for.

    Raises:
        StudyFileError, StorageError: as :func:`status`.
    """
    stored = read_study(read_study_file(path))
    state = _state(stored, () if stored.ended else live_statuses(stored, say))
    if state != "running":
        return f"nothing to stop: the study is {_STATES[state]}"
    ask_to_stop(stored, now=now)
    what = "stops now" if now else "finishes what runs and stops"
    return f"asked: the driver {what} within {STATUS_SECONDS:g} s or so; see `search status`"


def live_statuses(
    stored: StoredStudy, say: Say = lambda _: None, sleep: Callable[[float], None] = time.sleep
) -> tuple[Mapping[str, Any], ...]:
    """The statuses of the drivers that run now, as first read.

    Of a driver on this machine its process tells. One elsewhere runs if it writes again: two machines'
    clocks may differ by more than any bound, so that none is compared with another's.
    """
    runs = {_process(status): _runs_here(status) for status in stored.statuses}
    first = {_process(status): status["at"] for status in stored.statuses}
    waited = 0.0
    while None in runs.values() and waited < _patience(runs):
        if waited == 0.0:
            hosts = listed([host for (host, _), here in runs.items() if here is None])
            say(f"waiting up to {SILENT_SECONDS:g} s for the driver on {hosts} to write its status")
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
    "dead": "not running; its driver was killed: launch it again to resume",
}
