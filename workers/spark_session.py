"""One warm Spark session a process: a JVM beside it, started at the first need and kept.

A session costs 6 to 10 seconds to start, so that all trials of a process share it. By default it runs in
local mode, bound to the loopback interface.

The JVM leaves with this process, however that ends: it watches a pipe on its standard input. It doesn't
see the terminal's Ctrl-C: PySpark starts it with that signal ignored. What it writes is kept in a file
that nobody sees, for the message about its end.
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
from workers.java import find_java
from workers.spark_connect import RemoteSpark, connect
from workers.spark_settings import BLAS_THREADS, DEFAULTS, LOOPBACK, SparkSettings, is_secret, properties

OUT_OF_MEMORY_EXIT = 52
"""Exit status of a Spark JVM that ran out of memory (``SparkExitCode.OOM``)."""

LEAVE_SECONDS = 10.0
"""How long a JVM may take to end when its input has ended, before it is killed. It takes about one."""


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
        return self.process.poll() == OUT_OF_MEMORY_EXIT

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
        return int(rows._jdf.queryExecution().toRdd().getNumPartitions())

    def end(self) -> str:
        """How it ended, for a message, with the last line that the JVM wrote."""
        status = "" if self.alive() else f" with status {self.process.returncode}"
        last = _last_line(self.log)
        return f"the JVM ended{status}" + (f"; it said: {last}" if last else "")

    def close(self) -> None:
        """End the session and the JVM, also one that is dead or hangs."""
        _discard(self)


AnySpark = Spark | RemoteSpark
"""A session, in a JVM of ours or on a Spark Connect server."""

_lock = threading.Lock()
_running: AnySpark | None = None


def start(memory_mib: int = 1024, settings: SparkSettings | None = None) -> AnySpark:
    """The process's session, started where there is none that will do. Safe from any thread.

    One whose JVM has died is replaced, and so is one that was started with other settings or less memory:
    trials of two studies with different settings can't run in one process at the same time.

    Args:
        memory_mib: heap that is needed, where the settings don't say it.
        settings: the study's; without them, a running session is taken as it is.

    Raises:
        MachineError: where there is no fit Java, the JVM doesn't start, or a library that the settings name
            can't be used.
    """
    global _running
    wanted = None if settings is None else settings.session()
    with _lock:
        if _running is not None and not _will_do(_running, wanted, memory_mib):
            _running.close()
            _running = None
        if _running is None:
            wanted = wanted or DEFAULTS.session()
            wanted.check()
            _running = connect(wanted) if wanted.connect else _launch(memory_mib, wanted)
        return _running


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
    find_java()
    # Late: importing PySpark takes a second or two.
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    scratch = Path(tempfile.mkdtemp(prefix="honest-search-spark-"))
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the JVM, which writes to it
    every = properties(settings, memory_mib, scratch)
    gateway: Any = None
    try:
        gateway = _gateway(every, log)
        conf = SparkConf(loadDefaults=False).setAll(list(every.items()))
        with _sigint_untouched():
            context = SparkContext(conf=conf, gateway=gateway)
        # Not before: PySpark translates a Java exception only where it has a context.
        native = _finds_native_blas(gateway.jvm)
        if settings.native_blas is not None and not native:
            raise _unusable_blas(settings.native_blas)
        spark = Spark(SparkSession(context), gateway.proc, log, settings, memory_mib, scratch, native)
    except BaseException as error:
        said = _last_line(log)
        if gateway is not None:
            _end(gateway.proc)
            _forget()
        log.close()
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, MachineError) or not isinstance(error, Exception):
            raise
        raise _not_started(settings, memory_mib, said or str(error)) from error
    return spark


def _gateway(every: dict[str, str], log: IO[bytes]) -> Any:
    """A JVM with PySpark's gateway in it, and nothing else yet."""
    from pyspark import SparkConf
    from pyspark.java_gateway import launch_gateway

    # On its command line, which everybody on the machine can read.
    shown = [(name, value) for name, value in every.items() if not is_secret(name)]
    surroundings = dict.fromkeys(BLAS_THREADS, "1")
    if every.get("spark.driver.bindAddress") == LOOPBACK:
        # Else Spark resolves the host's name, and doesn't start where that has no address.
        surroundings["SPARK_LOCAL_IP"] = os.environ.get("SPARK_LOCAL_IP", LOOPBACK)
    with _environment(surroundings):
        return launch_gateway(SparkConf(loadDefaults=False).setAll(shown), {"stdout": log, "stderr": log})


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set for a moment, because PySpark gives its JVM this process's own."""
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


def _not_started(settings: SparkSettings, memory_mib: int, said: str) -> MachineError:
    memory = settings.memory_mib or memory_mib
    port = f" and a port on {LOOPBACK}" if settings.on_loopback else ""
    cluster = "" if settings.local else f", and a cluster at {settings.master} that answers"
    return MachineError(
        f"Spark didn't start; it said: {said.strip().splitlines()[0] if said.strip() else '(nothing)'}",
        where=str(find_java().path),
        allowed=f"a JVM that can have {memory} MiB of heap{port}{cluster}",
        remedy="free memory, run fewer trials at once (cluster.slots), or give less (spark.memory)",
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
    _end(spark.process)
    context = spark.session.sparkContext
    context._jsc = None  # what its stop() would call into a dead JVM with, and warn
    context.stop()
    _forget()
    spark.log.close()
    shutil.rmtree(spark.scratch, ignore_errors=True)


def _forget() -> None:
    """Let PySpark start another JVM in this process."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._gateway is not None:
        with contextlib.suppress(Py4JError, OSError):
            SparkContext._gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()  # what a JVM takes as the end of its parent
    try:
        process.wait(LEAVE_SECONDS)
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
