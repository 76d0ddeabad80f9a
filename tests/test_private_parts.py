"""Private parts of libraries are used in the modules that are there for it, and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Set
from textwrap import dedent

import pytest

from tests.canaries import names_of
from tests.studies import test_optuna_internals
from tests.workers.machine import test_dask_internals, test_fsspec_internals
from tests.workers.spark import test_spark_internals
from tests.workers.tensorflow import test_tensorflow_internals
from tools.private_parts import ROOT, names_in, private_parts

CANARIES: Mapping[str, Set[str]] = {
    "studies/optuna_internals.py": names_of(test_optuna_internals.PARTS)
    | set(test_optuna_internals.SET_AS_IT_RUNS),
    "workers/machine/dask_internals.py": names_of(test_dask_internals.PARTS),
    "workers/machine/fsspec_internals.py": names_of(test_fsspec_internals.PARTS),
    "workers/spark/internals.py": names_of(test_spark_internals.PARTS)
    | {name.removeprefix("self.") for name in test_spark_internals.IN_TEXT},
    "workers/tensorflow/internals.py": names_of(test_tensorflow_internals.PARTS)
    | names_of(test_tensorflow_internals.KERAS),
}
"""What the canaries of each module watch."""


@pytest.fixture(scope="module")
def found() -> Mapping[str, Set[str]]:
    return private_parts()


def test_no_other_module_uses_a_private_part(found: Mapping[str, Set[str]]) -> None:
    elsewhere = {f"{file}: {name}" for name, files in found.items() for file in files - CANARIES.keys()}
    assert not elsewhere, f"these belong into the library's own module: {elsewhere}"


@pytest.mark.parametrize("module", CANARIES)
def test_every_part_that_a_module_uses_has_a_canary(module: str, found: Mapping[str, Set[str]]) -> None:
    used = {name.rsplit(".", 1)[-1] for name, files in found.items() if module in files}
    assert used <= CANARIES[module], f"without a canary: {used - CANARIES[module]}"


@pytest.mark.parametrize("module", CANARIES)
def test_the_page_about_other_versions_names_every_module(module: str) -> None:
    page = (ROOT / "docs" / "moving-versions.md").read_text(encoding="utf-8")
    canaries = re.findall(rf"`{module}` \| `(.*?)`", page)
    assert len(canaries) == 1
    assert (ROOT / canaries[0]).is_file()


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from optuna.study._frozen import FrozenStudy", {"optuna.study._frozen.FrozenStudy"}),
        ("from optuna.study import Study", set()),
        ("import tensorflow.python.client", {"tensorflow.python.client"}),
        ("study._storage.url", {"_storage"}),
        ("study._storage = None", {"_storage"}),
        ("self._storage, cls._made, super()._storage, x.__class__", set()),
        ("getattr(study, '_backend', None)", {"_backend"}),
        ("getattr(study, 'backend', None)", set()),
        ("from studies._x import y", set()),
        (
            """
            from optuna.samplers import TPESampler
            class Mine(TPESampler):
                def _sample(self): return self._rng, self._mine
            """,
            {"_sample", "_rng"},
        ),
        (
            """
            import optuna.samplers
            class Mine(optuna.samplers.TPESampler):
                def __init__(self): self._n_ei_candidates = 3
            """,
            {"_n_ei_candidates"},
        ),
    ],
)
def test_what_is_taken_for_private(code: str, names: set[str]) -> None:
    assert set(names_in(ast.parse(dedent(code)))) == names
