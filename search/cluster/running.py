"""A Dask cluster that is there, as the driver sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search.cluster.pulse import ANSWER_SECONDS, BEAT_SECONDS, Pulse, look, offered, offers
from search.loop.slots import Slots
from search.words import count_of
from studies.sections.cluster import GpuPolicy
from studies.sections.sizes import describe_size
from workers.machine.dask_internals import (
    ask,
    end_worker,
    ended_for_memory,
    holds_results,
    is_known,
    runs_on,
)
from workers.machine.resources import RESOURCES
from workers.tenants import SPARE, Look, Task

NO_WORKERS_SECONDS = 120.0
"""How long trials wait while there is no worker for them, before the cluster is given up. A worker process
that died is back in seconds; without a bound, a search whose workers can't come back would wait for ever."""

_LOG = logging.getLogger("search.cluster")

LOOK_SECONDS = 0.2
"""Seconds between two looks whether a worker that is to be replaced still runs anything."""

HELD_SECONDS = 30.0
"""How long its results may be held before it is replaced all the same."""

RESTART_SECONDS = 8.0
"""How long ending a worker process may take; nobody waits for its successor."""


def _no_news() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that is there, with a client connected to it.

    Attributes:
        client: the driver's connection.
        slots: trials that it can run at once.
        description: what it is, for a person.
        dashboard: link to its scheduler's own page; empty where it has none.
        a_worker: slots of each kind that one worker process has.
        restarts: whether a worker process that hangs can be ended.
        frameworks: those of the study's space.
        pulse: of a scheduler in another process.
        scheduler: of this machine's worker processes; it is in this process.
        gpu: who takes GPUs.
        patience: seconds that trials wait while there is no worker for them, where that is not
            :data:`NO_WORKERS_SECONDS`.
        news: what became known of its workers since the last call, for a person.
    """

    client: Any
    slots: Slots
    description: str
    a_worker: Mapping[str, int]
    restarts: bool
    frameworks: Sequence[str] = ()
    pulse: Pulse | None = None
    scheduler: Any = None
    gpu: GpuPolicy = "prefer"
    patience: float | None = None
    news: Callable[[], Sequence[str]] = _no_news
    dashboard: str = ""
    _leaving: set[str] = field(default_factory=set)  # addresses of workers that are being replaced

    def describe(self) -> str:
        """What it is now, for a person: where workers come and go, how many there are and what they hold."""
        if self.pulse is None:
            return self.description
        workers = list(self.pulse.workers.values())
        memory = sum(int(worker.get("metrics", {}).get("memory", 0)) for worker in workers)
        parts = [
            f"{count_of(len(workers), 'worker')} {self.description}",
            f"{describe_size(memory)} of memory",
        ]
        if self.pulse.others:
            parts.append(f"shared with {count_of(self.pulse.others, 'other driver')}")
        return ", ".join([*parts, *([self.dashboard] if self.dashboard else [])])

    def slots_a_worker(self, kind: str) -> int:
        """Slots of a kind in the same process; the most that any has, where they differ."""
        if self.pulse is not None:
            return max((offers(worker, kind) for worker in self.pulse.workers.values()), default=1)
        return self.a_worker.get(kind, 1)

    def present(self) -> Slots:
        """The slots of the workers that are there now, without those that other drivers of the same scheduler
        have. A worker that died is not there until it has started again.
        """
        if self.pulse is not None:
            return self.pulse.present(self.frameworks, self.gpu)
        if self.scheduler is None:
            return self.slots
        resources = ({"resources": worker.resources} for worker in self._staying())
        return offered(resources, self.frameworks, self.gpu)

    def addresses(self) -> Collection[str]:
        """Of the workers that are there now, as far as they can come and go."""
        if self.pulse is not None:
            return list(self.pulse.workers)
        return () if self.scheduler is None else list(self.scheduler.workers)

    def where(self) -> Mapping[str, Any]:
        """Where this driver's tasks may run, as options of Dask's ``submit``: anywhere, unless there are
        workers that this driver doesn't use, or hasn't met yet.
        """
        if self.pulse is not None:
            addresses = list(self.pulse.workers) if self.pulse.strangers else None
        else:
            addresses = [worker.address for worker in self._staying()] if self._leaving else None
        return {} if addresses is None else {"workers": addresses, "allow_other_workers": False}

    def _staying(self) -> list[Any]:
        """What this machine's scheduler knows of its worker processes."""
        workers = [] if self.scheduler is None else list(self.scheduler.workers.values())
        return [worker for worker in workers if worker.address not in self._leaving]

    def lost_worker(self, address: str) -> None:
        """Drop a worker that died, whatever the pulse's last answer was."""
        if self.pulse is not None:
            self.pulse.forget(address)

    def replace(self, address: str) -> None:
        """Have a worker process end, and another start in its place, once nothing runs there any more; it is
        given nothing meanwhile.
        """
        if self.restarts and address not in self._leaving:
            self._leaving.add(address)
            if self.pulse is not None:
                self.pulse.leaving = self._leaving
                self.pulse.forget(address)
            self.client.loop.add_callback(self._replace, address)

    async def _replace(self, address: str) -> None:
        try:
            while await runs_on(self.client, address):
                await asyncio.sleep(LOOK_SECONDS)
            # Dask computes a result once more that is lost before everybody who has it has let go of it.
            looks = round(HELD_SECONDS / LOOK_SECONDS)
            while looks and await holds_results(self.client, address):
                await asyncio.sleep(LOOK_SECONDS)
                looks -= 1
            await self._restart(address, "worn")
            # The scheduler may know the one that has ended for a moment longer, and a pulse for two beats.
            while await is_known(self.client, address):
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(2 * BEAT_SECONDS)
            _LOG.info("the worker %s was replaced: it kept machine code that it can't give back", address)
        except (OSError, RuntimeError, AttributeError) as error:  # a client that is closed has no scheduler
            # The worker's next trial asks again, where the scheduler is there then.
            _LOG.info("the worker %s could not be replaced: %r", address, error)
        finally:
            self._leaving.discard(address)

    def silent_seconds(self) -> float:
        """How long a scheduler in another process has not answered."""
        return 0.0 if self.pulse is None else self.pulse.silent_seconds()

    def end_worker_of(self, key: str) -> bool:
        """End the process that runs a task; false where it is the driver's own, or can't be found."""
        if not self.restarts:
            return False
        task = self.tasks().get(key)
        if task is None or not task.worker:
            return False
        with contextlib.suppress(OSError, RuntimeError):
            self.client.sync(self._restart, task.worker, "hangs", callback_timeout=RESTART_SECONDS)
        return True

    async def _restart(self, worker: str, why: str) -> None:
        await ask(self.client, SPARE, client=self.client.id, worker=worker)
        await end_worker(self.client, worker, RESTART_SECONDS / 2, why)

    def tasks(self) -> Mapping[str, Task]:
        """This driver's tasks that have not ended, by key; empty where the scheduler doesn't answer."""
        try:
            # A scheduler that is stopped never answers.
            kinds = RESOURCES if self.pulse is None else self.pulse.kinds
            answer: Look = self.client.sync(look, self.client, kinds, callback_timeout=ANSWER_SECONDS)
        except (OSError, RuntimeError):
            return {}
        return answer.tasks

    def ran_out_of_memory(self, address: str) -> bool:
        """Whether the worker that had this address was ended because it took more memory than it may."""
        try:
            ended = self.client.sync(ended_for_memory, self.client, callback_timeout=ANSWER_SECONDS)
        except (OSError, RuntimeError):
            return False
        return address in ended
