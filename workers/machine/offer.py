"""What a worker that this driver didn't start reports and offers when the driver meets it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.frameworks import TRIAL
from workers.machine.dask_internals import resources_of, threads_of
from workers.machine.environment import Environment, describe
from workers.machine.resources import RESOURCES


async def greet(rows: str, java: bool, packages: Sequence[str], dask_worker: Any) -> Environment:
    """What a worker runs in; run in workers by Dask, beside what they do.

    On the way its threads become trials' slots, where it was started without resources that say more. That is
    no plugin of Dask's: every worker that comes later loads those, and one that can't import this project,
    which others may have there, would not start.

    Args:
        rows, java, packages: as :func:`workers.machine.environment.describe` takes them.
        dask_worker: given by Dask.
    """
    if not any(resource in resources_of(dask_worker) for resource in RESOURCES):
        await dask_worker.set_resources(**{TRIAL: threads_of(dask_worker)})
    return await describe(rows, java, packages)
