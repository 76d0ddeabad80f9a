"""What the driver writes and readers read, on every kind of storage."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.engine import Engine

from studies.data.facts import DataFacts
from studies.errors import MachineError, NotStoredError, StorageError, UserError
from studies.opening import open_store
from studies.records.reports import CurvePoint, Failure, Scores, SegmentReport, TimeLedger
from studies.records.trials import NoTrial, TrialRecord, UnfinishedTrial
from studies.samplers.samplers import make_sampler
from studies.sections.study import Sampler
from studies.storage.locations import Location, locate
from studies.storage.memory import StudyMemory
from studies.storage.storage import OpenedStorage, mend_journal, open_storage
from studies.storage.writers.database import DatabaseWriter
from studies.storage.writers.journal import JournalWriter
from studies.store.store import StudyStore
from studies.stored_study import read_identity, read_study
from studies.study_file import StudyFile, read_study_file

FACTS = DataFacts(("0", "1"), "1", 3, {"train": (60, 20), "validation": (10, 5), "test": (12, 6)})
SCORES = Scores(0.5, 0.6, 0.7, 0.4, 0.8, 0.55, 0.3, 0.9, 0.2, ((8, 2), (1, 4)))


def good_report(trial: int, f1: float = 0.5) -> SegmentReport:
    scores = replace(SCORES, f1=f1)
    return SegmentReport(
        trial=trial,
        epoch=9,
        curve=(CurvePoint(1, 0.7, 0.1), CurvePoint(2, 0.6), CurvePoint(3, 0.5, 0.4)),
        scores={"train": scores, "validation": scores},
        ledger=TimeLedger(1.0, 2.0, 3.0, 4.0),
        worker="0",
        device="CPU",
        versions={"numpy": "2"},
        notes=("a note",),
    )


URLS = {"sqlite": "sqlite:///kept.db", "journal": "journal:kept.log"}


@pytest.fixture(params=[*URLS, pytest.param("postgresql", marks=pytest.mark.slow)])
def file(request: pytest.FixtureRequest, study_file: Callable[..., Path]) -> StudyFile:
    """A study on each kind of storage."""
    url = URLS.get(request.param) or request.getfixturevalue("postgres").database()
    return read_study_file(study_file(append=f'\n[storage]\nurl = "{url}"\n'))


@pytest.fixture(params=list(URLS))
def in_a_file(request: pytest.FixtureRequest, study_file: Callable[..., Path]) -> StudyFile:
    """A study on each kind of storage that is a file."""
    return read_study_file(study_file(append=f'\n[storage]\nurl = "{URLS[request.param]}"\n'))


PARAMETERS = 4
"""That are drawn in the small study's space."""


def _location(file: StudyFile) -> Location:
    return locate(file.study.storage.url, file.study.name, file.directory)


def opened(file: StudyFile, data_hash: str = "hash", fresh: bool = False):  # type: ignore[no-untyped-def]
    return open_store(file, data_hash, FACTS, {"numpy": "2"}, fresh=fresh)


def ask(store: StudyStore):  # type: ignore[no-untyped-def]
    trial = store.trials.ask()
    assert not isinstance(trial, NoTrial)
    return trial


def same_but_for_the_clock(stored: TrialRecord, told: TrialRecord) -> bool:
    """Whether they are one record; Optuna and its copy in memory look at the clock one after the other."""
    for kept, said in ((stored.started, told.started), (stored.completed, told.completed)):
        assert kept is not None
        assert said is not None
        assert abs(kept - said) < timedelta(seconds=5)
    return replace(stored, started=told.started, completed=told.completed) == told


def test_what_is_told_is_read_back_whole(file: StudyFile) -> None:
    with opened(file) as store:
        trial = ask(store)
        told = store.trials.tell(good_report(trial.number, 0.625))
    stored = read_study(file)
    (record,) = stored.records
    assert same_but_for_the_clock(record, told)
    assert record.state == "complete"
    assert record.value == 0.625
    assert record.report == good_report(trial.number, 0.625)
    assert record.configuration == trial.configuration
    assert record.seed == 3
    assert stored.facts == FACTS


def test_optuna_sees_an_ordinary_trial_with_its_curve(file: StudyFile) -> None:
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number, 0.625))
    (trial,) = read_study(file).study.trials
    assert trial.state == TrialState.COMPLETE
    assert trial.intermediate_values == {1: 0.1, 3: 0.4}
    assert set(trial.params) == {"optimizer.analytic", "initialisation", "learning_rate", "batch_size"}


