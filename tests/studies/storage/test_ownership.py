from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.commands.check import check
from search.commands.launch import launch
from search.driving.display import SilentDisplay
from studies.errors import StorageError
from studies.records.schema import MADE_FROM
from studies.storage.locations import location_of
from studies.storage.ownership import is_own, made_from
from studies.storage.storage import open_storage
from studies.study_file import read_study_file

SHARED = '\n[storage]\nurl = "sqlite:///shared.db"\n'


def run(path: Path, **options: Any) -> Any:
    return launch(path, display=SilentDisplay(), **options)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(StorageError) as refused:
        run(path, **options)
    return str(refused.value)


@pytest.mark.parametrize("url", ["sqlite:///shared.db", "journal:shared.log"])
def test_a_study_of_another_program_is_never_removed(url: str, study_file: Callable[..., Path]) -> None:
    path = study_file(append=SHARED.replace("sqlite:///shared.db", url))
    storage = open_storage(location_of(read_study_file(path)))
    study = optuna.create_study(study_name="small", storage=storage.optuna)
    study.add_trial(optuna.create_trial(value=0.5))
    storage.close()
    for options in ({}, {"fresh": True}):
        said = refusal(path, **options)
        assert "another program made the study 'small' that is stored there, with 1 trials" in said
        assert "give this study another name, or name another storage.url" in said
        assert "--fresh" not in said
    with pytest.raises(StorageError, match="another program made"):
        check(path)
    assert (
        len(
            optuna.load_study(
                study_name="small", storage=open_storage(location_of(read_study_file(path))).optuna
            ).trials
        )
        == 1
    )


def test_what_a_launch_left_that_was_killed_as_it_made_its_study_is_no_other_programs(
    study_file: Callable[..., Path],
) -> None:
    path = study_file(append=SHARED)
    storage = open_storage(location_of(read_study_file(path)))
    optuna.create_study(study_name="small", storage=storage.optuna, direction="maximize")
    storage.close()
    assert len(run(path).records) == 6


def test_only_a_files_own_study_is_removed(study_file: Callable[..., Path], tmp_path: Path) -> None:
    path = study_file(append=SHARED)
    other = path.with_name("other.toml")
    other.write_text(path.read_text().replace("seed = 3", "seed = 4"))
    run(path)
    said = refusal(other)
    assert "made differently: seed was 3, is 4" in said
    assert f"it is that of {path} on " in said
    assert "--fresh" not in said
    assert check(other).remedy in said
    assert f"--fresh would remove a study 'small' that another file made: {path}" in refusal(
        other, fresh=True
    )

    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    shutil.copytree(tmp_path, moved)
    own = moved / path.name
    own.write_text(own.read_text().replace("seed = 3", "seed = 5"))
    assert "or launch with --fresh to remove the stored one" in refusal(own)
    assert len(run(own, fresh=True).records) == 6


def test_on_a_server_a_study_is_that_of_one_file_on_one_machine(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file(append='\n[storage]\nurl = "postgresql://db.example/studies"\n'))
    server = location_of(file)
    mine = made_from(file, server)
    assert mine["beside"] is None
    assert is_own({MADE_FROM: mine}, file, server)
    assert not is_own({MADE_FROM: {**mine, "host": "elsewhere"}}, file, server)
    assert not is_own({MADE_FROM: {**mine, "file": "/home/bob/small.toml"}}, file, server)
    assert not is_own({}, file, server)
