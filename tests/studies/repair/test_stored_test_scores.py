"""A study that earlier code made opens without its trials' test scores, and `search repair` removes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from search import report
from search.cli import main
from search.commands.repair import repair
from search.dashboard.artefacts import ARTEFACTS, Known
from search.dashboard.view import study_attributes, trial_attributes
from search.reporting.readings import opening_words
from studies.records.reports import Scores, SegmentReport
from studies.storage.trial_records import record_of
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from tests.postgres import Server
from tests.studies.test_store import ask, good_report, opened

Writes = Callable[..., Path]

GO_ON = {"path": 'path = "rows.npz"\nrepeats = "anywhere"'}
"""What a study file says that goes on with a study of earlier code."""

STORED = 0.12345678901234567
"""A test score whose digits are in no other number."""


def by_earlier_code(report: SegmentReport) -> SegmentReport:
    """A report with the scores on the test rows that every trial had."""
    test: Scores = replace(report.scores["validation"], f1=STORED, f1_weighted=STORED)
    return replace(report, scores={**report.scores, "test": test})


def filled(file: StudyFile, trials: int = 3) -> StudyFile:
    with opened(file) as store:
        identity = store.trials._study.user_attrs["identity"]
        store.trials._study.set_user_attr(
            "identity", {k: v for k, v in identity.items() if k != "data.repeats"}
        )
        for _ in range(trials):
            store.trials.tell(by_earlier_code(good_report(ask(store).number)))
        store.launch.end(f"{trials} trials are done")
    return file


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgresql", marks=pytest.mark.slow)])
def earlier(request: pytest.FixtureRequest, study_file: Writes) -> StudyFile:
    url = {"sqlite": "sqlite:///kept.db", "journal": "journal:kept.log"}.get(request.param)
    if url is None:
        server: Server = request.getfixturevalue("postgres")
        url = server.database()
    return filled(read_study_file(study_file(append=f'\n[storage]\nurl = "{url}"\n', **GO_ON)))


def raw(file: StudyFile) -> Iterator[Any]:
    """What any tool of Optuna's shows of the trials."""
    for trial in read_study(file).study.get_trials(deepcopy=False):
        yield trial.user_attrs


def on_disk(file: StudyFile) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(file.directory.glob("kept.*")))


def test_nothing_shows_them_and_repair_removes_them_from_every_storage(earlier: StudyFile) -> None:
    shown = report(earlier.path)
    assert "scored each finished trial on the test rows" in opening_words(shown)[-1]
    printed = json.dumps(shown.to_dict()) + shown.trials.to_csv() + repr(shown.records)
    assert str(STORED) not in printed
    assert str(STORED) in json.dumps(list(raw(earlier)))
    runner = CliRunner()
    looked = runner.invoke(main, ["repair", "--dry-run", str(earlier.path)])
    assert looked.exit_code == 0
    assert "test scores of 3 trials, which earlier versions stored with each" in looked.output
    assert "would be: removed" in looked.output
    assert str(STORED) in json.dumps(list(raw(earlier)))
    before = [{**one, "result": without_test(one["result"])} for one in raw(earlier)]
    assert "mended: removed" in runner.invoke(main, ["repair", str(earlier.path)]).output
    assert list(raw(earlier)) == before
    assert str(STORED).encode() not in on_disk(earlier)
    assert report(earlier.path).to_dict() == shown.to_dict()
    assert repair(earlier.path).lines() == ["nothing is wrong"]
    with opened(earlier) as store:
        store.trials.tell(good_report(ask(store).number))
    assert len(report(earlier.path).records) == 4


def without_test(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "scores": {name: one for name, one in result["scores"].items() if name != "test"}}


def test_another_study_in_the_same_place_is_left_alone(study_file: Writes) -> None:
    text = '\n[storage]\nurl = "sqlite:///kept.db"\n'
    other = filled(read_study_file(study_file(append=text, name='name = "other"', **GO_ON)))
    this = filled(read_study_file(study_file(append=text, name='name = "this"', **GO_ON)))
    assert repair(this.path).findings
    assert str(STORED).encode() in on_disk(this)
    path = other.path.with_name("again.toml")
    path.write_text(other.path.read_text().replace('"this"', '"other"'))
    assert "test scores of 3 trials" in repair(path).findings[0].what


def test_who_has_a_journal_open_still_finds_every_line_where_it_was(study_file: Writes) -> None:
    file = filled(read_study_file(study_file(append='\n[storage]\nurl = "journal:kept.log"\n', **GO_ON)))
    reader = read_study(file).study
    size = len(on_disk(file))
    assert repair(file.path).findings
    assert len(on_disk(file)) == size
    with opened(file) as store:
        store.trials.tell(good_report(ask(store).number))
    assert [trial.state.name for trial in reader.get_trials()] == ["COMPLETE"] * 4


def test_the_dashboard_does_not_show_them(study_file: Writes) -> None:
    file = filled(read_study_file(study_file(**GO_ON)))
    stored = read_study(file)
    for trial in stored.study.get_trials():
        record = record_of(trial)
        assert str(STORED) not in repr((record, trial_attributes(record, stored.facts)))
        known = Known(record, stored.facts, stored.metric)
        assert all(str(STORED) not in (artefact.make(known) or "") for artefact in ARTEFACTS.values())
    assert study_attributes(stored.study.user_attrs, stored.facts, "f1", 6)["test rows"] == "not opened yet"
