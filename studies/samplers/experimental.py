"""Optuna marks some of what this project stands on as experimental; `pyproject.toml` pins what it does."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from optuna.exceptions import ExperimentalWarning


@contextlib.contextmanager
def experimental_allowed() -> Iterator[None]:
    """Keep Optuna from warning the user about features that this project chose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
