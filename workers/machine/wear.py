"""Whether this worker process should be replaced before its next trial: it keeps what it can't give back.

The driver does it once nothing runs here any more (:meth:`search.cluster.running.RunningCluster.replace`),
and the process's nanny starts another.
"""

from __future__ import annotations

import threading

from distributed import get_worker

from studies.frameworks import GPU, TRIAL
from workers.machine.dask_internals import resources_of

_worn = threading.Event()


def can_be_replaced() -> bool:
    """Whether a nanny would start another in its place, and no second trial runs here beside this one."""
    try:
        worker = get_worker()
    except ValueError:
        return False  # called directly, without a cluster
    held = resources_of(worker)
    return bool(worker.nanny) and held.get(TRIAL, 0) + held.get(GPU, 0) <= 1


def wear_out() -> None:
    """Ask to be replaced."""
    _worn.set()


def worn_worker() -> str:
    """The address of this worker where it asks to be replaced; else empty."""
    return str(get_worker().address) if _worn.is_set() else ""
