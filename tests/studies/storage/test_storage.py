from __future__ import annotations

import importlib.util
from pathlib import Path

import optuna
import pytest

from studies.errors import MachineError, StorageError
from studies.storage.locations import locate
from studies.storage.storage import check_place, mend_journal, open_storage
from tests.faults.programs import contents

FOREIGN = b"text,label\nhello,spam\nthe last line has no end"


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_a_file_of_another_kind_is_refused_and_left_as_it_is(kind: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(FOREIGN)
    before = contents(tmp_path)
    with pytest.raises(StorageError, match=r"the file is there and is no .*\n.*\n.*name another file"):
        check_place(locate(f"{kind}rows.csv", "small", tmp_path))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [FOREIGN, b"one line", b"\n"])
def test_a_file_that_is_no_journal_is_not_mended(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert mend_journal(path) == 0
    assert path.read_bytes() == content
    assert mend_journal(tmp_path) == 0


@pytest.mark.parametrize("url", ["sqlite:///.", "journal:.", "journal:"])
def test_a_directory_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="this is a directory"):
        check_place(locate(url, "small", tmp_path))


@pytest.mark.parametrize("url", ["sqlite:///kept.db", "journal:kept.log"])
@pytest.mark.parametrize("there", ["nothing", "empty", "made"])
def test_a_place_for_a_study_is_accepted_and_nothing_is_made_there(
    url: str, there: str, tmp_path: Path
) -> None:
    location = locate(url, "small", tmp_path)
    assert location.file is not None
    if there == "empty":
        location.file.touch()
    elif there == "made":
        storage = open_storage(location)
        optuna.create_study(study_name="small", storage=storage.optuna)
        storage.close()
    before = contents(tmp_path)
    check_place(location)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("length", [1, 5, 30])
def test_a_journal_that_was_torn_in_its_first_line_is_accepted(length: int, tmp_path: Path) -> None:
    location = locate("journal:kept.log", "small", tmp_path)
    assert location.file is not None
    optuna.create_study(study_name="small", storage=open_storage(location).optuna)
    location.file.write_bytes(location.file.read_bytes()[:length])
    check_place(location)
    assert mend_journal(location.file) == length


def test_a_server_is_asked_for_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MachineError, match="psycopg"):
        check_place(locate("postgresql://me@127.0.0.1:1/none", "small", tmp_path))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://x.db", "found 'sqlite://x.db'"),
        ("x.db", "found 'x.db'"),
        ("postgres://me:s3cret@host/db", r"found 'postgres://…'\n.*\n.*did you mean 'postgresql'\?"),
    ],
)
def test_an_address_of_another_kind_is_shown_without_a_password(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=said) as raised:
        locate(url, "small", tmp_path)
    assert "s3cret" not in str(raised.value)
