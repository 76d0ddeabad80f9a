"""Fixtures that many tests share: small study files on drawn data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests import postgres as postgresql

# Before anybody imports them: assertions in helpers say as much as those in tests.
pytest.register_assert_rewrite("tests.faults.histories", "tests.faults.warm")

# A loaded machine is no bug: pytest's own timeout catches what hangs.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

SMALL = """
name = "small"
seed = 3
trials = 6

[data]
path = "rows.npz"

[model]
hidden = [4]
epochs = 9

[space]
framework = "analytic"
initialisation = ["glorot_uniform", "he_normal"]
learning_rate = { low = 0.001, high = 1.0, log = true }
batch_size = [16, 32]

[cluster]
slots = 2
"""


def write_rows(directory: Path, rows: int = 120, features: int = 3, positives: float = 0.3) -> Path:
    """Two classes of drawn rows that a line separates but for some noise, as ``rows.npz``."""
    draw = np.random.default_rng(5)
    y = (np.arange(rows) < rows * positives).astype(np.int64)
    X = draw.normal(size=(rows, features)) + 2.0 * y[:, None]
    order = draw.permutation(rows)
    path = directory / "rows.npz"
    np.savez(path, X=X[order].astype(np.float32), y=y[order])
    return path


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small study file and its rows; keyword arguments replace lines or append text."""

    def write(text: str = SMALL, *, append: str = "", **lines: str) -> Path:
        write_rows(tmp_path)
        for key, line in lines.items():
            found = [old for old in text.splitlines() if old.startswith(f"{key} =")]
            text = text.replace(found[0], line)
        path = tmp_path / "small.toml"
        path.write_text(text + append)
        return path

    return write


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """A PostgreSQL server, started by the first test that asks for it; only for tests marked slow."""
    with postgresql.server() as server:
        yield server
