"""Writes a trial of a study as a model that works without this project.

A search keeps scores and no weights: the trial is trained once more, with its own seed, which gives the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.driving.display import Display, make_display
from search.driving.opened import open_stored_study
from search.driving.replicas import Replica, ReplicaResult, run_replicas
from search.evaluation.thresholds import tuned_threshold
from search.exporting.card import CARD, model_card
from search.exporting.example_code import EXAMPLE, example_code, requirements, usage
from search.exporting.model_folder import (
    INDEX,
    ExportedModel,
    Origin,
    read_model,
    threshold_of,
    write_model,
)
from search.output.folders import filled, new_folder
from search.reporting.report import StudyReport, summarise
from studies.data import Split, open_feature_step
from studies.errors import StudyFailedError, StudyFileError
from studies.frameworks import BUILT_IN, framework_of
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration
from studies.stored_study import read_study
from studies.study_file import read_study_file
from workers.checkpoints.outcomes import Outcome
from workers.trainers import saved_model_of

ALIKE = 1e-5
"""How far a saved model's probabilities may be from those of the training."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        directory: where.
        record: the trial, as the report has it.
        model: what the plain files hold.
        notes: what a person should know of it.
        files: names in the directory.
    """

    directory: Path
    record: TrialRecord
    model: ExportedModel
    notes: tuple[str, ...]
    files: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """For a person."""
        origin = self.model.origin
        yield f"wrote trial {origin.trial} of {origin.study} to {self.directory}: {', '.join(self.files)}"
        yield from self.notes
        where = shlex.quote(str(self.directory))
        yield f"next: cd {where} && {usage(self.model)}"
        yield f"      search predict {where} FILE"


def export(
    path: str | Path, directory: str | Path, *, trial: int | None = None, display: Display | None = None
) -> Exported:
    """Write a trial's model into a new folder.

    Args:
        path: the study file.
        directory: the folder, which must not be there yet, or be empty.
        trial: number of the trial; by default the best.
        display: what shows the progress of the training.

    Raises:
        UserError: where the study file, its data or its storage can't be used, there is no such trial, or the
            folder can't be written.
        StudyFailedError: where the trial can't be trained again.
    """
    directory = new_folder(str(directory))
    file = read_study_file(path)
    report = summarise(file, read_study(file))
    record, configuration, seed = _chosen(report, trial)
    with open_stored_study(file, display or make_display()) as opened:
        replica = Replica(configuration, seed)
        result = run_replicas(opened, [replica], opened.display, what="export")[replica]
        split, step = opened.prepared.split, open_feature_step(opened.prepared.directory)
    if result.outcome is None:
        raise StudyFailedError(_why_not(record, result))
    notes = _agreement(report, record, result)
    framework = framework_of(configuration.framework)
    model = ExportedModel(
        origin=_origin(report, record, result, seed, split.content_hash),
        configuration=configuration,
        activation=result.outcome.activation,
        classes=split.classes,
        positive=split.positive,
        threshold=threshold_of(split.classes),
        tuned=_tuned(report.metric, split, result.outcome),
        weights=result.outcome.weights,
        step=step,
        features=0 if framework.perceptron else split.features,
    )
    with filled(directory, last=INDEX) as building:
        _write(building, model, model_card(report, record, model, notes))
        _check_alike(building, model, split, result.outcome)
    files = tuple(sorted(each.name + "/" * each.is_dir() for each in directory.iterdir()))
    return Exported(directory, record, model, notes, files)


def _chosen(report: StudyReport, trial: int | None) -> tuple[TrialRecord, Configuration, int]:
    """The trial that is meant, if it can be exported."""
    record = _winner(report)
    if trial is not None:
        record = next((each for each in report.records if each.number == trial), None)
        if record is None:
            numbers = [each.number for each in report.complete]
            raise StudyFileError(
                f"the study has no trial {trial}",
                where="--trial",
                allowed=f"{_listed(numbers)}",
                remedy="`search report` lists the trials",
            )
    if record is None:
        raise StudyFailedError("no trial is complete yet, so that there is none to export")
    if record.value is None or record.configuration is None or record.seed is None:
        raise StudyFileError(
            f"trial {record.number} is not complete but {record.state}",
            where="--trial",
            allowed="a complete trial",
            remedy="leave --trial out to export the best",
        )
    framework = framework_of(record.configuration.framework)
    if not framework.saved_model:
        others = [each.name for each in BUILT_IN if each.saved_model]
        raise StudyFileError(
            f"trial {record.number} is {framework.name}, whose trainer has no saved_model",
            where="--trial",
            allowed=f"a trial of {' or '.join(others)}, or of a trainer with a saved_model",
        )
    return record, record.configuration, record.seed


def _winner(report: StudyReport) -> TrialRecord | None:
    """The best finalist, where there are finalists: new seeds named it. Else the best of the search."""
    finalists = report.finalists.finalists if report.finalists is not None else ()
    if not finalists:
        return report.best
    return next((trial for trial in report.complete if trial.number == finalists[0].trial), report.best)


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:20])
    return f"{shown} …" if len(numbers) > 20 else shown or "none is complete yet"


def _origin(
    report: StudyReport, record: TrialRecord, result: ReplicaResult, seed: int, data_hash: str
) -> Origin:
    return Origin(report.name, record.number, seed, data_hash, dict(result.report.versions))


def _tuned(metric: str, split: Split, outcome: Outcome) -> float | None:
    """The threshold that the validation rows like best, of two classes."""
    if threshold_of(split.classes) is None:
        return None
    labels = np.array(split.validation.labels)
    return tuned_threshold(labels, outcome.probabilities["validation"], split.positive, metric)


def _why_not(record: TrialRecord, result: ReplicaResult) -> str:
    failure = result.report.failure
    why = f"{failure.cause}: {failure.message}" if failure is not None else "its files are missing"
    return f"trial {record.number} could not be retrained: {why}"


def _agreement(report: StudyReport, record: TrialRecord, result: ReplicaResult) -> tuple[str, ...]:
    """Whether the weights are those of the trial, which can be told by what they score."""
    before, now = record.scores_on("validation"), result.report.scores.get("validation")
    if before is None or now is None or before == now:
        return ()
    metric = report.metric
    then, again = getattr(before, metric), getattr(now, metric)
    return (
        f"trained again, it scored {metric} {again:.4f} on the validation rows, and the trial {then:.4f}: "
        "another kind of machine, or other versions, round differently",
    )


def _check_alike(building: Path, model: ExportedModel, split: Split, outcome: Outcome) -> None:
    """Refuse a plug-in's file that predicts otherwise than its trainer did."""
    if model.framework.origin is None:
        return
    predicted = read_model(building).probabilities(split.validation.features)
    expected = outcome.probabilities["validation"]
    if predicted.shape != expected.shape or not np.allclose(predicted, expected, rtol=0, atol=ALIKE):
        raise model.framework.origin.error(
            "has a saved_model that predicts otherwise than the trainer",
            allowed=f"the same probabilities to within {ALIKE:g}, from State.weights alone",
        )


def _write(building: Path, model: ExportedModel, card: str) -> None:
    write_model(building, model)
    saved = saved_model_of(model.framework)
    saved.save(building / saved.file, model.weights, model.activation)
    for name, text in (
        (CARD, card),
        (EXAMPLE, example_code(model)),
        ("requirements.txt", requirements(model)),
    ):
        (building / name).write_text(text, encoding="utf-8")
