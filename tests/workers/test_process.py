"""What a worker process keeps: one split a directory, one trainer a framework, however many ask."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from studies.data import prepare
from studies.study_file import read_study_file
from workers import process
from workers.training.trainer import Trainer


@pytest.fixture
def directory(study_file: Callable[..., Path]) -> str:
    file = read_study_file(study_file())
    study = file.study
    prepared = prepare(study.data, study.features, study.seed, file.directory, file.work_directory / "data")
    return str(prepared.directory)


@pytest.fixture
def go_on() -> Iterator[None]:
    yield
    process.go_on()


def test_threads_that_ask_at_once_share_one_split_and_one_trainer(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make_trainer = process.make_trainer

    def counted(*arguments: Any) -> Trainer:
        made.append(arguments)
        return make_trainer(*arguments)

    monkeypatch.setattr(process, "make_trainer", counted)
    together = Barrier(8)

    def ask(_thread: int) -> tuple[Any, Any]:
        together.wait(30)
        return process.split_at(directory), process.trainer_for("analytic", directory, (4,))

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert len({id(split) for split, _ in found}) == 1
    assert len({id(trainer) for _, trainer in found}) == 1
    assert len(made) == 1


def test_other_layers_get_a_trainer_of_their_own(directory: str) -> None:
    one = process.trainer_for("analytic", directory, (4,))
    assert process.trainer_for("analytic", directory, (5,)) is not one
    assert process.trainer_for("analytic", directory, (4,)) is one


def test_a_trainer_that_could_not_be_made_is_tried_again(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(process, "make_trainer", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            process.trainer_for("analytic", directory, (7,))
    assert process.trainer_for("analytic", directory, (7,)).device == "CPU"


@pytest.mark.parametrize(
    ("framework", "packages"),
    [
        ("tensorflow", {"python", "tensorflow", "keras", "numpy"}),
        ("spark", {"python", "pyspark", "numpy"}),
        ("analytic", {"python", "numpy"}),
    ],
)
def test_versions_are_those_of_what_the_trial_ran_on(framework: str, packages: set[str]) -> None:
    versions = process.versions_of(framework)
    assert set(versions) == packages
    assert all(version[0].isdigit() for version in versions.values())


@pytest.mark.usefixtures("go_on")
def test_the_wish_to_stop_holds_until_it_is_taken_back() -> None:
    assert not process.is_stopped()
    process.stop_all()
    assert process.is_stopped()
    process.go_on()
    assert not process.is_stopped()


def test_a_worker_process_leaves_ctrl_c_to_the_driver() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        process.dask_setup(None)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_sums_of_products_are_split_among_threads_nowhere() -> None:
    blas = [found for found in threadpool_info() if found["user_api"] == "blas"]
    assert {found["num_threads"] for found in blas if "numpy" in found["filepath"]} == {1}
