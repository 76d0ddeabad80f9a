"""Whether a scheduler in another process still answers, which workers it has, and which drivers use them.

A scheduler that is stopped, or cut off, keeps its connection: nothing fails, and a question to it waits for
ever. So it is asked regularly, with a bound, in the client's own thread; the driver reads the last answer and
never waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from search.loop.slots import GPU, SPARK, TRIAL, Slots, allowance
from studies.frameworks import any_in_spark, any_on_gpus, records_of
from studies.sections.cluster import GpuPolicy
from workers.machine.dask_internals import ask
from workers.machine.resources import RESOURCES
from workers.tenants import LOOK, NOTHING, Look, read

BEAT_SECONDS = 1.0
"""Seconds between an answer of the scheduler and the next question."""

ANSWER_SECONDS = 5.0
"""How long the scheduler may take to answer one."""


Meet = Callable[[Sequence[str]], Awaitable[Mapping[str, bool]]]
"""Checks workers, by their addresses, and returns which of them are used; those that don't answer are
missing, and checked again."""


@dataclass
class Pulse:
    """Asks a client's scheduler for its workers, again and again.

    Attributes:
        meet: checks workers that come, before they are counted; without it all are.
        answered_at: reading of the clock, in seconds, when it last answered.
        workers: from that answer, each worker that is used, by address.
        looked: that whole answer.
        kinds: the resources that the driver's tasks take.
        leaving: addresses of workers that are given nothing more, because they are about to be replaced.
    """

    client: Any
    kinds: Sequence[str] = RESOURCES
    clock: Callable[[], float] = time.monotonic
    meet: Meet | None = None
    answered_at: float = field(init=False)
    workers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    looked: Look = NOTHING
    leaving: Collection[str] = ()
    _present: tuple[Any, Slots] = ((None, None), Slots(0))
    _met: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answered_at = self.clock()

    @property
    def refused(self) -> Sequence[str]:
        """Addresses of workers that are there and not used."""
        return [address for address, used in self._met.items() if not used]

    @property
    def strangers(self) -> bool:
        """Whether there are workers that are not used, or were not met yet."""
        return any(address not in self.workers for address in self.looked.workers)

    @property
    def others(self) -> int:
        """How many other drivers share the scheduler."""
        return max((count for count, _ in self.looked.drivers.values()), default=1) - 1

    def present(self, frameworks: Sequence[str], gpu: GpuPolicy) -> Slots:
        """The slots that this driver may fill now, for a study whose space has these frameworks."""
        at, slots = self._present
        # Asked for with each trial, and a thousand workers are many to count.
        if at[0] is not self.looked or at[1] is not self.workers:
            at = (self.looked, self.workers)
            slots = offered(self.workers.values(), frameworks, gpu)
            self._present = (at, slots.within(self._limits(slots)))
        return self._present[1]

    def _limits(self, slots: Slots) -> Mapping[str, int]:
        mine, others = Counter[str](), Counter[str]()
        for use in self.looked.used:
            if use.worker in self.workers:
                mine[use.kind] += use.mine
                others[use.kind] += use.others
        return {
            kind: allowance(total, mine[kind], others[kind], *self.looked.drivers.get(kind, (1, 0)))
            for kind, total in slots.by_kind.items()
        }

    def silent_seconds(self) -> float:
        """How long it has not answered."""
        return self.clock() - self.answered_at

    def forget(self, address: str) -> None:
        """Drop a worker that is gone, before the scheduler's next answer shows it."""
        self.workers = {known: worker for known, worker in self.workers.items() if known != address}

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
        meeting: asyncio.Task[None] | None = None
        try:
            while True:
                with suppress(OSError):  # no answer in time, or no connection: silent_seconds() says how long
                    answer = await asyncio.wait_for(look(self.client, self.kinds), ANSWER_SECONDS)
                    self.answered_at = self.clock()
                    self.looked, workers = answer, answer.workers
                    self._met = {address: used for address, used in self._met.items() if address in workers}
                    new = [address for address in workers if address not in self._met]
                    if new and (meeting is None or meeting.done()):
                        # Beside the beats: a worker that doesn't answer isn't a scheduler that doesn't.
                        meeting = asyncio.create_task(self._meet(new))
                        await asyncio.wait([meeting], timeout=BEAT_SECONDS)
                    self.workers = {
                        address: workers[address]
                        for address, used in self._met.items()
                        if used and address not in self.leaving
                    }
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            if meeting is not None:
                meeting.cancel()

    async def _meet(self, new: Sequence[str]) -> None:
        if self.meet is None:
            self._met.update(dict.fromkeys(new, True))
            return
        with suppress(OSError):  # checked again with the next beat
            used = await self.meet(new)
            self._met.update(used)  # and not before: a beat meanwhile makes another dictionary of it


async def look(client: Any, kinds: Sequence[str]) -> Look:
    """What a client's scheduler, which has :class:`workers.tenants.Tenants`, knows of its drivers."""
    return read(await ask(client, LOOK, client=client.id, kinds=list(kinds)))


def offered(
    workers: Iterable[Mapping[str, Any]], frameworks: Iterable[str], gpu: GpuPolicy = "prefer"
) -> Slots:
    """The slots of workers, for a study whose space has these frameworks.

    A study without Spark leaves the slots that are Spark's; one of Spark alone leaves the others, where there
    are any of its own. Where GPUs are required, what isn't Spark's leaves the slots on CPUs.
    """
    records, workers = records_of(frameworks), list(workers)
    with_spark = any(record.in_spark for record in records)
    on_gpus = any(record.on_gpus for record in records) or not records
    on_cpus = any(not record.in_spark and not record.on_gpus for record in records)
    spark = sum(offers(worker, SPARK) for worker in workers) if with_spark else 0
    gpus = sum(offers(worker, GPU) for worker in workers) if on_gpus and gpu != "never" else 0
    only = gpu == "require" and on_gpus
    # What can't use a GPU takes these; Spark's trials do where they have none of their own.
    wanted = on_cpus or (with_spark and not spark) or (on_gpus and not only)
    trial = sum(offers(worker, TRIAL) for worker in workers) if wanted else 0
    return Slots(trial, spark, gpus, gpu_only=only)


def kinds_of(frameworks: Iterable[str], gpu: GpuPolicy = "prefer") -> Sequence[str]:
    """The resources that trials of these frameworks may take."""
    frameworks = tuple(frameworks)
    on_gpus = gpu != "never" and (any_on_gpus(frameworks) or not frameworks)
    without = {*(() if any_in_spark(frameworks) else (SPARK,)), *(() if on_gpus else (GPU,))}
    return [kind for kind in RESOURCES if kind not in without]


def offers(worker: Mapping[str, Any], kind: str) -> int:
    """Slots of a kind that one worker has."""
    return int(worker.get("resources", {}).get(kind, 0))