def test_a_failure_is_a_record_with_its_cause(file: StudyFile) -> None:
    with opened(file) as store:
        number = ask(store).number
        failure = Failure("diverged", "loss not finite", epoch=2)
        record = store.trials.tell(SegmentReport(trial=number, epoch=2, failure=failure))
    assert record.state == "fail"
    assert record.value is None
    assert record.report is not None
    assert record.report.failure == failure


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_is_a_failure_and_never_best(file: StudyFile, value: float) -> None:
    with opened(file) as store:
        record = store.trials.tell(good_report(ask(store).number, value))
    assert record.state == "fail"
    assert record.report is not None
    assert record.report.failure is not None
    assert record.report.failure.cause == "diverged"


def test_trials_that_a_dead_driver_left_are_taken_up_under_their_numbers(file: StudyFile) -> None:
    with opened(file) as store:
        first, second = ask(store), ask(store)
        store.trials.tell(good_report(first.number))
    with opened(file) as store:
        assert store.trials.unfinished() == [UnfinishedTrial(second, place=0)]
        store.trials.tell(good_report(second.number))
        assert [record.state for record in store.trials.records()] == ["complete", "complete"]
        assert store.trials.unfinished() == []


def test_a_trial_whose_driver_died_while_drawing_is_drawn_to_its_end(file: StudyFile) -> None:
    with opened(file) as store:
        trial = store.trials._study.ask()
        kept = trial.suggest_categorical("initialisation", ["glorot_uniform", "he_normal"])
    with opened(file) as store:
        (taken_up,) = store.trials.unfinished()
        assert taken_up.asked.number == trial.number
        assert taken_up.asked.configuration.initialisation == kept
        assert (taken_up.rung, taken_up.report) == (None, None)
        assert store.trials.tell(good_report(trial.number)).state == "complete"


class Died(BaseException):
    """A driver's end, in the middle of what it does."""


