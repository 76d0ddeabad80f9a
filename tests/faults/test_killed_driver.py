"""A driver that is killed with -9, anywhere and again and again, loses no trial that was told and runs none
twice; a reproducible study has the table that it would have had undisturbed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests.faults.histories import (
    every_rung_promoted_its_best,
    every_score_is_that_of_an_undisturbed_run,
    is_whole,
    nothing_told_has_changed,
    table,
    told_rows,
)
from tests.faults.points import ENQUEUED, POINTS, WITH_RUNGS
from tests.faults.programs import PATIENCE, started, stored, wait_until
from tests.faults.warm import WarmDriver, warm_driver

pytestmark = pytest.mark.slow

TRIALS = 60
"""More than the kills leave time for."""

RATES = (0.5, 0.25, 0.125)
"""Of the trials that the study file names; a kill at one of their points for each."""

RANDOM_KILLS = 3
"""A study; on top of one at each named point."""

Writes = Callable[..., Path]


@dataclass(frozen=True)
class Kind:
    """What a study is made of that matters to a kill."""

    url: str
    pruner: str
    reproducible: bool

    def __str__(self) -> str:
        return f"{self.url.partition(':')[0]}-{self.pruner}-{'reproducible' if self.reproducible else 'free'}"

    def write(self, study_file: Writes, trials: int = TRIALS) -> Path:
        ordered = f"reproducible = {str(self.reproducible).lower()}\nwidth = 3"
        enqueued = "".join(f"\n[[enqueue]]\nlearning_rate = {rate}\n" for rate in RATES)
        return study_file(
            trials=f"trials = {trials}\n{ordered}",
            append=f'\n[storage]\nurl = "{self.url}"\n[pruner]\nkind = "{self.pruner}"\n{enqueued}',
        )


QUICK = (
    Kind("sqlite:///kept.db", "asha", reproducible=True),
    Kind("journal:kept.log", "asha", reproducible=False),
)
ALL = tuple(
    Kind(url, pruner, reproducible)
    for url, pruner, reproducible in product(
        ("sqlite:///kept.db", "journal:kept.log"), ("none", "asha", "median"), (False, True)
    )
)
KINDS = [pytest.param(kind, id=str(kind), marks=() if kind in QUICK else pytest.mark.faults) for kind in ALL]


@pytest.fixture(scope="module")
def driver() -> Iterator[WarmDriver]:
    with warm_driver() as warm:
        yield warm


@pytest.mark.parametrize("kind", KINDS)
def test_killed_anywhere_it_loses_nothing_and_doubles_nothing(
    kind: Kind, driver: WarmDriver, study_file: Writes
) -> None:
    study = kind.write(study_file)
    driver.told.clear()
    kept: dict[int, str] = {}
    for kill in _kills(kind, random.Random(str(kind))):
        kill(driver, study)
        if not (study.parent / ("kept.db" if "sqlite" in kind.url else "kept.log")).exists():
            continue
        now = told_rows(study)
        nothing_told_has_changed(kept, now)
        assert driver.told.keys() <= now.keys(), "a trial was said to be told that is not in storage"
        kept = now
    assert 0 < len(kept) < TRIALS, "killed too late, or too early, to prove anything"
    driver.run(study)
    nothing_told_has_changed(kept, told_rows(study))
    assert set(driver.told.values()) == {1}, "a trial that was told was run again"
    records = is_whole(study, TRIALS)
    every_score_is_that_of_an_undisturbed_run(study, records)
    every_rung_promoted_its_best(study, records)
    if kind.reproducible:
        assert table(records) == _undisturbed(driver, study)


def _kills(kind: Kind, draw: random.Random) -> list[Callable[[WarmDriver, Path], None]]:
    """One at each point that such a study comes to, and some at random moments, in a random order but for the
    trials that the file names: they are asked for first.
    """

    def at(point: str, skip: int) -> Callable[[WarmDriver, Path], None]:
        return lambda driver, study: driver.die_at(study, point, skip)

    def after(trials: int, seconds: float) -> Callable[[WarmDriver, Path], None]:
        return lambda driver, study: driver.die_after(study, trials, seconds)

    first = draw.sample(ENQUEUED, len(ENQUEUED))
    points = [p for p in POINTS if p not in first and (kind.pruner == "asha" or p not in WITH_RUNGS)]
    kills = [at(point, draw.randrange(3)) for point in points]
    kills += [after(draw.randint(0, 2), draw.uniform(0.0, 0.1)) for _ in range(RANDOM_KILLS)]
    draw.shuffle(kills)
    return [*(at(point, 0) for point in first), *kills]


def _undisturbed(driver: WarmDriver, study: Path) -> list[tuple[object, ...]]:
    directory = study.parent / "undisturbed-launch"
    directory.mkdir()
    for name in (study.name, "rows.npz"):
        shutil.copy(study.parent / name, directory / name)
    driver.run(directory / study.name)
    return table(stored(directory / study.name))


def test_worker_processes_do_not_outlive_their_driver(study_file: Writes) -> None:
    study = study_file(slots='kind = "processes"\nslots = 2', trials="trials = 100000", epochs="epochs = 100")
    with started(study.parent, "launch", "small.toml") as running:
        wait_until(running.told, "a complete trial")
        assert len(running.family()) >= 3
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(PATIENCE)
        wait_until(lambda: running.family() == [], f"the processes {running.family()} have ended")
