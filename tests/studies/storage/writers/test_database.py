"""Plain statements leave in the tables what Optuna's own storage leaves there, and refuse what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.pool import StaticPool

from studies.storage.locations import locate
from studies.storage.storage import open_storage
from studies.storage.writers.database import DatabaseWriter
from studies.storage.writers.writer import Change, Writer
from tests.postgres import Server

DISTRIBUTIONS = {
    "framework": CategoricalDistribution(["tensorflow", "spark"]),
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "batch_size": IntDistribution(16, 512),
}
PARAMS = {"framework": "spark", "learning_rate": 0.25, "batch_size": 32}


class ByVerbs:
    """A writer's verbs under the names that Optuna has for what they do."""

    def __init__(self, storage: BaseStorage, writer: Callable[[int], Writer]) -> None:
        self.storage, self.writer = storage, writer
        self.get_trial, self.get_all_trials = storage.get_trial, storage.get_all_trials
        self.create_new_study = storage.create_new_study

    def create_new_trial(self, study: int, template: FrozenTrial | None = None) -> int:
        return self.writer(study).create(template or create_trial(state=TrialState.RUNNING))[0]

    def _change(self, trial: int, **what: Any) -> bool:
        return self.writer(1).change(trial, Change(**what))

    def set_trial_user_attr(self, trial: int, key: str, value: Any) -> None:
        self._change(trial, attributes={key: value})

    def set_trial_system_attr(self, trial: int, key: str, value: Any) -> None:
        self._change(trial, notes={key: value})

    def set_trial_intermediate_value(self, trial: int, step: int, value: float) -> None:
        self._change(trial, scores={step: value})

    def set_trial_state_values(
        self, trial: int, state: TrialState, values: list[float] | None = None
    ) -> bool:
        return self._change(trial, state=state, values=values)


Storage = Any
Operation = Callable[[Storage, int], object]


def template(state: TrialState) -> FrozenTrial:
    return create_trial(
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        params=PARAMS,
        distributions=DISTRIBUTIONS,
        user_attrs={"configuration": {"epochs": 9, "of": [1, None]}},
        system_attrs={"fixed_params": {"batch_size": 32}},
        intermediate_values={1: 0.25, 3: math.inf, 9: math.nan},
    )


SCORES = st.sampled_from([0.25, 0.75, math.inf, -math.inf])
KEYS = st.sampled_from(["result", "segment"])
JSON = st.sampled_from([1, "text", {"a": [1.5, None]}, []])
STATES = st.sampled_from(list(TrialState))

OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(lambda: lambda storage, _: storage.create_new_trial(1)),
    st.builds(lambda state: lambda storage, _: storage.create_new_trial(1, template(state)), STATES),
    st.builds(lambda key, value: lambda storage, at: storage.set_trial_user_attr(at, key, value), KEYS, JSON),
    st.builds(
        lambda key, value: lambda storage, at: storage.set_trial_system_attr(at, key, value), KEYS, JSON
    ),
    st.builds(
        lambda step, value: lambda storage, at: storage.set_trial_intermediate_value(at, step, value),
        st.integers(1, 3),
        st.one_of(SCORES, st.just(math.nan)),
    ),
    st.builds(
        lambda state, value: lambda storage, at: storage.set_trial_state_values(at, state, value),
        STATES,
        st.one_of(st.none(), st.lists(SCORES, min_size=1, max_size=1)),
    ),
)


def optunas() -> RDBStorage:
    made = RDBStorage("sqlite://", engine_kwargs={"poolclass": StaticPool})
    made.create_new_study([StudyDirection.MAXIMIZE], "one")
    return made


def ours() -> ByVerbs:
    storage = optunas()
    return ByVerbs(storage, lambda study: DatabaseWriter(storage.engine, study))


def outcome(operation: Operation, storage: Storage, trial: int) -> object:
    try:
        return operation(storage, trial)
    except (KeyError, UpdateFinishedTrialError) as error:
        return type(error)


def shown(storage: Any) -> list[dict[str, Any]]:
    """All that is in storage; the times but for the seconds that the two storages are apart."""
    found = []
    for trial in storage.get_all_trials(1):
        fields = {name: repr(value) for name, value in vars(trial).items() if "datetime" not in name}
        for name in ("datetime_start", "datetime_complete"):
            moment = getattr(trial, name)
            fields[name] = moment if moment is None else abs(datetime.now() - moment) < timedelta(minutes=5)
        found.append(fields)
    return found


@given(st.lists(st.tuples(OPERATIONS, st.integers(1, 3)), max_size=25))
@settings(max_examples=30, deadline=None)
def test_any_writes_leave_what_optunas_leave(operations: list[tuple[Operation, int]]) -> None:
    plain, theirs = ours(), optunas()
    for one in (plain, theirs):
        one.create_new_trial(1)
        one.create_new_trial(1, template(TrialState.WAITING))
    for operation, trial in operations:
        assert outcome(operation, plain, trial) == outcome(operation, theirs, trial)
    assert shown(plain) == shown(theirs)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ByVerbs]:
    postgresql = request.param == "postgresql"
    server: Server | None = request.getfixturevalue("postgres") if postgresql else None
    url = server.database() if server else "sqlite:///kept.db"
    opened = open_storage(locate(url, "kept", tmp_path))
    opened.optuna.create_new_study([StudyDirection.MAXIMIZE], "one")
    yield ByVerbs(opened.optuna, opened.writer)
    opened.close()


def test_a_new_trial_has_all_of_its_template_and_the_next_number(
    storage: ByVerbs,
) -> None:
    other = storage.create_new_study([StudyDirection.MAXIMIZE], "other")
    for number, state in enumerate(TrialState):
        model = template(state)
        trial = storage.get_trial(storage.create_new_trial(1, model))
        storage.create_new_trial(other)
        assert trial.number == number
        # repr: a score that is no number is not equal to itself
        for name in ("state", "values", "params", "distributions", "user_attrs", "system_attrs"):
            assert getattr(trial, name) == getattr(model, name)
        assert repr(trial.intermediate_values) == repr(model.intermediate_values)
        assert trial.datetime_start == model.datetime_start
        assert trial.datetime_complete == model.datetime_complete
    assert [trial.number for trial in storage.get_all_trials(other)] == list(range(len(TrialState)))


def test_a_row_that_is_there_is_written_over(storage: ByVerbs) -> None:
    trial = storage.create_new_trial(1)
    for value in (1, 2):
        storage.set_trial_user_attr(trial, "key", value)
        storage.set_trial_system_attr(trial, "key", value)
        storage.set_trial_intermediate_value(trial, 3, value)
    assert storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    found = storage.get_trial(trial)
    assert (found.user_attrs, found.system_attrs, found.intermediate_values) == (
        {"key": 2},
        {"key": 2},
        {3: 2},
    )
    assert (found.state, found.value) == (TrialState.COMPLETE, 0.5)
    assert not storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.75])
    assert storage.get_trial(trial).value == 0.5


def test_nothing_of_a_trial_is_stored_where_a_part_of_it_is_refused() -> None:
    storage = ours()
    broken = template(TrialState.RUNNING)
    broken.set_user_attr("key", object())  # not JSON
    with pytest.raises(TypeError):
        storage.create_new_trial(1, broken)
    assert storage.get_all_trials(1) == []
    assert storage.create_new_trial(1) == 1


def test_a_study_that_is_not_there_gets_no_trial() -> None:
    with pytest.raises(KeyError, match="7"):
        ours().create_new_trial(7)
