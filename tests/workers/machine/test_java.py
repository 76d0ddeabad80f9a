from __future__ import annotations

import pickle
import stat
from pathlib import Path

import pytest

from studies.errors import MachineError
from workers.machine.java import find_java


def fake_java(home: Path, version: str, modules: bool = True) -> Path:
    """A home whose bin/java answers as a JVM of that version does."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    missing = "java.lang.module.FindException: Module jdk.incubator.vector not found"
    refuses = "" if modules else f'case "$*" in *jdk.incubator.vector*) echo "{missing}" >&2; exit 1;; esac\n'
    program.write_text(f"#!/bin/sh\n{refuses}echo 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return home


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.2", "25-ea"])
def test_java_17_and_newer_are_taken(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "jdk", version)
    monkeypatch.setenv("PATH", str(home / "bin"))
    java = find_java()
    assert (java.path, java.version, java.home) == (home / "bin" / "java", version, home)


def test_home_is_that_of_the_program_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "jdk", "17")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_java().home == home


def test_java_home_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "home", "21")))
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "other", "17") / "bin"))
    assert find_java().version == "21"


@pytest.mark.parametrize("version", ["11.0.22", "1.8.0_402", "16"])
def test_older_javas_are_refused_with_what_was_found_and_where(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fake_java(tmp_path / "jdk", version, modules=version != "1.8.0_402")
    monkeypatch.setenv("PATH", str(home / "bin"))
    with pytest.raises(MachineError) as caught:
        find_java()
    error = caught.value
    assert version in error.problem
    assert str(home / "bin" / "java") in error.where
    assert "PATH" in error.where
    assert "17" in error.allowed
    for way in ("apt", "brew", "conda"):
        assert way in error.remedy


def test_a_runtime_without_the_vector_module_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jre", "17.0.15", modules=False)))
    with pytest.raises(MachineError, match=r"17\.0\.15 without the module jdk\.incubator\.vector") as caught:
        find_java()
    assert "JAVA_HOME" in caught.value.where


def test_no_java_at_all_says_so_and_how_to_get_one() -> None:
    with pytest.raises(MachineError, match=r"found no Java") as caught:
        find_java()
    assert "apt install" in str(caught.value)


def test_a_java_home_without_a_java_is_not_made_up_for_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "good", "17") / "bin"))
    with pytest.raises(MachineError, match=r"JAVA_HOME: found no program bin/java") as caught:
        find_java()
    assert str(tmp_path) in caught.value.problem


def test_a_java_that_does_not_run_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "java"
    program.write_text("#!/bin/sh\necho 'Unable to locate a Java Runtime.' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"doesn't run; it said: Unable to locate a Java Runtime\."):
        find_java()


def test_a_file_that_is_no_program_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "java"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"doesn't run"):
        find_java()


def test_the_refusal_survives_pickling() -> None:
    with pytest.raises(MachineError) as caught:
        find_java()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_one_start_of_the_program_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "jdk", "17")
    program = home / "bin" / "java"
    starts = tmp_path / "starts"
    program.write_text(program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\necho once >> {starts}\n"))
    monkeypatch.setenv("PATH", str(home / "bin"))
    find_java()
    assert starts.read_text() == "once\n"