@pytest.mark.parametrize("url", ["sqlite:///kept.db", "journal:kept.log"])
@pytest.mark.parametrize("drawn", [0, 3])
@pytest.mark.parametrize(
    "enqueue", ["", '\n[[enqueue]]\nframework = "analytic"\n'], ids=["drawn", "enqueued"]
)
def test_in_logical_order_a_draw_that_its_driver_died_in_ends_as_it_would_have(
    url: str, drawn: int, enqueue: str, study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = read_study_file(
        study_file(trials="trials = 6\nreproducible = true", append=f'\n[storage]\nurl = "{url}"\n{enqueue}')
    )
    with opened(file) as store:
        first, second = ask(store), ask(store)
        store.trials.tell(good_report(first.number))
        expected = [ask(store), ask(store)]
    writes = 0

    def dying(storage: StudyMemory, *arguments: Any) -> None:
        nonlocal writes
        writes += 1
        if writes > 2 * PARAMETERS + drawn:
            raise Died
        write(storage, *arguments)

    write = StudyMemory.set_trial_param
    with monkeypatch.context() as patch, opened(file, fresh=True) as store:
        patch.setattr(StudyMemory, "set_trial_param", dying)
        assert [ask(store), ask(store)] == [first, second]
        store.trials.tell(good_report(first.number))
        with pytest.raises(Died):
            store.trials.ask()
    with opened(file) as store:
        left = {trial.asked.number: trial.asked for trial in store.trials.unfinished()}
        assert set(left) == {second.number}  # of one that was being drawn, nothing is in storage
        assert [left[second.number], ask(store), ask(store)] == [second, *expected]
    trial = optuna.load_study(study_name="small", storage=open_storage(_location(file)).optuna).trials[2]
    assert len(trial.params) == PARAMETERS
    configuration = expected[0].configuration
    assert trial.params["learning_rate"] == configuration.learning_rate
    assert trial.params["optimizer.analytic"] == configuration.optimizer


def test_a_configuration_that_is_drawn_again_gets_the_next_seed(study_file: Callable[..., Path]) -> None:
    path = study_file(learning_rate="learning_rate = 0.1", batch_size="batch_size = 16",
                      initialisation='initialisation = "he_normal"')  # fmt: skip
    path.write_text(path.read_text() + '\n[sampler]\nkind = "random"\n')
    file = read_study_file(path)
    with opened(file) as store:
        seeds: dict[str, list[int]] = {}
        for _ in range(4):
            trial = ask(store)
            seeds.setdefault(trial.configuration.key(), []).append(trial.seed)
    with opened(file) as store:
        for _ in range(4):
            trial = ask(store)
            seeds.setdefault(trial.configuration.key(), []).append(trial.seed)
    assert len(seeds) == 2
    for drawn in seeds.values():
        assert drawn == list(range(3, 3 + len(drawn)))


def test_enqueued_configurations_come_first_and_once(study_file: Callable[..., Path]) -> None:
    path = study_file(append="\n[[enqueue]]\nlearning_rate = 0.25\n\n[[enqueue]]\nbatch_size = 32\n")
    with opened(read_study_file(path)) as store:
        first = ask(store)
        assert first.configuration.learning_rate == 0.25
        store.trials.tell(good_report(first.number))
    path.write_text(path.read_text() + "\n[[enqueue]]\nlearning_rate = 0.75\n")
    with opened(read_study_file(path)) as store:
        assert ask(store).configuration.batch_size == 32
        assert ask(store).configuration.learning_rate == 0.75
        ask(store)
        assert [record.enqueued for record in store.trials.records()] == [True, True, True, False]


def test_a_grid_is_tried_once_over_all_launches(study_file: Callable[..., Path]) -> None:
    path = study_file(learning_rate="learning_rate = [0.1, 0.01]", append='\n[sampler]\nkind = "grid"\n')
    file = read_study_file(path)
    assert file.space.size() == 16
    seen = set()
    for count in (5, 100):
        with opened(file) as store:
            for _ in range(count):
                trial = store.trials.ask()
                if isinstance(trial, NoTrial):
                    break
                seen.add(trial.configuration.key())
                store.trials.tell(good_report(trial.number))
    assert trial == NoTrial()
    assert len(seen) == len(read_study(file).records) == 16


def test_a_grid_tries_what_is_enqueued_no_second_time(study_file: Callable[..., Path]) -> None:
    enqueued = "\n[[enqueue]]\nlearning_rate = 0.1\nbatch_size = 32\n"
    grid = '\n[sampler]\nkind = "grid"\n'
    file = read_study_file(study_file(learning_rate="learning_rate = [0.1, 0.01]", append=enqueued + grid))
    seen = []
    for count in (3, 100):
        with opened(file) as store:
            for _ in range(count):
                trial = store.trials.ask()
                if isinstance(trial, NoTrial):
                    break
                seen.append(trial.configuration.key())
                store.trials.tell(good_report(trial.number))
    assert len(seen) == len(set(seen)) == file.space.size() == 16


def test_a_resumed_study_draws_new_configurations(file: StudyFile) -> None:
    with opened(file) as store:
        first = [ask(store).configuration for _ in range(3)]
    with opened(file) as store:
        store.trials.unfinished()
        second = [ask(store).configuration for _ in range(3)]
    assert not {one.key() for one in first} & {one.key() for one in second}


def test_a_study_that_was_made_differently_is_refused_with_what_differs(file: StudyFile) -> None:
    with opened(file):
        pass
    text = file.path.read_text()
    file.path.write_text(text.replace("hidden = [4]", "hidden = [5]").replace("seed = 3", "seed = 4"))
    changed = read_study_file(file.path)
    with pytest.raises(StorageError) as raised, opened(changed):
        pass
    message = str(raised.value)
    assert "model.hidden was [4], is [5]" in message
    assert "seed was 3, is 4" in message
    assert "--fresh" in message
    with pytest.raises(StorageError, match='data set was "hash", is "other"'), opened(file, "other"):
        pass
    assert read_study(changed).differences == ("seed was 3, is 4", "model.hidden was [4], is [5]")
    assert read_study(file, "hash").differences == ()
    assert read_study(file, "other").differences == ('data set was "hash", is "other"',)
    with opened(changed, fresh=True) as store:
        assert store.trials.records() == []


def test_a_study_is_told_from_all_others_of_its_name(file: StudyFile) -> None:
    removed: list[str] = []
    with opened(file) as store:
        token, folder = store.token, store.folder
    assert re.fullmatch("[0-9a-f]{12}", token)
    assert folder == f"small-{token}"
    with opened(file) as store:
        assert (store.token, store.folder) == (token, folder)
    assert read_study(file).folder == folder
    with open_store(file, "hash", FACTS, {}, fresh=True, forget=removed.append) as store:
        assert store.token != token
        assert store.folder == f"small-{store.token}"
    assert removed == [folder]


def test_one_that_earlier_code_made_keeps_its_folder_and_gets_a_token(
    study_file: Callable[..., Path],
) -> None:
    file = read_study_file(study_file(append='\n[storage]\nurl = "sqlite:///kept.db"\n'))
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
    with contextlib.closing(sqlite3.connect(file.directory / "kept.db")) as database:
        database.execute("DELETE FROM study_user_attributes WHERE key IN ('token', 'folder')")
        database.commit()
    assert read_study(file).folder == "small"
    with opened(file) as store:
        token = store.token
        assert re.fullmatch("[0-9a-f]{12}", token)
        assert store.folder == "small"
    with opened(file) as store:
        assert store.token == token


def test_a_reader_names_scores_by_the_metric_that_they_were_made_with(file: StudyFile) -> None:
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
    file.path.write_text(file.path.read_text() + '\n[objective]\nmetric = "mcc"\n')
    stored = read_study(read_study_file(file.path))
    assert stored.metric == "f1"
    assert stored.differences == ('objective.metric was "f1", is "mcc"',)


def test_limits_clusters_and_reports_may_change_between_launches(file: StudyFile) -> None:
    with opened(file):
        pass
    text = file.path.read_text().replace("trials = 6", "trials = 60").replace("slots = 2", "slots = 1")
    file.path.write_text(text)
    with opened(read_study_file(file.path)) as store:
        assert store.trials.records() == []


def test_a_second_driver_is_refused_with_the_first_ones_process(in_a_file: StudyFile) -> None:
    file = in_a_file
    script = (
        "import sys, time\n"
        "from tests.studies.test_store import opened, read_study_file\n"
        "with opened(read_study_file(sys.argv[1])):\n"
        "    print('open', flush=True)\n"
        "    time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(file.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            with pytest.raises(StorageError, match=f"process {holder.pid} on "), opened(file):
                pass
            read_study(file)
        finally:
            holder.kill()
    with opened(file) as store:
        assert store.trials.records() == []


def test_sqlite_is_read_while_it_is_written(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file())
    with opened(file) as store:
        engine = store.trials._memory._writer._writer._engine  # type: ignore[attr-defined]
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        number = ask(store).number
        assert [record.state for record in read_study(file).records] == ["running"]
        store.trials.tell(good_report(number))
        assert [record.state for record in read_study(file).records] == ["complete"]


def test_a_torn_journal_goes_on(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file(append='\n[storage]\nurl = "journal:kept.log"\n'))
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
    journal = file.directory / "kept.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 6, "work')
    with opened(file) as store:
        ask(store)
    assert len(read_study(file).records) == 2
    assert mend_journal(journal) == 0


def test_a_lock_that_a_killed_write_left_is_not_waited_for(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file(append='\n[storage]\nurl = "journal:kept.log"\n'))
    left = file.directory / "kept.log.lock"
    left.symlink_to(file.directory / "kept.log")
    mend_journal(file.directory / "kept.log")
    assert not left.is_symlink()


def test_a_reader_makes_no_tables_in_a_database_that_a_driver_is_making(
    study_file: Callable[..., Path],
) -> None:
    file = read_study_file(study_file())
    (file.directory / "small.db").touch()
    with pytest.raises(NotStoredError):
        read_study(file)
    assert (file.directory / "small.db").stat().st_size == 0


def test_a_trial_that_was_reported_and_not_told_is_told_without_a_warning(file: StudyFile) -> None:
    with opened(file) as store:
        trial = ask(store)
        store.trials._open[trial.number].report(0.1, 1)
    with opened(file) as store:
        store.trials.unfinished()
        assert store.trials.tell(good_report(trial.number)).state == "complete"


def test_nothing_stored_yet_is_said_with_how_to_begin(file: StudyFile) -> None:
    with pytest.raises(StorageError, match=r"search launch small\.toml"):
        read_study(file)
    assert not (file.directory / "kept.db").exists()
    assert not (file.directory / "kept.log").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "found 'mysql:"),
        ("sqlite:///", "found 'sqlite:"),
        ("sqlite:///missing/dir/kept.db", "missing/dir is not there"),
        ("journal:missing/kept.log", "missing is not there"),
        ("postgresql://${NO_SUCH_USER}@localhost/db", "no variable NO_SUCH_USER"),
    ],
)
def test_storage_that_can_not_be_opened_is_refused(
    url: str, said: str, study_file: Callable[..., Path]
) -> None:
    file = read_study_file(study_file(append=f'\n[storage]\nurl = "{url}"\n'))
    before = sorted(file.directory.iterdir())
    with pytest.raises(UserError, match=said.replace("$", r"\$")), opened(file):
        pass
    assert sorted(file.directory.iterdir()) == before


