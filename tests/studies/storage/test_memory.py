"""Over any storage, a driver's memory says what Optuna's own way of opening that storage says."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Callable, Iterator
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
    multiple,
    rule,
    run_state_machine_as_test,
)
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import MedianPruner
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study._study_direction import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from studies.storage.locations import Location, locate
from studies.storage.memory import StudyMemory
from studies.storage.storage import OpenedStorage, open_storage

KINDS = {"sqlite": "sqlite:///kept.db", "journal": "journal:kept.log"}

SPACE = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "batch_size": CategoricalDistribution((16, 32, 64)),
    "epochs": IntDistribution(1, 81),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1.0, 1.0) | st.text("aé/ ", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)


def plain(trial: FrozenTrial) -> dict[str, Any]:
    """All of a trial but the readings of the clock, of which it says whether there are any."""
    return {
        "number": trial.number,
        "id": trial._trial_id,
        "state": trial.state,
        "values": trial.values,
        "params": trial.params,
        "distributions": trial.distributions,
        "user": trial.user_attrs,
        "system": trial.system_attrs,
        "intermediate": trial.intermediate_values,
        "started": trial.datetime_start is not None,
        "completed": trial.datetime_complete is not None,
    }


class Sides(RuleBasedStateMachine):
    """The same operations through Optuna alone and through a driver's memory, on two files of one kind.

    What is paused is running for the storage, and pruned with its last score in memory.
    """

    location: Callable[[str], Location]
    stores: dict[str, OpenedStorage]
    trials = Bundle("trials")

    @initialize(seed=st.integers(0, 100))
    def open(self, seed: int) -> None:
        self.seed = seed
        self.paused: set[int] = set()
        for side in ("optuna", "ours"):
            if side not in self.stores:  # opening costs more than a whole example
                self.stores[side] = open_storage(self.location(side))
        directions = [StudyDirection.MAXIMIZE]
        self.names = {}
        self.ids = {}
        for side, storage in self.stores.items():
            self.ids[side] = storage.optuna.create_new_study(directions)
            self.names[side] = storage.optuna.get_study_name_from_id(self.ids[side])
        self.studies = {"optuna": self._study("optuna", self.stores["optuna"].optuna)}
        self._open_ours(self.stores["ours"])

    def _study(self, side: str, storage: BaseStorage) -> optuna.Study:
        sampler, pruner = RandomSampler(seed=self.seed), MedianPruner(n_startup_trials=1, n_warmup_steps=0)
        return optuna.Study(self.names[side], storage, sampler=sampler, pruner=pruner)

    def _open_ours(self, storage: OpenedStorage) -> None:
        self.ours = StudyMemory(storage.writer(self.ids["ours"]))
        self.studies["ours"] = self._study("ours", self.ours)

    @rule()
    def reopen(self) -> None:
        """As the next driver does; both begin with the same sampler."""
        self.stores["ours"] = open_storage(self.location("ours"))
        self._open_ours(self.stores["ours"])
        self.studies["optuna"] = self._study("optuna", self.stores["optuna"].optuna)
        for number in self.paused:
            self.ours.pause(self._id("ours", number))

    def _id(self, side: str, number: int) -> int:
        return self.studies[side]._storage.get_trial_id_from_study_id_trial_number(self.ids[side], number)

    def _both(self, operation: Callable[[str], Any]) -> Any:
        """What both sides answer, or the error that both raise."""
        answers = []
        for side in ("optuna", "ours"):
            try:
                answers.append(operation(side))
            except (UpdateFinishedTrialError, ValueError, RuntimeError, KeyError) as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(target=trials)
    def ask(self) -> int:
        number: int = self._both(lambda side: self.studies[side].ask().number)
        return number

    @rule(target=trials)
    def ask_with_a_draw(self) -> Any:
        number = self._both(lambda side: self.studies[side].ask(SPACE).number)
        # Where an earlier trial has another distribution, both refuse.
        return number if isinstance(number, int) else multiple()

    @rule(rate=st.floats(1e-4, 1.0), mark=st.integers(0, 3))
    def enqueue(self, rate: float, mark: int) -> None:
        self._both(
            lambda side: self.studies[side].enqueue_trial(
                {"learning_rate": rate, "batch_size": 16}, user_attrs={"enqueued": str(mark)}
            )
        )

    @rule(number=trials, name=st.sampled_from(sorted(SPACE)), other=st.booleans())
    def set_param(self, number: int, name: str, other: bool) -> None:
        """Of the known distribution, or of one that doesn't go with it; Optuna sets none twice."""
        distribution = CategoricalDistribution((8, 9)) if other else SPACE[name]
        there = self.ours.get_trial(self._id("ours", number)).params
        if number not in self.paused and name not in there:
            self._both(
                lambda side: self.studies[side]._storage.set_trial_param(
                    self._id(side, number), name, 1.0, distribution
                )
            )

    @rule(number=trials, step=st.integers(0, 9), score=st.floats(0.0, 1.0))
    def report(self, number: int, step: int, score: float) -> None:
        if number not in self.paused:
            self._both(
                lambda side: self.studies[side]._storage.set_trial_intermediate_value(
                    self._id(side, number), step, score
                )
            )

    @rule(number=trials, key=st.sampled_from("ab"), value=JSON, system=st.booleans())
    def annotate(self, number: int, key: str, value: Any, system: bool) -> None:
        name = "set_trial_system_attr" if system else "set_trial_user_attr"
        self._both(
            lambda side: getattr(self.studies[side]._storage, name)(self._id(side, number), key, value)
        )

    @rule(number=trials)
    def should_prune(self, number: int) -> None:
        def decide(side: str) -> bool:
            study = self.studies[side]
            return study.pruner.prune(study, study._storage.get_trial(self._id(side, number)))

        self._both(decide)

    @rule(
        number=trials,
        state=st.sampled_from([None, TrialState.FAIL, TrialState.PRUNED]),
        score=st.sampled_from([0.25, 0.5, math.nan]),
    )
    def tell(self, number: int, state: TrialState | None, score: float) -> None:
        if number in self.paused:
            self.ours.resume(self._id("ours", number))
            self.paused.remove(number)
        # Not finite is a failure, and said in a warning.
        value = score if state is None and math.isfinite(score) else None
        state = TrialState.FAIL if value is None and state is None else state
        told = self._both(lambda side: plain(self.studies[side].tell(number, value, state)))
        assert told is ValueError or told["number"] == number

    @rule(number=trials)
    def pause(self, number: int) -> None:
        frozen = self.ours.get_trial(self._id("ours", number))
        if frozen.state == TrialState.RUNNING and frozen.intermediate_values:
            self.ours.pause(frozen._trial_id)
            self.paused.add(number)

    @rule(number=trials)
    def resume(self, number: int) -> None:
        if number in self.paused:
            self.ours.resume(self._id("ours", number))
            self.paused.remove(number)

    @rule(states=st.sets(st.sampled_from(list(TrialState))))
    def look(self, states: set[TrialState]) -> None:
        found = self.ours.get_all_trials(self.ids["ours"], states=tuple(states))
        assert {trial.state for trial in found} <= states
        everything = self.ours.get_all_trials(self.ids["ours"])
        assert [plain(t) for t in found] == [plain(t) for t in everything if t.state in states]

    @invariant()
    def the_copy_is_what_optuna_says(self) -> None:
        if not hasattr(self, "ours"):
            return
        ours = [plain(trial) for trial in self.ours.get_all_trials(self.ids["ours"])]
        theirs = [plain(trial) for trial in self.studies["optuna"].get_trials()]
        for trial in theirs:
            if trial["number"] in self.paused:
                last = max(trial["intermediate"])
                trial |= {"state": TrialState.PRUNED, "values": [trial["intermediate"][last]]}
        # Ids are the storage's own, and other examples have some of them.
        assert [{**one, "id": None} for one in ours] == [{**one, "id": None} for one in theirs]
        assert [one["number"] for one in ours] == list(range(len(ours)))

    def teardown(self) -> None:
        """A storage that is opened anew has all of it, and what is paused runs there."""
        if not hasattr(self, "ours"):
            return
        for number in self.paused:
            self.ours.resume(self._id("ours", number))
        ours = [plain(trial) for trial in self.ours.get_all_trials(self.ids["ours"])]
        anew = open_storage(self.location("ours")).optuna.get_all_trials(self.ids["ours"])
        assert [plain(trial) for trial in anew] == ours


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_done_the_copy_the_storage_and_optuna_agree(kind: str, tmp_path: Path) -> None:
    def location(side: str) -> Location:
        directory = tmp_path / side
        directory.mkdir(exist_ok=True)
        return locate(KINDS[kind], "kept", directory)

    machine = type("Sides", (Sides,), {"location": staticmethod(location), "stores": {}})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=8, stateful_step_count=15, database=None)
    )


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest) -> Iterator[OpenedStorage]:
    with tempfile.TemporaryDirectory() as directory:
        yield open_storage(locate(KINDS[request.param], "kept", Path(directory)))


