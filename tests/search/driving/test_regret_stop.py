"""Whole launches that stop by their estimated regret."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search import launch
from search.driving.display import SilentDisplay
from search.reporting.report import StudyReport
from tests.conftest import SMALL

REGRET = 0.045


def written(directory: Path, slots: int = 2) -> Path:
    """A study in logical order, whose estimate falls below the limit after some of its due times."""
    directory.mkdir(exist_ok=True)
    draw = np.random.default_rng(5)
    y = (np.arange(200) < 80).astype(np.int64)
    # Too near for a score of 1: what is missing to that would end the study by itself.
    X = draw.normal(size=(200, 3)) + 0.8 * y[:, None]
    order = draw.permutation(200)
    np.savez(directory / "rows.npz", X=X[order].astype(np.float32), y=y[order])
    limits = f"trials = 60\nregret = {REGRET}\nreproducible = true\nwidth = 3"
    text = SMALL.replace("trials = 6", limits).replace("slots = 2", f"slots = {slots}")
    text = text.replace("seed = 3", "seed = 4")
    path = directory / "small.toml"
    path.write_text(text)
    return path


def table(result: StudyReport) -> list[tuple[Any, ...]]:
    return [(r.number, r.state, r.configuration, r.seed, r.value) for r in result.records]


class Interrupting(SilentDisplay):
    """Presses Ctrl-C twice once so many trials are told."""

    def __init__(self, after: int) -> None:
        self.after = after

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        if len(loop.finished) >= self.after:
            self.after = 1_000
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)


def test_it_stops_says_why_and_is_not_gone_on_with(tmp_path: Path) -> None:
    path = written(tmp_path)
    result = launch(path, display=SilentDisplay())
    assert "could still gain" in result.ended
    assert f"less than {REGRET:g}" in result.ended
    assert 25 < len(result.records) < 60, "it stopped at the first estimate, or at none"
    again = launch(path, display=SilentDisplay())
    assert again.records == result.records
    assert again.ended == result.ended


def test_a_study_without_the_limit_estimates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(*_: Any) -> float:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr("search.driving.driver.estimate", estimate)
    path = written(tmp_path)
    path.write_text(
        path.read_text().replace(f"regret = {REGRET}\n", "").replace("trials = 60", "trials = 21")
    )
    assert len(launch(path, display=SilentDisplay()).records) == 21


def test_in_logical_order_neither_slots_nor_stops_change_the_trial_that_it_stops_after(
    tmp_path: Path,
) -> None:
    expected = launch(written(tmp_path / "one", slots=1), display=SilentDisplay())
    assert "could still gain" in expected.ended
    four = launch(written(tmp_path / "four", slots=4), display=SilentDisplay())
    assert table(four) == table(expected)
    stopped = written(tmp_path / "stopped")
    for after in (8, 21, len(expected.records) - 2):
        launch(stopped, display=Interrupting(after))
    result = launch(stopped, display=SilentDisplay())
    assert table(result) == table(expected)
    assert "could still gain" in result.ended
