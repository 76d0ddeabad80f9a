"""The study whose trials cost next to nothing, which the benchmarks of the driver run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from search.driving.display import SilentDisplay
from studies.records.trials import TrialRecord

_STUDY = """
name = "loop"
seed = 1
trials = {trials}

[data]
path = "rows.npz"

[model]
hidden = [4]
epochs = 3

[space]
framework = "analytic"
initialisation = ["glorot_uniform", "he_normal", "truncated_normal"]
learning_rate = {{ low = 1e-4, high = 1.0, log = true }}
batch_size = [32, 64, 128, 256]

[sampler]
kind = "{sampler}"

[cluster]
{cluster}

[storage]
url = "{url}"
"""


def study_text(trials: int, url: str, *, cluster: str = "slots = 2", sampler: str = "tpe") -> str:
    """The study file; ``cluster`` is what its section of that name holds."""
    return _STUDY.format(trials=trials, url=url, cluster=cluster, sampler=sampler)


class Stopwatch(SilentDisplay):
    """Notes when each trial's end was in storage."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def trial_finished(self, record: TrialRecord) -> None:  # noqa: ARG002
        """Note the time."""
        self.ends.append(time.perf_counter())


@contextmanager
def small_study() -> Iterator[Path]:
    """A directory with the study's rows."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        draw = np.random.default_rng(0)
        labels = (np.arange(200) < 60).astype(np.int64)
        features = draw.normal(size=(200, 3)) + labels[:, None]
        np.savez(directory / "rows.npz", X=features.astype(np.float32), y=labels)
        yield directory
