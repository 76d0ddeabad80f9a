"""What goes wrong inside Spark, as the trial's failure; and ending a fit before it ends by itself."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator

from studies.records import Cause, Failure
from workers.spark_session import Spark
from workers.trainer import Deadline, TrainingFailed

OUT_OF_MEMORY_EXIT = 52
"""Exit status of a Spark JVM that ran out of memory (``SparkExitCode.OOM``)."""

POLL = 0.2
"""Seconds between two looks at the deadline while a fit runs."""


@contextlib.contextmanager
def interrupted(spark: Spark, deadline: Deadline, epoch: int) -> Iterator[None]:
    """Cancel the Spark jobs that this thread starts inside once the deadline passes.

    Raises:
        TrainingFailed: with cause ``timeout``, where jobs were cancelled.
    """
    context = spark.session.sparkContext
    group = f"fit-{uuid.uuid4().hex}"
    context.setJobGroup(group, "fit", interruptOnCancel=True)
    ended = threading.Event()
    passed: list[TrainingFailed] = []

    def watch() -> None:
        while not ended.wait(POLL):
            try:
                deadline.check(epoch)
            except TrainingFailed as failed:
                passed.append(failed)
                # Every time round: between two of the fit's jobs there is nothing to cancel. An error here is
                # a dead JVM, which the fit finds too.
                with contextlib.suppress(Exception):
                    context.cancelJobGroup(group)

    watcher = threading.Thread(target=watch, name=group, daemon=True)
    watcher.start()
    try:
        yield
    except Exception as error:
        if passed and group in str(error):  # Spark's "Job 7 cancelled part of cancelled job group …"
            raise passed[0] from error
        raise
    finally:
        ended.set()
        watcher.join()


@contextlib.contextmanager
def translated(spark: Spark, epoch: int) -> Iterator[None]:
    """Turn a dead JVM and a lack of its memory into :class:`TrainingFailed`; anything else is a bug."""
    # Late: comes with PySpark.
    from py4j.protocol import Py4JError

    try:
        yield
    except (Py4JError, ConnectionError) as error:
        cause = _cause(spark, error)
        if cause is None:
            raise
        last = spark.last_words()
        ended = "" if spark.alive() else f" with status {spark.process.returncode}"
        message = {
            "out of memory": "Spark's JVM ran out of memory",
            "worker died": f"Spark's JVM ended{ended} while it was at work"
            + (f"; it said: {last}" if last else ""),
        }[cause]
        raise TrainingFailed(Failure(cause, message, epoch)) from error


def _cause(spark: Spark, error: Exception) -> Cause | None:
    from py4j.protocol import Py4JJavaError

    if isinstance(error, Py4JJavaError):
        # Cheap and certain enough: the text is Java's whole stack trace.
        if "java.lang.OutOfMemoryError" in str(error):
            return "out of memory"
        if spark.alive():
            return None
    # The connection breaks a moment before the process is gone.
    if spark.alive(patience=5.0):
        return None
    return "out of memory" if spark.process.returncode == OUT_OF_MEMORY_EXIT else "worker died"
