"""One warm Spark session a process: a JVM beside it, started at the first need and kept.

A session costs 6 to 10 seconds to start, so that all trials of a process share it. By default it runs in
local mode, bound to the loopback interface. The JVM itself is the matter of :mod:`workers.spark.jvm`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from studies.errors import MachineError
from workers.machine.java import find_java
from workers.machine.surroundings import check_documentation, settle_spark
from workers.spark.connect import RemoteSpark, connect
from workers.spark.internals import (
    forget_the_jvm,
    partitions_of,
    stop_without_the_jvm,
    was_stopped_by_the_jvm,
)
from workers.spark.jvm import (
    OUT_OF_MEMORY_EXITS,
    START_SECONDS,
    connection_file,
    end,
    gateway_to,
    killed_after,
    last_line,
    start_process,
    written,
)
from workers.spark.paths import make_scratch
from workers.spark.settings import DEFAULTS, SparkSettings, properties
from workers.spark.start import FailedStart, explained
from workers.spark.start import hung as explain_hung


@dataclass(frozen=True)
class Spark:
    """A running session.

    Attributes:
        session: the ``pyspark.sql.SparkSession``.
        process: the JVM.
        log: what the JVM wrote on its standard output and error.
        settings, memory_mib: what it was started with.
        scratch: its directory for temporary files.
        native_blas: whether matrix products run in a native library.
    """

    session: Any
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    settings: SparkSettings
    memory_mib: int
    scratch: Path
    native_blas: bool

    def alive(self, patience: float = 0.0) -> bool:
        """Whether the JVM runs; waits up to ``patience`` seconds for its end."""
        if patience:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        return self.process.poll() is None

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the JVM ended for lack of heap."""
        return self.process.poll() in OUT_OF_MEMORY_EXITS

    def enter(self, group: str) -> None:
        """Name the jobs that this thread starts from now on, for :meth:`cancel`."""
        self.session.sparkContext.setJobGroup(group, "fit", interruptOnCancel=True)

    def cancel(self, group: str) -> None:
        """End the jobs under this name."""
        self.session.sparkContext.cancelJobGroup(group)

    def kill(self) -> None:
        """End the JVM at once, whatever it does."""
        self.process.kill()

    def partitions(self, rows: Any) -> int:
        """How many partitions a DataFrame has."""
        return partitions_of(rows)

    def end(self) -> str:
        """How it ended, for a message, with the last line that the JVM wrote."""
        status = "" if self.alive() else f" with status {self.process.returncode}"
        last = last_line(self.log)
        return f"the JVM ended{status}" + (f"; it said: {last}" if last else "")

    def close(self) -> None:
        """End the session and the JVM, also one that is dead or hangs."""
        _discard(self)


AnySpark = Spark | RemoteSpark
"""A session, in a JVM of ours or on a Spark Connect server."""

_lock = threading.Condition(threading.Lock())
_running: AnySpark | None = None
_used: list[AnySpark] = []  # one entry a user

LOOK_SECONDS = 1.0
"""Between two looks whether a session that others use has died."""


def start(memory_mib: int = 1024, settings: SparkSettings | None = None) -> AnySpark:
    """The process's session, started where there is none that will do. Safe from any thread.

    One whose JVM has died is replaced, and so is one that was started with other settings or less memory,
    once nobody is :func:`using` it: trials of two studies with different settings take turns in a process.

    Args:
        memory_mib: heap that is needed, where the settings don't say it.
        settings: the study's; without them, a running session is taken as it is.

    Raises:
        MachineError: where there is no fit Java, the JVM doesn't start, or a library that the settings name
            can't be used.
    """
    with _lock:
        return _start(memory_mib, settings)


@contextlib.contextmanager
def using(memory_mib: int, settings: SparkSettings) -> Iterator[AnySpark]:
    """The same, and nobody replaces it meanwhile, unless it dies."""
    with _lock:
        spark = _start(memory_mib, settings)
        _used.append(spark)
    try:
        yield spark
    finally:
        with _lock:
            del _used[next(place for place, user in enumerate(_used) if user is spark)]
            _lock.notify_all()


