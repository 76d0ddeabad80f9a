"""A journal that is forced to the disk once a second: what it holds, and what a sudden death leaves of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileBackend

from studies.storage.writers import journal_file
from studies.storage.writers.journal_file import JournalFile


def test_its_lines_are_optunas(tmp_path: Path) -> None:
    logs = [{"op_code": 0, "name": "ä", "values": [1.5, None]}, {"op_code": 4}]
    for name, kind in (("ours", JournalFile), ("optunas", JournalFileBackend)):
        backend = kind(str(tmp_path / name))
        backend.append_logs(logs)
        backend.append_logs(logs[:1])
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "optunas").read_bytes()
    assert list(JournalFile(str(tmp_path / "optunas")).read_logs(1)) == [logs[1], logs[0]]


def test_it_is_forced_to_the_disk_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, forced = [100.0], list[float]()
    monkeypatch.setattr(journal_file.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(journal_file.os, "fsync", lambda _descriptor: forced.append(now[0]))
    backend = JournalFile(str(tmp_path / "journal"))
    for moment in (100.0, 100.5, 100.9, 101.0, 101.5, 103.0):
        now[0] = moment
        backend.append_logs([{"op_code": 4}])
    assert forced == [100.0, 101.0, 103.0]


def test_what_was_written_outlives_a_process_that_is_killed_at_once(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from studies.storage.writers.journal_file import JournalFile
backend = JournalFile(sys.argv[1])
for number in range(50):
    backend.append_logs([{"op_code": number}])
os.kill(os.getpid(), signal.SIGKILL)
"""
    journal = tmp_path / "journal"
    killed = subprocess.run([sys.executable, "-c", code, str(journal)], env=dict(os.environ), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [log["op_code"] for log in JournalFile(str(journal)).read_logs(0)] == list(range(50))
