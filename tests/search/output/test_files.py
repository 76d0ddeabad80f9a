"""Where results for a person go: nothing but a regular file is ever replaced, and that whole."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.output.files import new_file, output_file
from search.output.folders import filled, new_folder
from studies.errors import OutputError, UnwrittenError

ROOT = os.geteuid() == 0


def write(path: Path | str, content: bytes = b"new") -> str:
    return output_file(str(path), "--csv").write(content)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("can't mount a file system here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_file_is_made_or_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert write(path) == f"{path} (3 B)"
    write(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.touch()
    path.chmod(0o640)
    if ROOT:
        os.chown(path, 1234, 1234)
    write(path)
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert found.st_uid == (1234 if ROOT else os.geteuid())


def test_a_new_file_has_the_permissions_that_the_person_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "t.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "t.csv").stat().st_mode) == 0o640


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_a_link_stays_and_its_target_is_written(there: bool, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "t.csv"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link = tmp_path / "link"
    link.symlink_to("elsewhere/t.csv")
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [each.name for each in target.parent.iterdir()] == ["t.csv"]


def test_two_names_of_one_file_stay_two_names_of_one_file(tmp_path: Path) -> None:
    path, other = tmp_path / "t.csv", tmp_path / "u.csv"
    path.write_text("old")
    other.hardlink_to(path)
    write(path)
    assert other.read_bytes() == b"new"


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    write("/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    write(link)
    assert link.is_symlink()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"x" * 200_000)  # more than it holds
    reader.join(60)
    assert heard == [b"x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("named", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_has_many_names(named: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert write(named, "Größe".encode()) == "the report to stdout"
    assert capsysbinary.readouterr().out == "Größe".encode()


def test_a_descriptor_of_a_file_is_written_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before ")
    with path.open("a") as log:
        write(f"/dev/fd/{log.fileno()}")
    assert path.read_text() == "before new"


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("", "the name is empty"),
        (" ", "the name is empty"),
        (".", "this is a folder"),
        ("/", "this is a folder"),
        ("new/", "this names a folder"),
        ("missing/t.csv", "there is no folder"),
        ("file/t.csv", "Not a directory"),
        ("x" * 256, "File name too long"),
        ("a\0b", "null"),
        ("loop", "Too many levels of symbolic links"),
        ("socket", "this is a socket"),
        ("/proc/t.csv", "in the folder /proc"),
    ],
)
def test_what_can_never_be_written_is_refused_before_any_work(
    named: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    os.mknod("socket", 0o600 | stat.S_IFSOCK)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match=why) as caught:
        write(named)
    assert caught.value.exit_code == (1 if isinstance(caught.value, UnwrittenError) else 2)
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_of_250_letters_is_a_name(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 250))
    assert (tmp_path / ("x" * 250)).read_bytes() == b"new"


@pytest.fixture
def nobody_s() -> Iterator[Path]:
    """A folder of a user that isn't root, who this process is for a moment."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        if ROOT:
            os.chown(directory, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(directory)
        finally:
            if ROOT:
                os.seteuid(0)


def test_what_may_not_be_written_is_refused(nobody_s: Path) -> None:
    (nobody_s / "mine").touch()
    (nobody_s / "closed").touch(mode=0o444)
    nobody_s.chmod(0o555)
    for refused, why in (("t.csv", "write in the folder"), ("closed", "write this file")):
        with pytest.raises(OutputError, match=f"no permission to {why}"):
            output_file(str(nobody_s / refused), "--csv")
    with pytest.raises(OutputError, match="no permission to write in the folder"):
        new_folder(str(nobody_s / "a" / "model"))
    write(nobody_s / "mine")  # a file may be written in a folder that may not
    assert (nobody_s / "mine").read_bytes() == b"new"


def test_a_full_device_is_one_message_and_exit_code_1() -> None:
    target = output_file("/dev/full", "--csv")
    with pytest.raises(UnwrittenError, match="--csv /dev/full: can't be written: No space left") as caught:
        target.write(b"new")
    assert caught.value.exit_code == 1
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_full_disk_leaves_the_file_that_was_there(small_disk: Path) -> None:
    path = small_disk / "t.csv"
    path.write_text("old")
    with pytest.raises(UnwrittenError, match="No space left"):
        write(path, b"x" * 200_000)
    assert path.read_text() == "old"
    with pytest.raises(OutputError, match="No space left"):
        new_file(small_disk / "s.toml", b"x" * 200_000)
    assert list(small_disk.iterdir()) == [path]


def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    directory = new_folder(str(tmp_path / "a" / ("x" * 250)))
    with pytest.raises(ZeroDivisionError):
        _fill_and_fail(directory)
    assert list(tmp_path.iterdir()) == []
    with filled(directory, last="index") as building:
        (building / "model").touch()
    assert [each.name for each in directory.iterdir()] == ["model"]


def test_a_folder_that_was_there_is_filled_and_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to("place")
    monkeypatch.chdir(place)
    inode = place.stat().st_ino
    assert new_folder(".") == new_folder(str(link)) == place
    with filled(new_folder(str(link)), last="index") as building:
        (building / "index").touch()
        (building / "model").touch()
    assert sorted(os.listdir(".")) == ["index", "model"]  # noqa: PTH208 - whoever stands in it sees it
    assert (place.stat().st_ino, stat.S_IMODE(place.stat().st_mode)) == (inode, 0o700)
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("", "the name is empty"),
        ("full", "this folder is not empty"),
        ("full/file", "is no folder"),
        ("full/file/m", "Not a directory"),
        ("/dev/null", "is no folder"),
        ("x" * 256, "File name too long"),
    ],
)
def test_what_can_never_be_a_folder_is_refused_before_any_work(
    named: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/file").touch()
    with pytest.raises(OutputError, match=why) as caught:
        new_folder(named)
    assert caught.value.exit_code == 2


def test_a_folder_on_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(UnwrittenError, match="No space left"), filled(small_disk / "m", "index") as building:
        (building / "model").write_bytes(b"x" * 200_000)
    assert list(small_disk.iterdir()) == []


def _fill_and_fail(directory: Path) -> None:
    with filled(directory, last="index") as building:
        (building / "model").touch()
        raise ZeroDivisionError
