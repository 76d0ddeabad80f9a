"""Nothing is scored on the test rows before the study has kept that they are opened, and for whom."""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from search import launch, report
from search.cli import main
from search.commands.finalists import finalists
from search.driving.display import SilentDisplay
from search.driving.opened import open_stored_study
from search.exporting.card import model_card
from search.reporting.markdown import markdown_of
from search.reporting.page.page import page
from search.reporting.report import StudyReport
from studies.data import open_split
from studies.records.openings import OpenedTrial, Opening, opened_trials, openings_of, plain_openings
from studies.store.results import Results
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.search import fakes
from tests.search.driving.test_replicas import Recorder
from tests.search.exporting.models import model_of_texts
from tests.search.reporting.test_terminal import printed
from workers import task
from workers.training.scores import score
from workers.training.trainer import Deadline

Writes = Callable[..., Path]

ENQUEUED = "\n[[enqueue]]\nlearning_rate = 0.002\n"
CLOSED = "\n[report]\nfinalists = 0\nseeds = 2\n"
TENSORFLOW = {"framework": 'framework = "tensorflow"', "trials": "trials = 2", "epochs": "epochs = 2"}


def stored_attributes(path: Path) -> Iterator[Any]:
    """All attributes of the study and its trials, as any tool of Optuna's reads them."""
    study = read_study(read_study_file(path)).study
    yield study.user_attrs
    yield study._storage.get_study_system_attrs(study._study_id)
    for trial in study.get_trials(deepcopy=False):
        yield {**trial.user_attrs, **trial.system_attrs}


def parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a value of JSON, and what is under it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key), item
            yield from parts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from parts(item)


def holds_test_scores(path: Path, test_rows: int) -> bool:
    """Whether a stored attribute has scores that are called so, or a confusion matrix of as many rows."""
    found = [
        pair for attributes in stored_attributes(path) for pair in parts(json.loads(json.dumps(attributes)))
    ]
    named = any(key == "test" and isinstance(item, dict) for key, item in found)
    counted = any(key == "confusion" and sum(map(sum, item)) == test_rows for key, item in found)
    return named or counted


@pytest.mark.parametrize("lines", [{}, TENSORFLOW], ids=["analytic", "tensorflow"])
def test_a_search_stores_no_test_score_and_compares_nothing_with_the_test_labels(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch, lines: dict[str, str]
) -> None:
    compared: set[int] = set()

    def watched(labels: Any, *more: Any) -> Any:
        compared.add(len(labels))
        return score(labels, *more)

    monkeypatch.setattr(task, "score", watched)
    path = study_file(append=ENQUEUED + CLOSED, **lines)
    result = launch(path, display=SilentDisplay())
    rows = {name: result.facts.rows(name) for name in ("train", "validation", "test")}
    assert len(set(rows.values())) == 3
    assert compared == {rows["train"], rows["validation"]}
    assert not holds_test_scores(path, rows["test"])
    assert result.openings == ()
    assert result.opened == {}


