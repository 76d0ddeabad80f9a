"""A search's trials, from being asked for to their end."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.optuna_internals import trial_id_of
from studies.records.reports import Failure, SegmentReport
from studies.records.schema import RESULT, SEGMENT
from studies.records.trials import AskedTrial, NoTrial, TrialRecord, UnfinishedTrial
from studies.samplers.pruners import asks_optuna
from studies.storage.memory import StudyMemory
from studies.storage.sharing.sharing import Sharing
from studies.storage.trial_records import record_of, records_of
from studies.store.asking import Asking
from studies.study_file import StudyFile

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Trials:
    """The trials of a study, as this driver asks for them and ends them.

    Args:
        file: the study file.
        study: Optuna's.
        memory: its storage, as this driver sees it.
        sharing: the other drivers, where there may be some.
    """

    def __init__(self, file: StudyFile, study: optuna.Study, memory: StudyMemory, sharing: Sharing) -> None:
        self._study = study
        self._memory = memory
        self._sharing = sharing
        self._metric = file.study.objective.metric
        self._asks_optuna = asks_optuna(file.study.pruner)
        self._asking = Asking(file, study, memory, sharing)
        self._open: dict[int, Trial] = {}

    def records(self) -> list[TrialRecord]:
        """All trials but those that wait, by number."""
        return records_of(self._study.get_trials(deepcopy=False))

    def ended(self) -> list[TrialRecord]:
        """Trials that ended, in the order in which they did."""
        ended = (record for record in self.records() if record.state != "running")
        return sorted(ended, key=lambda record: (str(record.completed), record.number))

    def unfinished(self) -> list[UnfinishedTrial]:
        """Trials that dead drivers left without an end, in the order of their last segments' places."""
        left = self._sharing.in_turn(self._asking.take_up_all)
        for _, trial in left:
            self._hold(trial)
        return sorted((trial for trial, _ in left), key=lambda trial: (trial.place, trial.asked.number))

    def news(self) -> list[TrialRecord] | None:
        """Trials that other drivers have told since the last time; ``None`` where it isn't time to look.

        To be called every second or more often: it is also how the others know that this driver is there.
        """
        ended = self._sharing.news()
        return None if ended is None else [record_of(trial) for trial in ended]

    def ask(self, place: int = 0) -> AskedTrial | UnfinishedTrial | NoTrial:
        """Draw the next trial and write it, or take up one that another driver left.

        Args:
            place: of its first segment among all of the study.
        """
        answer = self._sharing.in_turn(lambda: self._asking.ask(place))
        if isinstance(answer, NoTrial):
            return answer
        asked, trial = answer
        self._hold(trial)
        return asked

    def _hold(self, trial: Trial) -> None:
        self._open[trial.number] = trial
        self._sharing.hold(trial_id_of(trial))

    def begin_segment(self, number: int, rung: int, place: int) -> None:
        """Write that a trial that waited trains to a rung."""
        trial = self._open[number]
        # A driver that took this one for dead may have ended it: what is trained then is lost.
        with contextlib.suppress(UpdateFinishedTrialError):
            trial.set_user_attr(SEGMENT, {"rung": rung, "place": place})
            self._memory.resume(trial_id_of(trial))

    def record(self, report: SegmentReport) -> tuple[float, bool]:
        """Write where a trial has come to, from which it may go on.

        Returns:
            Its score there, and whether Optuna's pruner, where the study has one, would stop it.
        """
        try:
            return self._record(report)
        except UpdateFinishedTrialError:  # told by a driver that took this one for dead
            return -math.inf, True

    def _record(self, report: SegmentReport) -> tuple[float, bool]:
        trial = self._open[report.trial]
        with self._memory.together(trial_id_of(trial)):
            self._report_curve(trial, report)
            if not self._asks_optuna:
                trial.set_user_attr(RESULT, report.to_dict())
            # Of the epoch itself, also where the study is scored by the best of the epochs before it: that is
            # what storage keeps, and the next launch must decide alike.
            score = self._frozen(trial).intermediate_values.get(report.epoch)
            if score is None:
                return -math.inf, True  # not finite: telling makes a failure of it
            stop = self._asks_optuna and self._is_to_stop(trial, report)
        self._memory.pause(trial_id_of(trial))
        return score, stop

    def _is_to_stop(self, trial: Trial, report: SegmentReport) -> bool:
        """What Optuna's pruner says, the same also where a killed driver's successor asks once more.

        Asked a second time at a rung, a pruner that keeps notes of its own says to go on. So its answer is
        kept with the report, and before its notes.
        """
        kept = self._frozen(trial).user_attrs.get(RESULT, {})
        stop = bool(trial.should_prune())  # some give NumPy's
        if kept.get("epoch") == report.epoch and "stop" in kept:
            return bool(kept["stop"])
        trial.set_user_attr(RESULT, {**report.to_dict(), "stop": stop})
        return stop

    def tell(self, report: SegmentReport, *, pruned: bool = False) -> TrialRecord:
        """Write a trial's end. A score that isn't finite is a failure; Optuna takes inf for a success."""
        report = _finite(report, self._metric)
        trial, result = self._open.pop(report.trial), report.to_dict()
        # A driver that took this one for dead, and ran the trial too, may have told it first.
        with contextlib.suppress(UpdateFinishedTrialError):
            self._memory.resume(trial_id_of(trial))
            with self._memory.together(trial_id_of(trial)):
                self._report_curve(trial, report)
                trial.set_user_attr(RESULT, result)
                self._end(trial, report, pruned)
        frozen = self._frozen(trial)
        ours = frozen.user_attrs.get(RESULT) is result
        return record_of(frozen, report if ours else None)

    def _end(self, trial: Trial, report: SegmentReport, pruned: bool) -> None:
        if report.failure is not None:
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        elif pruned:
            self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            self._study.tell(trial, report.score(self._metric), skip_if_finished=True)

    def _report_curve(self, trial: Trial, report: SegmentReport) -> None:
        # A driver that died between reporting and telling leaves steps that Optuna would warn about.
        there = self._frozen(trial).intermediate_values
        for point in report.curve:
            score = point.validation_score
            if score is not None and math.isfinite(score) and point.epoch not in there:
                trial.report(score, point.epoch)

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self._memory.get_trial(trial_id_of(trial))


def _finite(report: SegmentReport, metric: str) -> SegmentReport:
    if report.failure is not None:
        return report
    scores = report.scores["validation"]
    if math.isfinite(getattr(scores, metric)):
        return report
    failure = Failure("diverged", f"{metric} on the validation rows is not finite", report.epoch)
    return replace(report, failure=failure, scores={})
