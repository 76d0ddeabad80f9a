"""Starts the Dask cluster that trials run on. Only this module knows which deployers there are.

To add a cluster: its name in :class:`studies.study.Cluster`, and a row of ``_STARTERS``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import Client, LocalCluster

from studies.study import Cluster


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


def default_slots() -> int:
    """One trial a core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_cluster(section: Cluster) -> str:
    """What :func:`start_cluster` would start, for a person."""
    slots = section.slots or default_slots()
    return f"{slots} {section.kind} of this machine" if slots > 1 else f"1 slot in {section.kind}"


@contextlib.contextmanager
def start_cluster(section: Cluster) -> Iterator[RunningCluster]:
    """The study's cluster, closed on leaving."""
    slots = section.slots or default_slots()
    with _STARTERS[section.kind](slots) as local, Client(local, set_as_default=False) as client:
        yield RunningCluster(client, slots, describe_cluster(section))


def _threads(slots: int) -> LocalCluster:
    # In-process: no port is opened. The memory limit belongs to nannies, and threads have none.
    return LocalCluster(
        n_workers=1, threads_per_worker=slots, processes=False, dashboard_address=None, memory_limit=0
    )


def _processes(slots: int) -> LocalCluster:
    return LocalCluster(
        n_workers=slots, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    )


_STARTERS: Mapping[str, Callable[[int], LocalCluster]] = {"threads": _threads, "processes": _processes}
