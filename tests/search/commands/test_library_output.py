"""What libraries write to stderr lands in a file, and what is meant for a person reaches the terminal."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.commands.library_output import library_output_to


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / ".search" / "launch.log"


def test_what_c_code_and_children_write_lands_in_the_log(
    log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with library_output_to(log) as terminal:
        os.write(2, b"from C\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from a child\\n')"], check=True)
        terminal.write("for a person\n")
    assert log.read_text() == "from C\nfrom a child\n"
    assert capfd.readouterr().err == "for a person\n"


def test_afterwards_stderr_is_what_it_was(log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    gc.collect()  # or what other tests left open would be closed while these files are counted
    before = len(list(Path("/proc/self/fd").iterdir()))
    with library_output_to(log):
        os.write(2, b"noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_an_error_leaves_through_it_and_stderr_is_restored(
    log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), library_output_to(log):
        _fail()
    os.write(2, b"after\n")
    assert log.read_text() == "the reason\n"
    assert capfd.readouterr().err == "after\n"


def test_nothing_written_leaves_nothing_behind(log: Path) -> None:
    with library_output_to(log):
        assert log.exists()
    assert not log.parent.exists()


def test_a_directory_that_was_there_or_is_used_stays(log: Path) -> None:
    log.parent.mkdir()
    with library_output_to(log):
        pass
    assert list(log.parent.iterdir()) == []
    log.parent.rmdir()
    with library_output_to(log):
        (log.parent / "data").mkdir()
    assert [path.name for path in log.parent.iterdir()] == ["data"]


def test_the_reason_of_an_earlier_crash_survives_the_next_launch(log: Path) -> None:
    with library_output_to(log):
        os.write(2, b"the JVM has crashed\n")
    with library_output_to(log):
        pass
    assert log.read_text() == "the JVM has crashed\n"


def test_a_second_launch_that_is_refused_leaves_the_log_to_the_first(log: Path) -> None:
    with library_output_to(log):
        with library_output_to(log):
            pass
        os.write(2, b"from the first\n")
    assert log.read_text() == "from the first\n"


@pytest.mark.parametrize("made", [False, True], ids=["no directory", "log is a directory"])
def test_a_log_that_can_not_be_written_is_done_without(
    made: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "missing" / ".search" / "launch.log"
    if made:
        log.mkdir(parents=True)
    with library_output_to(log) as terminal:
        print("still heard", file=terminal)
        os.write(2, b"and this\n")
    assert capfd.readouterr().err == "still heard\nand this\n"


def _fail() -> None:
    os.write(2, b"the reason\n")
    raise ZeroDivisionError
