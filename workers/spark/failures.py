"""What goes wrong inside Spark, as the trial's failure; and ending a fit before it ends by itself."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator

from studies.records.reports import Cause, Failure
from workers.spark import session as spark_session
from workers.spark.jvm import killed_after
from workers.spark.session import AnySpark, Spark
from workers.training.trainer import Deadline, TrainingFailed

POLL = 0.2
"""Seconds between two checks of the deadline while a fit runs."""

HUNG_SECONDS = 10.0
"""How long a fit may go on after it was cancelled, before its JVM is taken to hang and killed. A fit that
can be cancelled ends with its current job, in a second or less."""

_CANCELLED = "OPERATION_CANCELED"
"""A Spark Connect server's words for what a JVM of ours reports with the group's name: "Job 7 cancelled part
of cancelled job group …"."""


@contextlib.contextmanager
def interrupted(spark: AnySpark, deadline: Deadline, epoch: int) -> Iterator[None]:
    """Cancel the Spark jobs that this thread starts inside once the deadline passes.

    Where that doesn't end the fit within :data:`HUNG_SECONDS`, the JVM is killed.

    Raises:
        TrainingFailed: with cause ``timeout`` where jobs were cancelled, and ``spark died`` where the JVM
            was killed.
    """
    watch = _Watch(spark, deadline, epoch)
    watch.start()
    try:
        spark.enter(watch.group)
        yield
    except Exception as error:
        if watch.hung.is_set():
            message = f"Spark's JVM hung: it didn't end the trial within {HUNG_SECONDS:g} s of the request"
            raise TrainingFailed(Failure("spark died", f"{message}, and was killed", epoch)) from error
        if watch.passed and (watch.group in str(error) or _CANCELLED in str(error)):
            raise watch.passed[0] from error
        raise
    finally:
        watch.end()


@contextlib.contextmanager
def killed_where_it_hangs(spark: AnySpark, seconds: float, what: str, epoch: int) -> Iterator[None]:
    """Kill the JVM where something that no trial's deadline bounds takes longer than it ever can.

    Args:
        spark: the session.
        seconds: that it may take.
        what: it does, for the message: ``load the training rows``.
        epoch: of the trial.

    Raises:
        TrainingFailed: with cause ``spark died`` where it was killed.
    """
    hung = threading.Event()
    try:
        with killed_after(seconds, spark.kill, hung):
            yield
    except Exception as error:
        if not hung.is_set():
            raise
        message = f"Spark hung: it didn't {what} within {seconds:.0f} s, and was ended"
        raise TrainingFailed(Failure("spark died", message, epoch)) from error


class _Watch:
    """Looks at the deadline in a thread of its own, and in a third one at whether Spark obeys.

    A third one, because a JVM that hangs keeps the one that cancels waiting too.
    """

    def __init__(self, spark: AnySpark, deadline: Deadline, epoch: int) -> None:
        self.group = f"fit-{uuid.uuid4().hex}"
        self.passed: list[TrainingFailed] = []
        self.hung = threading.Event()
        self._spark, self._deadline, self._epoch = spark, deadline, epoch
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=self.group, daemon=True)
        self._killer = threading.Timer(HUNG_SECONDS, self._kill)
        self._killer.daemon = True

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        # Before the killer is called off: this waits for the JVM's answer, too.
        self._thread.join()
        self._killer.cancel()

    def _watch(self) -> None:
        while not self._ended.wait(POLL):
            try:
                self._deadline.check(self._epoch)
            except TrainingFailed as failed:
                if not self.passed:
                    self.passed.append(failed)
                    self._killer.start()
                # Every time round: between two of the fit's jobs there is nothing to cancel. An error here is
                # a dead JVM, which the fit finds too.
                with contextlib.suppress(Exception):
                    self._spark.cancel(self.group)

    def _kill(self) -> None:
        self.hung.set()
        self._spark.kill()


@contextlib.contextmanager
def translated(spark: AnySpark, epoch: int) -> Iterator[None]:
    """Turn a dead JVM and a lack of its memory into :class:`TrainingFailed`; anything else is a bug.

    After either, the process's next trial gets a fresh session.
    """
    # Late: comes with PySpark.
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException, ConnectionError) as error:
        cause = _cause(spark, error)
        if cause is None:
            raise
        failure = Failure(cause, _message(spark, cause), epoch)
        spark_session.retire(spark)
        raise TrainingFailed(failure) from error
    except TrainingFailed as failed:
        if failed.failure.cause == "spark died":
            spark_session.retire(spark)
        raise


def _message(spark: AnySpark, cause: Cause) -> str:
    if cause == "spark died":
        return f"Spark died while it was at work: {spark.end()}"
    if not isinstance(spark, Spark):
        return f"Spark ran out of memory at {spark.settings.master}"
    heap = spark.settings.memory_mib or spark.memory_mib
    return f"Spark's JVM ran out of memory, with {heap} MiB of heap; spark.memory gives it more"


def _cause(spark: AnySpark, error: Exception) -> Cause | None:
    from py4j.protocol import Py4JJavaError

    # Cheap and certain enough: the text is Java's whole stack trace.
    if "java.lang.OutOfMemoryError" in str(error):
        return "out of memory"
    # An answer with an error in it needs no patience; a connection breaks a moment before its process ends.
    if spark.alive(patience=0.0 if isinstance(error, Py4JJavaError) else 5.0):
        return None
    return "out of memory" if spark.ran_out_of_memory else "spark died"
