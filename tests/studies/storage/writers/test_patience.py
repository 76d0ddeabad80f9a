"""A disk that refuses, and a server that goes away: one clear error, nothing torn, and a launch goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy import event

from studies.errors import StorageLostError
from studies.storage.writers.patience import Guard, Patience, PatientWriter, is_away
from studies.storage.writers.writer import Change
from studies.store.store import StudyStore
from studies.study_file import StudyFile, read_study_file
from tests.limits import files_no_larger_than
from tests.studies.test_store import ask, good_report, opened


def writer_of(store: StudyStore) -> PatientWriter[Any]:
    writer = store.trials._memory._writer
    assert isinstance(writer, PatientWriter)
    return writer


@contextmanager
def sqlite_told(store: StudyStore, pragma: str) -> Iterator[None]:
    """Sends a PRAGMA ahead of all else on each connection."""
    engine = writer_of(store)._writer._engine

    def tell(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", tell)
    engine.dispose()
    try:
        yield
    finally:
        event.remove(engine, "connect", tell)
        engine.dispose()


def assert_goes_on(file: StudyFile, left: int) -> None:
    """The trial that was not told is taken up, and told."""
    with opened(file) as store:
        assert [trial.asked.number for trial in store.trials.unfinished()] == [left]
        assert store.trials.tell(good_report(left)).state == "complete"
        assert [record.state for record in store.trials.records()] == ["complete"] * (left + 1)


@pytest.mark.parametrize(
    ("pragma", "said", "remedy"),
    [
        ("max_page_count = 1", "database or disk is full", "make room on that disk"),
        ("query_only = ON", "attempt to write a readonly database", "make it writable"),
    ],
)
def test_a_database_that_can_not_be_written_is_one_error(
    study_file: Callable[..., Path], pragma: str, said: str, remedy: str
) -> None:
    file = read_study_file(study_file())
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
        trial = ask(store)
        report = good_report(trial.number)
        # A full database still has room in its last pages.
        report = replace(report, notes=("x" * 200_000,))
        with sqlite_told(store, pragma), pytest.raises(StorageLostError, match=said) as raised:
            store.trials.tell(report)
    assert raised.value.exit_code == 1
    assert remedy in raised.value.remedy
    assert "small.db" in raised.value.where
    assert_goes_on(file, trial.number)


def test_a_journal_on_a_full_disk_is_one_error_and_not_torn(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file(append='\n[storage]\nurl = "journal:kept.log"\n'))
    journal = file.directory / "kept.log"
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
        trial = ask(store)
        whole = journal.read_bytes()
        with (
            files_no_larger_than(len(whole) + 100),
            pytest.raises(StorageLostError, match="File too large") as raised,
        ):
            store.trials.tell(good_report(trial.number))
        assert journal.read_bytes() == whole
        store.launch.end("said when there was room again")
    assert raised.value.exit_code == 1
    assert "make room on that disk" in raised.value.remedy
    assert_goes_on(file, trial.number)


def test_a_reader_that_can_not_read_does_not_touch_a_line_that_is_being_written(
    study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = read_study_file(study_file(append='\n[storage]\nurl = "journal:kept.log"\n'))
    with opened(file) as store:
        journal = file.directory / "kept.log"
        being_written = journal.read_bytes() + b'{"op_code":'
        journal.write_bytes(being_written)
        writer = writer_of(store)

        def refuse(*_: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(writer._writer, "read", refuse)
        with pytest.raises(StorageLostError, match="Input/output error"):
            writer.read()
        assert journal.read_bytes() == being_written


def test_a_tell_that_was_stored_and_not_acknowledged_is_told_once(
    study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = read_study_file(study_file())
    with opened(file) as store:
        trial = ask(store)
        writer = writer_of(store)
        writer._guard.patience = Patience(sleep=lambda _seconds: None)
        stored = writer._writer.change
        lost = []

        def lose_the_answer(*arguments: Any) -> bool:
            done = stored(*arguments)
            if not lost:
                lost.append(arguments)
                raise away()
            return done

        monkeypatch.setattr(writer._writer, "change", lose_the_answer)
        told = store.trials.tell(good_report(trial.number, 0.625))
        assert lost
        assert (told.state, told.value) == ("complete", 0.625)
        assert writer.change(lost[0][0], Change(state=TrialState.COMPLETE, values=[0.5])) is False
        assert store.trials.records() == [told]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def away(sqlstate: str | None = None) -> StorageInternalError:
    """What Optuna raises for what psycopg raises."""
    kinds = {None: psycopg.OperationalError, "57P01": psycopg.errors.AdminShutdown}
    kinds |= {"53100": psycopg.errors.DiskFull, "42P01": psycopg.errors.UndefinedTable}
    ours = {"42P01": sqlalchemy.exc.ProgrammingError}.get(sqlstate or "", sqlalchemy.exc.OperationalError)
    error = StorageInternalError("an exception is raised during the commit")
    error.__cause__ = ours("SELECT 1", {}, kinds[sqlstate]("said by the server"))
    return error


@pytest.mark.parametrize(
    ("sqlstate", "expected"), [(None, True), ("57P01", True), ("53100", False), ("42P01", False)]
)
def test_a_server_that_is_away_is_told_from_one_that_refuses(sqlstate: str | None, expected: bool) -> None:
    assert is_away(away(sqlstate)) is expected
    assert not is_away(OSError(28, "No space left on device"))


def test_a_server_is_waited_for_and_ever_less_often() -> None:
    clock = Clock()
    tries: list[float] = []

    def work() -> str:
        tries.append(clock.now)
        if clock.now < 10.0:
            raise away()
        return "done"

    assert Patience(60.0, lambda: clock.now, clock.sleep).until_done(work) == "done"
    assert clock.pauses[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert max(clock.pauses) == 2.0
    assert 10.0 <= tries[-1] <= 12.0


def test_a_wait_for_a_server_is_logged_once_as_it_begins_and_once_as_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "search")
    clock = Clock()
    left = [away(), away("57P01"), away()]

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    assert Patience(60.0, lambda: clock.now, clock.sleep).until_done(work, lambda _: "so it said") == "done"
    begins, ends = (record for record in caplog.records if record.name == "search.storage")
    assert begins.getMessage() == "the storage is away, waiting 60 s at most: so it said"
    assert ends.getMessage() == "the storage is back after 0.7 s"


def test_a_wait_in_vain_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def work() -> None:
        raise away()

    with pytest.raises(StorageInternalError):
        Patience(5.0, lambda: clock.now, clock.sleep).until_done(work)
    assert re.search(r"the storage did not come back in [5-7]\.\d s", caplog.text)


def test_a_server_that_refuses_is_not_waited_for() -> None:
    clock = Clock()

    def work() -> None:
        raise away("53100")

    with pytest.raises(StorageInternalError):
        Patience(60.0, lambda: clock.now, clock.sleep).until_done(work)
    assert clock.pauses == []


def test_a_wrong_statement_stays_a_bug() -> None:
    def fail() -> None:
        raise away("42P01")

    with pytest.raises(StorageInternalError):
        Guard("kept.db").call(fail)


def test_what_is_done_within_something_else_is_done_again_with_the_whole_of_it() -> None:
    guard, clock, done = Guard("a server"), Clock(), list[str]()
    guard.patience = Patience(60.0, lambda: clock.now, clock.sleep)

    def part() -> str:
        done.append("part")
        if len(done) == 2:
            raise away()
        return "the part"

    def whole() -> str:
        done.append("whole")
        return guard.write(part)

    assert guard.write(whole) == "the part"
    assert done == ["whole", "part", "whole", "part"]
    with pytest.raises(StorageLostError):
        guard.write(lambda: guard.call(_full))
    assert guard.call(lambda: "and on") == "and on"


def _full() -> None:
    raise OSError(28, "No space left on device")
