"""``search stop`` and ``search status`` from another terminal, at a launch that runs."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import write_rows
from tests.faults.programs import PATIENCE, Running, search, started, states, stored, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Path:
    """Two trials at once, many more than there is time for, and each takes a moment."""
    path = study_file(trials="trials = 60", epochs="epochs = 600")
    write_rows(path.parent, rows=20_000)
    return path


def _until_two_run_after_one_ended(study: Path, driver: Running) -> None:
    def so() -> bool:
        assert driver.process.poll() is None, driver.stderr.read_text()
        return driver.told() and Counter(states(study).values())["running"] == 2

    wait_until(so, "two running trials after a complete one")


def _status(study: Path) -> dict[str, object]:
    answered = search(study.parent, "status", "small.toml", "--json")
    assert answered.returncode == 0, answered.stderr
    found: dict[str, object] = json.loads(answered.stdout)
    return found


@pytest.mark.parametrize(
    "options", [pytest.param((), marks=pytest.mark.faults), ("--now",)], ids=["finish", "now"]
)
def test_stop_is_heard_and_the_next_launch_goes_on(study: Path, options: tuple[str, ...]) -> None:
    with started(study.parent, "launch", "small.toml") as driver:
        _until_two_run_after_one_ended(study, driver)
        status = _status(study)
        assert status["state"] == "running"
        assert str(driver.process.pid) in str(status["driver"])
        asked = search(study.parent, "stop", "small.toml", *options)
        assert asked.returncode == 0, asked.stderr
        assert driver.wait() == 130
        assert "Traceback" not in driver.stderr.read_text()
    left = Counter(states(study).values())
    assert left["complete"] >= 1
    assert left["running"] == (2 if options else 0)
    assert left.total() < 60
    status = _status(study)
    assert status["state"] == "ended"
    kept = {record.number: record.completed for record in stored(study) if record.state == "complete"}
    study.write_text(study.read_text().replace("trials = 60", f"trials = {left.total() + 2}"))
    finished = search(study.parent, "launch", "--quiet", "small.toml")
    assert (finished.returncode, finished.stderr) == (0, "")
    after = {record.number: record.completed for record in stored(study)}
    assert set(states(study).values()) == {"complete"}
    assert kept.items() <= after.items()
    assert len(after) == left.total() + 2


def test_status_tells_a_killed_driver_from_one_that_runs(study: Path) -> None:
    with started(study.parent, "launch", "small.toml") as driver:
        _until_two_run_after_one_ended(study, driver)
        os.kill(driver.process.pid, signal.SIGKILL)
        driver.process.wait(PATIENCE)
    found = _status(study)
    assert found["state"] == "dead"
    assert found["states"]["running"] == 2
