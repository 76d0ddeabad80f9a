"""Private parts of libraries that the packages use: whether the version that is installed still has them.

A test module a library lists them (``tests/**/test_*_internals.py``) and imports nothing that would fail
before it can say what has moved.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Part:
    """A private part.

    Attributes:
        path: module and name, ``package.module:Class.name``.
        purpose: what fails without it, as the end of a sentence.
        takes: parameters that it is given, of a function; they may have been joined by others.
    """

    path: str
    purpose: str
    takes: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The last of its names."""
        return self.path.replace(":", ".").rsplit(".", 1)[-1]


def names_of(parts: Iterable[Part]) -> set[str]:
    """All names on the way to these parts."""
    return {name for part in parts for name in part.path.replace(":", ".").split(".")}


def check(part: Part, distribution: str) -> None:
    """Fail where the library has no such part; the message says what it is for.

    Args:
        part: the part.
        distribution: the library's, as pip knows it.
    """
    version = importlib.metadata.version(distribution)
    page = "docs/moving-versions.md says what to do"
    try:
        found = resolve(part.path)
    except (ImportError, AttributeError):
        pytest.fail(f"{distribution} {version} has no {part.path}, by which {part.purpose}; {page}")
    if part.takes:
        there = list(inspect.signature(found).parameters)
        missing = [name for name in part.takes if name not in there]
        if missing:
            pytest.fail(
                f"{part.path} of {distribution} {version} takes {', '.join(there)} and not "
                f"{', '.join(missing)}; by it {part.purpose}; {page}"
            )


def resolve(path: str) -> Any:
    """What a path names.

    Raises:
        ImportError, AttributeError: where it names nothing.
    """
    module, _, names = path.partition(":")
    found = importlib.import_module(module)
    for name in filter(None, names.split(".")):
        found = getattr(found, name)
    return found
