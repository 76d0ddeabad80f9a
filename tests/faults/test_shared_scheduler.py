"""Several people's studies on one Dask scheduler at once: each has the table that it has alone."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from search.cluster.starting import start_cluster
from search.loop.slots import Slots
from studies.sections.cluster import Cluster
from tests.conftest import SMALL, write_rows
from tests.faults.dask_programs import DaskPrograms, dask_programs
from tests.faults.histories import table
from tests.faults.programs import stored, wait_until
from tests.faults.warm import warm_driver

pytestmark = pytest.mark.slow

SLOTS = 2

KILLS = 2
"""Of each driver, while the others go on."""

Write = Callable[[str, int, str, int], Path]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskPrograms]:
    """One with a worker that has two slots."""
    with dask_programs(tmp_path_factory.mktemp("dask")) as programs:
        programs.add_worker("--nthreads", str(SLOTS))
        with start_cluster(Cluster(kind="address", address=programs.address)) as running:
            wait_until(lambda: running.present() == Slots(SLOTS), "the worker")
        yield programs


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A study of one name, with rows, a seed and a directory of its own, and checkpoints in one place."""

    def written(directory: str, seed: int, cluster: str, trials: int) -> Path:
        path = tmp_path / directory / "small.toml"
        path.parent.mkdir()
        write_rows(path.parent, rows=100 + 20 * seed)
        text = SMALL.replace("seed = 3", f"seed = {seed}").replace("slots = 2", cluster)
        text = text.replace("trials = 6", f"trials = {trials}\nreproducible = true\nwidth = 3")
        place = tmp_path / "checkpoints"
        path.write_text(
            f'{text}\n[checkpoints]\nurl = "{place}"\n[pruner]\nkind = "asha"\n'
            "[report]\nfinalists = 1\nseeds = 2\n"
        )
        return path

    return written


def together(count: int, trials: int, write: Write, programs: DaskPrograms) -> tuple[list[Path], list[Path]]:
    """Studies of one name and other seeds: to be run alone, and on one scheduler."""
    at = f'kind = "address"\naddress = "{programs.address}"'
    alone = [write(f"alone-{seed}", seed, "slots = 1", trials) for seed in range(count)]
    return alone, [write(f"shared-{seed}", seed, at, trials) for seed in range(count)]


def test_two_studies_of_one_name_have_the_tables_that_they_have_alone(
    scheduler: DaskPrograms, write: Write
) -> None:
    alone, shared = together(2, 12, write, scheduler)
    with warm_driver() as one, warm_driver() as other:
        one.run(alone[0])
        other.run(alone[1])
        one.launch(shared[0])
        other.launch(shared[1])
        assert [driver.end() for driver in (one, other)] == [0, 0]
    assert table(stored(shared[0])) == table(stored(alone[0]))
    assert table(stored(shared[1])) == table(stored(alone[1]))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_five_studies_of_one_name_have_their_own_tables_whoever_is_killed(
    seed: int, scheduler: DaskPrograms, write: Write
) -> None:
    alone, shared = together(5, 40, write, scheduler)
    draw = random.Random(seed)
    with ExitStack() as stack:
        drivers = []
        for study in alone:  # one after the other, so that no driver waits for all to import everything
            drivers.append(stack.enter_context(warm_driver()))
            drivers[-1].run(study)
            drivers[-1].told.clear()
        pids = [driver.launch(study) for driver, study in zip(drivers, shared, strict=True)]
        for _ in range(KILLS):
            for place in draw.sample(range(5), 5):
                drivers[place].hear(draw.randint(1, 3))
                os.kill(pids[place], signal.SIGKILL)
                assert drivers[place].end() == -signal.SIGKILL
                pids[place] = drivers[place].launch(shared[place])
            kill_a_worker(scheduler)
        assert [driver.end() for driver in drivers] == [0] * 5
    for study, undisturbed in zip(shared, alone, strict=True):
        assert table(stored(study)) == table(stored(undisturbed))
    left = shared[0].parent.parent / "checkpoints"
    assert not [path for path in left.glob("small-*/*") if path.is_file()], "a checkpoint is left"


def kill_a_worker(scheduler: DaskPrograms) -> None:
    """The process that runs the tasks; its nanny starts another."""
    for child in psutil.Process(scheduler.workers[0].pid).children(recursive=True):
        if "spawn_main" in " ".join(child.cmdline()):
            child.kill()
