"""The Java process of a session: started in bounded time, watched, and ended whatever it does.

PySpark can start one by itself, but waits for it for ever and shows its process only afterwards. So it is
started here, as PySpark does it, and PySpark gets its address.

The JVM leaves with this process, however that ends: it watches a pipe on its standard input. It doesn't
see the terminal's Ctrl-C, being in a process group of its own. What it writes is kept in a file that nobody
sees, for the message about its end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from workers.machine.surroundings import NOWHERE, settle_spark
from workers.spark.internals import CONNECTION_FILE, gateway_at, read_connection
from workers.spark.paths import unicode_names
from workers.spark.settings import BLAS_THREADS, LOOPBACK, is_secret

OUT_OF_MEMORY_EXITS = (3, 52)
"""Exit status of a JVM that ran out of memory: Java's own (ExitOnOutOfMemoryError) and Spark's
(``SparkExitCode.OOM``)."""

START_SECONDS = 180.0
"""How long a session may take to start before its JVM is taken to hang and killed. It takes 6 to 10 on an
idle machine; a cluster that refuses it reports that after 60."""

LEAVE_SECONDS = 10.0
"""How long a JVM may take to end when its input has ended, before it is killed. It takes about one."""

POLL = 0.05
"""Seconds between two looks at whether the JVM listens. It takes 2 to 4 seconds to."""


@contextlib.contextmanager
def killed_after(seconds: float, kill: Callable[[], object], hung: threading.Event) -> Iterator[None]:
    """End what the body talks to where that takes longer: a call to a JVM that hangs returns only then.

    Args:
        seconds: that the body may take.
        kill: ends it.
        hung: set before that.
    """

    def act() -> None:
        hung.set()
        kill()

    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def start_process(
    every: dict[str, str], log: IO[bytes], connection: Path, *, local: bool
) -> subprocess.Popen[bytes]:
    """A JVM that will write to the file ``connection`` where PySpark reaches it.

    Args:
        every: Spark's properties.
        log: where it writes.
        connection: of a folder that nobody else can read, because a password comes with it.
        local: whether it needs nothing of this machine's settings for clusters.
    """
    logging.getLogger().addFilter(_is_worth_logging)
    # On its command line, which everybody on the machine can read.
    shown = [f"--conf={name}={value}" for name, value in every.items() if not is_secret(name)]
    home = _home()
    surroundings = dict(os.environ)
    settle_spark(surroundings, cluster=not local)
    surroundings |= {
        **unicode_names(),
        **dict.fromkeys(BLAS_THREADS, "1"),
        "SPARK_HOME": str(home),
        "SPARK_CONNECT_MODE": "0",
        CONNECTION_FILE: str(connection),
    }
    if local:
        # Where no spark-defaults.conf and no spark-env.sh lie.
        surroundings["SPARK_CONF_DIR"] = NOWHERE
        # Where letters have the upper case that programs expect, which Turkish ones have not.
        surroundings["LC_ALL"] = "C.UTF-8"
    if every.get("spark.driver.bindAddress") == LOOPBACK:
        # Else Spark resolves the host's name, and doesn't start where that has no address.
        surroundings["SPARK_LOCAL_IP"] = LOOPBACK
    return subprocess.Popen(
        [home / "bin" / "spark-submit", *shown, "pyspark-shell"],
        env=surroundings,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        process_group=0,
    )


def gateway_to(process: subprocess.Popen[bytes], connection: Path) -> Any:
    """PySpark's gateway into the JVM, once it listens.

    Raises:
        ChildProcessError: where it ended before.
    """
    while not connection.is_file():  # which appears whole
        if process.poll() is not None:
            raise ChildProcessError(f"the JVM ended with status {process.returncode}")
        time.sleep(POLL)
    return gateway_at(*read_connection(connection))


@contextlib.contextmanager
def connection_file() -> Iterator[Path]:
    """Where a JVM can say how it is reached; gone on leaving."""
    with tempfile.TemporaryDirectory(prefix="honest-search-jvm-") as directory:
        yield Path(directory) / "connection"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a JVM; kill it where it doesn't leave in :data:`LEAVE_SECONDS`."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()  # what a JVM takes as the end of its parent
    try:
        process.wait(LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def written(log: IO[bytes], last: int = 65536) -> str:
    """What a JVM wrote: of much, the last so many bytes."""
    size = os.fstat(log.fileno()).st_size
    # Not read(): the position in the file is shared with the JVM, which would write elsewhere after it.
    return os.pread(log.fileno(), last, max(0, size - last)).decode(errors="replace")


def last_line(log: IO[bytes]) -> str:
    """The last line that a JVM wrote."""
    lines = [line.strip() for line in written(log, 4096).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _home() -> Path:
    """PySpark's own Spark, whatever SPARK_HOME says: versions of one and the other must be the same."""
    # Late: importing PySpark takes a second or two.
    import pyspark

    return Path(pyspark.__file__).parent


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Not py4j's calls that a dead JVM doesn't answer, among them those of a thread of its own that tells it
    which objects are dropped. Whoever called has the exception; py4j prints it with its traceback on top.
    """
    return not str(record.msg).startswith("Exception while sending command")
