from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from studies.errors import StorageError
from studies.storage import storage
from studies.storage.locations import locate
from studies.storage.sqlite_files import stamp_of
from studies.storage.storage import read_settled
from tests.hostile import FOLDER
from tests.readers import may_only_read, run

READ = """
import json, sys
from pathlib import Path
from studies.storage.sqlite_files import connect_to_read, may_write
found = {}
for each in sorted(Path(sys.argv[1]).iterdir()):
    file = each / "kept.db"
    before = sorted(other.name for other in each.iterdir())
    connection = connect_to_read(file)
    rows = [row[0] for row in connection.execute("SELECT a FROM t")]
    connection.close()
    after = sorted(other.name for other in each.iterdir())
    found[each.name] = [may_write(file), rows, before == after]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_who_may_only_read_reads_all_that_was_written(tmp_path: Path) -> None:
    every = tmp_path / FOLDER
    folders = {name: every / name for name in ("closed", "killed", "live", "log alone", "no log mode")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    live = sqlite3.connect(folders["live"] / "kept.db")
    live.execute("PRAGMA journal_mode=WAL")
    live.execute("CREATE TABLE t (a)")
    live.execute("INSERT INTO t VALUES (1)")
    live.commit()
    for file in folders["live"].iterdir():  # as a kill leaves them
        shutil.copy(file, folders["killed"])
        if not file.name.endswith("-shm"):
            shutil.copy(file, folders["log alone"])
    for name, mode in (("closed", "WAL"), ("no log mode", "DELETE")):
        with sqlite3.connect(folders[name] / "kept.db") as database:
            database.execute(f"PRAGMA journal_mode={mode}")
            database.execute("CREATE TABLE t (a)")
            database.execute("INSERT INTO t VALUES (1)")
        database.close()
    try:
        with may_only_read(tmp_path):
            result = run(READ, [str(every)])
    finally:
        live.close()
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {name: [False, [1], True] for name in folders}


def test_what_a_driver_begins_to_write_meanwhile_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = locate("sqlite:///kept.db", "small", tmp_path)
    assert location.file is not None
    location.file.write_bytes(b"1")
    monkeypatch.setattr(storage, "may_write", lambda _file: False)
    reads = []

    def read() -> int:
        reads.append(len(reads))
        if len(reads) == 1:
            (tmp_path / "kept.db-wal").touch()
            raise StorageError("half of it is new")
        if len(reads) == 2:
            (tmp_path / "kept.db-wal").unlink()
            (tmp_path / "kept.db").write_bytes(b"12")
        return len(reads)

    # The second is read with the log, and so is whole, whatever the driver does.
    assert read_settled(location, read) == 2
    assert read_settled(location, read) == 3
    assert not stamp_of(location.file).has_log


def test_what_can_not_be_read_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = locate("sqlite:///kept.db", "small", tmp_path)
    assert location.file is not None
    location.file.write_bytes(b"1")
    monkeypatch.setattr(storage, "may_write", lambda _file: False)

    def read() -> int:
        raise StorageError("damaged")

    with pytest.raises(StorageError, match="damaged"):
        read_settled(location, read)
