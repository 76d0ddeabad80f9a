"""Ctrl-C at a real ``search launch``: once finishes what runs, twice stops, and the next launch goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import write_rows
from tests.faults.programs import Running, search, started, states, stored, wait_until

pytestmark = pytest.mark.slow

FEW_SECONDS = 15.0
"""Bound on what takes one on an idle machine, and up to six where Dask first asks its processes kindly."""


A_MOMENT = 0.3
"""Seconds between two presses of a person's. Python's own handler runs once for two signals that come while
the driver waits for its storage."""


@pytest.fixture(params=["threads", "processes"])
def study(request: pytest.FixtureRequest, study_file: Callable[..., Path]) -> Path:
    """Two trials at once, and each takes seconds."""
    path = study_file(
        slots=f'kind = "{request.param}"\nslots = 2', trials="trials = 8", epochs="epochs = 3000"
    )
    write_rows(path.parent, rows=20_000)
    return path


def _until_two_run_after_one_ended(study: Path, driver: Running) -> None:
    def so() -> bool:
        assert driver.process.poll() is None, driver.stderr.read_text()
        return driver.told() and list(states(study).values()).count("running") == 2

    wait_until(so, "two running trials after a complete one")


def test_ctrl_c_once_finishes_what_runs_and_starts_nothing_new(study: Path) -> None:
    with started(study.parent, "launch", "small.toml") as driver:
        _until_two_run_after_one_ended(study, driver)
        driver.interrupt()
        there = states(study)
        assert driver.wait() == 130
        wait_until(lambda: driver.family() == [], "no process is left")
        assert "Traceback" not in driver.stderr.read_text()
        printed = driver.stdout.read_text()
    after = states(study)
    assert set(after.values()) == {"complete"}
    # The signal and the draw of a trial may meet, but no trial is drawn after it was heard.
    assert len(there) <= len(after) <= len(there) + 1
    assert f"{len(after)} of 8 trials finished" in printed
    assert "Ended: interrupted." in printed


def test_ctrl_c_twice_stops_at_once_and_the_next_launch_runs_the_same_trials_again(study: Path) -> None:
    with started(study.parent, "launch", "small.toml") as driver:
        _until_two_run_after_one_ended(study, driver)
        driver.interrupt()
        wait_until(lambda: _heard(driver), "the first Ctrl-C was heard")
        time.sleep(A_MOMENT)
        pressed = time.monotonic()
        driver.interrupt()
        assert driver.wait() == 130
        assert time.monotonic() - pressed < FEW_SECONDS
        wait_until(lambda: driver.family() == [], "no process is left")
        said, printed = driver.stderr.read_text(), driver.stdout.read_text()
    assert "Traceback" not in said
    assert "interrupted twice" in printed
    before = stored(study)
    abandoned = [record for record in before if record.state == "running"]
    assert abandoned
    for record in abandoned:
        assert str(record.number) in said.splitlines()[-1]
    finished = search(study.parent, "launch", "--quiet", "small.toml")
    assert (finished.returncode, finished.stderr) == (0, "")
    after = stored(study)
    assert [(record.number, record.state) for record in after] == [(n, "complete") for n in range(8)]
    for record in before:
        assert after[record.number].configuration == record.configuration
        assert after[record.number].seed == record.seed
        if record.state == "complete":
            assert after[record.number].completed == record.completed


def _heard(driver: Running) -> bool:
    """The system has delivered every signal that was sent: none is pending for the process."""
    status = Path(f"/proc/{driver.process.pid}/status").read_text()
    pending = [line.split()[1] for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return all(int(mask, 16) == 0 for mask in pending)
