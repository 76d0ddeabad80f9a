"""How many workers a queue is asked for: more while all slots are busy, fewer when some idle.

Dask's own rule counts the tasks that wait with the scheduler; of ours none does, because no more are given
to it than there are slots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized

from distributed.deploy import Adaptive

FACTOR = 2
"""As many times the workers are asked for while all are busy: a queue is at its maximum in a few steps."""


def wanted_workers(running: Mapping[str, Sized]) -> int:
    """Workers that there should be, of what runs on each: no worker that trains is ever one too many."""
    busy = sum(1 for tasks in running.values() if tasks)
    if busy == len(running):
        return max(1, math.ceil(busy * FACTOR))
    return busy


class GrowWhileBusy(Adaptive):  # type: ignore[misc]  # distributed ships no types
    """Dask's adaptive deployment, by that rule."""

    async def target(self) -> int:
        """Workers that there should be; Dask keeps it within the minimum and the maximum."""
        return wanted_workers(await self.scheduler.processing(workers=None))
