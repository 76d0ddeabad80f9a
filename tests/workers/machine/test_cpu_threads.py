"""Threads a process: the trials at once fill the cores and no more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.machine.cpu_threads import (
    BETWEEN_OPERATIONS,
    WITHIN_OPERATIONS,
    describe,
    environment,
    set_unless_set,
)


@pytest.mark.parametrize(
    ("cores", "processes", "slots", "within"),
    [
        (2, 1, 1, 2),  # one trial has the machine
        (2, 1, 2, 1),  # each trial computes in its own thread
        (8, 1, 2, 8),  # two trials share what TensorFlow's eight threads can do
        (2, 2, 1, 1),
        (8, 2, 1, 4),
        (8, 3, 1, 2),
        (2, 4, 1, 1),  # more processes than cores: at least one thread each
    ],
)
def test_threads_of_a_process(cores: int, processes: int, slots: int, within: int) -> None:
    assert environment(cores, processes, slots)[WITHIN_OPERATIONS] == str(within)


@pytest.mark.parametrize(("processes", "slots"), [(1, 1), (1, 2), (2, 1)])
def test_where_results_must_be_alike_no_operation_is_divided(processes: int, slots: int) -> None:
    assert environment(2, processes, slots, alike=True)[WITHIN_OPERATIONS] == "1"


@given(cores=st.integers(1, 256), processes=st.integers(1, 256), slots=st.integers(1, 64))
def test_the_cores_are_filled_and_no_more(cores: int, processes: int, slots: int) -> None:
    variables = environment(cores, processes, slots)
    within = int(variables[WITHIN_OPERATIONS])
    # One thread is the trial's own; several are a pool that all trials of the process share.
    busy = processes * (slots if within == 1 else within)
    assert busy <= max(cores, processes * slots)
    assert busy > cores - processes
    assert int(variables[BETWEEN_OPERATIONS]) == slots


def test_what_is_set_already_stays_and_the_rest_goes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_BEFORE", "3")
    monkeypatch.delenv("NOT_SET", raising=False)
    with set_unless_set({"SET_BEFORE": "1", "NOT_SET": "2"}):
        assert (os.environ["SET_BEFORE"], os.environ["NOT_SET"]) == ("3", "2")
    assert os.environ["SET_BEFORE"] == "3"
    assert "NOT_SET" not in os.environ


@pytest.mark.parametrize(
    ("device", "threads", "said"),
    [
        ("CPU", "1", "CPU, 1 thread"),
        ("CPU", "4", "CPU, 4 threads"),
        ("CPU", "0", "CPU"),  # TensorFlow's own choice
        ("CPU", "many", "CPU"),
        ("GPU:0", "4", "GPU:0"),
    ],
)
def test_the_description_of_a_device(device: str, threads: str, said: str) -> None:
    assert describe(device, {WITHIN_OPERATIONS: threads}) == said
    assert describe(device, {}) == device


COUNT_THREADS = """
from collections import Counter
from pathlib import Path
from workers.tensorflow.setup import DESCRIPTION, tf
tf.function(lambda x: x @ x, jit_compile=True)(tf.ones((9, 9)))
tasks = Path("/proc/self/task").iterdir()
names = Counter((task / "comm").read_text().rstrip("0123456789\\n") for task in tasks)
print(DESCRIPTION, names["tf_XLAEigen"], names["tf_Compute"], sep=";")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads in /proc")
def test_tensorflow_starts_as_many_threads_and_says_so() -> None:
    variables = {**os.environ, **environment(5, 1, 3)}
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == "CPU, 5 threads;5;3\n"
