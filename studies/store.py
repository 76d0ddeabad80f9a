"""A study in its storage, as its driver writes it; :mod:`studies.stored_study` is how everybody reads it.

In storage a trial is an ordinary Optuna trial with these user attributes:

- ``configuration``, with the seed and the place of its first segment, written before it is submitted;
- ``segment``, the rung and the place of a later segment, written before that is submitted;
- ``result``, the last segment's report, written after its scores and before the trial is told, or with them.

So a driver that is killed at any moment leaves a state that the next one goes on from.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.identity import TOKEN, folder_of
from studies.records.explanations import KeptExplanation
from studies.records.finalists import FINALISTS, Finalists, finalists_of
from studies.records.openings import (
    OPENINGS,
    OpenedTrial,
    Opening,
    opened_trials,
    openings_of,
    plain_openings,
    with_scores,
)
from studies.records.replicas import PREFIX as REPLICA
from studies.records.replicas import ReplicaRecord, replica_records_of
from studies.records.reports import Failure, SegmentReport
from studies.records.trials import AskedTrial, TrialRecord, UnfinishedTrial, configuration_of, rung_of
from studies.samplers.pruners import asks_optuna
from studies.samplers.samplers import make_sampler
from studies.space.configuration import trial_seed
from studies.storage.sharing.drivers import STATUS_KEY
from studies.storage.sharing.leases import Sharing
from studies.storage.sole_writer import SoleWriterStorage
from studies.storage.trial_records import record_of, records_of
from studies.study_file import StudyFile

optuna.logging.set_verbosity(optuna.logging.WARNING)

_NOTE_VERSION, _NOTE_PIECE = "dashboard:note_ver", "dashboard:note_str:"
"""System attributes of a study that hold its note."""


class StudyStore:
    """The driver's side of the storage, held by :func:`studies.opening.open_store`: one a study, but for a
    server's.

    Args:
        file: the study file.
        study: Optuna's.
        memory: its storage, as this driver sees it.
        sharing: the other drivers, where there may be some.
    """

    def __init__(
        self,
        file: StudyFile,
        study: optuna.Study,
        memory: SoleWriterStorage,
        sharing: Sharing,
    ) -> None:
        self._file = file
        self._study = study
        self._memory = memory
        self._sharing = sharing
        self._metric = file.study.objective.metric
        self._open: dict[int, Trial] = {}
        self._keys: Counter[str] = Counter()
        self._counted: set[int] = set()
        self._all_counted = 0  # trials, the first ones
        self.waits_for_others = False
        self._was_last = False
        self._said: Mapping[str, Any] = {}
        trials = study.get_trials(deepcopy=False)
        self._count(trials)
        self._enqueue(trials)
        self._is_grid = file.study.sampler.kind == "grid"
        self._grid: Iterator[dict[str, Any]] | None = (
            None  # what is left of it once those enqueued have begun
        )

    @property
    def file(self) -> StudyFile:
        """The study file."""
        return self._file

    @property
    def token(self) -> str:
        """What tells the study from all others, of the same name too."""
        return str(self._attributes[TOKEN])

    @property
    def folder(self) -> str:
        """The folder that the study has for itself wherever it keeps files."""
        return folder_of(self._attributes, self._file.study.name)

    @property
    def _attributes(self) -> Mapping[str, Any]:
        """The study's user attributes, to be read alone: ``Study.user_attrs`` copies all of them, and what
        runs on a thousand slots is among them.
        """
        found: Mapping[str, Any] = self._study._storage.get_study_user_attrs(self._study._study_id)
        return found

    # What is there

    def records(self) -> list[TrialRecord]:
        """All trials but those that wait, by number."""
        return records_of(self._study)

    def ended(self) -> list[TrialRecord]:
        """Trials that ended, in the order in which they did."""
        ended = (record for record in self.records() if record.state != "running")
        return sorted(ended, key=lambda record: (str(record.completed), record.number))

    def unfinished(self) -> list[UnfinishedTrial]:
        """Trials that dead drivers left without an end, in the order of their last segments' places."""
        left = self._sharing.in_turn(self._take_up_all)
        for trial in left:
            self._hold(trial.asked.number)
        return sorted(left, key=lambda trial: (trial.place, trial.asked.number))

    def news(self) -> list[TrialRecord] | None:
        """Trials that other drivers have told since the last time; ``None`` where it isn't time to look.

        To be called every second or more often: it is also how the others know that this driver is there.
        """
        told = self._sharing.news()
        return None if told is None else [record_of(trial) for trial in told]

    # A trial, from asking to telling

    def ask(self, place: int = 0) -> AskedTrial | UnfinishedTrial | None:
        """Draw the next trial and write it, or take up one that another driver left; ``None`` for neither.

        Then :attr:`waits_for_others` says whether other drivers run what is left, and may leave it behind;
        if they don't, a grid has no configuration left.

        Args:
            place: of its first segment among all of the study.
        """
        asked = self._sharing.in_turn(lambda: self._ask(place))
        if asked is not None:
            trial = asked.asked if isinstance(asked, UnfinishedTrial) else asked
            self._hold(trial.number)
        return asked

    def _hold(self, number: int) -> None:
        self._sharing.hold(self._open[number]._trial_id)

    def begin_segment(self, number: int, rung: int, place: int) -> None:
        """Write that a trial that waited trains to a rung."""
        trial = self._open[number]
        # A driver that took this one for dead may have told it: what is trained then is told in vain.
        with contextlib.suppress(UpdateFinishedTrialError):
            trial.set_user_attr("segment", {"rung": rung, "place": place})
            self._memory.resume(trial._trial_id)

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
        self._report_curve(trial, report)
        if not asks_optuna(self._file.study.pruner):
            trial.set_user_attr("result", report.to_dict())
        # Of the epoch itself, also where the study is scored by the best of the epochs before it: that is
        # what storage keeps, and the next launch must decide alike.
        score = self._frozen(trial).intermediate_values.get(report.epoch)
        if score is None:
            return -math.inf, True  # not finite: telling makes a failure of it
        stop = self._is_to_stop(trial, report)
        self._memory.pause(trial._trial_id)
        return score, stop

    def tell(self, report: SegmentReport, *, pruned: bool = False) -> TrialRecord:
        """Write a trial's end. A score that isn't finite is a failure; Optuna takes inf for a success."""
        report = _finite(report, self._metric)
        trial = self._open.pop(report.trial)
        # A driver that took this one for dead, and ran the trial too, may have told it first.
        with contextlib.suppress(UpdateFinishedTrialError):
            self._write_end(trial, report, pruned)
        return record_of(self._frozen(trial))

    # The launch

    def begin(self) -> float:
        """Say in storage that a launch is under way; returns the seconds that earlier ones searched."""
        self._study.set_user_attr("ended", "")
        if self._sharing.is_alone():  # or the others would miss a wish that they are to stop
            self._study.set_user_attr("stop", 0)
            if self._sharing.is_shared:
                self._study.set_user_attr(STATUS_KEY, {})
        return float(self._attributes.get("seconds", 0.0))

    def begin_replicas(self) -> str:
        """Say in storage that something runs beside the search; returns why the search ended, for :meth:`end`
        once that is over.
        """
        ended = str(self._attributes.get("ended", ""))
        self.begin()
        return ended

    def keep_status(self, seconds: float, status: Mapping[str, Any]) -> None:
        """Write how long the study has been searched for, over every launch, and what runs now."""
        # Drivers that search at the same time count it once, and the study's time never goes back.
        self._study.set_user_attr("seconds", max(seconds, self._attributes.get("seconds", 0.0)))
        self.keep_doing(status)

    def keep_doing(self, status: Mapping[str, Any]) -> None:
        """Write what runs now, where that is no part of the search."""
        self._said = status
        self._study.set_user_attr(self._sharing.status_key, dict(status))

    def keep_note(self, text: str) -> None:
        """Write the study's note where Optuna's dashboard reads it, in place of the one that is there.

        As ``optuna_dashboard.save_note`` does, whose package is an extra: a version, which the page watches,
        and the text in pieces, of which this one is one.
        """
        storage, study_id = self._study._storage, self._study._study_id
        there = storage.get_study_system_attrs(study_id)
        pieces = sorted(key for key in there if key.startswith(_NOTE_PIECE))
        if len(pieces) == 1 and there[pieces[0]] == text:
            return
        storage.set_study_system_attr(study_id, _NOTE_VERSION, int(there.get(_NOTE_VERSION, 0)) + 1)
        for key in {f"{_NOTE_PIECE}0", *pieces}:
            storage.set_study_system_attr(study_id, key, text if key == f"{_NOTE_PIECE}0" else "")

    def stops_asked_for(self) -> int:
        """How often somebody asked this launch to stop, see :func:`studies.stored_study.ask_to_stop`."""
        return int(self._attributes.get("stop", 0))

    def end(self, reason: str) -> None:
        """Say in storage why the launch ended, unless other drivers of the study go on."""
        self._was_last = self._sharing.leave()
        if self._was_last:
            self._study.set_user_attr("ended", reason)
            if self._sharing.is_shared and self._said:  # what it said under its own name went with it
                self._study.set_user_attr(STATUS_KEY, dict(self._said))

    def is_alone(self) -> bool:
        """Whether no other driver is on the study."""
        return self._sharing.is_alone()

    # Beyond the search

    def replicas(self) -> dict[str, ReplicaRecord]:
        """The replicas that came to their end, by the keys of their outcomes."""
        return replica_records_of(self._attributes)

    def keep_replica(self, key: str, record: ReplicaRecord) -> None:
        """Write a replica's end."""
        self._study.set_user_attr(f"{REPLICA}{key}", record.to_dict())

    def finalists(self) -> Finalists | None:
        """What the finalists are worth, where they were evaluated."""
        return finalists_of(self._attributes)

    def keep_explanation(self, explanation: KeptExplanation) -> None:
        """Keep what was explained, in the place of an earlier explanation of the same two sides."""
        self._study.set_user_attr(explanation.key, explanation.to_dict())

    def keep_finalists(self, finalists: Finalists) -> None:
        """Write what they are worth, in the place of what was there."""
        self._study.set_user_attr(FINALISTS, finalists.to_dict())

    def open_test_rows(self, opening: Opening) -> None:
        """Write that the test rows are looked at, unless that is what the last opening, which a kill cut
        short, was for.
        """
        before = openings_of(self._attributes)
        if not (before and before[-1].covers(opening)):
            self._study.set_user_attr(OPENINGS, plain_openings((*before, opening)))

    def keep_test_scores(self, scores: Mapping[int, OpenedTrial]) -> None:
        """Write what trials' own networks are worth, by number, with the last opening."""
        before = openings_of(self._attributes)
        self._study.set_user_attr(OPENINGS, plain_openings(with_scores(before, scores)))

    def opened_trials(self) -> dict[int, OpenedTrial]:
        """What trials' own networks are worth, by number, as far as the test rows were opened for them."""
        return opened_trials(openings_of(self._attributes))

    def leads(self) -> bool:
        """Whether this driver, of several the last to end its search, does what one alone should."""
        return self._was_last

    # In a turn

    def _take_up_all(self) -> list[UnfinishedTrial]:
        running = self._sharing.take_over()
        left = [self._take_up(trial) for trial in running if "configuration" in trial.user_attrs]
        after = max((trial.place + 1 for trial in left), default=0)
        # In logical order these are drawn as they would have been, which is why the others come first.
        undrawn = [trial for trial in running if "configuration" not in trial.user_attrs]
        return left + [self._draw_to_end(trial, place) for place, trial in enumerate(undrawn, start=after)]

    def _take_up(self, frozen: FrozenTrial) -> UnfinishedTrial:
        attributes = frozen.user_attrs
        self._memory.forget_after(frozen._trial_id, attributes.get("result", {}).get("epoch", 0))
        trial = self._open[frozen.number] = Trial(self._study, frozen._trial_id)
        configuration, seed = configuration_of(attributes)
        first = attributes["configuration"].get("place", frozen.number)
        result, rung = attributes.get("result"), rung_of(attributes)
        if result and rung is None and frozen.intermediate_values:
            self._memory.pause(trial._trial_id)
        return UnfinishedTrial(
            asked=AskedTrial(frozen.number, configuration, seed),
            place=attributes.get("segment", {}).get("place", first),
            rung=rung,
            report=SegmentReport.from_dict(result) if result else None,
            rung_scores=dict(frozen.intermediate_values),
        )

    def _draw_to_end(self, frozen: FrozenTrial, place: int) -> UnfinishedTrial:
        """A trial whose driver died while drawing: what it had drawn is kept, the rest is drawn now."""
        if self._file.study.reproducible:
            self._memory.draw_again(frozen._trial_id)
            self._renew_sampler(frozen.number)
        return UnfinishedTrial(self._settle(Trial(self._study, frozen._trial_id), place), place)

    def _ask(self, place: int) -> AskedTrial | UnfinishedTrial | None:
        if self._sharing.is_shared:
            for left in self._sharing.take_over(most=1):
                drawn = "configuration" in left.user_attrs
                return self._take_up(left) if drawn else self._draw_to_end(left, place)
            trials = self._study.get_trials(deepcopy=False)
            begun = len(trials) - len(self._waiting())
            self._count(trials)
            self.waits_for_others = True
            if not self._sharing.has_room(begun, self._file.study.trial_limit):
                return None
        if self._is_grid and not self._waiting():
            point = next(self._points_left(), None)
            if point is None:
                self.waits_for_others = self._others_run()
                return None
            self._study.enqueue_trial(point)
        if self._file.study.reproducible:
            waiting, trials = self._waiting(), self._study.get_trials(deepcopy=False)
            self._renew_sampler(waiting[0].number if waiting else len(trials))
        with self._memory.drafting():
            trial = self._study.ask()
        self._sharing.own(trial._trial_id)
        return self._settle(trial, place)

    def _settle(self, trial: Trial, place: int) -> AskedTrial:
        configuration = self._file.space.sample(trial)
        key = configuration.key()
        seed = trial_seed(self._file.study.seed, self._keys[key])
        trial.set_user_attr("configuration", {**configuration.used(), "seed": seed, "place": place})
        trial = Trial(self._study, self._memory.store(trial._trial_id))
        self._keys[key] += 1
        self._counted.add(trial.number)
        self._open[trial.number] = trial
        return AskedTrial(trial.number, configuration, seed)

    def _count(self, trials: Sequence[FrozenTrial]) -> None:
        """Count how often each configuration was drawn; a repeat has the next seed.

        Args:
            trials: all that there are, by number; of many, the first are known to be counted.
        """
        for trial in trials[self._all_counted :]:
            if "configuration" in trial.user_attrs and trial.number not in self._counted:
                self._keys[configuration_of(trial.user_attrs)[0].key()] += 1
                self._counted.add(trial.number)
        while self._all_counted < len(trials) and trials[self._all_counted].number in self._counted:
            self._all_counted += 1

    def _others_run(self) -> bool:
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(trial.number not in self._open for trial in running)

    # Writing

    def _write_end(self, trial: Trial, report: SegmentReport, pruned: bool) -> None:
        self._memory.resume(trial._trial_id)
        with self._memory.ending(trial._trial_id):
            self._report_curve(trial, report)
            trial.set_user_attr("result", report.to_dict())
            if report.failure is not None:
                self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            elif pruned:
                self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
            else:
                self._study.tell(trial, report.score(self._metric), skip_if_finished=True)

    def _is_to_stop(self, trial: Trial, report: SegmentReport) -> bool:
        """What Optuna's pruner says, the same also where a killed driver's successor asks once more.

        Asked a second time at a rung, a pruner that keeps notes of its own says to go on. So its answer is
        kept with the report, before its notes are.
        """
        if not asks_optuna(self._file.study.pruner):
            return False
        kept = self._frozen(trial).user_attrs.get("result", {})
        with self._memory.notes_held_back():
            stop = bool(trial.should_prune())  # some give NumPy's
            if kept.get("epoch") == report.epoch and "stop" in kept:
                return bool(kept["stop"])
            trial.set_user_attr("result", {**report.to_dict(), "stop": stop})
        return stop

    def _report_curve(self, trial: Trial, report: SegmentReport) -> None:
        # A driver that died between reporting and telling leaves steps that Optuna would warn about.
        there = self._frozen(trial).intermediate_values
        for point in report.curve:
            score = point.validation_score
            if score is not None and math.isfinite(score) and point.epoch not in there:
                trial.report(score, point.epoch)

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self._memory.get_trial(trial._trial_id)

    # Known configurations

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

    def _points_left(self) -> Iterator[dict[str, Any]]:
        if self._grid is None or self._sharing.is_shared:
            self._grid = self._remaining_grid(self._study.get_trials(deepcopy=False))
        return self._grid

    def _remaining_grid(self, trials: Sequence[FrozenTrial]) -> Iterator[dict[str, Any]]:
        drawn = {json.dumps(_params_of(trial), sort_keys=True) for trial in trials}
        for point in self._file.space.grid():
            if json.dumps(point, sort_keys=True) not in drawn:
                yield point


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
