"""All that is used of Optuna without its makers having promised it: each part with why it is needed.

Nothing else in the packages names a private part of Optuna (``tests/test_private_parts.py``).
``tests/studies/test_optuna_internals.py`` says what has moved when another version is installed, and
``docs/moving-versions.md`` what to do then.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import TPESampler
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import _BatchedCategoricalDistributions
from optuna.samplers._tpe.sampler import default_gamma
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._rdb.models import (
    SCHEMA_VERSION,
    BaseModel,
    StudyModel,
    StudySystemAttributeModel,
    StudyUserAttributeModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.storages._rdb.storage import _VersionManager
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import get_lock_file
from optuna.storages.journal._storage import JournalOperation
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, Trial, TrialState

Floats = NDArray[np.float64]


__all__ = [
    "SCHEMA_VERSION",  # of Optuna's tables, by which a database of another Optuna is known
    "FrozenStudy",  # what a storage's `get_all_studies` must return, and no public module has
    "StudyModel",  # tables of a database; Optuna's public storage makes an object of every row of them
    "StudySystemAttributeModel",
    "StudyUserAttributeModel",
    "TrialIntermediateValueModel",
    "TrialModel",
    "TrialParamModel",
    "TrialSystemAttributeModel",
    "TrialUserAttributeModel",
    "TrialValueModel",
]

ARTEFACT = ARTIFACTS_ATTR_PREFIX
"""What the names of system attributes begin with that hold artefacts. Optuna's public function for them also
uploads a file, and here artefacts are made when the dashboard asks for them."""


TABLES = frozenset(BaseModel.metadata.tables)
"""Names of the tables of a database of Optuna's."""


class OptunasDatabase(RDBStorage):
    """Optuna's own storage: makes the tables, and is what everybody but the driver reads by."""

    @staticmethod
    def _fill_storage_url_template(template: str) -> str:
        """The address as it is: Optuna takes braces in it for a template's."""
        return template


def revisions() -> tuple[str, ...]:
    """Those of Optuna's tables, the newest first. Publicly, a database is needed to know them."""
    return tuple(revision.revision for revision in _NoDatabase()._create_alembic_script().walk_revisions())


class _NoDatabase(_VersionManager):
    """Optuna asks a database for its scripts, of which it only needs the address."""

    url = ""

    def __init__(self) -> None:
        pass


def study_id_of(study: Study | FrozenStudy) -> int:
    """A study's number in its storage, which all methods of a storage take.

    Publicly it is had by asking the storage for it by the study's name, which is a query each time.
    """
    return study._study_id


def trial_id_of(trial: FrozenTrial | Trial) -> int:
    """A trial's number in its storage, which all methods of a storage take.

    Publicly it is had by asking the storage for it by the trial's number in the study: a query each time.
    """
    return trial._trial_id


def renumber(trial: FrozenTrial, trial_id: int, number: int) -> None:
    """Give a trial the numbers that its storage gave it. Publicly they are fixed when it is made."""
    trial._trial_id, trial.number = trial_id, number


class JournalInBatches(JournalStorage):
    """A journal to which all that is written of a trial at once is appended by one write.

    Optuna's public storage locks, writes and reads back the file for each value.
    """

    def change_trial(
        self,
        trial_id: int,
        params: Mapping[str, tuple[float, BaseDistribution]],
        scores: Mapping[int, float],
        attributes: Mapping[str, Any],
        notes: Mapping[str, Any],
        end: tuple[TrialState, Sequence[float] | None] | None,
    ) -> None:
        """Append what Optuna would for each of these values, and the end last."""
        of = JournalOperation
        entries: list[tuple[JournalOperation, dict[str, Any]]] = []
        for name, (value, distribution) in params.items():
            stored = distribution_to_json(distribution)
            sampled = {"param_name": name, "param_value_internal": value, "distribution": stored}
            entries.append((of.SET_TRIAL_PARAM, sampled))
        for step, score in scores.items():
            entries.append((of.SET_TRIAL_INTERMEDIATE_VALUE, {"step": step, "intermediate_value": score}))
        for key, value in attributes.items():
            entries.append((of.SET_TRIAL_USER_ATTR, {"user_attr": {key: value}}))
        for key, value in notes.items():
            entries.append((of.SET_TRIAL_SYSTEM_ATTR, {"system_attr": {key: value}}))
        if end is not None:
            now = datetime.now(tz=UTC).isoformat(timespec="microseconds")
            state, values = end
            fields = {"state": state, "values": values, "datetime_complete": now}
            entries.append((of.SET_TRIAL_STATE_VALUES, fields))
        if not entries:
            return
        with self._thread_lock:
            writer = self._replay_result.worker_id
            self._backend.append_logs(
                [
                    {"op_code": code, "worker_id": writer, "trial_id": trial_id, **fields}
                    for code, fields in entries
                ]
            )
            self._sync_with_backend()


@contextlib.contextmanager
def appending(journal: JournalFileBackend) -> Iterator[None]:
    """Context in which nobody else appends to a journal's file. Publicly, one can append and nothing else."""
    with get_lock_file(journal._lock):
        yield


