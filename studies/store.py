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
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.configuration import Configuration, trial_seed
from studies.errors import StorageError
from studies.experimental import experimental_allowed
from studies.facts import DataFacts
from studies.guarded_storage import GuardedStorage
from studies.identity import differences, identity_of
from studies.leases import Shared, Sharing, Solo, wait_until_alone
from studies.records import Failure, SegmentReport
from studies.samplers import make_sampler
from studies.storage import Location, check_directory, locate, mend_journal, open_storage
from studies.study_file import StudyFile
from studies.trial_record import TrialRecord, configuration_of, record_of, records_of
from studies.turns import opening

optuna.logging.set_verbosity(optuna.logging.WARNING)


_APART = 1_000_003
"""More trials than a study has: the samplers of drivers that run together are seeded so far apart."""


@dataclass(frozen=True)
class AskedTrial:
    """A trial that is in storage and waits to be run."""

    number: int
    configuration: Configuration
    seed: int


class StudyStore:
    """The driver's side of the storage, held by :func:`open_store`: one a study, but for a server's."""

    def __init__(self, file: StudyFile, study: optuna.Study, sharing: Sharing | None = None) -> None:
        self._file = file
        self._study = study
        self._sharing = sharing or Solo()
        self._metric = file.study.objective.metric
        self._open: dict[int, Trial] = {}
        self._keys: Counter[str] = Counter()
        self._counted: set[int] = set()
        self.waits_for_others = False
        trials = study.get_trials(deepcopy=False)
        self._count(trials)
        self._enqueue(trials)
        self._grid = self._remaining_grid(trials) if file.study.sampler.kind == "grid" else None

    def unfinished(self) -> list[AskedTrial]:
        """Trials that a dead driver left running, to be run again under their own numbers."""
        left = self._sharing.in_turn(self._take_up_what_is_left)
        for trial in left:
            self._sharing.hold(trial.number)
        return left

    def ask(self) -> AskedTrial | None:
        """Draw the next trial and write it; ``None`` where there is none.

        Then :attr:`waits_for_others` says whether other drivers run what is left, and may leave it behind;
        if they don't, a grid has no configuration left.
        """
        asked = self._sharing.in_turn(self._ask)
        if asked is not None:
            self._sharing.hold(asked.number)
        return asked

    def news(self) -> list[TrialRecord] | None:
        """Trials that other drivers have told since the last time; ``None`` where it isn't time to look.

        To be called every second or more often: it is also how the others know that this driver is there.
        """
        told = self._sharing.news()
        return None if told is None else [record_of(trial) for trial in told]

    def tell(self, report: SegmentReport) -> TrialRecord:
        """Write a trial's end. A score that isn't finite is a failure; Optuna takes inf for a success."""
        report = _finite(report, self._metric)
        trial = self._open.pop(report.trial)
        # A driver that took this one for dead, and ran the trial too, may have told it first.
        with contextlib.suppress(UpdateFinishedTrialError):
            self._write_end(trial, report)
        return record_of(self._study._storage.get_trial(trial._trial_id))

    def records(self) -> list[TrialRecord]:
        """All trials but those that wait, by number."""
        return records_of(self._study)

    def begin(self) -> None:
        """Say in storage that a launch is under way."""
        self._study.set_user_attr("ended", "")

    def end(self, reason: str) -> None:
        """Say in storage why the launch ended."""
        self._study.set_user_attr("ended", reason)

    def _take_up_what_is_left(self) -> list[AskedTrial]:
        trials = self._study.get_trials(deepcopy=False)
        return [self._take_up(trial) for trial in self._sharing.left_behind(trials)]

    def _ask(self) -> AskedTrial | None:
        if self._sharing.is_shared:
            trials = self._study.get_trials(deepcopy=False)
            for left in self._sharing.left_behind(trials):
                return self._take_up(left)
            self._count(trials)
            self.waits_for_others = True
            if not self._sharing.has_room(trials, self._file.study.trial_limit):
                return None
        if self._grid is not None and not self._waiting():
            point = next(self._points_left(), None)
            if point is None:
                self.waits_for_others = self._others_run()
                return None
            self._study.enqueue_trial(point)
        trial = self._study.ask()
        self._sharing.own(trial._trial_id)
        return self._settle(trial)

    def _others_run(self) -> bool:
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(trial.number not in self._open for trial in running)

    def _write_end(self, trial: Trial, report: SegmentReport) -> None:
        trial.set_user_attr("result", report.to_dict())
        self._report_curve(trial, report)
        if report.failure is None:
            value = getattr(report.scores["validation"], self._metric)
            self._study.tell(trial, value, skip_if_finished=True)
        else:
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _count(self, trials: Sequence[FrozenTrial]) -> None:
        """Count how often each configuration was drawn; a repeat has the next seed."""
        for trial in trials:
            if "configuration" in trial.user_attrs and trial.number not in self._counted:
                self._keys[configuration_of(trial.user_attrs)[0].key()] += 1
                self._counted.add(trial.number)

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

    def _points_left(self) -> Iterator[dict[str, Any]]:
        if self._grid is not None and not self._sharing.is_shared:
            return self._grid
        return self._remaining_grid(self._study.get_trials(deepcopy=False))

    def _remaining_grid(self, trials: Sequence[FrozenTrial]) -> Iterator[dict[str, Any]]:
        drawn = {json.dumps(_params_of(trial), sort_keys=True) for trial in trials}
        for point in self._file.space.grid():
            if json.dumps(point, sort_keys=True) not in drawn:
                yield point

    def _take_up(self, frozen: FrozenTrial) -> AskedTrial:
        self._sharing.own(frozen._trial_id)
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
        trial.set_user_attr("configuration", {**configuration.used(), "seed": seed})
        self._keys[key] += 1
        self._counted.add(trial.number)
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
    with contextlib.ExitStack() as stack:
        stack.enter_context(location.lock())
        with opening(location):
            if location.kind == "journal" and location.file is not None:
                mend_journal(location.file)
            storage = open_storage(location)
            stack.callback(storage.close)
            study = _open_study(file, data_hash, storage, fresh=fresh)
            study.set_user_attr("versions", dict(versions))
            study.set_user_attr("data", facts.to_dict())
            drawn = len(study.get_trials(deepcopy=False))
            sharing = None
            if location.file is None:
                sharing = stack.enter_context(Shared(study, storage))
                # Two drivers that begin together would draw the same configurations.
                drawn += _APART * len(sharing.others())
            study.sampler = make_sampler(file.study.sampler, file.study.seed, drawn)
            store = StudyStore(file, study, sharing)
        yield store


