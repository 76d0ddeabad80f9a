"""What the search loop itself costs: the driver's milliseconds a trial, by storage and trials stored.

Trials are those of the analytic trainer, which learns in microseconds, on a cluster of threads; beside each
figure stands plain ``study.optimize`` with Optuna's own TPE, the same trial and the same attributes written,
on a copy of the same storage, as Optuna opens it.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from common.figures import Figure, run
from common.small_study import Stopwatch, small_study, study_text
from optuna.samplers import TPESampler
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial
from sqlalchemy import event
from sqlalchemy.engine import Engine

from search import launch
from search.driving.display import SilentDisplay
from search.driving.preflight import prepare_data
from search.loop.halving import Ladder
from studies.samplers.experimental import experimental_allowed
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from workers.task import Segment, run_segment

SIZES = (100, 1000, 10_000)
"""Trials in storage when the measuring begins."""

MEASURED = 40
"""Trials that are timed at each size; the first few, in which everything is still being loaded, are not."""

WARM_UP = 10

URLS = {"sqlite": "sqlite:///loop.db", "journal": "journal:loop.log"}


def measure() -> Sequence[Figure]:
    """All figures, storage by storage."""
    figures = []
    for kind, url in URLS.items():
        with small_study() as directory:
            for size in SIZES:
                ours = _ours(directory, url, size)
                plain = _plain(directory, kind, size)
                where = f"{kind}, {size:,} trials"
                figures += [
                    Figure(
                        f"search launch, {where}", ours, "ms a trial", at_most=_MILLISECONDS.get((kind, size))
                    ),
                    Figure(f"study.optimize, {where}", plain, "ms a trial"),
                    Figure(f"search launch / study.optimize, {where}", ours / plain, at_most=_BOUNDS[kind]),
                ]
    return figures


_MILLISECONDS = {("sqlite", 1000): 25, ("sqlite", 10_000): 60}
"""On a machine with nothing else to do."""

_BOUNDS = {"sqlite": 1.5, "journal": 2.5}
"""A journal file is so quick that Dask's round trip, some 5 ms a trial, shows beside it."""


def _ours(directory: Path, url: str, size: int) -> float:
    """Milliseconds a trial of `search launch` on a study of ``size`` trials."""
    path = directory / "loop.toml"
    path.write_text(study_text(WARM_UP, url))
    launch(path, display=SilentDisplay())
    file = read_study_file(path)
    study = read_study(file).study
    with _unsynchronised():
        _fill(study, size)
    _copy_for_optuna(directory)
    there = len(study.get_trials(deepcopy=False))
    path.write_text(study_text(there + WARM_UP + MEASURED, url))
    watch = Stopwatch()
    launch(path, display=watch)
    return _milliseconds(watch.ends)


def _plain(directory: Path, kind: str, size: int) -> float:
    """Milliseconds a trial of ``study.optimize`` on a study of ``size`` trials."""
    file = read_study_file(directory / "loop.toml")
    storage: str | optuna.storages.BaseStorage = f"sqlite:///{directory}/plain.db"
    if kind == "journal":
        storage = optuna.storages.JournalStorage(JournalFileBackend(f"{directory}/plain.log"))
    with experimental_allowed():
        sampler = TPESampler(seed=size, multivariate=True, group=True)
    study = optuna.load_study(study_name=file.study.name, storage=storage, sampler=sampler)
    split = str(prepare_data(file).directory)
    ends: list[float] = []

    def objective(trial: Trial) -> float:
        segment = _segment(file, trial, split, directory)
        trial.set_user_attr("configuration", {**segment.configuration.used(), "seed": segment.seed})
        report = run_segment(segment)
        trial.set_user_attr("result", report.to_dict())
        for point in report.curve:
            if point.validation_score is not None:
                trial.report(point.validation_score, point.epoch)
        return report.scores["validation"].f1

    def ended(_study: optuna.Study, _trial: FrozenTrial) -> None:
        ends.append(time.perf_counter())

    study.optimize(objective, n_trials=WARM_UP + MEASURED, callbacks=[ended])
    return _milliseconds(ends)


def _segment(file: StudyFile, trial: Trial, split: str, directory: Path) -> Segment:
    configuration = file.space.sample(trial)
    rungs = Ladder().rungs(configuration.epochs)
    return Segment(
        study="plain",
        trial=trial.number,
        configuration=configuration,
        seed=1,
        rungs=rungs,
        until=rungs[-1],
        hidden=(4,),
        metric="f1",
        split=split,
        checkpoints=str(directory / "plain"),
    )


def _fill(study: optuna.Study, size: int) -> None:
    """Bring a study to ``size`` trials with copies of those it has, whose numbers are drawn anew."""
    draw = np.random.default_rng(size)
    there = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    copies = []
    for index in range(size - len(there)):
        model = there[index % len(there)]
        params = {
            name: distribution.to_external_repr(_drawn(distribution, draw))
            for name, distribution in model.distributions.items()
        }
        copies.append(
            optuna.trial.create_trial(
                params=params,
                distributions=model.distributions,
                value=float(draw.uniform()),
                user_attrs=model.user_attrs,
                intermediate_values=model.intermediate_values,
            )
        )
    study.add_trials(copies)


@contextmanager
def _unsynchronised() -> Iterator[None]:
    """Let SQLite not wait for the disk, while a study is filled."""

    def connected(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


def _copy_for_optuna(directory: Path) -> None:
    """Put a copy of the storage beside it, for ``study.optimize``."""
    if (directory / "loop.log").exists():
        shutil.copy(directory / "loop.log", directory / "plain.log")
        return
    with (
        closing(sqlite3.connect(directory / "loop.db")) as stored,
        closing(sqlite3.connect(directory / "plain.db")) as copied,
    ):
        stored.backup(copied)  # what is in the write-ahead log too
        copied.execute("PRAGMA journal_mode = DELETE")


def _drawn(distribution: optuna.distributions.BaseDistribution, draw: np.random.Generator) -> float:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return float(draw.integers(len(distribution.choices)))
    low, high = np.log(distribution.low), np.log(distribution.high)  # type: ignore[attr-defined]
    return float(np.clip(np.exp(draw.uniform(low, high)), distribution.low, distribution.high))  # type: ignore[attr-defined]


def _milliseconds(ends: Sequence[float]) -> float:
    timed = ends[WARM_UP:]
    return (timed[-1] - timed[0]) / (len(timed) - 1) * 1000


if __name__ == "__main__":
    run(__doc__ or "", measure)