def test_nothing_is_scored_before_the_opening_is_kept(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit("killed")

    path = study_file(append=ENQUEUED + "\n[report]\nfinalists = 2\nseeds = 2\n")
    for method in ("open_test_rows", "keep_test_scores", "keep_finalists"):
        with monkeypatch.context() as patch:
            patch.setattr(Results, method, killed)
            with pytest.raises(SystemExit):
                launch(path, display=SilentDisplay())
        stored = read_study(read_study_file(path))
        assert len(stored.openings) == (method != "open_test_rows")
        before = report(path)
        assert bool(before.opened) == (method == "keep_finalists")
        assert before.finalists is None
        if method != "keep_finalists":
            assert not holds_test_scores(path, before.facts.rows("test"))
    display = Recorder()
    after = launch(path, display=display)
    assert display.trained == []
    assert after.finalists is not None
    assert (len(after.openings), set(after.opened)) == (1, set(after.chosen))
    assert after.finalists_due is None


def test_a_trials_test_scores_are_those_of_its_own_network(study_file: Writes) -> None:
    path = study_file(append=ENQUEUED + CLOSED)
    launch(path, display=SilentDisplay())
    display = Recorder()
    result = finalists(path, count=0, display=display)
    assert result.finalists is None
    assert display.trained == [3] * len(result.chosen)
    (opening,) = result.openings
    assert (opening.trials, opening.trainings) == ((), 0)
    assert set(opening.searched) == set(opening.scores) == {0, result.ranked[0].number}
    with open_stored_study(read_study_file(path), SilentDisplay()) as opened:
        split = open_split(opened.prepared.directory)
        trainer = task.process.trainer_for("analytic", str(opened.prepared.directory), (4,))
    for number, one in result.opened.items():
        record = result.records[number]
        assert record.configuration is not None
        state = trainer.begin(record.configuration, 3)
        state = trainer.advance(record.configuration, 3, state, 9, Deadline())
        said = trainer.predict(state, split.test.features)
        assert one.test == score(split.test.labels, said, split.positive)
        assert one.validation == record.value
    again = Recorder()
    assert finalists(path, count=0, display=again).openings == result.openings
    assert again.trained == []


def test_the_command_opens_them_where_a_launch_does_not_and_every_report_says_which_it_was(
    study_file: Writes,
) -> None:
    path = study_file(append=CLOSED)
    first = CliRunner().invoke(main, ["launch", str(path), "--quiet"])
    closed = "Test rows: not opened yet; search finalists small.toml opens them."
    assert closed in first.stdout
    assert "test\n" not in first.stdout
    second = CliRunner().invoke(main, ["finalists", str(path), "--quiet", "--count", "1"])
    assert second.exit_code == 0
    assert "Test rows: opened once, 20" in second.stdout
    assert "retrained networks of trial" in second.stdout
    assert "with its own seed." in " ".join(second.stdout.split())
    assert "Finalists" in second.stdout


def test_trials_that_are_chosen_later_open_them_again_and_alone(study_file: Writes) -> None:
    path = study_file(append=CLOSED)
    launch(path, display=SilentDisplay())
    first = finalists(path, count=0, display=SilentDisplay())
    path.write_text(path.read_text().replace("trials = 6", "trials = 7") + ENQUEUED)
    later = launch(path, display=SilentDisplay())
    assert later.openings == first.openings
    assert later.chosen - first.chosen == {6}
    words = " ".join(CliRunner().invoke(main, ["report", str(path)]).stdout.split())
    assert "They were not opened for trial 6: search finalists small.toml would open them again." in words
    again = finalists(path, count=0, display=SilentDisplay())
    assert again.openings[0] == first.openings[0]
    assert again.openings[1].searched == (6,)
    assert set(again.opened) == later.chosen


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (OpenedTrial(None, None, "bug"), "Trial 0 could not be retrained for its test score: bug."),
        (
            OpenedTrial(fakes.scores(0.8), 0.89),
            "Trial 0, retrained for its test score, has 0.8900 on the validation rows instead of 0.9000",
        ),
        (OpenedTrial(fakes.scores(0.8), 0.9), "for trial 0 with its own seed. Best configuration"),
    ],
)
def test_a_trial_that_was_not_trained_to_the_same_again_says_so(one: OpenedTrial, words: str) -> None:
    report = fakes.report_of([fakes.complete(0, 0.9, fakes.draw(random.Random(0)))])
    opening = Opening("2026-11-24T16:02:00+00:00", (), 0, (0,), {0: one})
    assert words in " ".join(printed(replace(report, openings=(opening,))).split())


def test_openings_survive_json_and_those_of_earlier_code_are_read() -> None:
    whole = Opening("2026-11-24T16:02:00+00:00", (1, 2), 4, (0, 1), {0: OpenedTrial(fakes.scores(0.8), 0.9)})
    kept = json.loads(json.dumps({"test_openings": plain_openings([whole])}))
    assert openings_of(kept) == (whole,)
    assert opened_trials([whole]) == whole.scores
    earlier = {"test_openings": [{"at": whole.at, "trials": [1, 2], "trainings": 4}]}
    assert openings_of(earlier) == (Opening(whole.at, (1, 2), 4),)


def every_rendering(report: StudyReport) -> dict[str, str]:
    model = replace(model_of_texts(), classes=report.facts.classes)
    found = {
        "terminal": printed(report, 100),
        "page": html.unescape(re.sub(r"<[^>]*>", " ", page(report, datetime(2026, 11, 27, tzinfo=UTC)))),
        "markdown": markdown_of(report),
        "card": model_card(report, report.ranked[0], model, ()),
    }
    return {name: " ".join(text.split()) for name, text in found.items()}


def test_every_rendering_says_that_the_test_rows_are_closed_and_shows_no_score_on_them() -> None:
    draw = random.Random(0)
    records = [
        fakes.complete(0, 0.9, fakes.draw(draw, "spark"), test=0.7317, enqueued=True),
        fakes.complete(1, 0.8, fakes.draw(draw, "tensorflow"), test=0.6218),
    ]
    closed = every_rendering(fakes.report_of(records, opened=False))
    for text in closed.values():
        assert "Test rows: not opened yet; search finalists sms-spam.toml opens them." in text
        assert not re.search(r"\b0\.(732|731|622|621)", text)
        assert "0.900" in text
    assert "test" not in closed["terminal"].split("Best configuration")[1].lower()
    running = every_rendering(fakes.report_of(records, opened=False, ended=""))
    for text in running.values():
        assert "Test rows: not opened yet; they stay closed until the search has ended." in text
    for text in every_rendering(fakes.report_of(records)).values():
        assert "Test rows: opened once, 2026-11-24 16:02 UTC for trials 0, 1 with their own seeds." in text
        assert "0.732" in text
