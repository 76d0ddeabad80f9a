from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from search.dashboard.storage import DashboardStorage, ReadOnly, artefact_attribute


@pytest.fixture
def shown() -> tuple[DashboardStorage, InMemoryStorage]:
    """A view of one of two studies, of two trials."""
    backend = InMemoryStorage()
    optuna.create_study(storage=backend, study_name="another")
    study = optuna.create_study(storage=backend, study_name="mine", direction="maximize")
    for value in (0.5, 0.75):
        trial = study.ask({"rate": optuna.distributions.FloatDistribution(0, 1)})
        trial.set_user_attr("result", {"scores": {"test": 0.4}})
        study.tell(trial, value)
    view = DashboardStorage(
        backend,
        study._study_id,
        lambda trial: (
            {"score": trial.value},
            dict([artefact_attribute("1-1", "curve.svg", "image/svg+xml")]),
        ),
        lambda: (
            {"rows": "12 train"},
            dict([artefact_attribute("e1", "waterfall.svg", "image/svg+xml")]),
        ),
    )
    return view, backend


Shown = tuple[DashboardStorage, InMemoryStorage]


def test_one_study_is_shown_with_readable_names_and_artefacts(shown: Shown) -> None:
    view, backend = shown
    [study] = view.get_all_studies()
    assert (study.study_name, study.user_attrs) == ("mine", {"rows": "12 train"})
    assert "artifacts:e1" in study.system_attrs
    assert "artifacts:e1" in view.get_study_system_attrs(study._study_id)
    assert backend.get_study_system_attrs(study._study_id) == {}
    trials = view.get_all_trials(study._study_id)
    assert [trial.user_attrs for trial in trials] == [{"score": 0.5}, {"score": 0.75}]
    assert all("artifacts:1-1" in trial.system_attrs for trial in trials)
    assert view.get_trial(trials[1]._trial_id).user_attrs == {"score": 0.75}
    assert view.get_best_trial(study._study_id).number == 1
    assert [trial.value for trial in view.get_all_trials(study._study_id, states=(TrialState.FAIL,))] == []
    stored = backend.get_all_trials(study._study_id)
    assert all("result" in trial.user_attrs and not trial.system_attrs for trial in stored)


def test_another_study_is_not_there(shown: Shown) -> None:
    view, _ = shown
    for look in (
        lambda: view.get_all_trials(0),
        lambda: view.get_study_id_from_name("another"),
        lambda: view.get_study_name_from_id(0),
        lambda: view.get_study_directions(0),
        lambda: view.get_study_user_attrs(0),
        lambda: view.get_study_system_attrs(0),
    ):
        with pytest.raises(KeyError):
            look()


@pytest.mark.parametrize(
    "change",
    [
        lambda view: view.delete_study(1),
        lambda view: view.create_new_study([]),
        lambda view: view.create_new_trial(1),
        lambda view: view.set_study_user_attr(1, "a", 1),
        lambda view: view.set_study_system_attr(1, "a", 1),
        lambda view: view.set_trial_state_values(0, TrialState.FAIL),
        lambda view: view.set_trial_user_attr(0, "a", 1),
        lambda view: view.set_trial_system_attr(0, "a", 1),
        lambda view: view.set_trial_intermediate_value(0, 1, 0.5),
        lambda view: view.set_trial_param(0, "a", 0.5, optuna.distributions.FloatDistribution(0, 1)),
    ],
)
def test_nothing_can_be_changed(shown: Shown, change: Callable[[DashboardStorage], object]) -> None:
    with pytest.raises(ReadOnly):
        change(shown[0])


def test_a_note_can_be_kept(shown: Shown) -> None:
    view, backend = shown
    view.set_study_system_attr(1, "dashboard:note_ver", 1)
    assert backend.get_study_system_attrs(1)["dashboard:note_ver"] == 1
