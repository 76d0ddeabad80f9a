"""Whether a process is there: its number alone doesn't say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studies.processes import is_there, started, this_kernel


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_process_is_there_until_it_ends_also_before_its_parent_asked(
    child: subprocess.Popen[bytes],
) -> None:
    since = started(child.pid)
    assert since is not None
    assert is_there(this_kernel(), child.pid, since)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.pid_exists(child.pid)  # a zombie
    assert is_there(this_kernel(), child.pid, since) is False
    child.wait()
    assert is_there(this_kernel(), child.pid, since) is False


def test_another_process_with_the_same_number_is_not_the_one_that_began_before() -> None:
    since = started(os.getpid())
    assert since is not None
    assert is_there(this_kernel(), os.getpid(), since)
    assert is_there(this_kernel(), os.getpid(), since - 100) is False


def test_of_another_machine_nothing_is_known() -> None:
    assert is_there("another's", os.getpid(), 1) is None
    assert is_there("", os.getpid(), 1) is None


def test_the_start_is_the_kernels_own_figure_and_that_of_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert started(os.getpid()) == ticks
    from psutil import _pslinux

    real = psutil.boot_time()
    monkeypatch.setattr(_pslinux, "boot_time", lambda: real + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: real + 3600)
    assert started(os.getpid()) == ticks


@pytest.mark.parametrize(
    ("answer", "there"), [(None, True), (PermissionError, True), (ProcessLookupError, False)]
)
def test_a_process_that_the_system_hides_is_asked_for_by_its_number(
    answer: type[OSError] | None, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(pid)

    def kill(_pid: int, _signal: int) -> None:
        if answer is not None:
            raise answer

    monkeypatch.setattr(psutil, "Process", hidden)
    monkeypatch.setattr(os, "kill", kill)
    assert is_there(this_kernel(), 12345, 1) is there
