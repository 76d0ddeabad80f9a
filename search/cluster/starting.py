"""Starts the study's cluster, or finds the one that is there, and closes what it started.

To add a cluster of this machine: its name in :class:`studies.sections.cluster.Cluster`, and a branch of
:func:`_on_this_machine`; one of a Dask deployer: a row in :mod:`search.cluster.deployers`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
from distributed import Client

from search.cluster import local
from search.cluster.dask_settings import own_settings
from search.cluster.deployers import Deployer, deployer_of
from search.cluster.joining import Reception, wait_for_slots
from search.cluster.pulse import ANSWER_SECONDS, Pulse, kinds_of
from search.cluster.running import NO_WORKERS_SECONDS, RunningCluster
from search.cluster.security import security_of
from search.cluster.shipping import Shipment
from search.loop.slots import GPU, SPARK, TRIAL, Slots, cores, describe_cluster
from studies.errors import MachineError
from studies.frameworks import any_in_spark, packages_of
from studies.sections.cluster import DEPLOYED, LOOPBACKS, Cluster
from workers.machine import cpu_threads
from workers.machine.environment import environment
from workers.machine.gpus import find_gpus
from workers.machine.resources import HIDDEN, VISIBLE
from workers.tenants import Tenants

SILENT_SECONDS = 60.0
"""How long a worker process may be silent, because it is stopped or holds Python's lock, before the
scheduler takes it for dead. Dask's own 300 s would let a stopped one hold its trial for five minutes."""

FIND_SECONDS = 30.0
"""How long the scheduler at an address may take to answer, and its workers to come; and how long those of
any cluster that have come may have no slot for the study."""


def _announce_nothing(_what: str) -> None:
    pass


@dataclass(frozen=True)
class Site:
    """What a cluster must know of the study besides its section.

    Attributes:
        directory: where relative files start.
        rows: cache directory of the study's rows; ``None`` where no task reads any.
        announce: shows a person what is waited for.
        reproducible: whether results must not depend on the number of workers.
    """

    directory: Path = Path()
    rows: Path | None = None
    announce: Callable[[str], None] = _announce_nothing
    reproducible: bool = False


@contextlib.contextmanager
def start_cluster(
    section: Cluster, frameworks: Sequence[str] = (), site: Site | None = None
) -> Iterator[RunningCluster]:
    """The study's cluster, closed on leaving.

    Args:
        section: the study file's ``[cluster]``.
        frameworks: those of the study's space: Spark gets slots of its own.
        site: what else is to be known of the study.

    Raises:
        MachineError: where no scheduler answers, a deployer can't start it, or its workers can't run the
            study.
    """
    site = site or Site()
    if section.kind == "address":
        with _at_address(section, frameworks, site) as running:
            yield running
    elif section.kind in DEPLOYED and section.kind != "cuda":
        with _deployed(section, frameworks, site) as running:
            yield running
    else:
        with _on_this_machine(section, frameworks, alike=site.reproducible) as running:
            yield running


