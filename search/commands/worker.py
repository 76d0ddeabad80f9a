"""``search worker``: worker processes of this machine for a scheduler that runs elsewhere.

One for each GPU, or several that share one; one for each slot on the CPU; and one for Spark where there is a
Java. Dask restarts those that die, and all of them end with their scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import platform
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from distributed import Nanny
from distributed.utils import get_ip
from pydantic import ValidationError

from search.cluster.local import nanny_options
from search.cluster.security import security_of
from search.loop.slots import cores
from studies.errors import MachineError
from studies.frameworks import GPU, SPARK, TRIAL
from studies.sections.cluster import Cluster
from workers.machine import cpu_threads
from workers.machine.gpus import Gpu, find_gpus
from workers.machine.java import find_java
from workers.machine.resources import Offer, offers
from workers.spark import settings as spark_settings

FIND_SECONDS = 30
"""How long the scheduler may take to answer."""


@dataclass(frozen=True)
class WorkerOptions:
    """The command's options.

    Attributes:
        section: the scheduler's address and the certificates, as a study file has them.
        slots: trials at once on the CPU; by default one a core.
        trials_per_gpu: processes that share each GPU.
        host: address of this machine at which the workers listen; by default that by which it reaches the
            scheduler.
    """

    section: Cluster
    slots: int | None = None
    trials_per_gpu: int = 1
    host: str | None = None


def section_of(address: str, tls: Mapping[str, str | None]) -> Cluster:
    """The command's address and certificates as a study file's ``[cluster]``, which checks them.

    Raises:
        MachineError: where they don't go together, or are invalid.
    """
    try:
        return Cluster.model_validate({"kind": "address", "address": address, **tls})
    except ValidationError as error:
        details = error.errors()[0]
        raise MachineError(
            str(details.get("ctx", {}).get("error", details["msg"])), where="ADDRESS"
        ) from None


def run_workers(options: WorkerOptions, announce: Callable[[str], None]) -> None:
    """Start the workers, and wait until the scheduler is gone or a person ends them.

    Raises:
        MachineError: where no scheduler answers.
    """
    gpus = find_gpus()
    slots = cores() if options.slots is None else options.slots
    offered = offers(gpus, options.trials_per_gpu, slots, _spark())
    on_cpus = max(1, sum(1 for offer in offered if TRIAL in offer.resources))
    with cpu_threads.set_unless_set(cpu_threads.environment(cores(), on_cpus, 1)):
        asyncio.run(_run(options, offered, lambda: announce(described(offered, gpus))))


def described(offered: Sequence[Offer], gpus: Sequence[Gpu]) -> str:
    """What the workers offer, for a person."""
    counts = {kind: sum(offer.resources.get(kind, 0) for offer in offered) for kind in (GPU, TRIAL, SPARK)}
    lines = [
        f"{counts[GPU]} on {len(gpus)} GPUs" if gpus else "no GPU found",
        f"{counts[TRIAL]} on the CPU",
        f"{counts[SPARK]} of Spark's" if counts[SPARK] else "none of Spark's: no suitable Java found",
    ]
    return f"trials at once: {', '.join(lines)}"


async def _run(options: WorkerOptions, offered: Sequence[Offer], started: Callable[[], None]) -> None:
    address = str(options.section.address)
    host = options.host or _own_address(address)
    security = security_of(options.section, Path())
    name = platform.node()
    async with contextlib.AsyncExitStack() as stack:
        nannies = []
        for number, offer in enumerate(offered):
            nanny = Nanny(
                address,
                name=f"{name}-{number}",
                security=security,
                death_timeout=FIND_SECONDS,
                **nanny_options(offer, host),
            )
            try:
                nannies.append(await stack.enter_async_context(nanny))
            except (OSError, RuntimeError) as error:
                raise _unreachable(address, error) from None
        started()
        await _until_the_end(nannies)


async def _until_the_end(nannies: Sequence[Nanny]) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    tasks = [asyncio.create_task(_all_finished(nannies)), asyncio.create_task(_asked(asked))]
    _, unfinished = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()


async def _all_finished(nannies: Sequence[Nanny]) -> None:
    await asyncio.gather(*(nanny.finished() for nanny in nannies))


async def _asked(asked: asyncio.Event) -> None:
    await asked.wait()


def _spark() -> int:
    try:
        find_java()
    except MachineError:
        return 0
    return spark_settings.AT_ONCE


def _own_address(address: str) -> str:
    """The address by which this machine reaches the scheduler; the workers listen on no other."""
    host = urlsplit(address).hostname or ""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return host
    return "127.0.0.1" if host == "localhost" else str(get_ip(host))


def _unreachable(address: str, error: Exception) -> MachineError:
    lines = str(error).splitlines()
    return MachineError(
        f"no Dask scheduler answers at {address}: {lines[0] if lines else type(error).__name__}",
        where="ADDRESS",
        remedy="start one with `dask scheduler`, and correct the address",
    )
