"""``reproducible = true``: one study file gives one table, on one thread, on several or on processes, and
however often it is stopped and killed.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.conftest import SMALL, write_rows
from tests.faults.histories import Row, table
from tests.faults.points import ENQUEUED, POINTS
from tests.faults.programs import PATIENCE, Running, search, started, stored, wait_until
from tests.faults.warm import WarmDriver, warm_driver

pytestmark = pytest.mark.slow

CLUSTERS: Mapping[str, str] = {
    "one thread": "slots = 1",
    "two threads": "slots = 2",
    "two processes": 'kind = "processes"\nslots = 2',
}

SPACES: Mapping[str, str] = {
    "analytic": SMALL,
    "tensorflow": SMALL.replace('framework = "analytic"', 'framework = "tensorflow"').replace(
        "[cluster]",
        'optimizer.tensorflow = ["sgd", "adam", "l-bfgs"]\n\n[cluster]',
    ),
    "spark": SMALL.replace('framework = "analytic"', 'framework = ["tensorflow", "spark"]'),
}

KILLS = 5

Write = Callable[[str, str, str, int], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A study in a directory of its own: its name, the framework, the cluster and the number of trials."""

    def written(name: str, framework: str, cluster: str, trials: int) -> Path:
        directory = tmp_path / name.replace(" ", "-")
        directory.mkdir()
        write_rows(directory, rows=120 if framework == "analytic" else 2_000)
        text = SPACES[framework].replace("slots = 2", cluster)
        if framework != "analytic":
            # Large enough for BLAS to share a product among threads, were there several.
            text = text.replace("hidden = [4]", "hidden = [600]").replace("epochs = 9", "epochs = 3")
        text = text.replace("trials = 6", f"trials = {trials}\nreproducible = true\nwidth = 3")
        path = directory / "small.toml"
        path.write_text(
            f'{text}\n[sampler]\nstartup_trials = 4\n[pruner]\nkind = "asha"\n[report]\nfinalists = 0\n'
        )
        return path

    return written


@pytest.mark.parametrize(
    ("framework", "trials"),
    [("analytic", 24), ("tensorflow", 9), pytest.param("spark", 9, marks=pytest.mark.faults)],
)
def test_the_table_is_the_same_on_threads_and_on_processes(framework: str, trials: int, write: Write) -> None:
    tables: dict[str, list[Row]] = {}
    for name, cluster in CLUSTERS.items():
        path = write(name, framework, cluster, trials)
        finished = search(path.parent, "launch", "--quiet", "small.toml")
        assert finished.returncode == 0, finished.stderr
        tables[name] = table(stored(path))
    assert tables["two threads"] == tables["one thread"]
    assert tables["two processes"] == tables["one thread"]
    states = {row[3] for row in tables["one thread"]}
    assert states == {"complete", "pruned"}


@pytest.fixture
def driver() -> Iterator[WarmDriver]:
    with warm_driver() as warm:
        yield warm


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.faults)])
def test_the_table_is_the_same_after_five_kills(seed: int, driver: WarmDriver, write: Write) -> None:
    undisturbed, killed = (write(name, "analytic", "slots = 2", 24) for name in ("undisturbed", "killed"))
    driver.run(undisturbed)
    draw = random.Random(seed)
    for point in draw.sample(sorted(POINTS.keys() - ENQUEUED), KILLS):
        driver.die_at(killed, point)
    driver.run(killed)
    assert table(stored(killed)) == table(stored(undisturbed))


@pytest.mark.parametrize("presses", [1, pytest.param(2, marks=pytest.mark.faults)])
def test_the_table_is_the_same_after_ctrl_c(presses: int, driver: WarmDriver, write: Write) -> None:
    undisturbed, stopped = (write(name, "analytic", "slots = 2", 60) for name in ("undisturbed", "stopped"))
    driver.run(undisturbed)
    with started(stopped.parent, "launch", "small.toml") as running:
        wait_until(running.told, "a told trial")
        for _ in range(presses):
            running.interrupt()
        assert running.wait() == 130
    assert len([record for record in stored(stopped) if record.state != "running"]) < 60
    driver.run(stopped)
    assert table(stored(stopped)) == table(stored(undisturbed))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("framework", ["tensorflow", "spark"])
def test_the_table_is_the_same_after_kills_of_drivers_and_of_workers(framework: str, write: Write) -> None:
    trials = 9
    undisturbed = write("undisturbed", framework, CLUSTERS["one thread"], trials)
    assert search(undisturbed.parent, "launch", "--quiet", "small.toml").returncode == 0
    killed = write("killed", framework, CLUSTERS["two processes"], trials)
    for _ in range(2):
        with started(killed.parent, "launch", "small.toml") as driver:
            wait_until(lambda: _told(driver) >= 1, "a told trial")
            worker = next(pid for pid in driver.family() if _is_worker(pid))
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: _told(driver) >= 2, "one more")
            os.kill(driver.process.pid, signal.SIGKILL)
            driver.process.wait(PATIENCE)
            wait_until(lambda: driver.family() == [], "no process is left")
    finished = search(killed.parent, "launch", "--quiet", "small.toml")
    assert finished.returncode == 0, finished.stderr
    assert table(stored(killed)) == table(stored(undisturbed))


def _told(driver: Running) -> int:
    assert driver.process.poll() is None, driver.stderr.read_text()
    return driver.stderr.read_text().count("\ntrial ")


def _is_worker(pid: int) -> bool:
    try:
        return "spawn_main" in " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False
