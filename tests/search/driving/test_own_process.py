"""A process in which nothing can run is refused with one message."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from search.driving.own_process import check_temporary_files, unused_temporary_folder
from studies.errors import MachineError
from tests.faults.programs import PATIENCE, ROOT, environment

COMMAND = "from search.cli import main; main(['report', '/none.toml'])"


def run(*flags: str, directory: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {COMMAND}"],
        cwd=directory,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_python_without_documentation_is_refused() -> None:
    for done in (run("-OO"), run(PYTHONOPTIMIZE="2")):
        assert done.returncode == 2
        assert "Python runs without documentation strings" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_directory_that_is_gone_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    gone = tmp_path / "gone"
    gone.mkdir()
    script.write_text(
        f"cd {gone} && rmdir {gone} && exec {sys.executable} -c "
        f"\"import sys; sys.path.insert(0, '{ROOT}'); {COMMAND}\"\n"
    )
    done = subprocess.run(
        ["bash", script], env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert "search: the working directory is gone" in done.stderr


def test_a_machine_without_a_place_for_temporary_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null/a"])
    monkeypatch.setenv("TMPDIR", "/dev/null/a")
    with pytest.raises(MachineError, match="TMPDIR=/dev/null/a: no folder for temporary files"):
        check_temporary_files()


def test_another_folder_than_tmpdir_s_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", "/dev/null/a")
    assert unused_temporary_folder() == "/dev/null/a"
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert unused_temporary_folder() == ""
