"""Where a search's trials come from: left by a dead driver, named by the study file, of a grid, sampled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.optuna_internals import trial_id_of
from studies.records.reports import SegmentReport
from studies.records.schema import CONFIGURATION, ENQUEUED, FIXED, RESULT, SEGMENT
from studies.records.trials import AskedTrial, NoTrial, UnfinishedTrial, configuration_of, rung_of
from studies.samplers.samplers import make_sampler
from studies.space.configuration import Configuration, trial_seed
from studies.storage.memory import StudyMemory
from studies.storage.sharing.sharing import Sharing
from studies.study_file import StudyFile

Left = tuple[UnfinishedTrial, Trial]
"""A trial that a driver left without an end, and Optuna's handle on it."""

Asked = Left | tuple[AskedTrial, Trial] | NoTrial


class Asking:
    """Makes trials and takes up those that were left. Every method is called in a turn, and may be called
    again where that is lost.

    Args:
        file: the study file.
        study: Optuna's.
        memory: its storage, as this driver sees it.
        sharing: the other drivers, where there may be some.
    """

    def __init__(self, file: StudyFile, study: optuna.Study, memory: StudyMemory, sharing: Sharing) -> None:
        self._file = file
        self._study = study
        self._memory = memory
        self._sharing = sharing
        self._repeats = _Repeats()
        self._grid: Iterator[dict[str, Any]] | None = None  # its points that nobody has begun
        self._enqueue(self._trials())

    def ask(self, place: int) -> Asked:
        """The next trial, stored, with ``place`` as the place of its first segment."""
        if self._sharing.is_shared:
            for frozen in self._sharing.take_over(most=1):
                drawn = CONFIGURATION in frozen.user_attrs
                return self._take_up(frozen) if drawn else self._draw_to_end(frozen, place)
            begun = len(self._trials()) - len(self._waiting())
            if not self._sharing.has_room(begun, self._file.study.trial_limit):
                return NoTrial(waits_for_others=True)
        if self._file.study.sampler.kind == "grid" and not self._waiting():
            point = next(self._points_left(), None)
            if point is None:
                return NoTrial(waits_for_others=self._sharing.others_run())
            self._study.enqueue_trial(point)
        if self._file.study.reproducible:
            waiting = self._waiting()
            self._renew_sampler(waiting[0].number if waiting else len(self._trials()))
        with self._memory.drafting():
            trial = self._study.ask()
        self._sharing.own(trial_id_of(trial))
        return self._settle(trial, place)

    def take_up_all(self) -> list[Left]:
        """All trials that dead drivers left."""
        self._repeats = _Repeats()  # what was drawn in a turn that was lost is not stored
        running = self._sharing.take_over()
        left = [self._take_up(frozen) for frozen in running if CONFIGURATION in frozen.user_attrs]
        after = max((trial.place + 1 for trial, _ in left), default=0)
        # In logical order these are drawn as they would have been, which is why the others come first.
        undrawn = [frozen for frozen in running if CONFIGURATION not in frozen.user_attrs]
        return left + [self._draw_to_end(frozen, place) for place, frozen in enumerate(undrawn, start=after)]

    def _take_up(self, frozen: FrozenTrial) -> Left:
        attributes = frozen.user_attrs
        self._memory.forget_after(trial_id_of(frozen), attributes.get(RESULT, {}).get("epoch", 0))
        configuration, seed = configuration_of(attributes)
        first = attributes[CONFIGURATION].get("place", frozen.number)
        result, rung = attributes.get(RESULT), rung_of(attributes)
        if result and rung is None and frozen.intermediate_values:
            self._memory.pause(trial_id_of(frozen))
        unfinished = UnfinishedTrial(
            asked=AskedTrial(frozen.number, configuration, seed),
            place=attributes.get(SEGMENT, {}).get("place", first),
            rung=rung,
            report=SegmentReport.from_dict(result) if result else None,
            rung_scores=dict(frozen.intermediate_values),
        )
        return unfinished, Trial(self._study, trial_id_of(frozen))

    def _draw_to_end(self, frozen: FrozenTrial, place: int) -> Left:
        """A trial whose driver died while drawing: what it had drawn is kept, the rest is drawn now."""
        if self._file.study.reproducible:
            self._memory.draw_again(trial_id_of(frozen))
            self._renew_sampler(frozen.number)
        asked, trial = self._settle(Trial(self._study, trial_id_of(frozen)), place)
        return UnfinishedTrial(asked, place), trial

    def _settle(self, trial: Trial, place: int) -> tuple[AskedTrial, Trial]:
        """Sample what a trial has not yet, and store it."""
        configuration = self._file.space.sample(trial)
        repeats = self._repeats.of(configuration, self._trials())
        seed = trial_seed(self._file.study.seed, repeats)
        trial.set_user_attr(CONFIGURATION, {**configuration.used(), "seed": seed, "place": place})
        trial = Trial(self._study, self._memory.store(trial_id_of(trial)))
        return AskedTrial(trial.number, configuration, seed), trial

    def _renew_sampler(self, number: int) -> None:
        """Make what is drawn for a trial depend on its number and the trials before it alone: a process that
        was killed, and had drawn others, must have drawn the same.
        """
        self._study.sampler = make_sampler(self._file.study.sampler, self._file.study.seed, number)

    def _trials(self) -> Sequence[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _waiting(self) -> Sequence[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    # Known configurations

    def _enqueue(self, trials: Sequence[FrozenTrial]) -> None:
        there = {trial.user_attrs.get(ENQUEUED) for trial in trials}
        for params in self._file.enqueued:
            mark = json.dumps(params, sort_keys=True)
            if mark not in there:
                self._study.enqueue_trial(params, user_attrs={ENQUEUED: mark})

    def _points_left(self) -> Iterator[dict[str, Any]]:
        if self._grid is None or self._sharing.is_shared:
            self._grid = self._remaining_grid(self._trials())
        return self._grid

    def _remaining_grid(self, trials: Sequence[FrozenTrial]) -> Iterator[dict[str, Any]]:
        drawn = {json.dumps(_params_of(trial), sort_keys=True) for trial in trials}
        for point in self._file.space.grid():
            if json.dumps(point, sort_keys=True) not in drawn:
                yield point


class _Repeats:
    """Counts how often each configuration was drawn: a repeat has the next seed."""

    def __init__(self) -> None:
        self._keys: Counter[str] = Counter()
        self._counted: set[int] = set()
        self._all_counted = 0  # of the trials, the first ones

    def of(self, configuration: Configuration, trials: Sequence[FrozenTrial]) -> int:
        """How many of ``trials``, which are all that there are, have this configuration."""
        for trial in trials[self._all_counted :]:
            if CONFIGURATION in trial.user_attrs and trial.number not in self._counted:
                self._keys[configuration_of(trial.user_attrs)[0].key()] += 1
                self._counted.add(trial.number)
        while self._all_counted < len(trials) and trials[self._all_counted].number in self._counted:
            self._all_counted += 1
        return self._keys[configuration.key()]


def _params_of(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters; of one that waits, or was left half drawn, those that it is to have."""
    if CONFIGURATION in trial.user_attrs:
        return trial.params
    return {**trial.system_attrs.get(FIXED, {}), **trial.params}
