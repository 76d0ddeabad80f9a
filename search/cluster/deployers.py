"""What is handed to each of Dask's deployers, and how it is started. The specifications are pure.

Every worker is started with ``--preload workers.preload``, so that it finds its GPU, hides the others and
offers what it has; see :mod:`workers.machine.resources`. To add a deployer: its name in
:class:`studies.sections.cluster.Cluster`, and a row of ``_DEPLOYERS``.
"""

from __future__ import annotations

import importlib
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from distributed import SpecCluster

from search.cluster import local
from search.cluster.extras import check_extra
from search.cluster.growing import GrowWhileBusy
from studies.errors import MachineError
from studies.frameworks import any_in_spark
from studies.printable import as_toml
from studies.sections.addresses import Hidden, fill_in
from studies.sections.cluster import LOOPBACKS, Cluster
from workers.machine.dask_internals import ssh_worker
from workers.machine.resources import NO_GPU, NUMBER, PER_GPU, SLOTS, WITH_SPARK

QUEUE_SECONDS = 24 * 3600.0
"""How long jobs may wait in a queue, at the start or after the last one has ended."""

SSH_SECONDS = 60.0
"""How long workers may take that were just started on other machines."""

PRELOAD = "workers.preload"

_CLASSES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster"}


@dataclass(frozen=True)
class Deployer:
    """A cluster that can be started.

    Attributes:
        started: starts it, and ends it on leaving.
        security: Dask's, where it has any.
        settings: of Dask's configuration, while it is started and runs.
        patience: seconds that its workers may take to come; ``None`` for those at an address.
    """

    started: Callable[[], AbstractContextManager[Any]]
    security: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    patience: float | None = None


def deployer_of(section: Cluster, frameworks: Sequence[str], security: Any) -> Deployer:
    """The deployer of a section whose kind has one.

    Raises:
        MachineError: where its package isn't installed.
    """
    check_extra(section)
    return _DEPLOYERS[section.kind](section, frameworks, security)


def worker_environment(section: Cluster, frameworks: Sequence[str]) -> dict[str, str]:
    """The environment variables of each worker, for :mod:`workers.preload`."""
    variables = {SLOTS: str(section.slots or 1), PER_GPU: str(section.trials_per_gpu)}
    if section.gpu == "never":
        variables[NO_GPU] = "1"
    if any_in_spark(frameworks):
        variables[WITH_SPARK] = "1"
    return variables


def threads(section: Cluster, frameworks: Sequence[str]) -> int:
    """Of each worker: one a slot, and one for Spark's."""
    return (section.slots or 1) + any_in_spark(frameworks)


# SSH


