from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from optuna_dashboard import get_note, save_note

from search.driving.note import LONGEST, dashboard_note
from studies.opening import open_store
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.search.fakes import FACTS, complete, draw, failed, trials

Writes = Callable[..., Path]


def test_a_note_says_how_far_the_study_is_its_best_and_how_to_read_more() -> None:
    configuration = draw(random.Random(0), "spark")
    told = [
        complete(0, 0.9, configuration),
        complete(1, 0.91, configuration),
        complete(2, 0.91, configuration),
    ]
    told.append(failed(3, "spark died", "exit 137", configuration))
    note = dashboard_note("spam.toml", "f1", told, limit=60)
    assert "**4 of 60 trials finished** (3 complete, 1 failed). The search runs." in note
    assert f"**Best so far: 0.910**, trial 1: {configuration.describe()}" in note
    assert "1 trial failed: spark died" in note
    assert "`search report spam.toml`" in note


def test_it_says_why_the_search_ended_and_that_nothing_is_complete() -> None:
    note = dashboard_note("spam.toml", "f1", [], limit=None, ended="its time was up")
    assert "**0 trials finished** (none). Ended: its time was up." in note
    assert "No trial is complete yet." in note


def test_a_note_is_one_piece_of_what_the_dashboard_keeps() -> None:
    assert len(dashboard_note("spam.toml" * 500, "f1", trials(30), limit=60)) == LONGEST


def test_the_dashboard_reads_what_a_driver_keeps_also_over_a_longer_note_of_a_persons(
    study_file: Writes,
) -> None:
    file = read_study_file(study_file())
    with open_store(file, "0123", FACTS, {}) as store:
        store.launch.keep_note("first")
        study = read_study(file).study
        assert get_note(study) == "first"
        save_note(study, "x" * 5000)
        store.launch.keep_note("second")
        assert get_note(read_study(file).study) == "second"


def test_a_note_that_is_there_already_is_not_written_again(study_file: Writes) -> None:
    file = read_study_file(study_file())
    with open_store(file, "0123", FACTS, {}) as store:
        store.launch.keep_note("the same")
        before = store.launch._writer.notes()
        store.launch.keep_note("the same")
        assert store.launch._writer.notes() == before
