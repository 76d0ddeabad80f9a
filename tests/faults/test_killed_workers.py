"""A worker process that is killed while it trains costs a run of its trial, and never the search."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from search import launch
from search.display import SilentDisplay
from search.results import StudyReport
from tests.faults.blocked_segment import asked_for, blocked, run_blocked
from tests.faults.programs import environment

pytestmark = pytest.mark.slow

DIES = 4
"""Dask's ``allowed-failures`` of 3, and one more."""


@dataclass
class Killer(SilentDisplay):
    """Kills each worker that blocks; the driver calls it several times a second."""

    directory: Path
    killed: list[int] = field(default_factory=list)

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        for pid in blocked(self.directory):
            if pid not in self.killed:
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)


@pytest.fixture
def search_with_kills(
    study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[int, int]], tuple[StudyReport, Killer]]:
    """Launches a study whose trials have their workers killed so often, by number."""

    def run(kills: dict[int, int]) -> tuple[StudyReport, Killer]:
        for name, value in environment().items():
            monkeypatch.setenv(name, value)
        path = study_file(slots='kind = "processes"\nslots = 2')
        directory = path.parent / ".search" / "checkpoints" / "blocked"
        for trial, times in kills.items():
            asked_for(directory, trial, times)
        monkeypatch.setattr("search.dispatch.run_segment", run_blocked)
        killer = Killer(directory)
        return launch(path, display=killer), killer

    return run


Search = Callable[[dict[int, int]], tuple[StudyReport, Killer]]


def test_a_trial_whose_worker_was_killed_is_run_again(search_with_kills: Search) -> None:
    result, killer = search_with_kills({0: 1, 3: 1})
    assert len(killer.killed) == 2
    assert [record.state for record in result.records] == ["complete"] * 6


def test_a_trial_that_kills_every_worker_fails_and_the_others_complete(search_with_kills: Search) -> None:
    result, killer = search_with_kills({1: DIES})
    assert len(killer.killed) == DIES
    states = {record.number: record.state for record in result.records}
    assert states == {0: "complete", 1: "fail", 2: "complete", 3: "complete", 4: "complete", 5: "complete"}
    failure = result.records[1].report.failure  # type: ignore[union-attr]
    assert failure is not None
    assert failure.cause == "worker died"
    assert "tcp://127.0.0.1" in failure.message
