"""The first Spark trial after a warm-up starts and loads nothing; a study without Spark never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search import launch
from search.driving import preflight
from studies.data import prepare
from studies.records.reports import Failure
from studies.space.configuration import Configuration
from studies.study_file import read_study_file
from workers import process
from workers.spark import session as spark_session
from workers.spark import trainer as spark_trainer
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.task import Segment, run_segment
from workers.training.trainer import TrainingFailed
from workers.warmup import _blas_note, warm

HIDDEN = (4,)


@pytest.fixture
def directory(study_file: Callable[..., Path]) -> str:
    file = read_study_file(study_file())
    study = file.study
    prepared = prepare(study.data, study.features, study.seed, file.directory, file.work_directory / "data")
    return str(prepared.directory)


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("this was to be done already, or never")


def test_the_first_trial_after_a_warm_up_starts_no_session_and_loads_no_rows(
    directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed = warm(directory, HIDDEN, DEFAULTS)
    assert warmed.seconds > 0
    (note,) = warmed.notes
    assert "BLAS" in note
    monkeypatch.setattr(spark_session, "_launch", forbidden)
    monkeypatch.setattr(spark_trainer, "load", forbidden)
    segment = Segment(
        study="small",
        trial=1,
        configuration=Configuration("spark", "spark_uniform", "l-bfgs", epochs=3),
        seed=3,
        rungs=(1, 3),
        hidden=HIDDEN,
        metric="f1",
        split=directory,
        checkpoints=str(tmp_path / "checkpoints"),
        until=3,
    )
    report = run_segment(segment)
    assert report.failure is None
    assert report.epoch == 3
    assert report.device.startswith("JVM CPU")


def test_a_warm_up_that_fails_is_a_note_and_no_error(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def warm(self) -> None:
            raise TrainingFailed(Failure("spark died", "the JVM is gone", 0))

    monkeypatch.setattr(process, "trainer_for", lambda *_: Dying())
    (note,) = warm(directory, HIDDEN, DEFAULTS).notes
    assert "the JVM is gone" in note


def test_what_is_said_of_the_blas_names_the_library_or_the_remedy() -> None:
    found: Any = SimpleNamespace(native_blas=True, settings=SparkSettings(native_blas="/lib/x.so"))
    assert "/lib/x.so" in _blas_note(found)
    found.settings = DEFAULTS
    assert "libblas.so.3" in _blas_note(found)
    found.native_blas = False
    assert "apt install libopenblas0" in _blas_note(found)


def test_a_study_without_spark_asks_for_no_java_and_starts_no_jvm(
    study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_session, "_launch", forbidden)
    monkeypatch.setattr(spark_session, "find_java", forbidden)
    monkeypatch.setattr(preflight, "find_java", forbidden)
    assert launch(study_file()).best is not None
