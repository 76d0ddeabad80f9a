"""Reading all trials at once gives what Optuna's own reading gives, whatever is stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from studies.records.reports import CurvePoint, SegmentReport
from studies.space.configuration import Configuration
from studies.storage.locations import locate
from studies.storage.storage import OpenedStorage, open_storage
from studies.storage.trial_records import records_of
from tests.postgres import Server

DISTRIBUTIONS = {
    "framework": CategoricalDistribution(["tensorflow", "spark"]),
    "shuffle": CategoricalDistribution([True, False]),
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "batch_size": IntDistribution(16, 512),
}

CONFIGURATION = Configuration("tensorflow", "he_normal", "adam", 9, learning_rate=0.1, batch_size=32)


@pytest.fixture(params=["sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenedStorage]:
    url = {"sqlite": "sqlite:///kept.db", "journal": "journal:kept.log"}[request.param]
    opened = open_storage(locate(url, "kept", tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def served(postgres: Server, tmp_path: Path) -> Iterator[OpenedStorage]:
    opened = open_storage(locate(postgres.database(), "kept", tmp_path))
    yield opened
    opened.close()


def fill(storage: OpenedStorage) -> optuna.Study:
    """A study with a trial of every state, beside another study."""
    optuna.create_study(storage=storage.optuna, study_name="other").ask(DISTRIBUTIONS)
    study = optuna.create_study(storage=storage.optuna, study_name="kept", direction="maximize")
    for _ in range(4):
        study.ask(DISTRIBUTIONS)
    study.enqueue_trial({"learning_rate": 0.5})
    result = SegmentReport(0, 9, curve=(CurvePoint(1, 0.5), CurvePoint(9, 0.25, 0.75)))
    for number, trial in enumerate(study.get_trials()[:3]):
        key = trial._trial_id
        stored = {**CONFIGURATION.used(), "seed": number}
        storage.optuna.set_trial_user_attr(key, "configuration", stored)
        storage.optuna.set_trial_user_attr(key, "somebody's own", {"a": [1, None]})
        storage.optuna.set_trial_user_attr(key, "result", result.to_dict())
        storage.optuna.set_trial_user_attr(key, "segment", {"rung": 27, "place": 3})
        for step, value in ((9, 0.5), (1, 0.25), (27, math.inf), (3, -math.inf)):
            storage.optuna.set_trial_intermediate_value(key, step, value)
    storage.optuna.set_trial_user_attr(study.trials[0]._trial_id, "enqueued", True)
    study.tell(0, 0.75)
    study.tell(1, state=TrialState.PRUNED)
    study.tell(2, state=TrialState.FAIL)
    return study


def same_as_optuna(storage: OpenedStorage) -> None:
    study = fill(storage)
    found = storage.records(study._study_id)
    assert found == records_of(study.get_trials())
    assert [record.state for record in found] == ["complete", "pruned", "fail", "running"]
    first = found[0]
    assert (first.value, first.enqueued, first.rung, first.seed) == (0.75, True, 27, 0)
    assert list(first.rung_scores) == [9, 1, 27, 3]
    assert isinstance(first.params["batch_size"], int)
    assert isinstance(first.params["shuffle"], bool)
    assert first.started is not None
    assert abs((datetime.now() - first.started).total_seconds()) < 3600


def same_trials_as_optuna(storage: OpenedStorage) -> None:
    study = fill(storage)
    expected = {trial._trial_id: trial for trial in study.get_trials()}
    assert {trial.state for trial in expected.values()} == set(TrialState)
    writer = storage.writer(study._study_id)
    assert writer.read() == writer.read(expected) == list(expected.values())
    one = max(expected)
    assert writer.read([one]) == [expected[one]]
    assert writer.read([]) == []


def test_trials_are_read_as_optuna_reads_them(storage: OpenedStorage) -> None:
    same_trials_as_optuna(storage)


@pytest.mark.slow
def test_trials_of_a_server_are_too(served: OpenedStorage) -> None:
    same_trials_as_optuna(served)


def test_the_records_are_those_that_optuna_reads(storage: OpenedStorage) -> None:
    same_as_optuna(storage)


@pytest.mark.slow
def test_those_of_a_server_are_too(served: OpenedStorage) -> None:
    same_as_optuna(served)


def test_a_study_without_trials_has_no_records(storage: OpenedStorage) -> None:
    study = optuna.create_study(storage=storage.optuna)
    assert storage.records(study._study_id) == []
