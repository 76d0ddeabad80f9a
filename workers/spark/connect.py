"""A session of a Spark Connect server, ``sc://HOST:PORT``: the same fits, in a JVM that isn't ours.

MLlib's estimators run there since Spark 4.0, from the same calls. What differs is kept in here: how a fit is
cancelled, how an end of the server shows, and that nothing can be said about its memory or its processes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from dataclasses import dataclass
from typing import Any

from studies.errors import MachineError
from studies.packages import check_packages
from workers.spark.jvm import START_SECONDS, killed_after
from workers.spark.settings import PLAN, SparkSettings

NEEDED = ("grpc", "grpc_status", "google.rpc", "zstandard")
"""Modules that PySpark's client imports, of the extra ``connect``."""

RETRIES = 4
"""How often the client tries again to reach a server that doesn't answer: for some 5 seconds. Its own 15
times would hold a trial for ten minutes."""

_MODE = "SPARK_CONNECT_MODE_ENABLED"
"""What PySpark's estimators ask whether to talk to a server. It holds for the whole process."""


@dataclass(frozen=True)
class RemoteSpark:
    """A session of somebody else's Spark; the same as :class:`workers.spark.session.Spark` to its users."""

    session: Any
    settings: SparkSettings
    native_blas: bool = False
    ran_out_of_memory: bool = False

    def alive(self, patience: float = 0.0) -> bool:  # noqa: ARG002 - the client has waited already
        """Whether the server answers and still knows the session."""
        try:
            self.session.conf.get("spark.sql.shuffle.partitions")
        except Exception:
            return False
        return True

    def enter(self, group: str) -> None:
        """Name what this thread runs from now on, for :meth:`cancel`."""
        self.session.clearTags()
        self.session.addTag(group)

    def cancel(self, group: str) -> None:
        """End what runs under this name."""
        self.session.interruptTag(group)

    def kill(self) -> None:
        """Close the client's end: the server is not ours to kill."""
        self.session.client.close()

    def partitions(self, rows: Any) -> int:
        """How many partitions of a DataFrame have rows."""
        from pyspark.sql.functions import spark_partition_id

        return int(rows.select(spark_partition_id()).distinct().count())

    def end(self) -> str:
        """How it ended, for a message."""
        return f"the server at {self.settings.master} doesn't answer, or has forgotten the session"

    def close(self) -> None:
        """End the session, also one whose server is gone."""
        with contextlib.suppress(Exception):
            self.session.stop()
        os.environ.pop(_MODE, None)


def connect(settings: SparkSettings) -> RemoteSpark:
    """A new session of the server that the settings name.

    Raises:
        MachineError: where the client's packages are missing, or the server doesn't take us.
    """
    check_packages(
        "Spark Connect",
        NEEDED,
        "connect",
        where="spark.master",
        otherwise="or do without: local[K] or spark://HOST:PORT",
    )
    os.environ[_MODE] = "1"
    # What it warns of is an error, too, which is translated: here, and wherever a trial meets it.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    hung = threading.Event()
    try:
        session = _session(settings)
        with killed_after(START_SECONDS, session.client.close, hung):
            for name, value in {**PLAN, **dict(settings.conf)}.items():
                session.conf.set(name, value)
    except Exception as error:
        os.environ.pop(_MODE, None)
        nothing = f"nothing within {START_SECONDS:g} s"
        reason = nothing if hung.is_set() else (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MachineError(
            f"the Spark Connect server didn't take the session; it said: {reason}",
            where=f"spark.master = {settings.master}",
            allowed="a server of the same version of Spark, and properties that a session may set",
            remedy="see that it runs and that this machine reaches it",
        ) from error
    return RemoteSpark(session, settings)


def _session(settings: SparkSettings) -> Any:
    # Late: importing PySpark takes a second or two, and its client is an extra.
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession

    session = SparkSession.builder.remote(str(settings.master)).create()
    session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES, max_backoff=2000)])
    return session
