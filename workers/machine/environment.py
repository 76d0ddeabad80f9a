"""What a worker process runs in, for comparing it with the driver's."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np  # noqa: F401  loads the BLAS that is asked for below
from threadpoolctl import threadpool_info

from studies.errors import MachineError
from studies.frameworks import BUILT_IN, packages_of
from workers.machine.java import find_java
from workers.machine.rows import sees

PROJECT = "honest-search"

BLAS = "BLAS kernels"

PACKAGES = tuple(
    dict.fromkeys((PROJECT, "dask", "distributed", *packages_of(record.name for record in BUILT_IN)))
)


@dataclass(frozen=True)
class Environment:
    """A process and its machine.

    Attributes:
        host: name of the machine.
        versions: of ``python`` and of :data:`PACKAGES`, as far as they are there; ``java`` where it was
            looked for and is fit for Spark; :data:`BLAS`, the kind of processor that NumPy's BLAS computes
            for, which sums in an order of its own.
        sees_rows: whether it reads the study's rows where the driver wrote them.
    """

    host: str
    versions: Mapping[str, str]
    sees_rows: bool = True


async def describe(rows: str, java: bool, packages: Sequence[str] = ()) -> Environment:
    """This process's environment, found beside what runs in its event loop.

    Args:
        rows: the driver's cache directory of the study's rows.
        java: whether to look for Java, which takes a second.
        packages: whose versions are asked for beside :data:`PACKAGES`.
    """
    return await asyncio.to_thread(environment, rows, java, packages)


def environment(rows: str, java: bool, packages: Sequence[str] = ()) -> Environment:
    """As :func:`describe`, in the calling thread."""
    versions = {"python": platform.python_version()}
    for name in (*PACKAGES, *packages):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if java and (java_version := _java()):
        versions["java"] = java_version
    if kernels := {blas["architecture"] for blas in threadpool_info() if "architecture" in blas}:
        versions[BLAS] = ", ".join(sorted(kernels))
    return Environment(platform.node(), versions, sees(Path(rows)))


def _java() -> str:
    try:
        return find_java().version
    except MachineError:
        return ""