@pytest.fixture
def ours(backend: OpenedStorage) -> tuple[StudyMemory, int]:
    study = backend.optuna.create_new_study([StudyDirection.MAXIMIZE], "kept")
    return StudyMemory(backend.writer(study)), study


Ours = tuple[StudyMemory, int]


def test_what_was_read_of_a_running_trial_is_not_changed_by_later_writes(ours: Ours) -> None:
    storage, study = ours
    trial = storage.create_new_trial(study)
    read = storage.get_trial(trial)
    copied = storage.get_all_trials(study)
    before = copy.deepcopy((plain(read), [plain(one) for one in copied]))
    storage.set_trial_param(trial, "epochs", 3.0, SPACE["epochs"])
    storage.set_trial_intermediate_value(trial, 1, 0.5)
    storage.set_trial_user_attr(trial, "a", 1)
    storage.set_trial_system_attr(trial, "b", 1)
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    assert (plain(read), [plain(one) for one in copied]) == before


def test_what_the_storage_refuses_is_not_in_the_copy_either(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, study = ours
    trial = storage.create_new_trial(study)
    before = plain(storage.get_trial(trial))

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    for verb in ("create", "change"):
        monkeypatch.setattr(storage._writer, verb, full)
    for write in (
        lambda: storage.create_new_trial(study),
        lambda: storage.set_trial_param(trial, "epochs", 3.0, SPACE["epochs"]),
        lambda: storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5]),
        lambda: storage.set_trial_intermediate_value(trial, 1, 0.5),
        lambda: storage.set_trial_user_attr(trial, "a", 1),
        lambda: storage.set_trial_system_attr(trial, "b", 1),
    ):
        with pytest.raises(OSError, match="No space left"):
            write()
    assert [plain(one) for one in storage.get_all_trials(study)] == [before]