def _start(memory_mib: int, settings: SparkSettings | None) -> AnySpark:
    """What :func:`start` returns, for one that holds the lock."""
    global _running
    wanted = None if settings is None else settings.session()
    while _running is not None and _is_used(_running) and not _will_do(_running, wanted, memory_mib):
        _lock.wait(LOOK_SECONDS)
    if _running is not None and not _will_do(_running, wanted, memory_mib):
        _running.close()
        _running = None
    if _running is None:
        wanted = wanted or DEFAULTS.session()
        wanted.check()
        _running = connect(wanted) if wanted.connect else _launch(memory_mib, wanted)
    return _running


def _is_used(spark: AnySpark) -> bool:
    return spark.alive() and any(user is spark for user in _used)


def stop() -> None:
    """End the process's session and its JVM, if there is one. A later :func:`start` starts another."""
    global _running
    with _lock:
        if _running is not None:
            _running.close()
            _running = None


def retire(spark: AnySpark) -> None:
    """End this session where it is still the process's, so that the next :func:`start` starts another."""
    global _running
    with _lock:
        if _running is spark:
            spark.close()
            _running = None


def _will_do(spark: AnySpark, wanted: SparkSettings | None, memory_mib: int) -> bool:
    if not spark.alive():
        return False
    if wanted is None:
        return True
    if spark.settings != wanted:
        return False
    return isinstance(spark, RemoteSpark) or wanted.memory_mib is not None or memory_mib <= spark.memory_mib


def _launch(memory_mib: int, settings: SparkSettings) -> Spark:
    check_documentation()
    find_java()
    # In this process, too: PySpark's own functions ask for them, for as long as they run.
    settle_spark(os.environ, cluster=not settings.local)
    scratch = make_scratch()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the JVM, which writes to it
    every = properties(settings, memory_mib, scratch)
    process: subprocess.Popen[bytes] | None = None
    gateway: Any = None
    hung = threading.Event()
    try:
        with connection_file() as connection:
            process = start_process(every, log, connection, local=settings.local)
            with killed_after(START_SECONDS, process.kill, hung):
                gateway = gateway_to(process, connection)
                session, native = _session(gateway, every)
        if settings.native_blas is not None and not native:
            raise _unusable_blas(settings.native_blas)
        return Spark(session, process, log, settings, memory_mib, scratch, native)
    except BaseException as error:
        failed = FailedStart(settings, settings.memory_mib or memory_mib, _output(log, error), os.environ)
        if process is not None:
            end(process)
        if gateway is not None:
            forget_the_jvm()
        log.close()
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, MachineError) or not isinstance(error, Exception):
            raise
        raise (explain_hung(failed, START_SECONDS) if hung.is_set() else explained(failed)) from error


def _output(log: IO[bytes], error: BaseException) -> str:
    """All that the JVM wrote, and the error that Python met; asked while the JVM can still answer."""
    try:
        return f"{error}\n{written(log)}"
    except Exception:  # py4j asks a JVM that is gone for the words
        return written(log)


def _session(gateway: Any, every: dict[str, str]) -> tuple[Any, bool]:
    """A session in the JVM, and whether matrix products run in a native library there."""
    # Late: importing PySpark takes a second or two.
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    conf = SparkConf(loadDefaults=False).setAll(list(every.items()))
    with _sigint_untouched():
        context = SparkContext(conf=conf, gateway=gateway)
    if was_stopped_by_the_jvm(context):  # by a master that doesn't take it
        raise ChildProcessError("the session was stopped as it started")
    # Not before: PySpark translates a Java exception only where it has a context.
    native = _finds_native_blas(gateway.jvm)
    return SparkSession(context), native


def _finds_native_blas(jvm: Any) -> bool:
    """Asks the class that MLlib asks, which loads the library."""
    from py4j.protocol import Py4JJavaError

    try:
        jvm.dev.ludovic.netlib.blas.NativeBLAS.getInstance()
    except Py4JJavaError:
        return False
    return True


def _unusable_blas(path: str) -> MachineError:
    return MachineError(
        f"Spark can't load the BLAS library {path}",
        where="spark.native_blas",
        allowed="a library for this machine with BLAS's Fortran functions (dgemm_ and the others)",
        remedy="see with `ldd` what it needs, or leave spark.native_blas out",
    )


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
    """End a session, also one whose JVM is dead or hangs, and make PySpark forget it.

    Nothing is asked of the JVM, which may never answer: it stops its session itself when its input ends.
    """
    end(spark.process)
    stop_without_the_jvm(spark.session.sparkContext)
    forget_the_jvm()
    spark.log.close()
    shutil.rmtree(spark.scratch, ignore_errors=True)


atexit.register(stop)
