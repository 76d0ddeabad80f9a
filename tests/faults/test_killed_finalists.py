"""A driver that is killed with -9 among its finalists goes on with them, and opens the test rows once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studies.records.finalists import Finalists
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.faults.points import FINALISTS
from tests.faults.warm import warm_driver

pytestmark = pytest.mark.slow


def worth(study: Path) -> Finalists:
    """What the finalists are worth, without what a clock says."""
    found = read_study(read_study_file(study)).finalists
    assert found is not None
    return replace(found, finalists=tuple(replace(one, train_seconds=0.0) for one in found.finalists))


def replicas_kept(study: Path) -> dict[str, str]:
    return {key: str(record) for key, record in read_study(read_study_file(study)).replicas.items()}


def test_killed_anywhere_after_the_search_it_arrives_at_the_same_worth(
    study_file: Callable[..., Path],
) -> None:
    study = study_file(append="\n[report]\nfinalists = 2\nseeds = 3\n", slots="slots = 1")
    other = study.parent / "undisturbed"
    other.mkdir()
    for name in (study.name, "rows.npz"):
        shutil.copy(study.parent / name, other / name)
    with warm_driver() as driver:
        kept: dict[str, str] = {}
        for point in FINALISTS:
            driver.die_at(study, point)
            now = replicas_kept(study)
            assert kept.items() <= now.items(), "a training that was kept was run again"
            kept = now
        driver.run(study)
        assert set(driver.told.values()) == {1}, "a trial that was told was run again"
        driver.run(other / study.name)
    assert len(read_study(read_study_file(study)).openings) == 1
    assert worth(study) == worth(other / study.name)