def test_nothing_is_read_back_while_trials_are_asked_for_and_told(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, _ = ours
    study = optuna.Study("kept", storage, sampler=RandomSampler(seed=0), pruner=MedianPruner())
    monkeypatch.setattr(storage._writer, "read", lambda *_a: pytest.fail("read trials back"))
    for _ in range(3):
        trial = study.ask(SPACE)
        trial.report(0.5, 1)
        trial.should_prune()
        study.tell(trial, 0.5)
    assert len(study.get_trials()) == 3


def test_a_paused_trial_teaches_the_sampler_and_can_not_be_ended_by_mistake(ours: Ours) -> None:
    storage, study = ours
    trial = storage.create_new_trial(study)
    storage.set_trial_intermediate_value(trial, 3, 0.25)
    storage.set_trial_intermediate_value(trial, 9, 0.75)
    storage.pause(trial)
    (shown,) = storage.get_all_trials(study, states=(TrialState.PRUNED,))
    assert shown.value == 0.75
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    storage.resume(trial)
    assert storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    assert storage.get_trial(trial).value == 0.5


def test_another_study_of_the_same_storage_is_not_seen(ours: Ours, backend: OpenedStorage) -> None:
    storage, study = ours
    other = backend.optuna.create_new_study([StudyDirection.MAXIMIZE], "other")
    backend.optuna.create_new_trial(other)
    storage.create_new_trial(study)
    storage.create_new_trial(study)
    with pytest.raises(KeyError):
        storage.get_all_trials(other)
    assert len(storage.get_all_trials(study)) == 2
    assert len(StudyMemory(backend.writer(study)).get_all_trials(study)) == 2


def test_what_is_written_together_is_stored_at_once_and_not_before(
    ours: Ours, backend: OpenedStorage
) -> None:
    storage, study = ours
    trial = storage.create_new_trial(study)
    before = plain(backend.optuna.get_trial(trial))
    with storage.together(trial):
        storage.set_trial_intermediate_value(trial, 1, 0.25)
        storage.set_trial_user_attr(trial, "result", {"epoch": 1})
        storage.set_trial_system_attr(trial, "of the pruner", 3)
        assert plain(backend.optuna.get_trial(trial)) == before
        assert storage.get_trial(trial).user_attrs == {"result": {"epoch": 1}}
    assert plain(backend.optuna.get_trial(trial)) == plain(storage.get_trial(trial))
    with storage.together(trial):
        storage.set_trial_intermediate_value(trial, 3, 0.5)
        storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
        assert plain(backend.optuna.get_trial(trial)) == plain(storage.get_trial(trial))
    with pytest.raises(UpdateFinishedTrialError), storage.together(trial):
        storage.set_trial_user_attr(trial, "result", {})
    assert plain(backend.optuna.get_trial(trial)) == plain(storage.get_trial(trial))


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_is_written_at_once_and_not_before(kind: str, tmp_path: Path) -> None:
    backend = open_storage(locate(KINDS[kind], "drafts", tmp_path))
    study_id = backend.optuna.create_new_study([StudyDirection.MAXIMIZE], "drafts")
    storage = StudyMemory(backend.writer(study_id))
    study = optuna.Study("drafts", storage, sampler=RandomSampler(seed=1))
    study.tell(study.ask(SPACE), 0.5)

    for abandoned in (True, False):  # a draft that is never stored leaves nothing behind
        with storage.drafting():
            draft = study.ask(SPACE)
        draft.set_user_attr("place", 7)
        assert draft.number == 1
        assert len(backend.optuna.get_all_trials(study_id)) == 1
        if abandoned:
            continue
        stored = storage.store(draft._trial_id)
        assert storage.store(stored) == stored

    written = backend.optuna.get_trial(stored)
    assert plain(written) == plain(storage.get_trial(stored))
    assert written.number == 1
    assert written.state == TrialState.RUNNING
    assert written.params == draft.params
    assert written.user_attrs == {"place": 7}
    study.tell(optuna.trial.Trial(study, stored), 0.75)
    assert backend.optuna.get_trial(stored).values == [0.75]
    backend.close()
