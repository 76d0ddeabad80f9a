"""A study's storage as Optuna's dashboard is shown it: one study, named readably, and not to be changed.

The dashboard has no login and can delete studies and tell trials. Here it can keep notes, and nothing else:
a click must not end a trial that runs, or lose a study.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from studies.optuna_internals import ARTEFACT, FrozenStudy, study_id_of
from studies.records.schema import DASHBOARD

Attributes = Mapping[str, Any]


class ReadOnly(RuntimeError):  # noqa: N818  what was asked for, not what went wrong here
    """Something in the dashboard asked for a change of the study."""


class DashboardStorage(BaseStorage):
    """Optuna's storage interface over another storage, for reading one study.

    Args:
        backend: where the study is.
        study_id: the study's, in the backend.
        of_trial: readable attributes and artefacts of a trial: two mappings, as user and system attributes.
        of_study: readable attributes of the study, and its artefacts, as ``of_trial`` gives a trial's.
    """

    def __init__(
        self,
        backend: BaseStorage,
        study_id: int,
        of_trial: Callable[[FrozenTrial], tuple[Attributes, Attributes]],
        of_study: Callable[[], tuple[Attributes, Attributes]],
    ) -> None:
        self._backend = backend
        self._study_id = study_id
        self._of_trial = of_trial
        self._of_study = of_study

    # What is shown

    def get_all_studies(self) -> list[FrozenStudy]:
        """The one study."""
        studies = [study for study in self._backend.get_all_studies() if study_id_of(study) == self._study_id]
        shown = [copy.copy(study) for study in studies]
        for study in shown:
            study.user_attrs, artefacts = (dict(part) for part in self._of_study())
            study.system_attrs = {**study.system_attrs, **artefacts}
        return shown

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Readable ones."""
        self._check(study_id)
        return dict(self._of_study()[0])

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial, with readable attributes."""
        return self._shown(self._backend.get_trial(trial_id))

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """All trials, with readable attributes."""
        self._check(study_id)
        trials = self._backend.get_all_trials(study_id, deepcopy=False, states=states)
        return [self._shown(trial) for trial in trials]

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        shown = copy.copy(trial)
        shown.user_attrs, artefacts = (dict(part) for part in self._of_trial(trial))
        shown.system_attrs = {**trial.system_attrs, **artefacts}
        return shown

    def _check(self, study_id: int) -> None:
        if study_id != self._study_id:
            raise KeyError("there is no other study here")

    # What the backend says

    def get_study_id_from_name(self, study_name: str) -> int:
        """The backend's."""
        study_id = self._backend.get_study_id_from_name(study_name)
        self._check(study_id)
        return study_id

    def get_study_name_from_id(self, study_id: int) -> str:
        """The backend's."""
        self._check(study_id)
        return self._backend.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The backend's."""
        self._check(study_id)
        return self._backend.get_study_directions(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """The backend's, notes among them, and the study's artefacts."""
        self._check(study_id)
        return {**self._backend.get_study_system_attrs(study_id), **self._of_study()[1]}

    def remove_session(self) -> None:
        """The backend's."""
        self._backend.remove_session()

    # What may be changed

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep a note."""
        self._check(study_id)
        if not key.startswith(DASHBOARD):
            _refuse()
        self._backend.set_study_system_attr(study_id, key, value)

    # What may not

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Refused."""
        _refuse()

    def delete_study(self, study_id: int) -> None:
        """Refused."""
        _refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Refused."""
        _refuse()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Refused."""
        _refuse()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Refused."""
        _refuse()

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Refused."""
        _refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()


def artefact_attribute(identity: str, name: str, kind: str) -> tuple[str, str]:
    """How Optuna's storages name an artefact of a trial: key and value of a system attribute.

    Args:
        identity: hexadecimal digits and hyphens, which is what the dashboard's addresses take.
        name: of the file.
        kind: its MIME type.
    """
    meta = {"artifact_id": identity, "filename": name, "mimetype": kind, "encoding": None}
    return f"{ARTEFACT}{identity}", json.dumps(meta)


def _refuse() -> NoReturn:
    raise ReadOnly(
        "the dashboard shows the study and doesn't change it; `search stop` and `search launch` do"
    )
