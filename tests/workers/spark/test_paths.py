from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.hostile import FOLDER
from workers.spark.paths import make_scratch, paths_to_read, plain_link, spark_path, unicode_names


def test_a_path_is_named_as_it_is() -> None:
    assert spark_path(Path("/") / FOLDER / "rows") == f"file:/{FOLDER}/rows"


def test_rows_are_read_by_a_link_or_with_patterns_escaped(tmp_path: Path) -> None:
    folder, scratch = tmp_path / FOLDER, tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    (folder / "1.parquet").touch()
    (path,) = paths_to_read(folder, ["1.parquet"], scratch)
    assert Path(path.removeprefix("file:")).exists()
    assert path.startswith(f"file:{scratch}/rows-")
    (path,) = paths_to_read(Path("/a b%20/[v2]{x}*?\\"), ["1.parquet"], None)
    assert path == "file:/a b%20/\\[v2\\]\\{x\\}\\*\\?\\\\/1.parquet"


def test_a_link_has_a_plain_name_and_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "content").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with plain_link(folder) as link:
        path = Path(link.removeprefix("file:"))
        assert not set("[]{}*?\\:, %") & set(str(path))
        assert (path / "content").exists()
    assert not path.parent.exists()
    assert (folder / "content").exists()


@pytest.mark.parametrize(("name", "kept"), [("plain", True), ("two,directories", False), ("a b", False)])
def test_scratch_is_one_directory_to_spark(
    name: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    made = make_scratch()
    assert made.is_dir()
    assert (made.parent == tmp_path / name) == kept
    made.rmdir()


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ({"LANG": "de_DE.UTF-8"}, {}),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, {"LC_ALL": "C.UTF-8"}),
        ({"LC_CTYPE": "C.utf8", "LANG": "C"}, {}),
        ({}, {"LC_ALL": "C.UTF-8"}),
    ],
)
def test_java_reads_names_of_files_in_utf_8(
    environment: dict[str, str], added: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert unicode_names() == added
