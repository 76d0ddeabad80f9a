"""Starts the Dask cluster that trials run on. Only this module knows which deployers there are.

To add a cluster of this machine: its name in :class:`studies.study.Cluster`, and a row of ``_STARTERS``.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, LocalCluster, Nanny, Scheduler, SpecCluster

from search.pulse import ANSWER_SECONDS, Pulse, offered, offers
from search.slots import SPARK, TRIAL, Slots, cores, describe_cluster, slots_for
from studies.errors import MachineError
from studies.study import Cluster
from workers import cpu_threads
from workers.offer import OfferThreads

_HOST = "127.0.0.1"

_LOOPBACK = f"{_HOST}:0"
"""A free port of this machine alone. Without an address Dask's scheduler and its worker serve HTTP on every
interface."""


NO_WORKERS_SECONDS = 120.0
"""How long trials wait while there is no worker for them, before the cluster is given up. A worker process
that died is back in seconds; without a bound, a search whose workers can't come back would wait for ever."""

SILENT_SECONDS = 60.0
"""How long a worker process may say nothing, because it is stopped or holds Python's lock, before the
scheduler takes it for dead. Dask's own 300 s would let a stopped one hold its trial for five minutes."""

FIND_SECONDS = 30.0
"""How long the scheduler at an address may take to answer, and its workers to come."""


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that is there, with a client connected to it.

    Attributes:
        client: the driver's connection.
        slots: trials that it can run at once.
        description: what it is, for a person.
        a_worker: slots of each kind that one worker process has.
        restarts: whether a worker process that hangs can be ended.
        frameworks: those of the study's space.
        pulse: of a scheduler in another process.
        scheduler: of worker processes of this machine, which is in this process.
    """

    client: Any
    slots: Slots
    description: str
    a_worker: Mapping[str, int]
    restarts: bool
    frameworks: Sequence[str] = ()
    pulse: Pulse | None = None
    scheduler: Any = None

    def slots_a_worker(self, kind: str) -> int:
        """Slots of a kind in the same process; the most that any has, where they differ."""
        if self.pulse is not None:
            return max((offers(worker, kind) for worker in self.pulse.workers.values()), default=1)
        return self.a_worker.get(kind, 1)

    def present(self) -> Slots:
        """The slots of the workers that are there now. One that died is not, until it has started again."""
        if self.pulse is not None:
            return offered(self.pulse.workers.values(), self.frameworks)
        if self.scheduler is None:
            return self.slots
        workers = list(self.scheduler.workers.values())
        return offered(({"resources": worker.resources} for worker in workers), self.frameworks)

    def lost_worker(self, address: str) -> None:
        """A worker died: it is not there any more, whatever a pulse said before."""
        if self.pulse is not None:
            self.pulse.forget(address)

    def silent_seconds(self) -> float:
        """How long a scheduler in another process has not answered."""
        return 0.0 if self.pulse is None else self.pulse.silent_seconds()

    def end_worker_of(self, key: str) -> bool:
        """End the process that runs a task; false where it is the driver's own, or can't be found."""
        if not self.restarts:
            return False
        address = self.workers_of().get(key)
        if address is None:
            return False
        self.client.restart_workers([address], timeout=RESTART_SECONDS, raise_for_error=False)
        return True

    def workers_of(self) -> Mapping[str, str]:
        """The worker that each task runs on, by its key; empty where the scheduler doesn't answer."""
        client = self.client
        try:
            # client.processing() has no bound, and a scheduler that is stopped never answers.
            found = client.sync(client.scheduler.processing, workers=None, callback_timeout=ANSWER_SECONDS)
        except (OSError, RuntimeError):
            return {}
        return {key: address for address, keys in found.items() for key in keys}

    def ran_out_of_memory(self, address: str) -> bool:
        """Whether the worker that had this address was ended because it took more memory than it may."""
        client = self.client
        try:
            found = client.sync(
                client.scheduler.events, topic="worker-restart-memory", callback_timeout=ANSWER_SECONDS
            )
        except (OSError, RuntimeError):
            return False
        return any(event["worker"] == address for _, event in found)


RESTART_SECONDS = 10.0
"""How long ending a worker process may take."""