def ssh_workers(section: Cluster, frameworks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A specification of each worker process, by its name: ``gpu1-0``."""
    workers = {}
    for host in section.hosts or ():
        for number in range(section.workers or 1):
            options = {
                "nthreads": threads(section, frameworks),
                "preload": [PRELOAD],
                # The address that the host has by the name that it is known by here, and no other.
                "host": host,
                "dashboard_address": local.LOOPBACK,
                "env": {**worker_environment(section, frameworks), NUMBER: str(number)},
            }
            workers[f"{host}-{number}"] = {
                "cls": ssh_worker(),
                "options": {
                    "address": host,
                    "connect_options": {
                        name: fill_in(value, "cluster.options") if isinstance(value, str) else value
                        for name, value in section.options.items()
                    },
                    "kwargs": options,
                    "remote_python": shlex.quote(sys.executable),
                },
            }
    return workers


def _ssh(section: Cluster, frameworks: Sequence[str], security: Any) -> Deployer:
    @contextmanager
    def started() -> Iterator[Any]:
        scheduler = local.scheduler(section.host, security)
        try:
            cluster = SpecCluster(
                workers=ssh_workers(section, frameworks),
                scheduler=scheduler,
                security=security,
                silence_logs=logging.WARNING,
            )
        except Exception as error:  # asyncssh's own, for a host, a key or a program that isn't there
            raise _not_started(section, error) from None
        with cluster:
            yield cluster

    # Dask gives its configuration to the processes that it starts over SSH, and with it the certificates.
    return Deployer(started, security, tls_settings(security), SSH_SECONDS)


def tls_settings(security: Any) -> dict[str, Any]:
    """Dask's security as its configuration has it, for processes that know nothing else."""
    if security is None:
        return {}
    certificate, key = security.tls_worker_cert, security.tls_worker_key
    settings: dict[str, Any] = {"require-encryption": True, "tls.ca-file": security.tls_ca_file}
    for role in ("client", "scheduler", "worker"):
        settings |= {f"tls.{role}.cert": certificate, f"tls.{role}.key": key}
    return {f"distributed.comm.{name}": value for name, value in settings.items()}


# Queues


def queue_options(section: Cluster, frameworks: Sequence[str], security: Any) -> dict[str, Any]:
    """What dask-jobqueue's clusters take: one worker a job, unless the options say otherwise."""
    given = dict(section.options)
    exports = [
        f"export {name}={shlex.quote(value)}"
        for name, value in worker_environment(section, frameworks).items()
    ]
    arguments = ["--preload", PRELOAD, "--dashboard-address", local.LOOPBACK]
    if section.host in LOOPBACKS:
        arguments += ["--host", section.host]
    options: dict[str, Any] = {
        "cores": threads(section, frameworks),
        "processes": 1,
        "security": security,
        # It is part of a shell script.
        "python": shlex.quote(sys.executable),
        **given,
        "scheduler_options": {
            "host": section.host,
            "port": 0,
            "dashboard_address": local.LOOPBACK,
            **given.get("scheduler_options", {}),
        },
        "job_script_prologue": [*exports, *given.get("job_script_prologue", ())],
        "worker_extra_args": [*arguments, *given.get("worker_extra_args", ())],
    }
    return options


def _queue(section: Cluster, frameworks: Sequence[str], security: Any) -> Deployer:
    @contextmanager
    def started() -> Iterator[Any]:
        make = getattr(importlib.import_module("dask_jobqueue"), _CLASSES[section.kind])
        try:
            cluster = make(**queue_options(section, frameworks, security))
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            raise _not_started(section, error) from None
        with cluster:
            if section.adaptive is None:
                cluster.scale(jobs=section.workers or 1)
            else:
                cluster.adapt(Adaptive=GrowWhileBusy, **section.adaptive)
            yield cluster

    return Deployer(started, security, {}, QUEUE_SECONDS)


# Kubernetes


def kubernetes_options(section: Cluster, frameworks: Sequence[str]) -> dict[str, Any]:
    """What dask-kubernetes' cluster takes; the image must have the project installed."""
    given = dict(section.options)
    environment = worker_environment(section, frameworks)
    command = ["dask", "worker", "--nthreads", str(threads(section, frameworks)), "--preload", PRELOAD]
    return {
        "name": "honest-search",
        "n_workers": section.workers or 1,
        "worker_command": command,
        **given,
        "env": {**environment, **given.get("env", {})},
    }


def _kubernetes(section: Cluster, frameworks: Sequence[str], _security: Any) -> Deployer:
    @contextmanager
    def started() -> Iterator[Any]:
        make = importlib.import_module("dask_kubernetes.operator").KubeCluster
        try:
            cluster = make(quiet=True, **kubernetes_options(section, frameworks))
        except Exception as error:  # kr8s' own, where no Kubernetes answers or it refuses
            raise _not_started(section, error) from None
        with cluster:
            yield cluster

    return Deployer(started, None, {}, QUEUE_SECONDS)


def _not_started(section: Cluster, error: Exception) -> MachineError:
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    hidden = Hidden.of(" ".join(value for value in section.options.values() if isinstance(value, str)))
    return MachineError(
        f"the cluster can't be started: {hidden.out_of(reason)}",
        where=f"cluster, kind = {as_toml(section.kind)}",
        remedy="look at cluster.options, which go to the deployer as they are",
    )


_DEPLOYERS: Mapping[str, Callable[[Cluster, Sequence[str], Any], Deployer]] = {
    "ssh": _ssh,
    "slurm": _queue,
    "pbs": _queue,
    "sge": _queue,
    "lsf": _queue,
    "kubernetes": _kubernetes,
}
