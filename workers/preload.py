"""Lets any Dask worker say what it has for trials: ``dask worker --preload workers.preload ADDRESS``.

Loaded in the worker's process before it runs anything, so that TensorFlow later finds the environment as it
is set here. Resources that the worker was started with are left as they are.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from workers import process
from workers.machine import dask_internals
from workers.machine.dask_internals import resources_of, threads_of
from workers.machine.gpus import find_gpus
from workers.machine.resources import RESOURCES, own_share


async def dask_setup(worker: Any) -> None:
    """Called by Dask in the worker's process, before the scheduler knows of it."""
    process.dask_setup(worker)
    if any(name in resources_of(worker) for name in RESOURCES):
        return
    gpus = await asyncio.to_thread(find_gpus)
    offer = own_share(gpus, threads_of(worker))
    os.environ.update(offer.environment)
    dask_internals.offer(worker, offer.resources)