@contextlib.contextmanager
def start_cluster(section: Cluster, frameworks: Sequence[str] = ()) -> Iterator[RunningCluster]:
    """The study's cluster, closed on leaving.

    Args:
        section: the study file's ``[cluster]``.
        frameworks: those of the study's space: Spark gets slots of its own.
    """
    if section.address is not None:
        with _at_address(section.address, frameworks) as running:
            yield running
        return
    slots = slots_for(section, frameworks)
    processes = section.kind == "processes"
    a_worker = {TRIAL: 1, SPARK: slots.spark} if processes else slots.by_kind
    trials = max(1, slots.trial)
    threads = cpu_threads.environment(cores(), trials if processes else 1, 1 if processes else trials)
    with (
        cpu_threads.set_unless_set(threads),
        dask.config.set(_settings()),
        _STARTERS[section.kind](slots) as local,
        Client(local, set_as_default=False) as client,
    ):
        scheduler = local.scheduler if processes else None
        what = describe_cluster(section)
        yield RunningCluster(client, slots, what, a_worker, processes, tuple(frameworks), scheduler=scheduler)


def _settings() -> Mapping[str, Any]:
    """Of the schedulers that are started here."""
    return {
        "distributed.scheduler.no-workers-timeout": NO_WORKERS_SECONDS,
        "distributed.scheduler.worker-ttl": f"{SILENT_SECONDS:g}s",
        # What is run again after a worker's death, and who is blamed for it, is decided in search.attempts.
        "distributed.scheduler.allowed-failures": 0,
        # Dask's own 15 s: a worker that takes longer to start again, on a busy machine, is given up for good.
        "distributed.deploy.lost-worker-timeout": "1d",
    }


@contextlib.contextmanager
def _at_address(address: str, frameworks: Sequence[str]) -> Iterator[RunningCluster]:
    """A cluster that somebody else started; it is left as it was found.

    Raises:
        MachineError: where no scheduler answers there, or none of its workers offers a slot.
    """
    end = time.monotonic() + FIND_SECONDS
    client = _connect(address)
    try:
        with Pulse(client).beating() as pulse:
            client.register_plugin(OfferThreads(TRIAL, (TRIAL, SPARK)))
            while not (slots := offered(pulse.workers.values(), frameworks)).total:
                if time.monotonic() > end:
                    raise _without_workers(address, len(pulse.workers))
                time.sleep(LOOK_SECONDS)
            what = f"{slots.total} slots of {len(pulse.workers)} workers at {address}"
            yield RunningCluster(client, slots, what, {}, True, tuple(frameworks), pulse)
    finally:
        # A scheduler that is gone says no goodbye.
        with contextlib.suppress(OSError):
            client.close(timeout=ANSWER_SECONDS)


LOOK_SECONDS = 0.1
"""Seconds between two looks for workers that are to come."""


def _connect(address: str) -> Any:
    try:
        return Client(address, timeout=FIND_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MachineError(
            f"no Dask scheduler answers at {address}: {reason}",
            where="cluster.address",
            remedy="start one with `dask scheduler`, and correct the address",
        ) from None


def _without_workers(address: str, workers: int) -> MachineError:
    there = f"its {workers} workers offer none" if workers else "it has no worker"
    return MachineError(
        f"the cluster at {address} has no slot for this study: {there}",
        where="cluster.address",
        allowed=f"workers with the Dask resource {TRIAL} or {SPARK}, or without any, whose threads are slots",
        remedy=f"dask worker {address}",
    )


def _threads(slots: Slots) -> SpecCluster:
    # The memory limit belongs to nannies, and threads have none.
    return LocalCluster(
        n_workers=1,
        threads_per_worker=slots.total,
        processes=False,
        dashboard_address=_LOOPBACK,
        worker_dashboard_address=_LOOPBACK,
        memory_limit=0,
        resources=dict(slots.by_kind),
    )


def _processes(slots: Slots) -> SpecCluster:
    workers = {f"{number}": _process({TRIAL: 1}) for number in range(slots.trial)}
    if slots.spark:
        # A process of its own: the JVM and its deaths are then nobody else's.
        workers["spark"] = _process({SPARK: slots.spark})
    return SpecCluster(
        workers=workers,
        scheduler={
            "cls": Scheduler,
            "options": {"host": _HOST, "port": 0, "dashboard": True, "dashboard_address": _LOOPBACK},
        },
        silence_logs=logging.WARNING,
    )


def _process(resources: Mapping[str, int]) -> dict[str, Any]:
    options = {
        "nthreads": sum(resources.values()),
        "resources": dict(resources),
        "host": _HOST,
        "dashboard_address": _LOOPBACK,
        "preload": ["workers.process"],
        "silence_logs": logging.WARNING,
    }
    return {"cls": Nanny, "options": options}


_STARTERS: Mapping[str, Callable[[Slots], SpecCluster]] = {"threads": _threads, "processes": _processes}
