"""A worker process that can't give memory back is replaced between two trials, and no trial notices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from search import launch
from search.driving.display import SilentDisplay
from tests.faults.programs import environment
from tests.faults.worn import run_and_wear_out

Writes = Callable[..., Path]


def runs_of(path: Path) -> list[tuple[str, str, str]]:
    text = (path.parent / ".search" / "runs").read_text()
    return [tuple(line.split()) for line in text.splitlines()]  # type: ignore[misc]


@pytest.mark.slow
def test_worn_processes_are_replaced_and_every_segment_runs_once(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("search.driving.dispatch.run_segment", run_and_wear_out)
    path = study_file(trials="trials = 4", slots='kind = "processes"\nslots = 2')
    report = launch(path, display=SilentDisplay())
    assert [record.state for record in report.records] == ["complete"] * 4
    assert {record.report.attempts for record in report.records if record.report} == {1}
    runs = runs_of(path)
    assert len(runs) == len({run[:2] for run in runs}) == 4
    # Each asks for it; the last of each need not be replaced any more.
    assert len({process for _, _, process in runs}) >= 3


def test_a_process_with_trials_in_threads_is_kept(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.driving.dispatch.run_segment", run_and_wear_out)
    path = study_file()
    report = launch(path, display=SilentDisplay())
    assert [record.state for record in report.records] == ["complete"] * 6
    assert len({process for _, _, process in runs_of(path)}) == 1
