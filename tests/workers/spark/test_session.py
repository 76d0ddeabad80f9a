from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from studies.data.split import Rows, Split
from studies.errors import MachineError
from studies.space.configuration import Configuration
from workers.solvers.mllib import PARTITIONS
from workers.spark import session as spark_session
from workers.spark.settings import cores
from workers.spark.trainer import SparkTrainer
from workers.training.trainer import Deadline, TrainingFailed

GD = Configuration("spark", "glorot_uniform", "gd", epochs=5, learning_rate=0.3)

PARENT = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
from workers.spark import session as spark_session
spark = spark_session.start()
try:
    print(spark.process.pid, flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    print("interrupted", spark.session.range(5).count(), flush=True)
"""
"""Starts a session in its main thread, says the JVM's number, and waits for the terminal's Ctrl-C."""


@pytest.fixture
def trainer(tmp_path: Path) -> SparkTrainer:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(50, 3)).astype(np.float32)
    rows = Rows(features, (features[:, 0] > 0).astype(np.int64))
    return SparkTrainer(Split(rows, rows, rows, ("no", "yes"), 1, "hash"), (4,), tmp_path)


@pytest.fixture
def nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process without a session; the session of this process is untouched."""
    monkeypatch.setattr(spark_session, "_running", None)


@contextmanager
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that has a session, in a process group of its own as a terminal's foreground has."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ends(pid: int, within: float) -> bool:
    """Whether a process, not necessarily our child, ends within some seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)


def test_all_threads_get_the_same_session() -> None:
    with ThreadPoolExecutor(4) as threads:
        sessions = list(threads.map(lambda _: spark_session.start(), range(8)))
    assert len({id(spark) for spark in sessions}) == 1
    assert sessions[0].alive()


def test_a_session_is_bound_to_the_loopback_interface_and_serves_no_pages() -> None:
    context = spark_session.start().session.sparkContext
    assert context.getConf().get("spark.driver.host") == "127.0.0.1"
    assert context.getConf().get("spark.driver.bindAddress") == "127.0.0.1"
    assert context.uiWebUrl is None
    assert context.master == f"local[{min(cores(), PARTITIONS)}]"


@pytest.mark.usefixtures("nothing_started")
def test_without_a_java_the_refusal_comes_before_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MachineError, match="found no Java"):
        spark_session.start()


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_started")
def test_a_jvm_that_does_not_start_is_quoted() -> None:
    with pytest.raises(MachineError, match="1 MiB of heap are less than Spark needs to start"):
        spark_session.start(memory_mib=1)


@pytest.mark.slow
def test_a_session_that_was_stopped_is_started_again_and_leaves_ctrl_c_alone(trainer: SparkTrainer) -> None:
    first = spark_session.start()
    state = trainer.advance(GD, 7, trainer.begin(GD, 7), 5, Deadline())
    before = signal.getsignal(signal.SIGINT)
    spark_session.stop()
    assert not first.alive()
    again = trainer.advance(GD, 7, trainer.begin(GD, 7), 5, Deadline())
    assert spark_session.start() is not first
    assert threading.current_thread() is threading.main_thread()
    assert signal.getsignal(signal.SIGINT) is before
    assert again.losses == state.losses


@pytest.mark.slow
def test_a_killed_jvm_fails_its_trial_and_no_other(trainer: SparkTrainer) -> None:
    expected = trainer.advance(GD, 7, trainer.begin(GD, 7), 5, Deadline())
    spark = spark_session.start()

    def killed() -> bool:
        """Asked once before the fit, and then every moment during it."""
        killed.asked += 1
        if killed.asked == 2:
            spark.process.kill()
        return False

    killed.asked = 0
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(GD, 7, trainer.begin(GD, 7), 10**6, Deadline(stopped=killed))
    failure = caught.value.failure
    assert failure.cause == "spark died"
    assert "status -9" in failure.message
    assert trainer.advance(GD, 7, trainer.begin(GD, 7), 5, Deadline()).losses == expected.losses


@pytest.mark.slow
def test_ctrl_c_reaches_this_process_and_not_the_jvm_which_says_nothing() -> None:
    with parent() as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        said, errors = process.communicate(timeout=120)
    assert (said, errors, process.returncode) == ("interrupted 5\n", "", 0)


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="waits for a process that is no child, as Linux can"
)
def test_the_jvm_ends_with_a_parent_that_was_killed() -> None:
    with parent() as process:
        assert process.stdout is not None
        jvm = int(process.stdout.readline())
        assert not ends(jvm, within=0)
        process.kill()
        assert ends(jvm, within=60)
