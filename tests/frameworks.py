"""Frameworks of a test's own, known for as long as it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies import frameworks
from studies.frameworks import Framework
from studies.plugins import Origin


def know(monkeypatch: pytest.MonkeyPatch, name: str, framework: Framework, version: str = "1.2") -> None:
    """Let :func:`studies.frameworks.framework_of` find it, as a plug-in of a package of its name."""
    origin = Origin("trainer", name, f"{name}:Trainer", f"entry point of {name}", name, version)
    record = replace(framework, name=name, origin=origin, packages=(*framework.packages, name))
    monkeypatch.setitem(frameworks._by_name, name, record)
