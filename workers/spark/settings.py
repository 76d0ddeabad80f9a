"""The study file's ``[spark]`` as what travels to workers, and the properties of a session."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studies.errors import MachineError
from studies.sections.spark_conf import is_local
from studies.sections.study import Spark
from workers.solvers.mllib import PARTITIONS

LOOPBACK = "127.0.0.1"


AT_ONCE = 1
"""Spark trials at once in one worker process, by default.

A second one gains nothing: a trial is a task a partition, which are as many as the session's threads, and two
trials take turns at them.
"""

LEAST_MIB = 450
"""Heap below which Spark refuses to start: 471,859,200 bytes."""

ENOUGH = '"512m"'
"""A heap with which it starts: Java counts a part of the heap out."""

_WHOLE = str(1 << 40)

PLAN = {
    "spark.sql.shuffle.partitions": "1",
    # Plans are fixed: how rows lie in partitions decides the last bits of every gradient.
    "spark.sql.adaptive.enabled": "false",
    # A file is a partition: neither cut into several nor packed with others, on any number of cores.
    "spark.sql.files.maxPartitionBytes": _WHOLE,
    "spark.sql.files.openCostInBytes": _WHOLE,
    # Reading cached rows needs no Java compiled for it: one step of gd on 3,112 rows takes 1.2 s of CPU with
    # it and 0.8 s without.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables for the number of threads that a native BLAS may start. One: Spark's tasks are the
threads, and a sum that is cut into threads has other last bits on another machine."""

COLLECTOR = "-XX:+UseParallelGC"
"""Java's garbage collector. Its default, G1, knows no GCTimeLimit in Java 17, and went on for minutes with a
heap that was too small; and it keeps every large array apart, which MLlib computes with."""

OUT_OF_MEMORY = ("-XX:+ExitOnOutOfMemoryError", "-XX:GCTimeLimit=90", "-XX:GCHeapFreeLimit=10")
"""A heap that is full, or that keeps Java's garbage collector busy, ends the JVM. Otherwise it would continue
with one of its threads missing, or almost without progress."""

_JAVA_OPTIONS = "spark.driver.extraJavaOptions"

_COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")

_SECRET = re.compile(r"secret|password|token|access[.]?key", re.IGNORECASE)
"""Spark's own default of ``spark.redaction.regex``."""


@dataclass(frozen=True, slots=True)
class SparkSettings:
    """How Spark's trials of a study run. Small, hashable, and free of the study file.

    Attributes:
        master: as Spark calls it; ``None`` for a thread a partition, as far as there are cores.
        partitions: of the training rows.
        memory_mib: heap of the JVM; ``None`` for what rows and network need.
        conf: further properties of Spark, as (name, value).
        native_blas: path of a BLAS library; ``None`` for the system's, where there is one.
        rungs: whether l-bfgs trials stop at their ``last`` rung alone, or at each to ``restart``.
    """

    master: str | None = None
    partitions: int = PARTITIONS
    memory_mib: int | None = None
    conf: tuple[tuple[str, str], ...] = ()
    native_blas: str | None = None
    rungs: Literal["last", "restart"] = "last"

    @classmethod
    def of(cls, section: Spark, directory: Path) -> SparkSettings:
        """Those of a study file's section; its relative paths begin at ``directory``."""
        blas = section.native_blas
        return cls(
            master=section.master,
            partitions=section.partitions,
            memory_mib=_mib(section.memory),
            conf=tuple((name, _text(value)) for name, value in section.conf.items()),
            native_blas=None if blas is None else str((directory / blas).resolve()),
            rungs=section.rungs,
        )

    @property
    def local(self) -> bool:
        """Whether the tasks run in the session's own JVM."""
        return is_local(self.master)

    @property
    def connect(self) -> bool:
        """Whether the session is that of a Spark Connect server."""
        return self.master is not None and self.master.startswith("sc://")

    @property
    def on_loopback(self) -> bool:
        """Whether the session needs to be reached from this machine alone."""
        if self.local:
            return True
        hosts = re.findall(r"(?:://|,)([^:/,]+)", self.master or "")
        return all(host == "localhost" or host.startswith("127.") for host in hosts)

    def session(self) -> SparkSettings:
        """Those that a session is started with: two that are equal in them can share one."""
        # More threads than partitions would have nothing to do: a trial is one task a partition.
        master = self.master or f"local[{min(cores(), self.partitions)}]"
        return SparkSettings(master, memory_mib=self.memory_mib, conf=self.conf, native_blas=self.native_blas)

    def check(self) -> None:
        """Refuse a library that isn't there, and a heap with which Spark doesn't start.

        Raises:
            MachineError: where ``native_blas`` names no file, or the memory is below :data:`LEAST_MIB`.
        """
        if self.memory_mib is not None and self.memory_mib < LEAST_MIB and not self.connect:
            raise too_small(self.memory_mib)
        if self.native_blas is not None and not Path(self.native_blas).is_file():
            raise MachineError(
                f"found no file {self.native_blas}",
                where="spark.native_blas",
                allowed="a BLAS library, such as /usr/lib/x86_64-linux-gnu/libopenblas.so.0",
                remedy="leave it out, and Spark takes the system's libblas.so.3 or computes in Java",
            )


def too_small(memory_mib: int) -> MachineError:
    """The message for a heap with which Spark doesn't start."""
    return MachineError(
        f"{memory_mib} MiB of heap are less than Spark needs to start",
        where="spark.memory",
        allowed=f"{ENOUGH} or more",
        remedy='give it more, such as "1g", or leave it out',
    )


DEFAULTS = SparkSettings()
"""Those of a study that says nothing about Spark."""


def properties(settings: SparkSettings, memory_mib: int, scratch: Path) -> dict[str, str]:
    """All properties of a session that a JVM of this process is started with.

    Args:
        settings: of the :meth:`~SparkSettings.session`.
        memory_mib: heap where the settings don't say it.
        scratch: directory for Spark's temporary files on this machine.
    """
    memory = f"{settings.memory_mib or memory_mib}m"
    ours = {
        "spark.app.name": "honest-search",
        "spark.master": str(settings.master),
        "spark.driver.memory": memory,
        "spark.local.dir": str(scratch),
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",
        **PLAN,
    }
    if settings.on_loopback:
        ours |= {"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK}
    if not settings.local:
        ours |= {"spark.executor.memory": memory}
        ours |= {f"spark.executorEnv.{name}": "1" for name in BLAS_THREADS}
    ours |= dict(settings.conf)
    ours[_JAVA_OPTIONS] = _java_options(ours.get(_JAVA_OPTIONS, ""), settings.native_blas)
    return ours


def _java_options(given: str, native_blas: str | None) -> str:
    """Options of the JVM; those that the study gives come last, where Java lets them win."""
    collector = () if _COLLECTOR.search(given) else (COLLECTOR,)
    blas = (
        ()
        if native_blas is None
        else (f"-Ddev.ludovic.netlib.blas.nativeLibPath={shlex.quote(native_blas)}",)
    )
    return " ".join((*collector, *OUT_OF_MEMORY, *blas, given)).strip()


def is_secret(name: str) -> bool:
    """Whether a property must not be seen in the list of processes."""
    return bool(_SECRET.search(name))


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _mib(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text[:-1]) * (1024 if text[-1] == "g" else 1)


def _text(value: str | float) -> str:
    """As Spark reads it: ``true``, not ``True``."""
    return str(value).lower() if isinstance(value, bool) else str(value)
