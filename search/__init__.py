"""What drives a search: cluster, loop, report and command line.

``launch`` and ``report`` are the whole Python interface::

    from search import launch, report

    result = launch("study.toml")
    result.best.configuration
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.commands.launch import launch
    from search.reporting.report import report

__all__ = ["launch", "report"]

_HOMES = {"launch": "search.commands.launch", "report": "search.reporting.report"}


def __getattr__(name: str) -> Any:
    # Late, because Optuna and Dask take a second to import and `search --help` needs neither.
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'search' has no attribute {name!r}")
