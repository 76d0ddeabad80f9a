"""A file is there whole, or as it was before."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from studies.whole_files import write_whole


def test_a_file_is_replaced_and_keeps_what_it_is_told_to(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_whole(file, b"before")
    file.chmod(0o640)
    write_whole(file, b"after", like=file.stat())
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_where_it_can_not_be_written_the_one_before_stays_and_nothing_else(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint.npz"
    write_whole(file, b"before")

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if fails == "fsync" else Path, fails, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"after", temporary=".checkpoint.tmp")
    assert file.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_the_content_is_on_the_disk_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda at: (done.append("forced"), fsync(at))[1])
    monkeypatch.setattr(Path, "replace", lambda part, to: (done.append("renamed"), replace(part, to))[1])
    write_whole(tmp_path / "study.log", b"lines")
    assert done == ["forced", "renamed", "forced"]  # the file, and at last its folder
