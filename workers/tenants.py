"""What a Dask scheduler knows of the drivers that share it: who is there, and what each has it run.

A plugin of the scheduler's, because none of its own answers says whose a task is, or whether it has begun.
Each driver asks every second, and once more where one of its tasks seems to hang. The answer is the state
that the scheduler has of tasks then, so that no lost message matters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from distributed import SchedulerPlugin

from workers.machine.dask_internals import SchedulerState
from workers.machine.resources import RESOURCES
from workers.machine.rows import KEY

LOOK, SPARE = "honest_search_look_1", "honest_search_spare_1"
"""Names of what a scheduler with the plugin can be asked; another number wherever an answer changes, because
drivers of several versions may share it."""

TURN_SECONDS = 2.0
"""How long a driver has the first claim to what can't be divided."""

SILENT_SECONDS = 10.0
"""A driver that hasn't asked for so long, because it hangs, is counted by what it has run alone."""


class Task(NamedTuple):
    """A driver's own task that has not ended.

    Attributes:
        worker: address of the worker that has it; empty where none has.
        seconds: since it began there; ``None`` where it waits, as far as the scheduler has heard.
        silent: seconds since that worker was last heard of.
    """

    worker: str
    seconds: float | None
    silent: float


class Use(NamedTuple):
    """Slots of one kind on one worker that tasks take, those that wait there too."""

    worker: str
    kind: str
    mine: int
    others: int


class Look(NamedTuple):
    """What a driver learns from one look.

    Attributes:
        workers: what the scheduler says of each, by address.
        tasks: the driver's own, by key.
        used: where slots are taken.
        drivers: how many want slots of each kind, this one among them, and its place among them, from 0; the
            places change every :data:`TURN_SECONDS`.
    """

    workers: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Task]
    used: Sequence[Use]
    drivers: Mapping[str, tuple[int, int]]


NOTHING = Look({}, {}, (), {})
"""Before the first."""


class Tenants(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Answers drivers' questions in the scheduler's process. It changes nothing there but what it is asked to
    by :data:`SPARE`.
    """

    name = LOOK
    idempotent = True

    def __init__(self) -> None:
        self._state: Any = None
        self._asked: dict[str, tuple[float, frozenset[str]]] = {}

    async def start(self, scheduler: Any) -> None:
        """Called by Dask in the scheduler's process."""
        self._state = SchedulerState(scheduler)
        self._state.answer(LOOK, self.look)
        self._state.answer(SPARE, self.spare)

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Called by Dask when a driver has gone: also one that was killed, and left its rows here."""
        self._asked.pop(client, None)
        for held in SchedulerState(scheduler).metadata(KEY).values():
            held.pop(client, None)
            held.get("index", {}).pop(client, None)

    def look(self, client: str, kinds: Sequence[str]) -> list[Any]:
        """The fields of a :class:`Look`, for the driver that this client is of.

        Args:
            client: its id.
            kinds: the resources that its tasks take.
        """
        if self._state.knows(client):  # one that has just gone isn't there any more
            self._asked[client] = time.time(), frozenset(kinds)
        used, holders = self._used(client)
        drivers = {kind: self._place(client, kind, holders.get(kind, set())) for kind in kinds}
        return [self._state.workers(), self._tasks(client), used, drivers]

    def spare(self, client: str, worker: str) -> None:
        """A driver is about to end a worker: what others run there is run again, and isn't blamed.

        Dask charges every task there with the death.
        """
        for task in self._state.processing(worker):
            if client not in task.clients:
                task.forgive()

    def _used(self, client: str) -> tuple[list[Use], dict[str, set[str]]]:
        """Where slots are taken, and by which clients."""
        used: list[Use] = []
        holders: dict[str, set[str]] = {}
        for worker in self._state.addresses():
            counts: dict[str, list[int]] = {}
            for task in self._state.processing(worker):
                for kind in RESOURCES:
                    if kind not in task.resources:
                        continue
                    clients = task.clients
                    holders.setdefault(kind, set()).update(clients)
                    counts.setdefault(kind, [0, 0])[client not in clients] += int(task.resources[kind])
            used += [Use(worker, kind, *count) for kind, count in counts.items()]
        return used, holders

    def _place(self, client: str, kind: str, holders: set[str]) -> tuple[int, int]:
        """How many drivers want a kind, or have it, and the place of one among them."""
        now = time.time()
        speaking = {driver: kinds for driver, (at, kinds) in self._asked.items() if now - at < SILENT_SECONDS}
        drivers = sorted({driver for driver, kinds in speaking.items() if kind in kinds} | holders | {client})
        return len(drivers), (drivers.index(client) + int(now // TURN_SECONDS)) % len(drivers)

    def _tasks(self, client: str) -> dict[str, Task]:
        tasks = {}
        for task in self._state.wanted(client):
            where = task.on_worker()
            if where is not None:
                tasks[task.key] = Task(*where)
            elif task.waits:
                tasks[task.key] = Task("", None, 0.0)
        return tasks


def read(answer: Sequence[Any]) -> Look:
    """The look that a scheduler answered with; what is sent forgets the names of fields."""
    workers, tasks, used, drivers = answer
    return Look(
        workers,
        {key: Task(*task) for key, task in tasks.items()},
        [Use(*use) for use in used],
        {kind: (count, place) for kind, (count, place) in drivers.items()},
    )