def test_a_file_that_is_no_database_is_refused(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file())
    (file.directory / "small.db").write_text("this is a letter, not a database " * 100)
    with pytest.raises(StorageError, match="not a database"), opened(file):
        pass


def test_a_password_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    location = locate("postgresql://me:${PGPASSWORD}@127.0.0.1:1/none", "small", tmp_path)
    assert "s3cret" in location.url
    assert "s3cret" not in location.shown
    assert "s3cret" not in repr(location)
    with pytest.raises((StorageError, MachineError)) as raised:
        open_storage(location)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("kind", ["tpe", "random", "cmaes", "qmc"])
def test_every_sampler_draws_from_a_conditional_space(kind: str, study_file: Callable[..., Path]) -> None:
    path = study_file(append=f'\n[sampler]\nkind = "{kind}"\nstartup_trials = 2\n')
    path.write_text(path.read_text().replace('"analytic"', '["tensorflow", "spark"]'))
    file = read_study_file(path)
    with opened(file) as store:
        frameworks = set()
        for number in range(12):
            trial = ask(store)
            frameworks.add(trial.configuration.framework)
            store.trials.tell(good_report(trial.number, number / 12))
    assert frameworks == {"tensorflow", "spark"}


def test_a_sampler_without_its_package_is_refused_with_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MachineError, match=r"pip install 'honest-search\[gp\]'"):
        make_sampler(Sampler(kind="gp"), 0, 0)


