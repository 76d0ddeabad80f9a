from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from studies.errors import CheckpointError, MachineError, StudyFileError
from studies.study_file import read_study_file
from tests.hostile import FOLDER, PASSWORD
from workers.checkpoints.checkpoints import Checkpoints, checkpoints_of
from workers.checkpoints.files import RemoteFiles, open_files
from workers.checkpoints.outcomes import outcomes_of
from workers.machine.places import open_place
from workers.training.trainer import State

REMOTE = "a%20b {x} [v2] {a,b} *;&'~ ä:,$"
"""What may be in an address's path: ? ends it, and a backslash is no part of one."""


class NamedFiles(MemoryFileSystem):
    """Keeps whom it was opened for, and renames as fsspec does, by copying."""

    protocol = ("named",)
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(fsspec.utils.infer_storage_options(path)["path"])

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        found = fsspec.utils.infer_storage_options(path)
        return {key: value for key, value in found.items() if key not in ("path", "protocol")}


fsspec.register_implementation("named", NamedFiles, clobber=True)


def state() -> State:
    return State(3, (np.zeros((2, 2)),), {}, (0.5,))


@pytest.mark.parametrize("name", [FOLDER, "${HOME}", "$HOME ${NO_SUCH}"])
def test_checkpoints_lie_in_a_folder_of_any_name(
    name: str, study_file: Callable[..., Path], tmp_path: Path
) -> None:
    small = study_file()
    folder = tmp_path / name
    folder.mkdir()
    path = small.rename(folder / small.name)
    for append, place in (
        ("", ".search/checkpoints"),
        ('\n[checkpoints]\nurl = "a%20b/[v2]"\n', "a%20b/[v2]"),
    ):
        path.write_text(path.read_text() + append)
        checkpoints = checkpoints_of(read_study_file(path), "small")
        checkpoints.write(1, "mine", state())
        assert checkpoints.newest(1, "mine", 3) is not None
        written = list((folder / place).rglob("trial-1-epoch-3.npz"))
        assert len(written) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["rows.npz", name])


def test_a_tilde_and_a_variable_lead_to_a_directory(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch%20"))
    for url, folder in (("~/kept", "home/kept"), ("${SCRATCH}/kept", "scratch%20/kept")):
        file = read_study_file(study_file(append=f'\n[checkpoints]\nurl = "{url}"\n'))
        checkpoints_of(file, "small").write(1, "mine", state())
        assert list((tmp_path / folder).rglob("trial-1-epoch-3.npz"))
        assert "scratch" not in checkpoints_of(file, "small").url
        assert "scratch" not in outcomes_of(file, "small").url
    monkeypatch.setenv("SCRATCH", "beside")
    with pytest.raises(StudyFileError, match=r"found '\$\{SCRATCH\}/.*\n.*a directory from the root"):
        open_files(checkpoints_of(file, "small").url)
    monkeypatch.delenv("SCRATCH")
    with pytest.raises(MachineError, match="no variable SCRATCH"):
        open_files(checkpoints_of(file, "small").url)


def test_a_file_address_is_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "a b%"
    Checkpoints(folder.as_uri()).write(1, "mine", state())
    assert (folder / "trial-1-epoch-3.npz").exists()


@pytest.mark.parametrize("protocol", ["memory", "named"])
def test_a_folder_of_an_address_is_its_name_and_no_pattern(protocol: str) -> None:
    beside = uuid.uuid4().hex
    checkpoints = Checkpoints(f"{protocol}://{beside}/{REMOTE}")
    other = Checkpoints(f"{protocol}://{beside}/a%20b x v a *;&'~ ä:,$")
    for each in (checkpoints, other):
        each.write(1, "mine", state())
        assert each.newest(1, "mine", 3) is not None
    checkpoints.remove(1)
    checkpoints.write(2, "mine", state())
    checkpoints.clear()
    assert checkpoints.trials() == frozenset()
    assert other.trials() == {1}


def test_a_value_is_one_part_of_an_address_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", PASSWORD)
    monkeypatch.setenv("AT", "store.example")
    url = "named://me:${PW}@${AT}:2222/kept/a"
    place = open_place(url, "checkpoints.url")
    assert place.system.options == {
        "username": "me", "password": PASSWORD, "host": "store.example", "port": 2222
    }  # fmt: skip
    assert (place.folder, place.protocol) == ("/kept/a", "named")

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise ConnectionError(f"store.example says no to me with {PASSWORD}")

    monkeypatch.setattr(NamedFiles, "ls", refuse)
    with pytest.raises(CheckpointError) as refused:
        Checkpoints(url).size()
    assert str(refused.value).startswith(
        f"{url}: the checkpoint can't be counted: ${{AT}} says no to me with ${{PW}}"
    )
    assert refused.value.__cause__ is None


def test_a_password_in_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise ConnectionError("me:s3cret is not let in")

    monkeypatch.setattr(NamedFiles, "ls", refuse)
    with pytest.raises(CheckpointError) as refused:
        Checkpoints("named://me:s3cret@store.example/kept").size()
    assert "named://me:***@store.example/kept: the" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("named://store.example/what?/kept", r"found a \?, which fsspec takes for the end"),
        ("named://store.example:${PW}/kept", "the port is no number"),
        ("nobody-knows://x/kept", "found the protocol 'nobody-knows'"),
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", PASSWORD)
    with pytest.raises(StudyFileError, match=said) as refused:
        open_files(url)
    assert "s3cret" not in str(refused.value)


def test_objects_are_put_at_once_and_others_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", f"memory://{uuid.uuid4().hex}")
    files = open_files("${WHERE}/kept")
    assert isinstance(files, RemoteFiles)
    assert not files._renames
    files.write("one.npz", b"1")
    assert [entry.name for entry in files.entries()] == ["one.npz"]