def _open_study(file: StudyFile, data_hash: str, storage: GuardedStorage, *, fresh: bool) -> optuna.Study:
    name, identity = file.study.name, {**identity_of(file), "data set": data_hash}
    location = locate(file.study.storage.url, name, file.directory)
    is_there = name in {study.study_name for study in storage.get_all_studies()}
    if is_there and fresh:
        if location.file is None:
            wait_until_alone(optuna.load_study(study_name=name, storage=storage), storage, location.shown)
        optuna.delete_study(study_name=name, storage=storage)
    if is_there and not fresh:
        study = optuna.load_study(study_name=name, storage=storage)
        _check_identity(study, identity, location)
        return study
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    with experimental_allowed():
        study.set_metric_names([f"validation {file.study.objective.metric}"])
    study.set_user_attr("identity", identity)
    return study


def _check_identity(study: optuna.Study, identity: Mapping[str, Any], location: Location) -> None:
    differing = differences(study.user_attrs.get("identity", {}), identity)
    if differing:
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise StorageError(
            f"the stored study '{study.study_name}' was made differently: {'; '.join(differing[:5])}{more}",
            where=location.shown,
            remedy="give this study another name, or launch with --fresh to remove the stored one",
        )


def _params_of(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters; of one that waits, or was left half drawn, those that it is to have."""
    if "configuration" in trial.user_attrs:
        return trial.params
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _finite(report: SegmentReport, metric: str) -> SegmentReport:
    if report.failure is not None:
        return report
    scores = report.scores["validation"]
    if math.isfinite(getattr(scores, metric)):
        return report
    failure = Failure("diverged", f"{metric} on the validation rows is not finite", report.epoch)
    return replace(report, failure=failure, scores={})
