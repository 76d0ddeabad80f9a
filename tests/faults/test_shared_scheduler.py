"""Several people's studies on one Dask scheduler at once: each has the table that it has alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.cluster import start_cluster
from search.slots import Slots
from studies.cluster import Cluster
from tests.conftest import SMALL, write_rows
from tests.faults.dask_programs import DaskPrograms, dask_programs
from tests.faults.histories import table
from tests.faults.programs import stored, wait_until
from tests.faults.warm import warm_driver

pytestmark = pytest.mark.slow

SLOTS = 2

Write = Callable[[str, int, str], Path]


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

    def written(directory: str, seed: int, cluster: str) -> Path:
        path = tmp_path / directory / "small.toml"
        path.parent.mkdir()
        write_rows(path.parent, rows=100 + 20 * seed)
        text = SMALL.replace("seed = 3", f"seed = {seed}").replace("slots = 2", cluster)
        text = text.replace("trials = 6", "trials = 12\nreproducible = true\nwidth = 3")
        place = tmp_path / "checkpoints"
        path.write_text(
            f'{text}\n[checkpoints]\nurl = "{place}"\n[pruner]\nkind = "asha"\n'
            "[report]\nfinalists = 1\nseeds = 2\n"
        )
        return path

    return written


def together(count: int, write: Write, programs: DaskPrograms) -> tuple[list[Path], list[Path]]:
    """Studies of one name and other seeds: to be run alone, and on one scheduler."""
    at = f'kind = "address"\naddress = "{programs.address}"'
    alone = [write(f"alone-{seed}", seed, "slots = 1") for seed in range(count)]
    return alone, [write(f"shared-{seed}", seed, at) for seed in range(count)]


def test_two_studies_of_one_name_have_the_tables_that_they_have_alone(
    scheduler: DaskPrograms, write: Write
) -> None:
    alone, shared = together(2, write, scheduler)
    with warm_driver() as one, warm_driver() as other:
        one.launch(shared[0])
        other.launch(shared[1])
        assert [driver.end() for driver in (one, other)] == [0, 0]
        for study in alone:
            one.run(study)
    assert table(stored(shared[0])) == table(stored(alone[0]))
    assert table(stored(shared[1])) == table(stored(alone[1]))
