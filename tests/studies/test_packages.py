"""What needs a package that isn't installed says so in the same words everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.errors import MachineError
from studies.packages import check_packages

ROOT = Path(__file__).parents[2]


def test_nothing_is_said_of_packages_that_are_there() -> None:
    check_packages("the study", ["json", "xml.dom"], "json")


def test_one_that_is_missing_has_its_name_and_what_to_install() -> None:
    with pytest.raises(MachineError) as refused:
        check_packages(
            "the sampler 'x'", ["json", "no_such_module"], "x", where="sampler.kind", otherwise="or not"
        )
    assert refused.value.problem == "the sampler 'x' needs the package no-such-module, which is not installed"
    assert refused.value.where == "sampler.kind"
    assert refused.value.remedy == "pip install 'honest-search[x]', or not"


def test_several_are_named_together_also_where_their_parent_is_missing() -> None:
    with pytest.raises(MachineError, match=r"needs the packages no\.such, none, which are not installed"):
        check_packages("it", ["no.such", "none"], "x")


def test_no_other_module_has_a_message_of_its_own() -> None:
    found = [
        str(path.relative_to(ROOT))
        for package in ("search", "studies", "workers")
        for path in (ROOT / package).rglob("*.py")
        if "the package {" in path.read_text(encoding="utf-8")
    ]
    assert found == ["studies/packages.py"]
