"""A study in its storage, as its driver writes it; :mod:`studies.stored_study` is how everybody reads it.

In storage a trial is an ordinary Optuna trial with two user attributes: ``configuration`` (with the seed),
written before it is submitted, and ``result``, written just before it is told.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.configuration import Configuration, trial_seed
from studies.errors import StorageError
from studies.experimental import experimental_allowed
from studies.facts import DataFacts
from studies.identity import differences, identity_of
from studies.records import Failure, SegmentReport
from studies.samplers import make_sampler
from studies.storage import Location, check_directory, locate, mend_journal, open_storage
from studies.study_file import StudyFile
from studies.trial_record import TrialRecord, configuration_of, record_of, records_of

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class AskedTrial:
    """A trial that is in storage and waits to be run."""

    number: int
    configuration: Configuration
    seed: int


class StudyStore:
    """The driver's side of the storage. There is one a study at a time, held by :func:`open_store`."""

    def __init__(self, file: StudyFile, study: optuna.Study) -> None:
        self._file = file
        self._study = study
        self._metric = file.study.objective.metric
        self._open: dict[int, Trial] = {}
        self._keys: Counter[str] = Counter()
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if "configuration" in trial.user_attrs:
                self._keys[configuration_of(trial.user_attrs)[0].key()] += 1
        self._enqueue(trials)
        self._grid = self._remaining_grid(trials) if file.study.sampler.kind == "grid" else None

    def unfinished(self) -> list[AskedTrial]:
        """Trials that a dead driver left running, to be run again under their own numbers."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [self._take_up(trial) for trial in running]

    def ask(self) -> AskedTrial | None:
        """Draw the next trial and write it; ``None`` where a grid has no configuration left."""
        if self._grid is not None and not self._waiting():
            point = next(self._grid, None)
            if point is None:
                return None
            self._study.enqueue_trial(point)
        return self._settle(self._study.ask())

    def tell(self, report: SegmentReport) -> TrialRecord:
        """Write a trial's end. A score that isn't finite is a failure; Optuna takes inf for a success."""
        report = _finite(report, self._metric)
        trial = self._open.pop(report.trial)
        trial.set_user_attr("result", report.to_dict())
        self._report_curve(trial, report)
        if report.failure is None:
            value = getattr(report.scores["validation"], self._metric)
            told = self._study.tell(trial, value, skip_if_finished=True)
        else:
            told = self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        return record_of(told)

    def records(self) -> list[TrialRecord]:
        """All trials but those that wait, by number."""
        return records_of(self._study)

    def begin(self) -> None:
        """Say in storage that a launch is under way."""
        self._study.set_user_attr("ended", "")

    def end(self, reason: str) -> None:
        """Say in storage why the launch ended."""
        self._study.set_user_attr("ended", reason)

    def _report_curve(self, trial: Trial, report: SegmentReport) -> None:
        # A driver that died between reporting and telling leaves steps that Optuna would warn about.
        there = self._study._storage.get_trial(trial._trial_id).intermediate_values
        for point in report.curve:
            score = point.validation_score
            if score is not None and math.isfinite(score) and point.epoch not in there:
                trial.report(score, point.epoch)

    def _enqueue(self, trials: Sequence[FrozenTrial]) -> None:
        there = {trial.user_attrs.get("enqueued") for trial in trials}
        for params in self._file.enqueued:
            mark = json.dumps(params, sort_keys=True)
            if mark not in there:
                self._study.enqueue_trial(params, user_attrs={"enqueued": mark})

    def _waiting(self) -> bool:
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _remaining_grid(self, trials: Sequence[FrozenTrial]) -> Iterator[dict[str, Any]]:
        drawn = {json.dumps(trial.params, sort_keys=True) for trial in trials}
        for point in self._file.space.grid():
            if json.dumps(point, sort_keys=True) not in drawn:
                yield point

    def _take_up(self, frozen: FrozenTrial) -> AskedTrial:
        trial = Trial(self._study, frozen._trial_id)
        if "configuration" not in frozen.user_attrs:
            # The driver died while drawing: what it had drawn is kept, the rest is drawn now.
            return self._settle(trial)
        configuration, seed = configuration_of(frozen.user_attrs)
        self._open[trial.number] = trial
        return AskedTrial(trial.number, configuration, seed)

    def _settle(self, trial: Trial) -> AskedTrial:
        configuration = self._file.space.sample(trial)
        key = configuration.key()
        seed = trial_seed(self._file.study.seed, self._keys[key])
        self._keys[key] += 1
        trial.set_user_attr("configuration", {**configuration.used(), "seed": seed})
        self._open[trial.number] = trial
        return AskedTrial(trial.number, configuration, seed)


@contextlib.contextmanager
def open_store(
    file: StudyFile, data_hash: str, facts: DataFacts, versions: Mapping[str, str], *, fresh: bool = False
) -> Iterator[StudyStore]:
    """Open a study for its driver, making it where it isn't there yet.

    Args:
        file: the study file.
        data_hash: hash of the rows, so that a changed data set is seen.
        facts: what the report says of the rows.
        versions: packages that the study runs on.
        fresh: remove what the storage holds under this name first.

    Raises:
        StorageError: where the storage can't be opened, another driver holds it, or it holds a study that
            was made differently.
    """
    location = locate(file.study.storage.url, file.study.name, file.directory)
    check_directory(location)
    with location.lock():
        if location.kind == "journal" and location.file is not None:
            mend_journal(location.file)
        storage = open_storage(location)
        names = [study.study_name for study in optuna.get_all_study_summaries(storage)]
        if file.study.name in names and fresh:
            optuna.delete_study(study_name=file.study.name, storage=storage)
            names.remove(file.study.name)
        identity = {**identity_of(file), "data set": data_hash}
        if file.study.name in names:
            study = optuna.load_study(study_name=file.study.name, storage=storage)
            _check_identity(study, identity, location)
        else:
            study = optuna.create_study(study_name=file.study.name, storage=storage, direction="maximize")
            with experimental_allowed():
                study.set_metric_names([f"validation {file.study.objective.metric}"])
            study.set_user_attr("identity", identity)
        study.set_user_attr("versions", dict(versions))
        study.set_user_attr("data", facts.to_dict())
        drawn = len(study.get_trials(deepcopy=False))
        study.sampler = make_sampler(file.study.sampler, file.study.seed, drawn)
        yield StudyStore(file, study)


def _check_identity(study: optuna.Study, identity: Mapping[str, Any], location: Location) -> None:
    differing = differences(study.user_attrs.get("identity", {}), identity)
    if differing:
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise StorageError(
            f"the stored study '{study.study_name}' was made differently: {'; '.join(differing[:5])}{more}",
            where=location.shown,
            remedy="give this study another name, or launch with --fresh to remove the stored one",
        )


def _finite(report: SegmentReport, metric: str) -> SegmentReport:
    if report.failure is not None:
        return report
    scores = report.scores["validation"]
    if math.isfinite(getattr(scores, metric)):
        return report
    failure = Failure("diverged", f"{metric} on the validation rows is not finite", report.epoch)
    return replace(report, failure=failure, scores={})
