"""What a worker that somebody else started offers to trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distributed import WorkerPlugin


class OfferThreads(WorkerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Lets a worker's threads be trials' slots, where it was started without resources that say more.

    Dask keeps it for workers that come later, or come back.

    Args:
        resource: the Dask resource that it gets one of a thread.
        unless: resources of which one is enough to leave the worker as it is.
    """

    name = "honest-search-slots"
    idempotent = True

    def __init__(self, resource: str, unless: Sequence[str]) -> None:
        self._resource = resource
        self._unless = tuple(unless)

    async def setup(self, worker: Any) -> None:
        """Called by Dask in each worker."""
        if not any(resource in worker.state.total_resources for resource in self._unless):
            await worker.set_resources(**{self._resource: worker.state.nthreads})
