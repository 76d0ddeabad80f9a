"""`search report` of 10,000 trials in SQLite: seconds of the whole command, and the size of the page.

The trials are of the default space with both frameworks, each with a curve of 27 epochs and scores on three
sets of rows, as a real search leaves them; only their training is made up, by a formula, and their rows are
written in bulk, because a driver would take minutes to. Each figure is the least of three runs in new
processes, imports and importance included.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.drawn import Drawn
from common.figures import Figure, run
from optuna.distributions import distribution_to_json
from optuna.storages._rdb.models import (
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import TrialState
from sqlalchemy import insert

from search.importance.ped_anova import to_optuna
from studies.data.facts import DataFacts
from studies.opening import open_store
from studies.records.reports import SCORE_NAMES, CurvePoint, Scores, SegmentReport, TimeLedger
from studies.space.configuration import Configuration
from studies.storage.locations import location_of
from studies.storage.storage import open_storage
from studies.study_file import StudyFile, read_study_file

TRIALS = 10_000
RUNS = 3
STUDY = """
name = "many"
seed = 7
trials = 10000

[data]
source = "sms-spam"
positive = "spam"
"""
COUNTS = {"train": (2701, 411), "validation": (675, 103), "test": (844, 128)}


def measure() -> Sequence[Figure]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.toml"
        path.write_text(STUDY)
        _fill(read_study_file(path))
        page = path.with_suffix(".html")
        return [
            Figure("10,000 trials, in the terminal", _seconds(path), "s", at_most=5.0),
            Figure("10,000 trials, --html", _seconds(path, "--html", str(page)), "s", at_most=5.0),
            Figure("size of the page", page.stat().st_size / 1e6, "MB", at_most=6.0),
        ]


def _seconds(path: Path, *options: str) -> float:
    command = [str(Path(sys.executable).with_name("search")), "report", str(path), *options]
    found = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - begun)
    return min(found)


def _fill(file: StudyFile) -> None:
    """Make the study as a driver does, and write its trials in bulk."""
    facts = DataFacts(("ham", "spam"), "spam", 300, COUNTS)
    with open_store(file, "made up", facts, {"python": "3"}):
        pass
    storage = open_storage(location_of(file))
    assert storage.engine is not None
    rows: dict[Any, list[dict[str, Any]]] = {}
    for model, row in _rows(file):
        rows.setdefault(model, []).append(row)
    with storage.engine.begin() as connection:
        for model, found in rows.items():
            connection.execute(insert(model.__table__), found)
    storage.close()


def _rows(file: StudyFile) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every row of every table, trial by trial."""
    generator = random.Random(0)
    distributions = {name: to_optuna(found) for name, found in file.space.parameters().items()}  # type: ignore[arg-type]
    begin = datetime(2026, 11, 24, tzinfo=UTC).replace(tzinfo=None)
    for number in range(TRIALS):
        drawn = Drawn(generator)
        configuration = file.space.sample(drawn)
        report = _report(number, configuration, generator)
        score = report.scores["validation"].f1
        key = number + 1
        started = begin + timedelta(seconds=1.5 * number)
        yield (
            TrialModel,
            {
                "trial_id": key,
                "number": number,
                "study_id": 1,
                "state": TrialState.COMPLETE,
                "datetime_start": started,
                "datetime_complete": started + timedelta(seconds=3),
            },
        )
        finite = TrialValueModel.TrialValueType.FINITE
        yield TrialValueModel, {"trial_id": key, "objective": 0, "value": score, "value_type": finite}
        for name, value in drawn.params.items():
            yield (
                TrialParamModel,
                {
                    "trial_id": key,
                    "param_name": name,
                    "param_value": distributions[name].to_internal_repr(value),
                    "distribution_json": distribution_to_json(distributions[name]),
                },
            )
        for step in (1, 3, 9, 27):
            yield (
                TrialIntermediateValueModel,
                {
                    "trial_id": key,
                    "step": step,
                    "intermediate_value": score,
                    "intermediate_value_type": TrialIntermediateValueModel.TrialIntermediateValueType.FINITE,
                },
            )
        stored = {**configuration.used(), "seed": 7, "place": number}
        for name, attribute in (("configuration", stored), ("result", report.to_dict())):
            yield TrialUserAttributeModel, {"trial_id": key, "key": name, "value_json": json.dumps(attribute)}


def _report(number: int, configuration: Configuration, generator: random.Random) -> SegmentReport:
    """A score that depends on the learning rate and the optimizer, with noise."""
    rate = configuration.learning_rate or 0.01
    score = 0.9 - 0.2 * abs(math.log10(rate) + 2) + 0.05 * (configuration.optimizer == "adam")
    score = min(1.0, max(0.0, score + generator.gauss(0, 0.05)))
    curve = tuple(
        CurvePoint(epoch, generator.random(), score if epoch in (1, 3, 9, 27) else None)
        for epoch in range(1, 28)
    )
    return SegmentReport(
        number,
        27,
        curve=curve,
        scores={rows: _scores(score, counts) for rows, counts in COUNTS.items()},
        ledger=TimeLedger(0.5, 0.1, 2.5, 0.2),
        worker="tcp://127.0.0.1:40000",
    )


def _scores(score: float, counts: tuple[int, int]) -> Scores:
    hits = round(score * counts[1])
    confusion = ((counts[0], 0), (counts[1] - hits, hits))
    return Scores(*[score] * len(SCORE_NAMES), confusion=confusion)


if __name__ == "__main__":
    run(__doc__ or "", measure)
