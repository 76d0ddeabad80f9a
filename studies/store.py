"""A study in its storage, as its driver writes it; :mod:`studies.stored_study` is how everybody reads it.

In storage a trial is an ordinary Optuna trial with these user attributes:

- ``configuration``, with the seed and the place of its first segment, written before it is submitted;
- ``segment``, the rung and the place of a later segment, written before that is submitted;
- ``result``, the last segment's report, written after its scores and before the trial is told.

So a driver that is killed at any moment leaves a state that the next one goes on from.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.configuration import Configuration, trial_seed
from studies.errors import StorageError
from studies.experimental import experimental_allowed
from studies.facts import DataFacts
from studies.identity import differences, identity_of
from studies.pruners import asks_optuna, make_pruner
from studies.records import Failure, SegmentReport
from studies.samplers import make_sampler
from studies.sole_writer import SoleWriterStorage
from studies.storage import Location, check_directory, locate, mend_journal, open_storage
from studies.study_file import StudyFile
from studies.trial_record import TrialRecord, configuration_of, record_of, records_of, rung_of

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class AskedTrial:
    """A trial that is in storage and waits to be run."""

    number: int
    configuration: Configuration
    seed: int


@dataclass(frozen=True)
class UnfinishedTrial:
    """A trial that an earlier launch left without an end.

    Attributes:
        asked: the trial.
        place: place of its last segment among all of the study.
        rung: where that segment ends, if it was begun and has not reported; ``None`` where it was not, or
            has.
        report: of the segment before.
        rung_scores: validation scores on the way, by epoch.
    """

    asked: AskedTrial
    place: int
    rung: int | None = None
    report: SegmentReport | None = None
    rung_scores: Mapping[int, float] = field(default_factory=dict)


class StudyStore:
    """The driver's side of the storage. There is one a study at a time, held by :func:`open_store`.

    Args:
        file: the study file.
        study: Optuna's, on a storage that this process alone writes.
        memory: that storage.
    """

    def __init__(self, file: StudyFile, study: optuna.Study, memory: SoleWriterStorage) -> None:
        self._file = file
        self._study = study
        self._memory = memory
        self._metric = file.study.objective.metric
        self._open: dict[int, Trial] = {}
        self._keys: Counter[str] = Counter()
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if "configuration" in trial.user_attrs:
                self._keys[configuration_of(trial.user_attrs)[0].key()] += 1
        self._enqueue(trials)
        self._grid = self._remaining_grid(trials) if file.study.sampler.kind == "grid" else None

    def ended(self) -> list[TrialRecord]:
        """Trials that ended, in the order in which they did."""
        ended = (record for record in self.records() if record.state != "running")
        return sorted(ended, key=lambda record: (str(record.completed), record.number))

    def unfinished(self) -> list[UnfinishedTrial]:
        """Trials that an earlier driver left without an end, in the order of their last segments' places."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        left = [self._take_up(trial) for trial in running if "configuration" in trial.user_attrs]
        for trial in left:
            if trial.report is not None and trial.rung is None and trial.rung_scores:
                self._memory.pause(self._open[trial.asked.number]._trial_id)
        after = max((trial.place + 1 for trial in left), default=0)
        # The driver died while drawing: in logical order it is drawn as it would have been, which is why the
        # others come first; otherwise what it had drawn is kept.
        undrawn = [trial for trial in running if "configuration" not in trial.user_attrs]
        for place, drawn in enumerate(undrawn, start=after):
            if self._file.study.reproducible:
                self._memory.draw_again(drawn._trial_id)
                self._renew_sampler(drawn.number)
            left.append(UnfinishedTrial(self._settle(Trial(self._study, drawn._trial_id), place), place))
        return sorted(left, key=lambda trial: (trial.place, trial.asked.number))

    def ask(self, place: int = 0) -> AskedTrial | None:
        """Draw the next trial and write it; ``None`` where a grid has no configuration left.

        Args:
            place: of its first segment among all of the study.
        """
        if self._grid is not None and not self._waiting():
            point = next(self._grid, None)
            if point is None:
                return None
            self._study.enqueue_trial(point)
        if self._file.study.reproducible:
            waiting = self._waiting()
            trials = self._study.get_trials(deepcopy=False)
            self._renew_sampler(waiting[0].number if waiting else len(trials))
        return self._settle(self._study.ask(), place)

    def begin_segment(self, number: int, rung: int, place: int) -> None:
        """Write that a trial that was paused, or taken up, trains to a rung."""
        trial = self._open[number]
        trial.set_user_attr("segment", {"rung": rung, "place": place})
        self._memory.resume(trial._trial_id)

    def record(self, report: SegmentReport) -> tuple[float, bool]:
        """Write where a trial has come to, from which it may go on.

        Returns:
            Its score there, and whether Optuna's pruner, where the study has one, would stop it.
        """
        trial = self._open[report.trial]
        self._report_curve(trial, report)
        trial.set_user_attr("result", report.to_dict())
        # Of the epoch itself, also where the study is scored by the best of the epochs before it: that is
        # what storage keeps, and the next launch must decide alike.
        score = self._memory.get_trial(trial._trial_id).intermediate_values.get(report.epoch)
        if score is None:
            return -math.inf, True  # not finite: telling makes a failure of it
        stop = asks_optuna(self._file.study.pruner) and trial.should_prune()
        self._memory.pause(trial._trial_id)
        return score, stop

    def tell(self, report: SegmentReport, *, pruned: bool = False) -> TrialRecord:
        """Write a trial's end. A score that isn't finite is a failure; Optuna takes inf for a success."""
        report = _finite(report, self._metric)
        trial = self._open.pop(report.trial)
        self._memory.resume(trial._trial_id)
        self._report_curve(trial, report)
        trial.set_user_attr("result", report.to_dict())
        if report.failure is not None:
            told = self._study.tell(trial, state=TrialState.FAIL)
        elif pruned:
            told = self._study.tell(trial, state=TrialState.PRUNED)
        else:
            told = self._study.tell(trial, report.score(self._metric))
        return record_of(told)

    def records(self) -> list[TrialRecord]:
        """All trials but those that wait, by number."""
        return records_of(self._study)

    def begin(self) -> float:
        """Say in storage that a launch is under way; returns the seconds that earlier ones searched."""
        self._study.set_user_attr("ended", "")
        self._study.set_user_attr("stop", 0)
        return float(self._study.user_attrs.get("seconds", 0.0))

    def keep_status(self, seconds: float, status: Mapping[str, Any]) -> None:
        """Write how long the study has been searched for, over every launch, and what runs now."""
        self._study.set_user_attr("seconds", seconds)
        self._study.set_user_attr("status", dict(status))

    def stops_asked_for(self) -> int:
        """How often somebody asked this launch to stop, see :func:`studies.stored_study.ask_to_stop`."""
        return int(self._study.user_attrs.get("stop", 0))

    def end(self, reason: str) -> None:
        """Say in storage why the launch ended."""
        self._study.set_user_attr("ended", reason)

    def _report_curve(self, trial: Trial, report: SegmentReport) -> None:
        # A driver that died between reporting and telling leaves steps that Optuna would warn about.
        there = self._memory.get_trial(trial._trial_id).intermediate_values
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

    def _waiting(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    def _renew_sampler(self, number: int) -> None:
        """Make what is drawn for a trial depend on its number and the trials before it alone: a process that
        was killed, and had drawn others, must have drawn the same.
        """
        self._study.sampler = make_sampler(self._file.study.sampler, self._file.study.seed, number)

    def _remaining_grid(self, trials: Sequence[FrozenTrial]) -> Iterator[dict[str, Any]]:
        drawn = {json.dumps(trial.params, sort_keys=True) for trial in trials}
        for point in self._file.space.grid():
            if json.dumps(point, sort_keys=True) not in drawn:
                yield point

    def _take_up(self, frozen: FrozenTrial) -> UnfinishedTrial:
        attributes = frozen.user_attrs
        configuration, seed = configuration_of(attributes)
        self._open[frozen.number] = Trial(self._study, frozen._trial_id)
        first = attributes["configuration"].get("place", frozen.number)
        result = attributes.get("result")
        return UnfinishedTrial(
            asked=AskedTrial(frozen.number, configuration, seed),
            place=attributes.get("segment", {}).get("place", first),
            rung=rung_of(attributes),
            report=SegmentReport.from_dict(result) if result else None,
            rung_scores=dict(frozen.intermediate_values),
        )

    def _settle(self, trial: Trial, place: int) -> AskedTrial:
        configuration = self._file.space.sample(trial)
        key = configuration.key()
        seed = trial_seed(self._file.study.seed, self._keys[key])
        self._keys[key] += 1
        trial.set_user_attr("configuration", {**configuration.used(), "seed": seed, "place": place})
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
        memory = SoleWriterStorage(storage, study._study_id)
        drawn = len(memory.get_all_trials(study._study_id, deepcopy=False))
        yield StudyStore(
            file,
            optuna.Study(
                file.study.name,
                memory,
                sampler=make_sampler(file.study.sampler, file.study.seed, drawn),
                pruner=make_pruner(file.study.pruner, file.space.most_epochs),
            ),
            memory,
        )


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
