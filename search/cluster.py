"""Starts the Dask cluster that trials run on. Only this module knows which deployers there are.

To add a cluster: its name in :class:`studies.study.Cluster`, and a row of ``_STARTERS``.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, LocalCluster, Nanny, Scheduler, SpecCluster

from search.slots import SPARK, TRIAL, Slots, cores, describe_cluster, slots_for
from studies.study import Cluster
from workers import cpu_threads

_HOST = "127.0.0.1"

_LOOPBACK = f"{_HOST}:0"
"""A free port of this machine alone. Without an address Dask's scheduler and its worker serve HTTP on every
interface."""


NO_WORKERS_SECONDS = 120.0
"""How long a trial waits while the cluster has no worker at all, before it fails. A worker process that died
is back in seconds; without a bound, a search whose workers can't come back would wait for ever."""

SILENT_SECONDS = 60.0
"""How long a worker process may say nothing, because it is stopped or holds Python's lock, before the
scheduler takes it for dead. Dask's own 300 s would let a stopped one hold its trial for five minutes."""

SETTINGS = {
    "distributed.scheduler.no-workers-timeout": NO_WORKERS_SECONDS,
    "distributed.scheduler.worker-ttl": f"{SILENT_SECONDS:g}s",
    # What is run again after a worker's death, and who is blamed for it, is decided in search.attempts.
    "distributed.scheduler.allowed-failures": 0,
}


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that is there, with a client connected to it.

    Attributes:
        client: the driver's connection.
        slots: trials that it can run at once.
        description: what it is, for a person.
        a_worker: slots of each kind that one worker process has.
        restarts: whether a worker process that hangs can be ended, and comes back by itself.
    """

    client: Any
    slots: Slots
    description: str
    a_worker: Mapping[str, int]
    restarts: bool

    def slots_a_worker(self, kind: str) -> int:
        """Slots of a kind in the same process."""
        return self.a_worker.get(kind, 1)

    def end_worker_of(self, key: str) -> bool:
        """End the process that runs a task; false where it is the driver's own, or can't be found."""
        if not self.restarts:
            return False
        for address, keys in self.client.processing().items():
            if key in keys:
                self.client.restart_workers([address], timeout=RESTART_SECONDS, raise_for_error=False)
                return True
        return False

    def workers_of(self) -> Mapping[str, str]:
        """The worker that each task runs on, by its key; empty where the scheduler doesn't answer."""
        try:
            return {key: address for address, keys in self.client.processing().items() for key in keys}
        except (OSError, RuntimeError):
            return {}


RESTART_SECONDS = 10.0
"""How long ending a worker process may take."""


@contextlib.contextmanager
def start_cluster(section: Cluster, frameworks: Sequence[str] = ()) -> Iterator[RunningCluster]:
    """The study's cluster, closed on leaving.

    Args:
        section: the study file's ``[cluster]``.
        frameworks: those of the study's space: Spark gets slots of its own.
    """
    slots = slots_for(section, frameworks)
    processes = section.kind == "processes"
    a_worker = {TRIAL: 1, SPARK: slots.spark} if processes else slots.by_kind
    trials = max(1, slots.trial)
    threads = cpu_threads.environment(cores(), trials if processes else 1, 1 if processes else trials)
    with (
        cpu_threads.set_unless_set(threads),
        dask.config.set(SETTINGS),
        _STARTERS[section.kind](slots) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield RunningCluster(client, slots, describe_cluster(section), a_worker, processes)


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
