"""One warm Spark session a process: a JVM beside it, started at the first need and kept.

A session costs 6 to 10 seconds to start, so that all trials of a process share it. It runs in local mode,
bound to the loopback interface.

The JVM leaves with this process, however that ends: it watches a pipe on its standard input. It doesn't
see the terminal's Ctrl-C: PySpark starts it with that signal ignored. What it writes is kept in a file
that nobody sees, for the message about its end.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from studies.errors import MachineError
from workers.java import find_java

LOOPBACK = "127.0.0.1"

_WHOLE = str(1 << 40)


@dataclass(frozen=True)
class Spark:
    """A running session.

    Attributes:
        session: the ``pyspark.sql.SparkSession``.
        process: the JVM.
        log: what the JVM wrote on its standard output and error.
    """

    session: Any
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def alive(self, patience: float = 0.0) -> bool:
        """Whether the JVM runs; waits up to ``patience`` seconds for its end."""
        if patience:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        return self.process.poll() is None

    def last_words(self) -> str:
        """The last line that the JVM wrote, or an empty string."""
        return _last_line(self.log)


_lock = threading.Lock()
_running: Spark | None = None


def start(memory_mib: int = 1024) -> Spark:
    """The process's session, started where there is none or its JVM has died. Safe from any thread.

    Args:
        memory_mib: heap of the JVM where one is started; a running one keeps what it has.

    Raises:
        MachineError: where there is no fit Java, or the JVM doesn't start.
    """
    global _running
    with _lock:
        if _running is not None and not _running.alive():
            _discard(_running)
            _running = None
        if _running is None:
            find_java()
            _running = _launch(memory_mib)
        return _running


def stop() -> None:
    """End the process's session and its JVM, if there is one. A later :func:`start` starts another."""
    global _running
    with _lock:
        if _running is not None:
            _discard(_running)
            _running = None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _launch(memory_mib: int) -> Spark:
    # Late: importing PySpark takes a second or two.
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    # Else Spark resolves the host's name, and doesn't start where that has no address.
    os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)
    conf = SparkConf(loadDefaults=False).setAll(list(_settings(memory_mib).items()))
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the JVM, which writes to it
    try:
        gateway = launch_gateway(conf, {"stdout": log, "stderr": log})
    except PySparkRuntimeError as error:
        said = _last_line(log)
        log.close()
        raise MachineError(
            f"Spark's JVM ended before it was ready; it said: {said or '(nothing)'}",
            where=str(find_java().path),
            allowed=f"a JVM that can have {memory_mib} MiB of heap and a port on {LOOPBACK}",
            remedy="free memory, or run fewer trials at once (cluster.slots)",
        ) from error
    with _sigint_untouched():
        context = SparkContext(conf=conf, gateway=gateway)
    return Spark(SparkSession(context), gateway.proc, log)


def _settings(memory_mib: int) -> dict[str, str]:
    return {
        "spark.app.name": "honest-search",
        "spark.master": f"local[{cores()}]",
        "spark.driver.memory": f"{memory_mib}m",
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "1",
        # Plans are fixed: how rows lie in partitions decides the last bits of every gradient.
        "spark.sql.adaptive.enabled": "false",
        # A file is a partition: neither cut into several nor packed with others, on any number of cores.
        "spark.sql.files.maxPartitionBytes": _WHOLE,
        "spark.sql.files.openCostInBytes": _WHOLE,
    }


@contextlib.contextmanager
def _sigint_untouched() -> Iterator[None]:
    """Undo what SparkContext does in the main thread: it takes over the process's handling of Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _discard(spark: Spark) -> None:
    """End a session, also one whose JVM is dead, and make PySpark forget it, so that a new one can start."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if spark.alive():
        with contextlib.suppress(Py4JError, OSError):
            spark.session.stop()
    else:
        context = spark.session.sparkContext
        context._jsc = None  # what its stop() would call into a dead JVM with, and warn
        context.stop()
    with contextlib.suppress(Py4JError, OSError):
        SparkContext._gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None
    _end(spark.process)
    spark.log.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()  # what a JVM takes as the end of its parent
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: IO[bytes]) -> str:
    size = os.fstat(log.fileno()).st_size
    # Not read(): the position in the file is shared with the JVM, which would write elsewhere after it.
    tail = os.pread(log.fileno(), 4096, max(0, size - 4096))
    said = [line.strip() for line in tail.decode(errors="replace").splitlines() if line.strip()]
    return said[-1] if said else ""


atexit.register(stop)
