"""What one worker process keeps between trials: opened splits, trainers, and the wish to stop."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import signal
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from distributed import get_worker
from threadpoolctl import threadpool_limits

from studies.data import open_split
from studies.data.split import Split
from studies.frameworks import shipped_framework
from studies.plugins import Origin
from workers.machine.rows import find_rows
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.trainers import make_trainer
from workers.training.trainer import Trainer

# OpenBLAS splits a product among its threads, and with it the order of its sums: the probabilities of a
# network with 600 hidden units differ in their last bit between one thread and two, from 1,024 rows on. Dask
# gives worker processes one thread, and the driver's own threads would have as many as there are cores. So
# one it is, everywhere, the driver's sampler included.
threadpool_limits(limits=1, user_api="blas")

_lock = threading.Lock()
_splits: dict[str, Split] = {}
_places: dict[str, Path] = {}
_trainers: dict[tuple[str, Origin | None, str, tuple[int, ...], SparkSettings], Trainer] = {}
_stopped = threading.Event()


def split_at(directory: str) -> Split:
    """The split in the driver's cache directory, or in a copy of it; opened once a process."""
    with _lock:
        if directory not in _splits:
            place = find_rows(Path(directory))
            _splits[directory], _places[directory] = open_split(place), place
        return _splits[directory]


def place_of(url: str | None, directory: str) -> str | None:
    """Where this process keeps what a study's driver wants kept at a URL or in a directory of its own.

    A worker that doesn't see the study's rows doesn't see its other directories either: it keeps these beside
    its own files, and Dask removes them with those. Whoever lacks a checkpoint starts the trial over, and
    arrives at the same state.

    Args:
        url: the driver's place; ``None`` where nothing is kept.
        directory: that of the rows, as :func:`split_at` was given it.
    """
    if url is None or "://" in url or _places[directory] == Path(directory):
        return url
    place = Path(url)
    return str(Path(get_worker().local_directory, place.parent.name, place.name))


def trainer_for(
    framework: str,
    directory: str,
    hidden: tuple[int, ...],
    spark: SparkSettings = DEFAULTS,
    plugin: Origin | None = None,
) -> Trainer:
    """The trainer of a framework on a split, made once a process.

    Raises:
        PluginError: where this process can't import it, or it isn't what a trainer must be.
        MachineError: where this machine lacks what the framework needs.
    """
    split, record = split_at(directory), shipped_framework(framework, plugin)
    with _lock:
        # Held while a framework is imported: two threads importing TensorFlow at once gain nothing.
        key = (framework, plugin, directory, hidden, spark)
        if key not in _trainers:
            _trainers[key] = make_trainer(record, split, hidden, _places[directory], spark)
        return _trainers[key]


@lru_cache
def versions_of(framework: str, plugin: Origin | None = None) -> Mapping[str, str]:
    """Versions of what a framework's trials run on, by package.

    Raises nothing: it is asked of trials that failed too, because their framework isn't here for one.
    """
    versions = {"python": platform.python_version()}
    with contextlib.suppress(Exception):
        for name in shipped_framework(framework, plugin).packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
    return versions if plugin is None else {**versions, plugin.package: plugin.version}


def stop_all() -> None:
    """Ask every trial in this process to end after its current epoch."""
    _stopped.set()


def go_on() -> None:
    """Take :func:`stop_all` back, for the next search in this process."""
    _stopped.clear()


def is_stopped() -> bool:
    """Whether :func:`stop_all` was called."""
    return _stopped.is_set()


def dask_setup(_worker: Any) -> None:
    """Leave Ctrl-C to the driver; Dask calls this in each worker process that it starts.

    A terminal sends the signal to every process in its foreground, and it would end the trials that the
    driver still waits for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
