"""Whatever several drivers write of one study, each sees all of it once it has looked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.study._study_direction import StudyDirection
from optuna.trial import Trial, TrialState

from studies.records.schema import OWNER
from studies.storage.locations import Location, locate
from studies.storage.sharing.shared_memory import SharedStudyMemory
from studies.storage.storage import OpenedStorage, open_storage
from tests.postgres import Server
from tests.studies.storage.test_memory import SPACE, plain

WRITERS = ("one", "other")


class Writers(RuleBasedStateMachine):
    """Two drivers on one study, and a person with Optuna's own tools.

    Each trial is written by its driver alone, and ended by whoever comes first.
    """

    databases: Mapping[str, OpenedStorage]
    trials = Bundle("trials")

    @initialize()
    def open(self) -> None:
        person = self.databases["person"].optuna
        self.study_id = person.create_new_study([StudyDirection.MAXIMIZE])
        self.name = person.get_study_name_from_id(self.study_id)
        self.memories = {
            name: SharedStudyMemory(self.databases[name].shared_writer(self.study_id), name)
            for name in WRITERS
        }
        self.studies = {
            name: optuna.Study(self.name, self.memories[name], sampler=RandomSampler(seed=place))
            for place, name in enumerate(WRITERS)
        }
        self.owners: dict[int, str] = {}
        self.lost: dict[str, set[int]] = {name: set() for name in WRITERS}

    @rule(target=trials, who=st.sampled_from(WRITERS), disturbed=st.booleans())
    def ask(self, who: str, disturbed: bool) -> int:
        """In a turn, as drivers do, of which looking is the first part; ``disturbed`` by a person who makes a
        trial after that, so that the driver takes the wrong number for its own.
        """
        memory = self.memories[who]
        memory.refresh()
        with memory.drafting():
            draft = self.studies[who].ask(SPACE)
        memory.set_trial_user_attr(draft._trial_id, OWNER, who)
        if disturbed:
            self._persons.tell(self._persons.ask(SPACE), 0.25)
        trial = memory.store(draft._trial_id)
        self.owners[trial] = who
        return trial

    @property
    def _persons(self) -> optuna.Study:
        return optuna.Study(self.name, self.databases["person"].optuna)

    @rule()
    def enqueue(self) -> None:
        self._persons.enqueue_trial({"epochs": 3})

    @rule(trial=trials, step=st.integers(0, 5), score=st.floats(0.0, 1.0))
    def report(self, trial: int, step: int, score: float) -> None:
        self._unless_ended(lambda memory: memory.set_trial_intermediate_value(trial, step, score), trial)

    @rule(trial=trials, value=st.integers(0, 3))
    def annotate(self, trial: int, value: int) -> None:
        self._unless_ended(lambda memory: memory.set_trial_user_attr(trial, "a", value), trial)

    def _unless_ended(self, write: Callable[[SharedStudyMemory], Any], trial: int) -> None:
        """Write; of a trial that was ended, by whomever, its driver knows all as soon as that is refused."""
        memory = self.memories[self.owners[trial]]
        try:
            write(memory)
        except UpdateFinishedTrialError:
            assert plain(memory.get_trial(trial)) == plain(self.databases["person"].optuna.get_trial(trial))

    @rule(
        trial=trials,
        who=st.sampled_from(WRITERS),
        score=st.floats(0.0, 1.0),
        on_the_way=st.dictionaries(st.integers(6, 9), st.floats(0.0, 1.0), max_size=2),
    )
    def tell(self, trial: int, who: str, score: float, on_the_way: dict[int, float]) -> None:
        """By its driver, or by the other, who took that one for dead."""
        memory, study = self.memories[who], self.studies[who]
        memory.refresh()
        with suppress(UpdateFinishedTrialError):
            if memory.take([trial], unless_of=()) and who != self.owners[trial]:
                self.lost[self.owners[trial]].add(trial)
                self.owners[trial] = who
            with memory.together(trial):
                for step, value in on_the_way.items():
                    memory.set_trial_intermediate_value(trial, step, value)
                study.tell(Trial(study, trial), score, skip_if_finished=True)
        assert plain(memory.get_trial(trial)) == plain(self.databases["person"].optuna.get_trial(trial))
        assert memory.get_trial(trial).state == TrialState.COMPLETE

    @rule(who=st.sampled_from(WRITERS))
    def look(self, who: str) -> None:
        memory = self.memories[who]
        memory.refresh(scores=True)
        truth = {trial._trial_id: plain(trial) for trial in self._truth()}
        seen = [plain(trial) for trial in memory.get_all_trials(self.study_id)]
        assert [trial["id"] for trial in seen] == list(truth)
        for trial in seen:
            # Of a trial that was taken from it a driver hears when it writes of it.
            if trial["id"] not in self.lost[who] and self.owners.get(trial["id"]) != who:
                assert trial == truth[trial["id"]]

    @invariant()
    def what_a_driver_wrote_it_needs_not_look_for(self) -> None:
        if not hasattr(self, "studies"):
            return
        for trial in self._truth():
            owner = trial.user_attrs.get(OWNER)
            if owner is not None and not trial.state.is_finished():
                assert plain(self.memories[owner].get_trial(trial._trial_id)) == plain(trial)

    def _truth(self) -> list[optuna.trial.FrozenTrial]:
        return self.databases["person"].optuna.get_all_trials(self.study_id)


def check(location: Location, examples: int) -> None:
    # Opened once, because that costs more than a whole example.
    databases = {name: open_storage(location) for name in (*WRITERS, "person")}
    machine = type("Writers", (Writers,), {"databases": databases})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=15, database=None)
    )
    for each in databases.values():
        each.close()


def test_whatever_is_written_by_whom_each_driver_sees_it(tmp_path: Path) -> None:
    check(locate("sqlite:///kept.db", "kept", tmp_path), examples=15)


@contextmanager
def database() -> Iterator[tuple[OpenedStorage, int]]:
    with tempfile.TemporaryDirectory() as directory:
        opened = open_storage(locate("sqlite:///kept.db", "kept", Path(directory)))
        yield opened, opened.optuna.create_new_study([StudyDirection.MAXIMIZE], "kept")
        opened.close()


def test_a_drivers_own_trials_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with database() as (opened, study_id):
        writer = opened.shared_writer(study_id)
        memory = SharedStudyMemory(writer, "one")
        study = optuna.Study("kept", memory, sampler=RandomSampler(seed=0))
        read: list[int] = []
        monkeypatch.setattr(writer, "read", lambda trials: read.extend(trials) or [])
        for _ in range(3):
            memory.begin_turn()
            with memory.drafting():
                draft = study.ask(SPACE)
            memory.set_trial_user_attr(draft._trial_id, OWNER, "one")
            stored = memory.store(draft._trial_id)
            memory.end_turn()
            study.tell(Trial(study, stored), 0.5)
        memory.refresh(scores=True)
        assert read == []
        assert len(opened.optuna.get_all_trials(study_id)) == 3


@pytest.mark.slow
def test_the_same_on_a_server(postgres: Server, tmp_path: Path) -> None:
    check(locate(postgres.database(), "kept", tmp_path), examples=8)
