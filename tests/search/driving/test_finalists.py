"""A launch goes on with its finalists, and opens the test rows once."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from search import launch, report
from search.cli import main
from search.commands.finalists import finalists
from search.driving.display import SilentDisplay
from studies.errors import NotStoredError, StudyFailedError
from studies.records.replicas import new_seeds
from studies.space.configuration import Configuration
from studies.store.results import Results
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.search.driving.test_driver import advance_of_the_trainer, change
from tests.search.driving.test_replicas import STOPS, Recorder
from workers.checkpoints.outcomes import Outcomes, outcomes_of

Writes = Callable[..., Path]

REPORT = "\n[report]\nfinalists = 2\nseeds = 3\n"


@pytest.fixture
def study(study_file: Writes) -> Path:
    return study_file(append=REPORT)


def test_a_launch_trains_its_best_anew_and_says_what_they_are_worth(study: Path) -> None:
    display = Recorder()
    result = launch(study, display=display)
    assert result.ended == "6 trials are done"
    assert sorted(display.trained) == [3, *sorted(2 * new_seeds(3, 3))], "and the best trial's own network"
    found = result.finalists
    assert found is not None
    assert {one.trial for one in found.finalists} == {record.number for record in result.ranked[:2]}
    for one in found.finalists:
        assert one.seeds == new_seeds(3, 3)
        assert one.found == result.score(next(r for r in result.ranked if r.number == one.trial))
        assert one.interval.low <= one.test_mean <= one.interval.high
    assert result.finalists_due is None
    (opening,) = result.openings
    assert set(opening.trials) == {one.trial for one in found.finalists}
    assert opening.trainings == 6
    assert opening.searched == (result.ranked[0].number,)
    assert set(result.opened) == result.chosen


def test_the_worth_is_that_of_the_networks_that_were_kept(study: Path) -> None:
    found = launch(study, display=SilentDisplay()).finalists
    assert found is not None
    stored = read_study(read_study_file(study))
    for one in found.finalists:
        kept = {
            record.replica.seed: record.report
            for record in stored.replicas.values()
            if record.replica.configuration == one.configuration
        }
        assert one.validation == tuple(kept[seed].scores["validation"].f1 for seed in one.seeds)
        assert all("test" not in report.scores for report in kept.values())


def test_launching_again_runs_nothing_and_opens_nothing(study: Path) -> None:
    first = launch(study, display=SilentDisplay())
    file = read_study_file(study)
    outcomes_of(file, read_study(file).folder).clear()  # as on another machine: storage alone is enough
    display = Recorder()
    again = launch(study, display=display)
    assert display.trained == []
    assert again.finalists == first.finalists
    assert again.openings == first.openings
    assert report(study).finalists == first.finalists


def test_later_trials_open_the_test_rows_again_and_the_report_says_so(study: Path) -> None:
    first = launch(study, display=SilentDisplay())
    change(study, "trials = 6", "trials = 30")
    second = launch(study, display=SilentDisplay())
    assert {record.number for record in second.ranked[:2]} != {record.number for record in first.ranked[:2]}
    assert second.finalists is not None
    assert second.finalists != first.finalists
    assert second.openings[0] == first.openings[0]
    assert len(second.openings) == 2
    shown = CliRunner().invoke(main, ["report", str(study)]).stdout
    assert "opened 2 times" in shown
    assert "Decisions made after the first opening may rest on test scores" in " ".join(shown.split())


def test_without_finalists_the_test_rows_stay_closed_until_somebody_asks(study_file: Writes) -> None:
    path = study_file(append="\n[report]\nfinalists = 0\nseeds = 2\n")
    result = launch(path, display=SilentDisplay())
    assert result.finalists is None
    assert result.openings == ()
    assert result.finalists_due is None
    by_hand = finalists(path, display=SilentDisplay())
    assert by_hand.finalists is not None
    assert len(by_hand.finalists.finalists) == 5
    assert len(by_hand.openings) == 1


def test_an_analytic_study_has_none_by_default(study_file: Writes) -> None:
    assert launch(study_file(), display=SilentDisplay()).finalists is None


def test_a_search_that_was_stopped_has_no_finalists_before_somebody_asks(study: Path) -> None:
    class Interrupting(Recorder):
        def trial_finished(self, record: object) -> None:
            del record
            signal.raise_signal(signal.SIGINT)

    change(study, "slots = 2", "slots = 1")
    stopped = launch(study, display=Interrupting())
    assert stopped.interrupted
    assert stopped.finalists is None
    assert stopped.finalists_due is not None
    assert stopped.finalists_due.done == 0
    by_hand = finalists(study, display=SilentDisplay())
    assert by_hand.finalists is not None
    assert by_hand.ended == "interrupted"
    assert len(by_hand.records) == len(stopped.records)


def test_interrupted_finalists_go_on_with_the_next_launch(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(study, "slots = 2", "slots = 1")
    trained, heard = threading.Event(), threading.Event()
    steps = iter(range(10**6))

    def third_of_the_finalists(configuration: Configuration) -> None:
        del configuration
        if next(steps) == STOPS * (6 + 2):
            signal.raise_signal(signal.SIGINT)
            trained.set()
            assert heard.wait(60)

    class Watching(Recorder):
        def progress(self, text: str) -> None:
            super().progress(text)
            if trained.is_set():
                heard.set()

    display = Watching()
    with monkeypatch.context() as patch:
        advance_of_the_trainer(patch, third_of_the_finalists)
        first = launch(study, display=display)
    assert len(display.trained) == 3
    assert first.interrupted
    assert first.finalists is None
    assert first.openings == ()
    assert first.finalists_due is not None
    assert (first.finalists_due.done, first.finalists_due.trainings) == (3, 7)
    assert "3 of 7 trainings finished" in CliRunner().invoke(main, ["report", str(study)]).stdout
    rest = Recorder()
    second = launch(study, display=rest)
    assert len(rest.trained) == 4
    assert second.finalists is not None
    assert second.ended == "6 trials are done"


def test_a_kill_between_opening_and_writing_is_one_opening(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Results, "keep_finalists", killed)
        with pytest.raises(SystemExit):
            launch(study, display=SilentDisplay())
    opened = read_study(read_study_file(study)).openings
    assert len(opened) == 1
    display = Recorder()
    result = launch(study, display=display)
    assert display.trained == []
    assert result.finalists is not None
    assert result.openings == opened


def test_finalists_that_diverge_are_values_and_do_not_open_the_test_rows(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(study, display=SilentDisplay(), fresh=True)
    best = report(study).ranked[0].configuration

    def refuse(configuration: Configuration) -> None:
        if configuration == best:
            raise IndexError("out of rows")

    def refuse_all(_: Configuration) -> None:
        raise IndexError("out of rows")

    with monkeypatch.context() as patch:
        change(study, "seeds = 3", "seeds = 4")
        file = read_study_file(study)
        outcomes_of(file, read_study(file).folder).clear()
        advance_of_the_trainer(patch, refuse_all)
        nothing = finalists(study, display=SilentDisplay())
    assert len(nothing.openings) == 1
    with monkeypatch.context() as patch:
        advance_of_the_trainer(patch, refuse)
        found = finalists(study, display=SilentDisplay()).finalists
    assert found is not None
    assert list(found.failed.values()) == [("bug",) * 4]
    assert len(found.finalists) == 1
    shown = CliRunner().invoke(main, ["report", str(study)]).stdout
    assert "every new training failed: bug" in shown


def test_a_launch_whose_finalists_leave_nothing_still_reports(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outcomes, "write", lambda *_: None)
    display = Recorder()
    result = launch(study, display=display)
    assert any(text.startswith("no finalists: ") and "checkpoints.url" in text for text in display.heard)
    assert result.best is not None
    assert result.finalists is None
    assert result.openings == ()


def test_what_can_not_be_done_is_refused(study: Path) -> None:
    with pytest.raises(NotStoredError):
        finalists(study, display=SilentDisplay())
    change(study, "learning_rate = { low = 0.001, high = 1.0, log = true }", "learning_rate = 20.0")
    launch(study, display=SilentDisplay())
    with pytest.raises(StudyFailedError, match="not one trial is complete"):
        finalists(study, display=SilentDisplay())


def test_the_command_prints_them_for_a_person_and_for_a_program(study: Path) -> None:
    launch(study, display=SilentDisplay())
    shown = CliRunner().invoke(main, ["finalists", str(study), "--quiet"])
    assert shown.exit_code == 0
    assert "F1 of 1, retrained with 3 new seeds" in " ".join(shown.stdout.split())
    assert "the best" in shown.stdout
    assert "Test rows: opened once" in shown.stdout
    assert "logistic" in shown.stdout
    assert "tuned" in shown.stdout
    values = json.loads(CliRunner().invoke(main, ["finalists", str(study), "--quiet", "--json"]).stdout)
    assert len(values["finalists"]["finalists"]) == 2
    assert values["test_openings"][0]["trainings"] == 6


def test_the_test_labels_are_first_read_after_the_opening_is_stored(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def evaluated(*_: object) -> object:
        looked.append(len(read_study(read_study_file(study)).openings))
        raise SystemExit("killed while it looked")

    monkeypatch.setattr("search.driving.finalists.evaluate", evaluated)
    with pytest.raises(SystemExit):
        launch(study, display=SilentDisplay())
    assert looked == [1]
