"""A JVM that doesn't start, hangs or doesn't leave is ended in bounded time; programs stand in for it."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studies.errors import MachineError
from workers.spark import jvm as spark_jvm
from workers.spark import session as spark_session
from workers.spark.failures import killed_where_it_hangs
from workers.training.trainer import TrainingFailed

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program that is no JVM, and ends it at last."""
    with ExitStack() as stack:

        def started(*command: str) -> subprocess.Popen[bytes]:
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))
            stack.callback(process.kill)
            return process

        yield started


def test_a_jvm_that_ended_before_it_listened_is_not_waited_for(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError, match="status 3"):
        spark_jvm.gateway_to(start("sh", "-c", "exit 3"), tmp_path / "connection")


def test_a_jvm_that_never_listens_is_killed_and_the_message_says_what_it_wrote(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def mute(_every: Any, log: Any, _connection: Path, *, local: bool) -> subprocess.Popen[bytes]:
        assert local
        log.write(b"thinking\n")
        log.flush()
        started.append(start("sleep", "600"))
        return started[0]

    monkeypatch.setattr(spark_session, "_running", None)
    monkeypatch.setattr(spark_session, "START_SECONDS", 0.2)
    monkeypatch.setattr(spark_session, "start_process", mute)
    with pytest.raises(MachineError, match=r"hung .* killed after 0\.2 s; it said: thinking"):
        spark_session.start()
    assert started[0].returncode == -signal.SIGKILL
    assert spark_session._running is None


def test_a_jvm_that_does_not_leave_when_its_input_ends_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_jvm, "LEAVE_SECONDS", 0.1)
    deaf, obedient = start("sleep", "600"), start("cat")
    spark_jvm.end(deaf)
    assert deaf.returncode == -signal.SIGKILL
    monkeypatch.setattr(spark_jvm, "LEAVE_SECONDS", 60.0)
    spark_jvm.end(obedient)
    assert obedient.returncode == 0


def test_what_takes_longer_than_it_can_is_ended_and_has_a_cause() -> None:
    killed = threading.Event()
    spark: Any = SimpleNamespace(kill=killed.set)

    def load() -> None:
        assert killed.wait(60)
        raise ConnectionError("the JVM is gone")

    with pytest.raises(TrainingFailed) as caught, killed_where_it_hangs(spark, 0.1, "load the rows", 3):
        load()
    failure = caught.value.failure
    assert (failure.cause, failure.epoch) == ("spark died", 3)
    assert "didn't load the rows within 0 s" in failure.message


def test_what_fails_in_time_fails_as_it_does() -> None:
    spark: Any = SimpleNamespace(kill=lambda: pytest.fail("there was time"))
    with (
        pytest.raises(ConnectionError, match="gone"),
        killed_where_it_hangs(spark, 60.0, "load the rows", 0),
    ):
        raise ConnectionError("the JVM is gone")


def test_the_last_line_is_that_of_the_jvm_s_log_whatever_else_is_in_it(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        assert spark_jvm.last_line(log) == ""
        log.write(b"x" * 9000 + b"\nthe \xff end \n\n")
        log.flush()
        assert spark_jvm.last_line(log) == "the \N{REPLACEMENT CHARACTER} end"
        assert log.tell() == 9013  # where the JVM goes on


def test_a_call_that_a_dead_jvm_does_not_answer_is_logged_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    root = logging.getLogger()
    root.addFilter(spark_jvm._is_worth_logging)
    root.error("Exception while sending command.")
    root.error("the disk is full")
    assert caplog.messages == ["the disk is full"]
