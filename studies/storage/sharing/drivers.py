"""Drivers that share a study: what each says of itself in storage, and whether it is still there."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from studies.processes import is_there, started, this_kernel
from studies.records.reading import read_record
from studies.records.schema import DRIVER

BEAT_SECONDS = 1.0
"""Between two beats of a driver, and between two of its looks at the others."""

SILENT_SECONDS = 20.0
"""A driver whose counter stood still for so long is taken for dead."""


@dataclass(frozen=True)
class DriverRecord:
    """What a driver says of itself in storage.

    ``kernel`` and ``started`` (clock ticks since the machine's start, which no change of its clock touches)
    tell a process of this machine from another one with its number.
    """

    id: str
    host: str
    pid: int
    since: str
    kernel: str
    started: int
    beat: int = 0

    def describe(self) -> str:
        """For a person."""
        return f"process {self.pid} on {self.host}, since {self.since}"


def this_driver() -> DriverRecord:
    """A record for this process, under a name of its own."""
    return DriverRecord(
        id=uuid.uuid4().hex[:12],
        host=socket.gethostname(),
        pid=os.getpid(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        kernel=this_kernel(),
        started=started(os.getpid()) or 0,
    )


def is_dead_process(record: DriverRecord) -> bool:
    """Whether the driver's process is known to have ended, which only its own machine can know."""
    return is_there(record.kernel, record.pid, record.started) is False


@dataclass
class Watch:
    """Tells silent drivers from beating ones by their counters, looked at again and again.

    The clocks of other machines play no part, and neither does time in which nobody could look, such as
    that of a server's restart: between two looks at most ``most_a_look`` seconds count.
    """

    silent_after: float = SILENT_SECONDS
    most_a_look: float = 3 * BEAT_SECONDS
    _looked: float | None = None
    _beats: dict[str, int] = field(default_factory=dict)
    _quiet: dict[str, float] = field(default_factory=dict)

    def look(self, beats: Mapping[str, int], now: float) -> None:
        """Take note of all counters, at a reading of this process's clock in seconds."""
        passed = 0.0 if self._looked is None else min(now - self._looked, self.most_a_look)
        self._looked = now
        self._quiet = {
            driver: self._quiet.get(driver, 0.0) + passed if self._beats.get(driver) == beat else 0.0
            for driver, beat in beats.items()
        }
        self._beats = dict(beats)

    def is_silent(self, driver: str) -> bool:
        """Whether its counter has stood still for too long."""
        return self._quiet.get(driver, 0.0) >= self.silent_after


def driver_records(attributes: Mapping[str, Any]) -> list[DriverRecord]:
    """The records of all drivers among the attributes of a study on a server, dead ones among them."""
    return [read_record(DriverRecord, value) for key, value in attributes.items() if key.startswith(DRIVER)]
