"""All that is used of Dask without its makers having promised it: each part with why it is needed.

Nothing else in the packages names a private part of Dask or reads the state of its scheduler.
``tests/workers/machine/test_dask_internals.py`` says what has moved when another version is installed, and
``docs/moving-versions.md`` what to do then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


async def run_on(client: Any, workers: Sequence[str], function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns on each of these workers, or the exception that it or the connection raises.

    ``Client.run`` waits for the answers, and can't be awaited in the loop of a client that waits.
    """
    return await client._run(function, *args, workers=list(workers), on_error="return")


def ssh_worker() -> type:
    """The class of workers that are started over SSH, each with its own options. ``SSHCluster`` gives all of
    them the same.
    """
    from distributed.deploy.ssh import Worker

    return Worker  # type: ignore[no-any-return]


def offer(worker: Any, resources: Mapping[str, float]) -> None:
    """Add resources to a worker that isn't known to the scheduler yet, and hears of them with the rest.

    ``Worker.set_resources`` tells the scheduler, which doesn't know the worker in a preload.
    """
    for name, count in resources.items():
        worker.state.total_resources[name] = worker.state.available_resources[name] = float(count)


def resources_of(worker: Any) -> Mapping[str, float]:
    """What a worker has been given; it has no public attribute of it."""
    return dict(worker.state.total_resources)


def threads_of(worker: Any) -> int:
    """How many tasks a worker runs at once."""
    return int(worker.state.nthreads)


# What a client's scheduler is asked. `Client` has methods for some of it: they wait, and can't be bounded.


async def ask(asker: Any, question: str, **about: Any) -> Any:
    """The answer of a handler that a plugin gave the scheduler, see :meth:`SchedulerState.answer`.

    Args:
        asker: a client.
        question: name of the handler.
        about: what it takes.
    """
    return await getattr(asker.scheduler, question)(**about)


async def set_metadata(client: Any, keys: Sequence[Any], value: Any) -> None:
    """``Client.set_metadata``, but awaited in the client's own loop."""
    await client.scheduler.set_metadata(keys=list(keys), value=value)


async def metadata(worker: Any, keys: Sequence[Any]) -> Any:
    """What a worker's scheduler keeps under these keys, or ``None``. A worker has no public way to it."""
    return await worker.scheduler.get_metadata(keys=list(keys), default=None)


async def ended_for_memory(client: Any) -> Sequence[str]:
    """Addresses of workers that their nannies ended because they took more memory than they may.

    ``Client.get_events`` returns the same, and waits without a bound for a scheduler that is stopped.
    """
    events = await client.scheduler.events(topic="worker-restart-memory")
    return [str(event["worker"]) for _, event in events]


async def runs_on(client: Any, worker: str) -> bool:
    """Whether a worker has tasks. ``Client.processing`` waits for the answer without a bound."""
    return bool((await client.scheduler.processing(workers=[worker])).get(worker))


async def holds_results(client: Any, worker: str) -> bool:
    """Whether a worker has results that somebody wants. ``Client.has_what`` waits for the answer without a
    bound.
    """
    return bool((await client.scheduler.has_what(workers=[worker])).get(worker))


async def is_known(client: Any, worker: str) -> bool:
    """Whether the scheduler has a worker of this address. ``Client.scheduler_info`` answers from a copy."""
    return worker in (await client.scheduler.identity(n_workers=-1))["workers"]


async def end_worker(client: Any, worker: str, seconds: float, why: str) -> None:
    """End a worker process; its nanny starts another, and nobody waits for that.

    ``Client.restart_workers`` refuses a worker without a nanny, which the scheduler can do without too.
    """
    await client.scheduler.restart_workers(
        workers=[worker],
        timeout=seconds,
        wait_for_workers=False,
        on_error="return",
        stimulus_id=f"{why}-{worker}",
    )


class SchedulerState:
    """What a scheduler's plugin reads of it, in its process. No public answer says whose a task is, or if it
    has begun.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    def answer(self, question: str, handler: Callable[..., Any]) -> None:
        """Let clients ask this."""
        self._scheduler.handlers[question] = handler

    def knows(self, client: str) -> bool:
        """Whether the client is there."""
        return client in self._scheduler.clients

    def workers(self) -> Mapping[str, Mapping[str, Any]]:
        """What the scheduler says of each, by address."""
        described: Mapping[str, Mapping[str, Any]] = self._scheduler.identity()["workers"]
        return described

    def addresses(self) -> Sequence[str]:
        """Of all workers."""
        return list(self._scheduler.workers)

    def processing(self, worker: str) -> Sequence[TaskState]:
        """The tasks that a worker has, those that wait there too."""
        there = self._scheduler.workers.get(worker)
        return [] if there is None else [TaskState(task) for task in there.processing]

    def wanted(self, client: str) -> Iterator[TaskState]:
        """The tasks that a client waits for."""
        state = self._scheduler.clients.get(client)
        return (TaskState(task) for task in (() if state is None else state.wants_what))

    def metadata(self, key: str) -> Mapping[str, Any]:
        """What clients left with the scheduler, to be changed."""
        kept: Mapping[str, Any] = self._scheduler.task_metadata.get(key, {})
        return kept


class TaskState:
    """One task, as the scheduler has it."""

    def __init__(self, task: Any) -> None:
        self._task = task

    @property
    def key(self) -> str:
        """Its name."""
        return str(self._task.key)

    @property
    def resources(self) -> Mapping[str, float]:
        """What it takes."""
        return self._task.resource_restrictions or {}

    @property
    def clients(self) -> set[str]:
        """Who waits for it; nobody any more for some."""
        return {client.client_key for client in self._task.who_wants or ()}

    @property
    def waits(self) -> bool:
        """Whether no worker has it yet."""
        return self._task.state in ("released", "waiting", "no-worker", "queued")

    def on_worker(self) -> tuple[str, float | None, float] | None:
        """(worker, seconds since it began, seconds since that worker was heard of); the first are unknown of
        one that hasn't begun. ``None`` where no worker has it.
        """
        if self._task.state != "processing":
            return None
        worker = self._task.processing_on
        silent = max(0.0, time.time() - worker.last_seen)
        seconds = worker.executing.get(self._task)  # when it was last heard of
        return worker.address, None if seconds is None else seconds + silent, silent

    def forgive(self) -> None:
        """Don't count the death that its worker is about to have: Dask charges every task there."""
        self._task.suspicious -= 1
