"""A JVM that dies, runs out of memory or hangs: its trial fails with the cause, the next is as good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.data.split import Rows, Split
from studies.records.reports import Failure
from studies.space.configuration import Configuration
from workers.spark import failures as spark_failures
from workers.spark import session as spark_session
from workers.spark.settings import SparkSettings
from workers.spark.trainer import SparkTrainer
from workers.training.trainer import Deadline, TrainingFailed

pytestmark = pytest.mark.slow

GD = Configuration("spark", "glorot_uniform", "gd", epochs=3, learning_rate=0.3)
LBFGS = Configuration("spark", "glorot_uniform", "l-bfgs", epochs=20)

LEAVING = """
import os, signal
from workers.spark import jvm as spark_jvm, session as spark_session
spark_jvm.LEAVE_SECONDS = 1.0
spark = spark_session.start()
os.kill(spark.process.pid, signal.SIGSTOP)
print(spark.process.pid, spark.scratch, flush=True)
"""
"""Leaves with a JVM that doesn't react any more."""


def trainer_of(directory: Path, hidden: tuple[int, ...] = (4,), **settings: int) -> SparkTrainer:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(50, 3)).astype(np.float32)
    rows = Rows(features, (features[:, 0] > 0).astype(np.int64))
    split = Split(rows, rows, rows, ("no", "yes"), 1, "hash")
    return SparkTrainer(split, hidden, directory, SparkSettings(**settings))


def losses_of(trainer: SparkTrainer) -> tuple[float, ...]:
    return trainer.advance(GD, 7, trainer.begin(GD, 7), 3, Deadline()).losses


def failure_of(trainer: SparkTrainer, configuration: Configuration, deadline: Deadline) -> Failure:
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(configuration, 7, trainer.begin(configuration, 7), configuration.epochs, deadline)
    return caught.value.failure


def is_there(pid: int) -> bool:
    """Also a zombie is."""
    return Path(f"/proc/{pid}").exists()


class Stopping:
    """Stops the JVM in the middle of a fit, and says that the trial must end."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        if self.asked == 3:  # once before the fit, then every moment during it
            os.kill(spark_session.start().process.pid, signal.SIGSTOP)
        return self.asked >= 3


@pytest.mark.faults
def test_a_jvm_that_hangs_past_the_deadline_is_killed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_failures, "HUNG_SECONDS", 1.0)
    trainer = trainer_of(tmp_path)
    expected = losses_of(trainer)
    hung = spark_session.start()
    failure = failure_of(trainer, replace(GD, epochs=10**6), Deadline(stopped=Stopping()))
    assert failure.cause == "spark died"
    assert "hung" in failure.message
    assert hung.process.returncode == -signal.SIGKILL
    assert not is_there(hung.process.pid)
    assert not hung.scratch.exists()
    assert losses_of(trainer) == expected
    assert spark_session.start() is not hung


def test_a_jvm_that_was_killed_between_two_trials_costs_none(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path)
    expected = losses_of(trainer)
    killed = spark_session.start()
    killed.process.kill()
    killed.process.wait()
    assert losses_of(trainer) == expected
    assert not is_there(killed.process.pid)
    assert not killed.scratch.exists()


@pytest.mark.faults
def test_a_heap_that_is_too_small_is_out_of_memory_and_the_next_trial_has_its_own(tmp_path: Path) -> None:
    # Four million weights, of which l-bfgs keeps twenty copies: 640 MiB.
    small = trainer_of(tmp_path / "small", (2000, 2000), memory_mib=512)
    begun = small.begin(LBFGS, 7)
    tight = spark_session.start()
    with pytest.raises(TrainingFailed) as caught:
        small.advance(LBFGS, 7, begun, LBFGS.epochs, Deadline())
    assert caught.value.failure.cause == "out of memory"
    assert "512 MiB" in caught.value.failure.message
    assert not is_there(tight.process.pid)
    assert losses_of(trainer_of(tmp_path / "other"))
    assert spark_session.start() is not tight


def test_a_process_leaves_in_time_and_takes_a_jvm_that_hangs_with_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", LEAVING],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    pid, scratch = ended.stdout.split()
    assert ended.stderr == ""
    assert not is_there(int(pid))
    assert not Path(scratch).exists()