@contextlib.contextmanager
def _on_this_machine(section: Cluster, frameworks: Sequence[str], *, alike: bool) -> Iterator[RunningCluster]:
    gpus = () if section.gpu == "never" else find_gpus()
    if not gpus and (section.gpu == "require" or section.kind == "cuda"):
        raise MachineError(
            "this machine has no GPU that its driver knows of",
            where="cluster.gpu" if section.gpu == "require" else "cluster.kind",
            allowed="a GPU that nvidia-smi lists and CUDA_VISIBLE_DEVICES leaves visible",
        )
    plan = local.plan(section, frameworks, gpus)
    slots, restarts = plan.slots, bool(plan.offers)
    at_once = max(1, slots.trial)
    processes, slots_each = (at_once, 1) if restarts else (1, at_once)
    threads = cpu_threads.environment(cores(), processes, slots_each, alike=alike)
    if section.gpu == "never":
        os.environ[VISIBLE] = HIDDEN  # for good: TensorFlow reads it once in a process's life
    with (
        cpu_threads.set_unless_set(threads),
        own_settings(_settings()),
        local.processes(plan.offers) if restarts else local.threads(slots) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(Tenants())
        yield RunningCluster(
            client,
            slots,
            _described(section, slots),
            {TRIAL: 1, GPU: 1, SPARK: slots.spark} if restarts else slots.by_kind,
            restarts,
            tuple(frameworks),
            scheduler=cluster.scheduler if restarts else None,
            gpu="require" if slots.gpu_only else section.gpu,
        )


def _described(section: Cluster, slots: Slots) -> str:
    on_gpus = f"{slots.gpu} on GPUs" if slots.gpu else ""
    what = "" if section.kind == "cuda" or slots.gpu_only else describe_cluster(section)
    return ", ".join(part for part in (what, on_gpus) if part)


def _settings() -> Mapping[str, Any]:
    """Of the schedulers that are started here."""
    return {
        "distributed.scheduler.no-workers-timeout": NO_WORKERS_SECONDS,
        "distributed.scheduler.worker-ttl": f"{SILENT_SECONDS:g}s",
        # What is run again after a worker's death, and who is blamed for it, is decided in
        # search.loop.attempts.
        "distributed.scheduler.allowed-failures": 0,
        # Dask's own 15 s: a worker that takes longer to start again, on a busy machine, is given up for good.
        "distributed.deploy.lost-worker-timeout": "1d",
    }


@contextlib.contextmanager
def _at_address(section: Cluster, frameworks: Sequence[str], site: Site) -> Iterator[RunningCluster]:
    """A cluster that somebody else started; it is left as it was found."""
    client = _connect(str(section.address), security_of(section, site.directory))
    try:
        with _joined(client, section, frameworks, site, FIND_SECONDS) as running:
            yield running
    finally:
        # A scheduler that is gone says no goodbye.
        with contextlib.suppress(OSError):
            client.close(timeout=ANSWER_SECONDS)


@contextlib.contextmanager
def _deployed(section: Cluster, frameworks: Sequence[str], site: Site) -> Iterator[RunningCluster]:
    """A cluster that one of Dask's deployers starts now and ends on leaving."""
    deployer = deployer_of(section, frameworks, security_of(section, site.directory))
    site.announce(f"starting {describe_cluster(section)}")
    if section.host not in LOOPBACKS and deployer.security is None:
        site.announce(
            f"without TLS, whoever reaches {section.host} can run anything on the workers: see tls_ca"
        )
    with (
        dask.config.set({**_settings(), **deployer.settings}),
        deployer.started() as cluster,
        Client(cluster, security=deployer.security, set_as_default=False) as client,
        _joined(client, section, frameworks, site, _patience_of(deployer)) as running,
    ):
        yield replace(running, patience=deployer.patience)


def _patience_of(deployer: Deployer) -> float:
    return FIND_SECONDS if deployer.patience is None else deployer.patience


@contextlib.contextmanager
def _joined(
    client: Any, section: Cluster, frameworks: Sequence[str], site: Site, seconds: float
) -> Iterator[RunningCluster]:
    """A cluster in other processes whose workers come and go."""
    where = section.address or f"of kind {section.kind}"
    shipment = None if site.rows is None else Shipment(client, site.rows, section.rows)
    rows = "" if site.rows is None else str(site.rows)
    here = environment(rows, any_in_spark(frameworks), packages_of(frameworks))
    reception = Reception(client, here, tuple(frameworks), shipment)
    if shipment is not None:
        client.sync(shipment.announce, callback_timeout=ANSWER_SECONDS)
    try:
        _tell_drivers_apart(client, where)
        with Pulse(client, kinds_of(frameworks, section.gpu), meet=reception.meet).beating() as pulse:
            wait_for_slots(pulse, reception, section.gpu, where, (seconds, FIND_SECONDS))
            dashboard = _dashboard_of(client)
            if dashboard:
                site.announce(f"Dask's dashboard: {dashboard}")
            yield RunningCluster(
                client,
                pulse.present(tuple(frameworks), section.gpu),
                f"at {section.address}" if section.address else f"of kind {section.kind}",
                {},
                True,
                tuple(frameworks),
                pulse,
                gpu=section.gpu,
                news=reception.news,
                dashboard=dashboard,
            )
    finally:
        if shipment is not None:
            # A scheduler that is gone has forgotten them.
            with contextlib.suppress(OSError, RuntimeError):
                client.sync(shipment.take_back, callback_timeout=ANSWER_SECONDS)


def _tell_drivers_apart(client: Any, where: str) -> None:
    """Let the scheduler answer what each of its drivers has there."""
    try:
        client.register_plugin(Tenants())
    except Exception as error:  # whatever the scheduler's process raises where it can't import or unpickle it
        raise MachineError(
            f"the scheduler {where} can't run this project: {type(error).__name__}: {error}",
            where="cluster",
            remedy="install the driver's version where the scheduler runs too, and leave Dask's "
            "distributed.scheduler.pickle on",
        ) from None


def _dashboard_of(client: Any) -> str:
    try:
        return str(client.dashboard_link or "")
    except KeyError:  # the scheduler was started without one, or without Bokeh
        return ""


def _connect(address: str, security: Any) -> Any:
    try:
        return Client(address, timeout=FIND_SECONDS, set_as_default=False, security=security)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MachineError(
            f"no Dask scheduler answers at {address}: {reason}",
            where="cluster.address",
            remedy="start one with `dask scheduler`, and correct the address",
        ) from None
