"""Starts the Dask cluster that trials run on. Only this module knows which deployers there are.

To add a cluster: its name in :class:`studies.study.Cluster`, and a row of ``_STARTERS``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, LocalCluster

from search.slots import cores, describe_cluster, slots_of
from studies.study import Cluster
from workers import cpu_threads

_LOOPBACK = "127.0.0.1:0"
"""A free port of this machine alone. Without an address Dask's scheduler and its worker serve HTTP on every
interface."""


NO_WORKERS_SECONDS = 120.0
"""How long a trial waits while the cluster has no worker at all, before it fails. A worker process that died
is back in seconds; without a bound, a search whose workers can't come back would wait for ever."""


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that is there, with a client connected to it.

    Attributes:
        client: the driver's connection.
        slots: trials that it can run at once.
        description: what it is, for a person.
    """

    client: Any
    slots: int
    description: str


@contextlib.contextmanager
def start_cluster(section: Cluster) -> Iterator[RunningCluster]:
    """The study's cluster, closed on leaving."""
    slots = slots_of(section)
    processes = slots if section.kind == "processes" else 1
    threads = cpu_threads.environment(cores(), processes, slots // processes)
    with (
        cpu_threads.set_unless_set(threads),
        dask.config.set({"distributed.scheduler.no-workers-timeout": NO_WORKERS_SECONDS}),
        _STARTERS[section.kind](slots) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield RunningCluster(client, slots, describe_cluster(section))


def _threads(slots: int) -> LocalCluster:
    # The memory limit belongs to nannies, and threads have none.
    return LocalCluster(
        n_workers=1,
        threads_per_worker=slots,
        processes=False,
        dashboard_address=_LOOPBACK,
        worker_dashboard_address=_LOOPBACK,
        memory_limit=0,
    )


def _processes(slots: int) -> LocalCluster:
    return LocalCluster(
        n_workers=slots,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=_LOOPBACK,
        preload=["workers.process"],
    )


_STARTERS: Mapping[str, Callable[[int], LocalCluster]] = {"threads": _threads, "processes": _processes}
