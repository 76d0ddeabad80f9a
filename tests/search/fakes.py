"""Studies made up for tests of what a person sees: records without a trainer, a report without a storage."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from search.reporting.report import StudyReport, summarise
from studies.data.facts import DataFacts
from studies.records.openings import OpenedTrial, Opening
from studies.records.reports import Cause, Failure, Scores, SegmentReport, TimeLedger
from studies.records.trials import TrialRecord
from studies.sections.study import Study
from studies.space.configuration import Configuration
from studies.space.space import SearchSpace
from studies.storage.locations import locate
from studies.storage.storage import OpenedStorage
from studies.storage.writers.patience import Guard
from studies.stored_study import StoredStudy
from studies.study_file import StudyFile

FACTS = DataFacts(
    classes=("ham", "spam"),
    positive="spam",
    features=300,
    counts={"train": (2701, 411), "validation": (675, 103), "test": (844, 128)},
)


def scores(f1: float, facts: DataFacts = FACTS, row_set: str = "test") -> Scores:
    """Scores with this F1, and others that go with it roughly."""
    positives = facts.positives(row_set)
    negatives = facts.rows(row_set) - positives
    hits = round(f1 * positives)
    false = positives - hits
    confusion = ((negatives - false, false), (false, hits))
    return Scores(
        f1=f1,
        f1_macro=(1 + f1) / 2,
        f1_weighted=1 - (1 - f1) / 5,
        precision=f1,
        recall=f1,
        average_precision=min(1.0, f1 + 0.01),
        mcc=f1 - 0.01,
        accuracy=1 - 2 * false / facts.rows(row_set),
        log_loss=0.1 + (1 - f1),
        confusion=confusion,
    )


def complete(
    number: int, value: float, configuration: Configuration, *, test: float | None = None, **more: Any
) -> TrialRecord:
    """A complete trial, with the test scores that :func:`report_of` gives an opening: a little worse than its
    validation score, or ``test``.
    """
    found = {
        "train": scores(value, row_set="train"),
        "validation": scores(value, row_set="validation"),
        "test": scores(max(0.0, value - 0.01) if test is None else test),
    }
    ledger = TimeLedger(queued=9.0, setup=0.2, train=2.5, score=0.5)
    report = SegmentReport(number, configuration.epochs, scores=found, ledger=ledger)
    record = TrialRecord(
        number, "complete", configuration, 7, value, report, params_of(configuration), None, None
    )
    return replace(record, **more)


def failed(number: int, cause: Cause, message: str, configuration: Configuration) -> TrialRecord:
    report = SegmentReport(number, 3, failure=Failure(cause, message, 3), ledger=TimeLedger(train=1.5))
    return TrialRecord(number, "fail", configuration, 7, None, report, params_of(configuration), None, None)


def running(number: int, configuration: Configuration) -> TrialRecord:
    return TrialRecord(number, "running", configuration, 7, None, None, params_of(configuration), None, None)


def params_of(configuration: Configuration) -> dict[str, Any]:
    """What the default space draws, by Optuna's names."""
    drawn = {
        "framework": configuration.framework,
        f"optimizer.{configuration.framework}": configuration.optimizer,
        "initialisation": configuration.initialisation,
        "learning_rate": configuration.learning_rate,
        "batch_size": configuration.batch_size,
    }
    return {name: value for name, value in drawn.items() if value is not None}


def draw(generator: random.Random, framework: str | None = None) -> Configuration:
    """A configuration of the default space."""
    framework = framework or generator.choice(["tensorflow", "spark"])
    optimizers = {"tensorflow": ["sgd", "momentum", "rmsprop", "adam"], "spark": ["l-bfgs", "gd"]}
    optimizer = generator.choice(optimizers[framework])
    schemes = ["glorot_uniform", "truncated_normal", "he_normal", "spark_uniform", "seed_uniform"]
    return Configuration(
        framework=framework,
        initialisation=generator.choice(schemes),
        optimizer=optimizer,
        epochs=27,
        learning_rate=10 ** generator.uniform(-4, 0) if optimizer != "l-bfgs" else None,
        batch_size=generator.choice([32, 64, 128, 256, 512]) if framework == "tensorflow" else None,
        shuffle=True if framework == "tensorflow" else None,
        drop_last_batch=False if framework == "tensorflow" else None,
        loss_scale=1.0 if framework == "tensorflow" else None,
    )


def trials(count: int, seed: int = 0, first: int = 0) -> list[TrialRecord]:
    """Complete trials whose score depends on the learning rate alone, best at 0.01, with a little noise."""
    generator = random.Random(seed)
    made = []
    for number in range(first, first + count):
        configuration = draw(generator)
        distance = (
            1.0 if configuration.learning_rate is None else abs(math.log10(configuration.learning_rate) + 2)
        )
        value = 0.96 - 0.2 * distance + generator.gauss(0, 0.01)
        made.append(complete(number, value, configuration))
    return made


def study_file(study: Mapping[str, Any] | None = None) -> StudyFile:
    values = {"name": "sms-spam", "data": {"source": "sms-spam"}, **(study or {})}
    parsed = Study.model_validate(values)
    return StudyFile(Path("/studies/sms-spam.toml"), parsed, SearchSpace(parsed), ())


def report_of(
    records: Sequence[TrialRecord],
    *,
    ended: str = "60 trials are done",
    facts: DataFacts = FACTS,
    study: Mapping[str, Any] | None = None,
    opened: bool = True,
) -> StudyReport:
    """The report of these records; where ``opened``, after the test rows were for those that it chooses."""
    file = study_file(study)
    location = locate(file.study.storage.url, file.study.name, file.directory)
    stored = StoredStudy(
        records=tuple(_as_stored(record) for record in records),
        metric=file.study.objective.metric,
        differences=(),
        facts=facts,
        versions={},
        ended=ended,
        seconds=75.0,
        statuses=(),
        study=optuna.create_study(direction="maximize"),
        storage=OpenedStorage(optuna.storages.InMemoryStorage(), Guard(location.shown)),
        location=location,
    )
    chosen = sorted(summarise(file, stored).chosen)
    if not (opened and chosen):
        return summarise(file, stored)
    scored = {
        record.number: OpenedTrial(record.report.scores.get("test"), record.value)
        for record in records
        if record.number in chosen and record.report is not None
    }
    opening = Opening("2026-11-24T16:02:00+00:00", (), 0, tuple(chosen), scored)
    return summarise(file, replace(stored, openings=(opening,)))


def _as_stored(record: TrialRecord) -> TrialRecord:
    report = record.report and SegmentReport.from_dict(record.report.to_dict())
    return replace(record, report=report)
