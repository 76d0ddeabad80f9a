"""What an installed copy has that a checkout has without anybody's doing."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]


@pytest.mark.parametrize("package", ["search", "studies", "workers"])
def test_types_are_shipped(package: str) -> None:
    assert importlib.resources.files(package).joinpath("py.typed").is_file()
    assert "py.typed" in SHIPPED[package]


def test_every_file_that_is_no_module_is_shipped() -> None:
    for package, patterns in SHIPPED.items():
        folder = ROOT / package
        others = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert others == {path for pattern in patterns for path in folder.glob(pattern)}


def test_no_line_of_the_list_of_commands_is_cut() -> None:
    from click.testing import CliRunner

    from search.cli import main

    commands = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout.split("Commands:")[1]
    assert "..." not in commands


def test_no_benchmark_hides_a_package() -> None:
    # Python looks for packages in a program's own folder first: with a `tensorflow.py` beside it, every
    # benchmark imports that file in the place of TensorFlow.
    installed = set(importlib.metadata.packages_distributions())
    benchmarks = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert not benchmarks & (installed | sys.stdlib_module_names)
