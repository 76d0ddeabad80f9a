"""A picture of a search while it runs, as a pure function of the loop's state and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from search.loop.active_trials import LoopTrial
from search.loop.loop import Loop
from search.output.tables import indented, inset
from search.output.terminal import Text
from search.words import configuration_text, count_of, duration_text, one_line, outcome
from studies.records.ranking import FailedTrials, failures_of

_FIXED_LINES = 15
"""Lines of the live view besides those of running and of ended trials. A terminal that has hardly more gets
the view without blank lines and ended trials."""


def live_view(
    loop: Loop, now: float, title: str, *, finished_here: int, height: int = 24, cluster: str = ""
) -> RenderableType:
    """A picture of a search.

    Args:
        loop: the state to show.
        now: reading of its clock, in seconds.
        title: first line.
        finished_here: trials that ended in this launch, for the pace; ``loop.finished`` has earlier ones too.
        cluster: what the cluster is now, where its workers come and go.
        height: lines of the terminal; running and ended trials that don't fit are counted instead.
    """
    low = height < _FIXED_LINES + 2
    room = max(2, height - _FIXED_LINES - bool(cluster))
    running = sorted(loop.running, key=lambda trial: trial.since)
    for_running = min(len(running), max(1, room - 3)) or 1
    ended = [] if low else _ended(loop, min(8, room - for_running))
    sections = (
        _progress(loop, now, title, finished_here),
        _best(loop),
        [*([_line(cluster, "dim")] if cluster else []), *_running(running, now, for_running, loop)],
        [*ended, *_failed(failures_of(loop.finished))],
        [_line(_hint(loop), "dim")],
    )
    return Group(*_joined(sections, [] if low else [Text()]))


def _joined(
    sections: Iterable[list[RenderableType]], between: list[RenderableType]
) -> Iterator[RenderableType]:
    for number, section in enumerate(section for section in sections if section):
        yield from (between if number else [])
        yield from section


def seconds_left(loop: Loop, now: float, finished_here: int) -> float | None:
    """Estimated seconds until a limit ends the search, at this launch's pace; ``None`` where that is unknown.

    A target may end it sooner.
    """
    elapsed = now - loop.started
    estimates = []
    if loop.limits.timeout is not None:
        estimates.append(loop.limits.timeout - elapsed)
    if loop.limits.trials is not None and finished_here and elapsed > 0:
        estimates.append((loop.limits.trials - len(loop.finished)) * elapsed / finished_here)
    return max(0.0, min(estimates)) if estimates else None


def _progress(loop: Loop, now: float, title: str, finished_here: int) -> list[RenderableType]:
    elapsed = now - loop.started
    limits = loop.limits
    parts: list[RenderableType] = [
        _apart(Text(title, style="bold"), Text(f"{duration_text(elapsed)} so far"))
    ]
    bars = _bars()
    if limits.trials is not None:
        _add_bar(bars, len(loop.finished), limits.trials, f"{len(loop.finished)}/{limits.trials} trials")
    if limits.timeout is not None:
        label = f"{duration_text(min(elapsed, limits.timeout))} of {duration_text(limits.timeout)}"
        _add_bar(bars, elapsed, limits.timeout, label)
    if bars.row_count:
        parts.append(bars)
    pace = [f"{finished_here * 60 / elapsed:.1f} trials/min"] if finished_here and elapsed > 0 else []
    if limits.trials is None:
        pace.append(f"{count_of(len(loop.finished), 'trial')} ended")
    seconds = seconds_left(loop, now, finished_here)
    if seconds is not None and not loop.stopping:
        pace.append(f"about {duration_text(seconds)} left")
    if limits.target is not None and not loop.stopping:
        pace.append(f"or until the score {limits.target:g}" if pace else f"until the score {limits.target:g}")
    parts.append(_line(", ".join(pace) or "no trial has ended yet"))
    return parts


def _best(loop: Loop) -> list[RenderableType]:
    if loop.best is None or loop.best.value is None:
        return [Text("Best so far", style="bold"), _line(_furthest(loop), indent=True)]
    return [
        Text.assemble(
            ("Best so far  ", "bold"), (f"{loop.best.value:.3f}", "bold green"), f"  trial {loop.best.number}"
        ),
        _line(configuration_text(loop.best.configuration), indent=True),
    ]


def _furthest(loop: Loop) -> str:
    """What is known while no trial is complete: the best of those that were trained the longest."""
    waiting = [(trial.rung, trial.score, -trial.number) for trial in loop.paused if trial.score is not None]
    if not waiting:
        return "none yet"
    rung, score, number = max(waiting)
    return f"none is complete; {score:.3f} after {count_of(rung, 'epoch')}, trial {-number}"


def _running(running: list[LoopTrial], now: float, most: int, loop: Loop) -> list[RenderableType]:
    paused = len(loop.paused)
    title = Text(f"Running: {len(running)}", style="bold")
    title.append(f" of {count_of(loop.slots.total, 'slot')}", style="dim")
    table = _rows()
    for trial in running[:most]:
        table.add_row(
            Text(str(trial.number)),
            Text(duration_text(now - trial.since)),
            Text(configuration_text(trial.asked.configuration)),
        )
    if len(running) > most:
        title.append(", the longest" if most == 1 else f", the {most} longest", style="dim")
    if paused:
        title.append(f"  {count_of(paused, 'trial')} wait for promotion", style="dim")
    return [title, inset(table) if running else _line("nothing", indent=True)]


def _ended(loop: Loop, most: int) -> list[RenderableType]:
    if not loop.finished or most < 1:
        return []
    table = _rows()
    for record in reversed(loop.finished[-most:]):
        table.add_row(
            Text(str(record.number)),
            Text(outcome(record), style=_OUTCOME_STYLES.get(record.state, "")),
            Text(configuration_text(record.configuration)),
        )
    return [Text("Ended last", style="bold"), inset(table)]


_OUTCOME_STYLES = {"fail": "red", "pruned": "dim"}


def _failed(failures: tuple[FailedTrials, ...]) -> list[RenderableType]:
    if not failures:
        return []
    causes = ", ".join(f"{len(group.trials)} {group.cause}" for group in failures)
    latest = max(failures, key=lambda group: max(group.trials))
    return [
        Text.assemble(("Failed: ", "bold"), (causes, "red"), no_wrap=True, overflow="ellipsis"),
        _line(f"{latest.cause}: {one_line(latest.message)}", indent=True),
    ]


def _hint(loop: Loop) -> str:
    if loop.stopping == "interrupted":
        return f"Stopping: {count_of(len(loop.running), 'trial')} to finish. Ctrl-C again: stop now."
    if loop.stopping:
        return f"{loop.stopping}: finishing what runs. Ctrl-C twice: stop now."
    return "Ctrl-C: finish what runs; twice: stop now."


def _bars() -> Table:
    # One table for all of them, so that they are equally long.
    bars = Table.grid(padding=(0, 2, 0, 0), expand=True)
    bars.add_column(ratio=1)
    bars.add_column(justify="right", no_wrap=True)
    return bars


def _add_bar(bars: Table, done: float, total: float, label: str) -> None:
    bar = ProgressBar(total=total, completed=min(done, total), complete_style="green", style="dim")
    bars.add_row(bar, Text(label))


def _apart(left: Text, right: Text) -> Table:
    row = Table.grid(expand=True)
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(justify="right", no_wrap=True)
    row.add_row(left, right)
    return row


def _rows() -> Table:
    # Only the last column shrinks: without a ratio a long text would take the numbers' room too.
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _line(text: str, style: str = "", *, indent: bool = False) -> RenderableType:
    line = Text(text, style=style, no_wrap=True, overflow="ellipsis")
    return indented(line) if indent else line