def shown_best(ended: int) -> int:
    """Of how many trials TPE makes its first density, by the number of those that ended: a tenth, 25 at most.

    A sampler that reads only part of a study must cut it where TPE does. TPE's ``gamma`` is a public
    argument, its default value is not.
    """
    return default_gamma(ended)


def trials_of_all_brackets(study: Study, states: Container[TrialState]) -> list[FrozenTrial]:
    """A study's trials, uncopied, as TPE reads them.

    With Hyperband a sampler is given a study of one bracket, whose public ``get_trials`` hides all others.
    """
    return study._get_trials(deepcopy=False, states=states)


class StudyView(Study):
    """A study that shows some of its trials alone, for a sampler that must not read all of them.

    Samplers read trials by a private method of the study. There is no public way to give them fewer, and a
    study of its own with copies of the trials would be a write for each.

    Args:
        whole: the study, which answers all other questions.
        shown: the trials by number.
    """

    def __init__(self, whole: Study, shown: Sequence[FrozenTrial]) -> None:
        self.whole = whole
        self.shown = shown
        self._in_states: dict[tuple[TrialState, ...] | None, list[FrozenTrial]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def _get_trials(
        self,
        deepcopy: bool = True,  # noqa: ARG002 - no sampler changes a trial
        states: Container[TrialState] | None = None,
        use_cache: bool = False,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        key = states if states is None else tuple(state for state in TrialState if state in states)
        if key not in self._in_states:
            self._in_states[key] = [trial for trial in self.shown if key is None or trial.state in key]
        return self._in_states[key]


class Density(_ParzenEstimator):
    """TPE's density, with what a quicker one must know of it.

    Optuna computes all logarithms of the kernels again for each question; the public sampler takes no density
    of one's own.
    """

    def columns(self, samples: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """(samples, parameters) of samples by name."""
        columns: NDArray[Any] = self._transform(dict(samples))
        return columns

    @property
    def log_weights(self) -> Floats:
        """(kernels,) logarithm of each kernel's weight."""
        logarithms: Floats = np.log(self._mixture_distribution.weights)
        return logarithms

    @property
    def parameters(self) -> Sequence[Choices | Numbers]:
        """The kernels of each parameter, in the order of :meth:`columns`."""
        return [_kernels_of(each) for each in self._mixture_distribution.distributions]


@dataclass(frozen=True, eq=False)
class Choices:
    """A parameter that takes one of some values: (kernels, choices) weights."""

    weights: Floats


@dataclass(frozen=True, eq=False)
class Numbers:
    """A parameter that is a number.

    Attributes:
        by_log: whether it is looked at by its logarithm; all others are of that then.
        steps: whether it takes only some values of its interval.
        middle, deviation: (kernels,) of the normal distributions.
        low, high: where they are cut off.
    """

    by_log: bool
    steps: bool
    middle: Floats
    deviation: Floats
    low: float
    high: float


def _kernels_of(distribution: Any) -> Choices | Numbers:
    if isinstance(distribution, _BatchedCategoricalDistributions):
        return Choices(distribution.weights)
    return Numbers(
        by_log=distribution.is_log,
        steps=distribution.step != 0.0,
        middle=distribution.mu,
        deviation=distribution.sigma,
        low=distribution.adapted_low,
        high=distribution.adapted_high,
    )


def log_normal_mass(low: Floats, high: Floats) -> Floats:
    """Logarithm of the standard normal distribution's mass between two bounds.

    SciPy has the same to fewer equal bits; with Optuna's own, every density is to the last bit Optuna's.
    """
    mass: Floats = _truncnorm._log_gauss_mass(low, high)
    return mass


def log_normal_density(at: Floats) -> Floats:
    """Logarithm of the standard normal density, to the last bit as Optuna has it."""
    density: Floats = _truncnorm._norm_logpdf(at)
    return density


class DensitiesSampler(TPESampler):
    """TPE whose two densities a subclass makes.

    Optuna's reads and splits the whole study again for each group of parameters, and has no public hook
    between that and the choice of the best candidate.

    Args:
        density: the class of the densities.
        settings: of Optuna's sampler.
    """

    def __init__(self, density: type[Density], **settings: Any) -> None:
        super().__init__(**settings)
        self._density = density

    @abstractmethod
    def densities(
        self, study: Study, trial: FrozenTrial, space: Mapping[str, BaseDistribution]
    ) -> Sequence[Density]:
        """Those of the best trials and of all others, for a trial that is to be drawn."""

    def density(
        self, observations: Mapping[str, NDArray[Any]], space: Mapping[str, BaseDistribution]
    ) -> Density:
        """That of some trials' values, which are given by the parameters' names, as numbers."""
        return self._density(dict(observations), dict(space), self._parzen_estimator_parameters)

    def params_of(self, study: Study, trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
        """What TPE reads as each trial's parameters: of one that runs, also those that are drawn so far."""
        return [self._get_params(trial, study) for trial in trials]

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As Optuna's, for one objective and without constraints."""
        below, above = self.densities(study, trial, search_space)
        candidates = below.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(candidates, self._compute_acquisition_func(candidates, below, above))
        return {name: space.to_external_repr(best[name]) for name, space in search_space.items()}
