"""All that is used of PySpark without its makers having promised it: each part with why it is needed.

Nothing else in the packages names a private part of PySpark (``tests/test_private_parts.py``).
``tests/workers/spark/test_spark_internals.py`` says what has moved when another version is installed, and
``docs/moving-versions.md`` what to do then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONNECTION_FILE = "_PYSPARK_DRIVER_CONN_INFO_PATH"
"""The variable that tells a JVM where to write how it is reached. PySpark sets it for the JVM that it
starts itself, and waits for that one for ever."""


def read_connection(file: Path) -> tuple[int, str]:
    """Port and password that a JVM wrote: two big-endian numbers of four bytes, the port and the password's
    length, and the password. PySpark reads it only from a JVM that it started itself.
    """
    written = file.read_bytes()
    return int.from_bytes(written[:4], "big"), written[8:].decode()


def gateway_at(port: int, secret: str) -> Any:
    """PySpark's gateway into a JVM that listens.

    ``SparkContext`` takes a gateway, but no public function makes one: what makes it takes the address from
    the environment alone.
    """
    from pyspark.java_gateway import launch_gateway

    with _environment({"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": secret}):
        return launch_gateway()


def forget_the_jvm() -> None:
    """Let PySpark start another JVM in this process. Its own ``stop`` keeps the gateway, also one to a JVM
    that is dead, on which every later session fails.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._gateway is not None:
        with contextlib.suppress(Py4JError, OSError):
            SparkContext._gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def stop_without_the_jvm(context: Any) -> None:
    """Stop a context, and ask nothing of its JVM, which may be dead or hang; ``stop`` alone would wait."""
    context._jsc = None
    context.stop()


def was_stopped_by_the_jvm(context: Any) -> bool:
    """Whether a context that has just been made was stopped there, by a master that doesn't take it. PySpark
    shows no such state of the JVM's.
    """
    return bool(context._jsc.sc().isStopped())


def partitions_of(rows: Any) -> int:
    """How many partitions a DataFrame has, without a job. ``rows.rdd`` would start Python's side of one."""
    return int(rows._jdf.queryExecution().toRdd().getNumPartitions())


def jvm_of(session: Any) -> Any:
    """The JVM's classes, for those that PySpark has no function for."""
    return session._jvm


def java_frame_of(rows: Any) -> Any:
    """The DataFrame that the JVM has, to be given to the JVM's own classes."""
    return rows._jdf


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set for a moment: PySpark takes them from nowhere else."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
