"""`search repair` on files that were really damaged: it says what is wrong and mends what it can."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from search.cli import main
from search.commands.repair import Repair, repair
from studies.errors import StorageError
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from tests.faults.programs import ROOT, environment
from tests.postgres import Server
from tests.studies.test_store import ask, good_report, in_a_file, opened  # noqa: F401  a fixture
from workers.checkpoints.checkpoints import checkpoints_of
from workers.training.trainer import State

Writes = Callable[..., Path]


@pytest.fixture
def file(in_a_file: StudyFile) -> StudyFile:  # noqa: F811  the fixture
    """A study whose driver told trial 0, and was killed while trials 1 and 2 ran."""
    return left_by_a_driver(in_a_file)


@pytest.fixture
def journal(study_file: Writes) -> StudyFile:
    return left_by_a_driver(read_study_file(study_file(append='\n[storage]\nurl = "journal:kept.log"\n')))


def left_by_a_driver(file: StudyFile) -> StudyFile:
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
        ask(store)
        ask(store)
    return file


def whats(found: Repair) -> list[str]:
    return [finding.what for finding in found.findings]


def states(file: StudyFile) -> list[str]:
    with opened(file) as store:
        return [record.state for record in store.trials.records()]


LEFT = "trials 1, 2 are running, and no driver is"


def test_a_study_that_ended_well_is_fine(study_file: Writes) -> None:
    file = read_study_file(study_file())
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
    found = repair(file.path)
    assert found.is_fine
    assert found.lines() == ["nothing is wrong"]


def test_a_study_that_is_not_stored_yet_is_fine(study_file: Writes) -> None:
    path = study_file()
    assert repair(path).lines() == ["nothing is wrong"]
    assert not (path.parent / "small.db").exists()


def test_trials_that_no_driver_runs_are_left_to_the_next_launch(file: StudyFile) -> None:
    found = repair(file.path)
    assert whats(found) == [LEFT]
    assert "the next launch" in found.findings[0].remedy
    assert found.is_fine
    assert states(file) == ["complete", "running", "running"]


def test_checkpoints_without_a_trial_that_goes_on_are_removed(file: StudyFile) -> None:
    checkpoints = checkpoints_of(file, read_study(file).folder)
    for trial in (0, 1, 77):
        checkpoints.write(trial, "somebody", State(3, ()))
    half = Path(checkpoints.url) / ".trial-78-epoch-3-killed.tmp"
    half.write_bytes(b"half")
    found = repair(file.path, mend=False)
    assert "0, 77, 78" in whats(found)[1]
    assert checkpoints.trials() == {0, 1, 77, 78}
    found = repair(file.path)
    assert "0, 77, 78" in whats(found)[1]
    assert checkpoints.trials() == {1}
    assert whats(repair(file.path)) == [LEFT]


def test_a_study_that_a_driver_runs_is_left_alone(file: StudyFile) -> None:
    with opened(file), pytest.raises(StorageError, match="another driver is running this study"):
        repair(file.path)


def test_a_torn_last_line_of_a_journal_is_cut_off(journal: StudyFile) -> None:
    path = journal.directory / "kept.log"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 6, "work')
    assert "the last line is torn, 20 bytes" in whats(repair(journal.path, mend=False))[0]
    assert path.read_bytes() != whole
    assert repair(journal.path).is_fine
    assert path.read_bytes() == whole


def test_the_lock_of_a_killed_write_is_removed(journal: StudyFile) -> None:
    lock = journal.directory / "kept.log.lock"
    lock.symlink_to(journal.directory / "kept.log")
    assert "the lock of a write that was killed" in whats(repair(journal.path))[0]
    assert not lock.is_symlink()


def test_a_line_that_was_appended_to_a_torn_one_is_saved(journal: StudyFile) -> None:
    path = journal.directory / "kept.log"
    lines = path.read_bytes().splitlines(keepends=True)
    # As Optuna leaves it: a write that was killed, and the next one appended to what was left of it.
    torn = lines[-1][:30]
    path.write_bytes(b"".join([*lines[:-2], torn + lines[-2], lines[-1]]))
    damaged = path.read_bytes()
    with pytest.raises(StorageError, match="search repair"), opened(journal):
        pass
    assert any("begins with a torn write" in what for what in whats(repair(journal.path, mend=False)))
    assert path.read_bytes() == damaged
    found = repair(journal.path)
    assert found.is_fine
    assert whats(found)[1:] == [LEFT]
    assert path.read_bytes() == b"".join(lines)
    assert (journal.directory / "kept.log.damaged").read_bytes() == damaged
    assert states(journal) == ["complete", "running", "running"]


def test_a_line_that_is_lost_can_not_be_mended_and_what_is_left_can_be_had(journal: StudyFile) -> None:
    path = journal.directory / "kept.log"
    lines = path.read_bytes().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if b'"result"' in line)
    lines[number] = b"\0" * len(lines[number][:-1]) + b"\n"
    path.write_bytes(b"".join(lines))
    found = repair(journal.path)
    assert not found.is_fine
    assert f"line {number + 1} is damaged" in whats(found)[0]
    assert path.read_bytes() == b"".join(lines)
    command = found.findings[0].remedy.split(": ", 1)[1].split("; to begin again")[0]
    subprocess.run(command, shell=True, check=True)
    assert states(journal) == ["running"]


@pytest.mark.parametrize("pages", ["all", "one"])
def test_a_damaged_database_can_not_be_mended_and_says_how_to_save_what_is_left(
    study_file: Writes, pages: str
) -> None:
    file = left_by_a_driver(read_study_file(study_file()))
    path = file.directory / "small.db"
    content = bytearray(path.read_bytes())
    if pages == "all":
        content[:2000] = b"this is a letter, not a database".ljust(2000)
    else:
        with sqlite3.connect(path) as database:
            (root,) = database.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = 'trial_user_attributes'"
            ).fetchone()
        database.close()
        size = int.from_bytes(content[16:18])
        content[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(content)
    done = CliRunner().invoke(main, ["repair", str(file.path)])
    assert done.exit_code == 1
    assert "the database is damaged" in done.output
    assert ".recover" in done.output
    assert path.read_bytes() == content


def test_what_a_killed_driver_left_beside_its_database_is_moved_into_it(study_file: Writes) -> None:
    file = read_study_file(study_file())
    script = (
        "import os, sys\n"
        "from tests.studies.test_store import ask, good_report, opened, read_study_file\n"
        "with opened(read_study_file(sys.argv[1])) as store:\n"
        "    store.trials.tell(good_report(ask(store).number))\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", script, str(file.path)]
    subprocess.run(command, cwd=ROOT, env=environment(), check=False, timeout=120)
    log = file.directory / "small.db-wal"
    assert log.stat().st_size > 0
    found = repair(file.path)
    assert "not yet moved into the database" in whats(found)[0]
    assert not log.exists() or log.stat().st_size == 0
    assert states(file) == ["complete"]


def test_prepared_rows_that_are_half_written_or_damaged_are_removed(study_file: Writes) -> None:
    from search.driving.preflight import prepare_data

    file = read_study_file(study_file())
    prepared = prepare_data(file)
    cache = prepared.directory.parent
    half, under_way = cache / ".half-written", cache / ".under-way"
    half.mkdir()
    (half / "train_features.npy").write_bytes(b"half")
    under_way.mkdir()
    os.utime(half, (0, 0))
    assert whats(repair(file.path)) == [f"{half}: prepared rows that were never finished"]
    assert prepared.directory.exists()
    labels = prepared.directory / "test_labels.npy"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\7")
    assert whats(repair(file.path)) == [f"{prepared.directory}: prepared rows that are damaged"]
    assert list(cache.iterdir()) == [under_way]
    assert not prepare_data(file).cached


def test_the_command_says_what_it_would_do_and_then_does_it(journal: StudyFile) -> None:
    path = journal.directory / "kept.log"
    path.write_bytes(path.read_bytes() + b"torn")
    looked = CliRunner().invoke(main, ["repair", "--dry-run", str(journal.path)])
    assert (looked.exit_code, "would be: cut off" in looked.output) == (0, True)
    mended = CliRunner().invoke(main, ["repair", str(journal.path)])
    assert (mended.exit_code, "mended: cut off" in mended.output) == (0, True)
    again = CliRunner().invoke(main, ["repair", str(journal.path)])
    assert LEFT in again.output
    assert "torn" not in again.output


@pytest.mark.slow
def test_on_a_server_the_trials_of_living_drivers_are_no_finding(
    postgres: Server, study_file: Writes
) -> None:
    file = read_study_file(study_file(append=f'\n[storage]\nurl = "{postgres.database()}"\n'))
    left_by_a_driver(file)
    with opened(file) as living:
        assert [trial.asked.number for trial in living.trials.unfinished()] == [1, 2]
        checkpoints = checkpoints_of(file, living.folder)
        checkpoints.write(1, "somebody", State(3, ()))
        assert repair(file.path).lines() == ["nothing is wrong"]
    assert checkpoints.trials() == {1}
    assert whats(repair(file.path)) == [LEFT]
