"""The clusters of this machine: a worker of threads in this process, or worker processes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from distributed import LocalCluster, Nanny, Scheduler, SpecCluster

from search.loop.slots import Slots, slots_for
from studies.frameworks import any_on_gpus, records_of
from studies.sections.cluster import Cluster
from workers.machine.gpus import Gpu
from workers.machine.resources import Offer, offers

HOST = "127.0.0.1"

LOOPBACK = f"{HOST}:0"
"""A free port of this machine alone. Without an address Dask's scheduler and its worker serve HTTP on every
interface."""


@dataclass(frozen=True)
class Plan:
    """What is started on this machine: worker processes with these offers, or threads of this one."""

    slots: Slots
    offers: tuple[Offer, ...] = ()


def plan(section: Cluster, frameworks: Sequence[str], gpus: Sequence[Gpu]) -> Plan:
    """What the section's cluster is, on a machine with these GPUs.

    Threads share this process's device, whatever it is; of processes, each GPU gets its own, beside those on
    the CPU.
    """
    slots = slots_for(section, frameworks)
    if section.kind == "threads":
        return Plan(slots)
    only = section.kind == "cuda" or section.gpu == "require"
    if any_on_gpus(frameworks) or not frameworks:
        on_gpus = len(gpus) * section.trials_per_gpu
        on_cpus = any(not record.in_spark and not record.on_gpus for record in records_of(frameworks))
        none = only and not on_cpus
        slots = replace(slots, trial=0 if none else slots.trial, gpu=on_gpus, gpu_only=only)
    used = gpus if slots.gpu else ()
    return Plan(slots, offers(used, section.trials_per_gpu, slots.trial, slots.spark))


def threads(slots: Slots) -> SpecCluster:
    """One worker in this process, with a thread a slot."""
    # The memory limit belongs to nannies, and threads have none.
    return LocalCluster(
        n_workers=1,
        threads_per_worker=slots.total,
        processes=False,
        dashboard_address=LOOPBACK,
        worker_dashboard_address=LOOPBACK,
        memory_limit=0,
        resources=dict(slots.by_kind),
    )


def processes(offers_to_start: Sequence[Offer]) -> SpecCluster:
    """A worker process for each offer."""
    return SpecCluster(
        workers={str(number): _process(offer) for number, offer in enumerate(offers_to_start)},
        scheduler=scheduler(HOST),
        silence_logs=logging.WARNING,
    )


def scheduler(host: str, security: Any = None) -> dict[str, Any]:
    """The specification of a scheduler in this process, on a free port of one of this machine's addresses."""
    protocol = {"protocol": "tls://"} if security is not None else {}
    options = {
        "host": host,
        "port": 0,
        "dashboard": True,
        "dashboard_address": LOOPBACK,
        "security": security,
    }
    return {"cls": Scheduler, "options": {**options, **protocol}}


def nanny_options(offer: Offer, host: str) -> dict[str, Any]:
    """Options with which Dask's nanny starts the worker process of an offer, listening at ``host``."""
    return {
        "nthreads": offer.threads,
        "resources": dict(offer.resources),
        "host": host,
        "dashboard_address": LOOPBACK,
        "preload": ["workers.process"],
        "env": dict(offer.environment),
        "silence_logs": logging.WARNING,
    }


def _process(offer: Offer) -> dict[str, Any]:
    return {"cls": Nanny, "options": nanny_options(offer, HOST)}
