"""Ctrl-C and SIGTERM as events, so that nothing is cut in the middle of a write."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from search.driving.dispatch import Ended, Noted
from search.loop.events import Event, Interrupted, Tick

TICK_SECONDS = 0.25
"""How long the driver waits for an event before it looks at the clock."""

Events = queue.SimpleQueue[Event | Ended | Noted]
"""Events from the cluster's threads and from signals, for the driver's thread."""


def next_event(events: Events) -> Event | Ended | Noted:
    """The next one, or a tick of the clock where none comes."""
    try:
        return events.get(timeout=TICK_SECONDS)
    except queue.Empty:
        return Tick()


@contextmanager
def interrupts_to(events: Events) -> Iterator[None]:
    """Within it, the signals become :class:`Interrupted`; the main thread's only."""

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        events.put(Interrupted())

    previous: Mapping[int, Any] = {}
    with suppress(ValueError):  # not the main thread: another owner has the signals
        previous = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