def test_optuna_itself_opens_what_we_write(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file())
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number, 0.75))
    study = optuna.load_study(study_name="small", storage=f"sqlite:///{file.directory / 'small.db'}")
    assert study.best_value == 0.75
    assert json.loads(json.dumps(study.best_trial.user_attrs["result"]))["trial"] == 0
    assert time.time() > study.best_trial.datetime_start.timestamp()  # type: ignore[union-attr]


@contextlib.contextmanager
def sent() -> Iterator[Counter[str]]:
    """How many statements and commits are sent to databases."""
    counted: Counter[str] = Counter()

    def executed(*_: object) -> None:
        counted["statements"] += 1

    def committed(_connection: object) -> None:
        counted["commits"] += 1

    event.listen(Engine, "before_cursor_execute", executed)
    event.listen(Engine, "commit", committed)
    try:
        yield counted
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
        event.remove(Engine, "commit", committed)


def test_a_trial_is_stored_by_one_write_and_so_is_each_rung_and_its_end(
    study_file: Callable[..., Path],
) -> None:
    with opened(read_study_file(study_file())) as store:
        with sent() as counted:
            trial = ask(store)
        assert counted == {"statements": 3, "commits": 1}  # the trial, its parameters, its attributes
        with sent() as counted:
            store.trials.record(replace(good_report(trial.number, 0.25), epoch=3, finished=False))
        assert counted == {"statements": 3, "commits": 1}  # its state, its scores, its report
        with sent() as counted:
            store.trials.begin_segment(trial.number, 9, place=1)
        assert counted == {"statements": 2, "commits": 1}
        with sent() as counted:
            store.trials.tell(good_report(trial.number, 0.5))
        assert counted == {"statements": 3, "commits": 1}  # its state, its report, its value


def test_how_a_study_was_made_is_read_without_its_trials(
    file: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotStoredError):
        read_identity(file)
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
    for reads in (OpenedStorage, DatabaseWriter, JournalWriter):
        name = "records" if reads is OpenedStorage else "read"
        monkeypatch.setattr(reads, name, lambda *_: pytest.fail("read the trials"))
    assert read_identity(file, "hash").differences == ()
    assert read_identity(file, "other").differences == ('data set was "hash", is "other"',)


def test_a_record_of_what_is_at_hand_is_the_one_that_is_read(file: StudyFile) -> None:
    with opened(file) as store:
        report = good_report(ask(store).number, 0.5)
        assert store.trials.tell(report).report is report
        assert store.trials.records()[0].report == report
