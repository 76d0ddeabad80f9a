"""The display of a running search: a live view on a terminal, one line a trial elsewhere. On stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from rich.live import Live

from search.driving.live_view import live_view
from search.loop.loop import Loop
from search.output.terminal import Console, Text
from search.words import configuration_text, one_line, outcome
from studies.records.trials import TrialRecord

REFRESH_SECONDS = 0.1
"""Seconds between two refreshes of the live view, however fast events come."""


class Display(Protocol):
    """Shows a driver's progress. No method blocks."""

    def start(self, title: str) -> None:
        """The launch begins."""

    def update(self, loop: Loop, now: float) -> None:
        """The loop's state at a reading of its clock, in seconds: after each event, and 4 times a second."""

    def trial_finished(self, record: TrialRecord) -> None:
        """A trial of this launch has ended and is in storage."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def progress(self, text: str) -> None:
        """The progress of the trainings after the search; a few times a second."""

    def cluster(self, text: str) -> None:
        """The present size of a cluster whose workers come and go; a few times a second."""

    def stop(self) -> None:
        """The launch is over; also called where it ends in an error."""


def make_display(quiet: bool = False, stream: TextIO | None = None) -> Display:
    """A live view where ``stream`` (by default stderr) is a terminal to draw on, else lines; or nothing."""
    if quiet:
        return SilentDisplay()
    stream = stream or sys.stderr
    console = Console(stream)
    # With TERM=dumb (Emacs, some CI) nothing can be redrawn, and rich would show nothing till the end.
    live = stream.isatty() and not console.is_dumb_terminal
    return LiveDisplay(console) if live else LineDisplay(console)


class SilentDisplay:
    """Shows nothing."""

    def start(self, title: str) -> None:
        """Nothing."""

    def update(self, loop: Loop, now: float) -> None:
        """Nothing."""

    def trial_finished(self, record: TrialRecord) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def progress(self, text: str) -> None:
        """Nothing."""

    def cluster(self, text: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


@dataclass
class LineDisplay:
    """One line for each trial that ended, for logs and pipes."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    _loop: Loop | None = None
    _finished_here: list[TrialRecord] = field(default_factory=list)

    def start(self, title: str) -> None:
        """The title."""
        self._print(title)

    def update(self, loop: Loop, now: float) -> None:  # noqa: ARG002  the signature is the protocol's
        """Kept for the best score and the count; prints nothing."""
        self._loop = loop

    def trial_finished(self, record: TrialRecord) -> None:
        """``trial 12  0.934  tensorflow adam … 27 epochs  3.2 s  (best 0.951, 13/60)``."""
        self._finished_here.append(record)
        self._print(f"{trial_line(record)}  ({progress_text(self._loop, self._finished_here)})")

    def note(self, text: str) -> None:
        """The text."""
        self._print(text)

    def progress(self, text: str) -> None:
        """Nothing: what ended is noted."""

    def cluster(self, text: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def _print(self, text: str) -> None:
        # Not wrapped: one line a trial is what grep and a log want.
        self.console.print(Text(text), soft_wrap=True)


@dataclass
class LiveDisplay:
    """A view that is refreshed a few times a second, and disappears when the launch is over."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    _title: str = ""
    _cluster: str = ""
    _finished_here: int = 0
    _refreshed: float = float("-inf")
    _live: Live | None = None

    def start(self, title: str) -> None:
        """Take over the terminal's last lines."""
        self._title = title
        self._live = Live(
            Text(title, style="bold"),
            console=self.console,
            auto_refresh=False,
            transient=True,
            # Other output to a terminal goes above the view; a piped stdout stays as it is.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._live.start(refresh=True)

    def update(self, loop: Loop, now: float) -> None:
        """Redraw the view, unless that was done a moment ago."""
        if self._live is None or now - self._refreshed < REFRESH_SECONDS:
            return
        self._refreshed = now
        room = self.console.height - 1
        view = live_view(
            loop, now, self._title, finished_here=self._finished_here, height=room, cluster=self._cluster
        )
        self._live.update(view, refresh=True)

    def trial_finished(self, record: TrialRecord) -> None:  # noqa: ARG002  the view takes it from the loop
        """Count it for the pace; the next picture shows it."""
        self._finished_here += 1

    def note(self, text: str) -> None:
        """The text, above the view."""
        self.console.print(Text(text), soft_wrap=True)

    def progress(self, text: str) -> None:
        """The text, in the place of the view."""
        if self._live is not None:
            self._live.update(Text.assemble((self._title, "bold"), f"  {text}"), refresh=True)

    def cluster(self, text: str) -> None:
        """Kept for the next picture."""
        self._cluster = text

    def stop(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def trial_line(record: TrialRecord) -> str:
    """``trial 12  0.934  tensorflow adam … 27 epochs  3.2 s``, and the cause where it failed."""
    parts = [f"trial {record.number}", outcome(record), configuration_text(record.configuration)]
    seconds = record.seconds
    if seconds is not None:
        parts.append(f"{seconds:.1f} s")
    failure = record.report.failure if record.report else None
    if failure is not None:
        parts.append(f"{failure.cause}: {one_line(failure.message)}")
    return "  ".join(parts)


def progress_text(loop: Loop | None, finished_here: Sequence[TrialRecord]) -> str:
    """``best 0.951, 13/60``: the best score and the trials that ended.

    The loop receives a trial's end a moment after the display does, so ``finished_here`` is counted in.
    """
    finished = {record.number: record.value for record in (*(loop.finished if loop else ()), *finished_here)}
    values = [value for value in finished.values() if value is not None]
    best = f"best {max(values):.3f}" if values else "none complete"
    limit = loop.limits.trials if loop else None
    return f"{best}, {len(finished)}" + (f"/{limit}" if limit is not None else "")
