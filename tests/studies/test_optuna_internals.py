"""Canaries: what has moved in Optuna, of all that ``studies/optuna_internals.py`` takes from its inside."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages.journal import JournalFileBackend

from tests.canaries import Part, check, resolve

TPE = "optuna.samplers._tpe"
TABLES = "optuna.storages._rdb.models"

PARTS = (
    Part("optuna.artifacts._upload:ARTIFACTS_ATTR_PREFIX", "the dashboard is shown artefacts"),
    Part("optuna.study._frozen:FrozenStudy", "our storages answer `get_all_studies`"),
    Part("optuna.storages.journal._file:get_lock_file", "a journal is mended under its lock"),
    Part(f"{TABLES}:SCHEMA_VERSION", "a database of another Optuna is told"),
    Part(f"{TABLES}:BaseModel.metadata", "a database of Optuna's is told from others"),
    Part(f"{TABLES}:StudyModel.study_id", "a study is written by plain statements"),
    Part(f"{TABLES}:StudyUserAttributeModel.value_json", "a study is written by plain statements"),
    Part(f"{TABLES}:StudySystemAttributeModel.value_json", "a study is written by plain statements"),
    Part(f"{TABLES}:TrialModel.trial_id", "trials are read and written by plain statements"),
    Part(f"{TABLES}:TrialParamModel.distribution_json", "trials are read and written by plain statements"),
    Part(
        f"{TABLES}:TrialIntermediateValueModel.intermediate_value_to_stored_repr",
        "scores on the way are stored as Optuna stores them",
        ("value",),
    ),
    Part(
        f"{TABLES}:TrialIntermediateValueModel.stored_repr_to_intermediate_value",
        "scores on the way are read as Optuna reads them",
        ("value", "float_type"),
    ),
    Part(f"{TABLES}:TrialValueModel.value_to_stored_repr", "scores are stored as Optuna's", ("value",)),
    Part(
        f"{TABLES}:TrialValueModel.stored_repr_to_value",
        "scores are read as Optuna's",
        ("value", "float_type"),
    ),
    Part(f"{TABLES}:TrialUserAttributeModel.value_json", "a trial's attributes are read by plain statements"),
    Part(f"{TABLES}:TrialSystemAttributeModel.value_json", "the same of Optuna's own attributes"),
    Part("optuna.storages._rdb.storage:_VersionManager", "the versions of Optuna's tables are known"),
    Part(
        "optuna.storages._rdb.storage:_VersionManager._create_alembic_script",
        "the versions of Optuna's tables are known",
    ),
    Part(
        "optuna.storages:RDBStorage._fill_storage_url_template",
        "braces in an address stay as they are",
        ("template",),
    ),
    Part(
        "optuna.storages.journal._storage:JournalOperation.SET_TRIAL_STATE_VALUES",
        "what is written of a trial at once is one write to a journal",
    ),
    Part(
        "optuna.storages:JournalStorage._sync_with_backend",
        "a journal's storage knows what was appended to it",
    ),
    Part(
        "optuna:Study._get_trials",
        "a sampler is shown a part of a study",
        ("deepcopy", "states", "use_cache"),
    ),
    Part(f"{TPE}._truncnorm:_log_gauss_mass", "densities are Optuna's to the last bit", ("a", "b")),
    Part(f"{TPE}._truncnorm:_norm_logpdf", "densities are Optuna's to the last bit", ("x",)),
    Part(
        f"{TPE}.parzen_estimator:_ParzenEstimator",
        "a density keeps what depends on its kernels alone",
        ("observations", "search_space", "parameters"),
    ),
    Part(f"{TPE}.parzen_estimator:_ParzenEstimator._transform", "samples by name become columns"),
    Part(
        f"{TPE}.probability_distributions:_BatchedCategoricalDistributions", "choices are told from numbers"
    ),
    Part(f"{TPE}.sampler:default_gamma", "a part of a study is split where TPE splits the whole", ("x",)),
    Part(
        f"{TPE}.sampler:TPESampler._sample",
        "TPE takes its two densities from us",
        ("study", "trial", "search_space"),
    ),
    Part(f"{TPE}.sampler:TPESampler._get_params", "running trials count in a density", ("trial", "study")),
    Part(
        f"{TPE}.sampler:TPESampler._compare",
        "the best candidate is chosen as Optuna does",
        ("samples", "acquisition_func_vals"),
    ),
    Part(
        f"{TPE}.sampler:TPESampler._compute_acquisition_func",
        "candidates are compared as Optuna does",
        ("samples", "mpe_below", "mpe_above"),
    ),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_optuna_has_what_is_used_of_its_inside(part: Part) -> None:
    check(part, "optuna")


SET_AS_IT_RUNS = {
    "_study_id": ("study", "a study's rows are found in its storage"),
    "_trial_id": ("trial", "a trial's rows are found in its storage"),
    "_backend": ("journal storage", "several lines are appended at once"),
    "_replay_result": ("journal storage", "lines bear the name of who wrote them"),
    "_thread_lock": ("journal storage", "lines are appended by one thread at a time"),
    "_lock": ("journal", "a journal is mended under its lock"),
    "_mixture_distribution": ("density", "a density's kernels are read"),
    "_rng": ("sampler", "candidates are drawn with the sampler's seed"),
    "_n_ei_candidates": ("sampler", "as many candidates are drawn as Optuna draws"),
    "_parzen_estimator_parameters": ("sampler", "our densities are made with Optuna's settings"),
}
"""Private attributes that have no value before something is opened or drawn: whose, and what for."""


SPACE = {"rate": FloatDistribution(0.1, 1.0, log=True), "size": FloatDistribution(0.0, 1.0)}


def density() -> Any:
    """TPE's of no trial; ``None`` where it can't be made any more, which other tests here say."""
    with contextlib.suppress(ImportError, AttributeError, TypeError):
        parameters = optuna.samplers.TPESampler(seed=0)._parzen_estimator_parameters
        estimator = resolve(f"{TPE}.parzen_estimator:_ParzenEstimator")
        return estimator({name: np.empty(0) for name in SPACE}, SPACE, parameters)
    return None


@pytest.mark.parametrize("name", SET_AS_IT_RUNS)
def test_optuna_sets_what_is_used_of_its_objects(name: str, tmp_path: Path) -> None:
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.tell(study.ask(SPACE), 1.0)
    owners = {
        "study": study,
        "trial": study.get_trials()[0],
        "journal": JournalFileBackend(str(tmp_path / "study.log")),
        "journal storage": optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "other.log"))),
        "sampler": study.sampler,
        "density": density(),
    }
    owner, purpose = SET_AS_IT_RUNS[name]
    assert hasattr(owners[owner], name), (
        f"a {owner} of optuna {optuna.__version__} has no {name}, by which {purpose}"
    )


@pytest.mark.parametrize("name", ["mu", "sigma", "adapted_low", "adapted_high", "is_log", "step"])
def test_a_density_of_numbers_has_the_kernels_that_are_read_of_it(name: str) -> None:
    mixture = getattr(density(), "_mixture_distribution", None)
    for each in getattr(mixture, "distributions", [None]):
        assert hasattr(each, name), (
            f"{type(each).__name__} has no {name}, by which a density's kernels are read"
        )
