from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from studies.errors import StorageError
from studies.storage.locations import Location, locate
from studies.storage.storage import is_made, open_storage


def other_program(path: Path, *statements: str) -> Location:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return locate(f"sqlite:///{path}", "small", path.parent)


def optunas(path: Path) -> Location:
    location = locate(f"sqlite:///{path}", "small", path.parent)
    open_storage(location).close()
    return location


def test_a_database_of_mlflow_is_called_so_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    tables = (f"CREATE TABLE {name} (id INTEGER)" for name in ("experiments", "runs", "metrics"))
    location = other_program(
        path,
        *tables,
        "CREATE TABLE alembic_version (version_num TEXT)",
    )
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"a database of MLflow's\n.*\n.*name another one in storage.url"):
        is_made(location)
    assert path.read_bytes() == before


def test_a_database_of_other_tables_is_refused(tmp_path: Path) -> None:
    location = other_program(tmp_path / "app.db", *(f"CREATE TABLE t{n} (id INTEGER)" for n in range(5)))
    with pytest.raises(StorageError, match=r"another program's database, .* t0, t1, t2 and 2 more"):
        is_made(location)
    with pytest.raises(StorageError, match="another program's database"):
        is_made(other_program(tmp_path / "half.db", "CREATE TABLE trials (a)", "CREATE TABLE mine (a)"))


def test_an_empty_database_and_one_whose_tables_are_being_made_are_not_made_yet(tmp_path: Path) -> None:
    assert not is_made(other_program(tmp_path / "empty.db", "PRAGMA user_version = 1"))
    assert not is_made(other_program(tmp_path / "half.db", "CREATE TABLE studies (study_id INTEGER)"))


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        (
            "v2.6.0.a",
            r"of Optuna 2.10.1, whose tables are older .*\n.*optuna storage upgrade --storage ",
        ),
        ("v9.9.9.z", r"of Optuna 2.10.1, whose tables \(v9.9.9.z\) are newer than this Optuna reads"),
    ],
)
def test_a_database_of_another_optuna_is_called_so(revision: str, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "a {b} 'c"
    folder.mkdir()
    location = optunas(folder / "kept.db")
    assert is_made(location)
    assert location.file is not None
    with sqlite3.connect(location.file) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.execute("UPDATE version_info SET library_version = '2.10.1'")
    database.close()
    with pytest.raises(StorageError, match=said):
        is_made(location)


def test_the_command_that_brings_an_older_database_up_to_date_works(tmp_path: Path) -> None:
    folder = tmp_path / "a {b} 'c%20"
    folder.mkdir()
    location = optunas(folder / "kept.db")
    assert location.file is not None
    with sqlite3.connect(location.file) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v3.0.0.d'")
    database.close()
    with pytest.raises(StorageError) as refused:
        is_made(location)
    command = refused.value.remedy.partition("up to date: ")[2]
    activated = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(command, shell=True, env=activated, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert is_made(location)


@pytest.mark.parametrize("line", ['{"op_code":99,"worker_id":"x"}', '{"op_code":0,"worker_id":"x"}'])
def test_a_journal_of_a_newer_optuna_is_called_so(line: str, tmp_path: Path) -> None:
    (tmp_path / "kept.log").write_text(f"{line}\n")
    with pytest.raises(StorageError, match=r"no record that this Optuna knows: a newer one wrote it"):
        open_storage(locate("journal:kept.log", "small", tmp_path), reads_only=True)
