"""A start of Spark that fails is told its real cause, from what JVMs wrote that failed so."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.errors import MachineError
from workers.machine import java
from workers.spark import jvm as spark_jvm
from workers.spark.settings import SparkSettings
from workers.spark.start import FailedStart, explained, hung

LOCAL = SparkSettings(master="local[2]")
CLUSTER = SparkSettings(master="spark://head:7077")

BEGINNING = """Picked up JAVA_TOOL_OPTIONS: -Dx=y
WARNING: Using incubator modules: jdk.incubator.vector
Using Spark's default log4j profile: org/apache/spark/log4j2-defaults.properties
Setting default log level to "WARN".
To adjust logging level use sc.setLogLevel(newLevel). For SparkR, use setLogLevel(newLevel).
26/11/27 21:54:10 WARN NativeCodeLoader: Unable to load native-hadoop library for your platform...
Setting Spark log level to "ERROR".
"""

END = """
\tat org.apache.spark.SparkContext.<init>(SparkContext.scala:600)
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""

RAISED = "26/11/27 21:54:27 ERROR SparkContext: Error initializing SparkContext.\n"

SAID: dict[str, tuple[str, SparkSettings, str, str, str]] = {
    "a heap of 64 MB": (
        f"{RAISED}org.apache.spark.SparkIllegalArgumentException: [INVALID_DRIVER_MEMORY.SYSTEM_MEMORY] "
        "Insufficient driver memory: System memory 59768832 must be at least 471859200.",
        LOCAL, "64 MiB of heap are less than Spark needs", "spark.memory", "give it more"),
    "no memory": (
        "# There is insufficient memory for the Java Runtime Environment to continue.\n"
        "# An error report file with more information is saved as:\n# /x/hs_err_pid22405.log",
        LOCAL, "can't give Spark's JVM 64 MiB of heap", "spark.memory", "free memory"),
    "a user without a name": (
        'Exception in thread "main" org.apache.hadoop.security.KerberosAuthException: failure to login: '
        "javax.security.auth.login.LoginException: java.lang.NullPointerException: invalid null input: name",
        LOCAL, "has no name on this machine", "/etc/passwd", "container"),
    "a user without a home": (
        f"{RAISED}java.lang.IllegalArgumentException: basedir must be absolute: ?/.ivy2.5.2/local",
        LOCAL, "has no name on this machine", "/etc/passwd", "container"),
    "no port": (
        f"{RAISED}java.net.BindException: Cannot assign requested address: Service 'sparkDriver' failed "
        "after 16 retries (on a random free port)!",
        LOCAL, "couldn't open a port on 127.0.0.1; it said: BindException: Cannot assign", "127.0.0.1",
        "ip addr show lo"),
    "no loopback": (
        "[Errno 101] Network is unreachable", LOCAL, "couldn't open a port", "127.0.0.1", "ip addr show lo"),
    "a host without an address": (
        f"{RAISED}java.net.UnknownHostException: thishost: thishost: Name or service not known",
        LOCAL, "the name thishost has no address", "/etc/hosts", "127.0.0.1 localhost thishost"),
    "localhost without an address": (
        "[Errno -2] Name or service not known",
        LOCAL, "the name localhost has no address", "/etc/hosts", "the line `127.0.0.1 localhost`"),
    "an unreachable master": (
        "26/11/27 22:05:00 ERROR StandaloneSchedulerBackend: Application has been killed. Reason: All "
        f"masters are unresponsive! Giving up.\n{RAISED}java.lang.NullPointerException: blas",
        CLUSTER, "at spark://head:7077; it said: Application has been killed. Reason: All masters are",
        "spark.master", "start it, or correct spark.master"),
    "a master without an address": (
        f"{RAISED}java.net.UnknownHostException: head",
        CLUSTER, "no Spark master takes the session", "spark.master", "correct spark.master"),
    "another version": (
        "java.io.InvalidClassException: org.apache.spark.rpc.RpcEndpointRef; local class incompatible",
        CLUSTER, "runs another version of Spark", "spark.master", "install that version"),
    "a bad property": (
        f"{RAISED}java.lang.ClassNotFoundException: no.such.Class",
        SparkSettings(master="local[2]", conf=(("spark.serializer", "no.such.Class"),)),
        "it said: ClassNotFoundException: no.such.Class", "spark.conf, spark.serializer", "correct it"),
    "a bad option": (
        "Unrecognized VM option 'Bogus'\nError: Could not create the Java Virtual Machine.",
        LOCAL, "it said: Unrecognized VM option 'Bogus'", "JAVA_TOOL_OPTIONS", "correct it"),
    "a full disk": (
        f"{RAISED}java.io.IOException: No space left on device",
        LOCAL, "can't write its temporary files", "TMPDIR=/scratch", "make room"),
    "a broken package": (
        "Failed to find Spark jars directory (/x/assembly/target/scala-2.13/jars).\nYou need to build Spark",
        LOCAL, "PySpark's own files can't be run", "pyspark", "pip install"),
    "the cause of causes": (
        f"{RAISED}org.apache.spark.SparkException: outer\n\tat a.B(C.scala:1)\n"
        "Caused by: a.b.Middle: middle\n\tat a.B(C.scala:1)\n"
        "Caused by: java.lang.IllegalStateException: the root of it\n\t... 3 more",
        LOCAL, "didn't start; it said: IllegalStateException: the root of it", "spark", "[spark]"),
    "nothing": ("", LOCAL, "didn't start; it said: (nothing)", "spark", "[spark]"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_a_jvm_wrote_is_told_as_what_it_means(name: str) -> None:
    said, settings, problem, where, remedy = SAID[name]
    written = BEGINNING + said + (END if "Exception" in said else "")
    variables = {"JAVA_TOOL_OPTIONS": "-Dx=y", "TMPDIR": "/scratch"}
    error = explained(FailedStart(settings, 64, written, variables))
    assert problem in error.problem
    assert where in error.where
    assert remedy in error.remedy
    assert "at java.base" not in str(error)
    assert ("memory" in error.remedy) == (name == "no memory")
    assert "\n" not in error.problem


def test_java_s_own_variable_is_named_where_it_takes_the_heap_away() -> None:
    said = SAID["a heap of 64 MB"][0]
    error = explained(FailedStart(LOCAL, 1024, said, {"_JAVA_OPTIONS": "-Xmx64m"}))
    assert error.where == "environment variable _JAVA_OPTIONS"
    assert "take -Xmx out" in error.remedy


def test_a_start_that_hangs_is_the_machine_s_or_the_cluster_s() -> None:
    assert "cluster.slots" in hung(FailedStart(LOCAL, 64, "thinking", {}), 180).remedy
    assert hung(FailedStart(CLUSTER, 64, "thinking", {}), 180).where == "spark.master"


def test_a_heap_below_what_spark_needs_is_refused_before_anything_runs() -> None:
    with pytest.raises(MachineError, match="64 MiB of heap are less than Spark needs"):
        SparkSettings(memory_mib=64).check()
    SparkSettings(memory_mib=512).check()
    SparkSettings(memory_mib=64, master="sc://somebody").check()  # is not started here


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What a JVM would be started with, under these variables."""

    def start(local: bool, **variables: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def popen(command: list[Any], **more: Any) -> None:
            found.update(more["env"], program=str(command[0]))

        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(subprocess, "Popen", popen)
        with (tmp_path / "log").open("wb") as log:
            spark_jvm.start_process({}, log, tmp_path / "connection", local=local)
        return found

    return start


def test_a_session_of_this_machine_follows_none_of_its_configuration(
    started: Callable[..., dict[str, Any]],
) -> None:
    odd = {
        "SPARK_HOME": "/wrong",
        "SPARK_CONF_DIR": "/etc/spark",
        "SPARK_REMOTE": "sc://x",
        "LC_ALL": "tr_TR",
    }
    found = started(True, **odd, SPARK_LOCAL_DIRS="/wrong", HADOOP_CONF_DIR="/etc/hadoop")
    assert "wrong" not in found["program"]
    assert Path(found["program"]).is_file()
    assert found["SPARK_HOME"] == str(Path(found["program"]).parent.parent)
    assert not Path(found["SPARK_CONF_DIR"]).exists()
    assert found["LC_ALL"] == "C.UTF-8"
    assert not {"SPARK_REMOTE", "SPARK_LOCAL_DIRS", "HADOOP_CONF_DIR"} & set(found)
    of_cluster = started(False, **odd, HADOOP_CONF_DIR="/etc/hadoop")
    assert of_cluster["SPARK_CONF_DIR"] == "/etc/spark"
    assert of_cluster["HADOOP_CONF_DIR"] == "/etc/hadoop"
    assert "SPARK_REMOTE" not in of_cluster


def test_a_java_that_a_variable_keeps_from_running_is_told_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\necho 'Picked up JAVA_TOOL_OPTIONS: -XX:+Bogus'\n"
        "echo \"Unrecognized VM option 'Bogus'\"\nexit 1\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+Bogus")
    with pytest.raises(MachineError, match="it said: Unrecognized VM option 'Bogus'") as caught:
        java.find_java()
    assert caught.value.where == "environment variable JAVA_TOOL_OPTIONS"
    assert os.environ["JAVA_TOOL_OPTIONS"] == "-XX:+Bogus"
