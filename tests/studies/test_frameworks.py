"""The table of frameworks is the only place that knows them by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from studies.frameworks import BUILT_IN, HYPERPARAMETERS, Framework, framework_of
from studies.space.axes import AXES

ROOT = Path(__file__).parents[2]

REASONS = {
    "studies/frameworks.py": "the table",
    "workers/tensorflow/": "TensorFlow's own room",
    "workers/spark/": "Spark's own room",
    "workers/parity/": "compares just these two",
    "workers/machine/surroundings.py": "Keras's name for a backend of its own",
}
"""Where a framework's name may stand as a literal, and why."""


def literals(file: Path) -> set[str]:
    """The names of frameworks among the strings of a module."""
    names = {framework.name for framework in BUILT_IN}
    tree = ast.parse(file.read_text(encoding="utf-8"))
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str) and value in names}


def test_no_other_module_names_a_framework() -> None:
    named = {
        str(file.relative_to(ROOT)): found
        for package in ("search", "workers", "studies")
        for file in sorted((ROOT / package).rglob("*.py"))
        if (found := literals(file))
    }
    strays = {file: found for file, found in named.items() if not file.startswith(tuple(REASONS))}
    assert strays == {}
    assert all(any(file.startswith(place) for file in named) for place in REASONS), "a reason that went"


@pytest.mark.parametrize("framework", BUILT_IN, ids=lambda framework: framework.name)
def test_a_record_agrees_with_itself_and_with_what_it_names(framework: Framework) -> None:
    assert framework_of(framework.name) is framework
    assert framework.hyperparameters <= HYPERPARAMETERS
    assert set(framework.default_optimizers) <= set(framework.optimizers)
    assert not framework.hyperparameters & set(framework.fixed)
    for path in filter(None, (framework.trainer, framework.saved_model)):
        module, _, name = path.partition(":")
        file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        found |= {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        assert name in found


def test_the_hyperparameters_are_the_axes() -> None:
    assert {rule.name for rule in AXES} == HYPERPARAMETERS
