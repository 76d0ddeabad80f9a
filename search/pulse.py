"""Whether a scheduler in another process is still there, and which workers it has.

A scheduler that is stopped, or cut off, keeps its connection: nothing fails, and whoever asks it something
waits for ever. So it is asked regularly, with a bound, in the client's own thread; the driver reads what came
of it and never waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from search.slots import SPARK, TRIAL, Slots

BEAT_SECONDS = 1.0
"""Seconds between an answer of the scheduler and the next question."""

ANSWER_SECONDS = 5.0
"""How long the scheduler may take to answer one."""


@dataclass
class Pulse:
    """Asks a client's scheduler for its workers, again and again.

    Attributes:
        heard: reading of the clock, in seconds, when it last answered.
        workers: what it said then of each worker, by address.
    """

    client: Any
    clock: Callable[[], float] = time.monotonic
    heard: float = field(init=False)
    workers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.heard = self.clock()

    def silent_seconds(self) -> float:
        """How long it has not answered."""
        return self.clock() - self.heard

    def forget(self, address: str) -> None:
        """A worker is gone, which the scheduler will say too the next time that it is asked."""
        self.workers = {there: worker for there, worker in self.workers.items() if there != address}

    @contextmanager
    def beating(self) -> Iterator[Pulse]:
        """Ask from now on, until leaving."""
        loop = self.client.loop.asyncio_loop
        beats = asyncio.run_coroutine_threadsafe(self._beat(), loop)
        try:
            yield self
        finally:
            beats.cancel()

    async def _beat(self) -> None:
        while True:
            with suppress(OSError):  # no answer in time, or no connection: silent_seconds() says how long
                found = await asyncio.wait_for(self.client.scheduler.identity(n_workers=-1), ANSWER_SECONDS)
                self.workers, self.heard = found["workers"], self.clock()
            await asyncio.sleep(BEAT_SECONDS)


def offered(workers: Iterable[Mapping[str, Any]], frameworks: Iterable[str]) -> Slots:
    """The slots of workers, for a study whose space has these frameworks.

    A study without Spark leaves the slots that are Spark's; one of Spark alone leaves the others, where there
    are any of its own.
    """
    frameworks = set(frameworks)
    workers = list(workers)
    spark = sum(offers(worker, SPARK) for worker in workers) if "spark" in frameworks else 0
    trial = 0 if spark and frameworks == {"spark"} else sum(offers(worker, TRIAL) for worker in workers)
    return Slots(trial, spark)


def offers(worker: Mapping[str, Any], kind: str) -> int:
    """Slots of a kind that one worker has."""
    return int(worker.get("resources", {}).get(kind, 0))
