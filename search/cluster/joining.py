"""Workers that come by themselves: whether they fit, what they offer, and how they get the rows.

Each is met once, before it is counted, at the start as in the middle of a study.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search.cluster.environments import Difference, differences, table, without_the_project
from search.cluster.pulse import Pulse, offered, offers
from search.cluster.shipping import Shipment
from search.loop.slots import Slots
from studies.errors import MachineError
from studies.frameworks import GPU, SPARK, TRIAL, any_in_spark, any_on_gpus, packages_of
from studies.sections.cluster import GpuPolicy
from workers.machine.dask_internals import run_on
from workers.machine.environment import Environment
from workers.machine.offer import greet
from workers.machine.resources import RESOURCES

_LOG = logging.getLogger("search.cluster")

LOOK_SECONDS = 0.1
"""Seconds between two checks for workers that are to come."""


@dataclass
class Reception:
    """Meets the workers of one study's cluster; in the client's own thread.

    Args:
        client: the driver's.
        here: what the driver runs in.
        frameworks: those of the study's space.
        shipment: the rows, where workers may not see the driver's; ``None`` where none are needed.
    """

    client: Any
    here: Environment
    frameworks: Sequence[str]
    shipment: Shipment | None = None
    differences: list[Difference] = field(default_factory=list)
    _news: list[str] = field(default_factory=list)

    async def meet(self, addresses: Sequence[str]) -> Mapping[str, bool]:
        """Which of these workers are used; without those that didn't answer."""
        rows = "" if self.shipment is None else str(self.shipment.directory)
        wanted = (any_in_spark(self.frameworks), packages_of(self.frameworks))
        answers = await run_on(self.client, addresses, greet, rows, *wanted)
        used: dict[str, bool] = {}
        new: list[Difference] = []
        for address, answer in answers.items():
            differing = self._compared(address, answer)
            if differing is None:
                continue
            used[address] = not any(difference.refused for difference in differing)
            new += differing
        self._note(new)
        blind = [a for a, answer in answers.items() if used.get(a) and not answer.sees_rows]
        if blind and self.shipment is not None and await self.shipment.send():
            self._news.append(_sent(self.shipment))
        return used

    def news(self) -> Sequence[str]:
        """What became known since the last call, for a person."""
        unread, self._news = self._news, []
        return unread

    def _compared(self, address: str, answer: Any) -> Sequence[Difference] | None:
        if isinstance(answer, Environment):
            return differences(address, answer, self.here, self.frameworks)
        if isinstance(answer, OSError):
            return None  # gone, or too busy to answer
        return [without_the_project(address, self.here, type(answer).__name__)]

    def _note(self, new: Sequence[Difference]) -> None:
        if new:
            self.differences += new
            text = f"workers that differ from this machine:\n{table(new)}"
            if any(difference.refused for difference in new):
                text += "\n  those refused get no trial of this study; other work there goes on"
            self._news.append(text)


def wait_for_slots(
    pulse: Pulse, reception: Reception, gpu: GpuPolicy, where: str, patience: tuple[float, float]
) -> None:
    """Return once the first workers that can run the study are connected, even if others use them too.

    Args:
        pulse: of the scheduler, beating.
        reception: who meets them.
        gpu: the section's.
        where: the cluster, for a person.
        patience: seconds that the first may take to come, and that workers may be connected without a slot.

    Raises:
        MachineError: where they don't come, or can't run it, with what they offer.
    """
    to_come, without_slot = patience
    began = time.monotonic()
    _LOG.info("waiting for workers of %s, for %g s at most", where, to_come)
    end = time.monotonic() + to_come
    while _missing(slots := offered(pulse.workers.values(), reception.frameworks, gpu), reception.frameworks):
        if pulse.workers or pulse.refused:
            # Those that come later are of the same kind, or won't be in time.
            end, without_slot = min(end, time.monotonic() + without_slot), math.inf
        if time.monotonic() > end or (pulse.refused and not pulse.workers):
            raise _refusal(pulse, reception, slots, where)
        time.sleep(LOOK_SECONDS)
    _LOG.info("waited %.1f s for %d workers of %s", time.monotonic() - began, len(pulse.workers), where)


def _missing(slots: Slots, frameworks: Sequence[str]) -> Sequence[str]:
    """The frameworks whose trials would have no slot; an empty name where there is none for anything."""
    return [name for name in frameworks if not slots.of(name)] if slots.total else list(frameworks) or [""]


def _refusal(pulse: Pulse, reception: Reception, slots: Slots, where: str) -> MachineError:
    refused, workers = pulse.refused, pulse.workers
    if refused and not workers:
        return MachineError(
            f"no worker of {where} is like this machine:\n{table(reception.differences)}",
            where="cluster",
            remedy="install the driver's versions there: pip install -c constraints.txt honest-search",
        )
    without = [name for name in _missing(slots, reception.frameworks) if name]
    for_what = f" for {' and '.join(without)}" if without and slots.total else ""
    if slots.gpu_only and not slots.gpu and (any_on_gpus(without) or not without):
        for_what = ' with a GPU, and cluster.gpu is "require"'
    present = f"its workers have {_held(workers)}" if workers else "it has no worker"
    return MachineError(
        f"the cluster {where} has no slot{for_what}: {present}",
        where="cluster",
        allowed=f"workers with the Dask resource {TRIAL}, {GPU} (not for Spark) or {SPARK}, or without "
        "any, whose threads are slots",
        remedy="search worker ADDRESS, on each machine; it finds the machine's GPUs by itself",
    )


def _held(workers: Mapping[str, Mapping[str, Any]]) -> str:
    """``2 × TRIAL=4, 1 × GPU=1 SPARK=1``."""
    offered = Counter(
        " ".join(f"{kind}={count}" for kind in RESOURCES if (count := offers(worker, kind))) or "nothing"
        for worker in workers.values()
    )
    return ", ".join(f"{count} × {what}" for what, count in offered.items())


def _sent(shipment: Shipment) -> str:
    where = "through the scheduler" if shipment.url is None else "through cluster.rows"
    size = f"{shipment.bytes / 1e6:.1f} MB"
    return f"the rows ({size}) go to workers that don't see the study's directory, {where}"
