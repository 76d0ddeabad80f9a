"""Makes what a framework's record names: its trainer, and what writes its networks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies import plugins
from studies.data.split import Split
from studies.frameworks import METHODS, Framework
from studies.plugins import Origin
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.training.checked import CheckedTrainer
from workers.training.saved_model import SavedModel
from workers.training.trainer import Trainer


def make_trainer(
    framework: Framework,
    split: Split,
    hidden: Sequence[int],
    directory: Path,
    spark: SparkSettings = DEFAULTS,
) -> Trainer:
    """A trainer for one worker process.

    Args:
        framework: whose.
        split: the rows that it trains on.
        hidden: units of each hidden layer.
        directory: the split's cache directory; Spark reads its rows from a Parquet file there.
        spark: how Spark's trials run; the other frameworks don't read it.

    Raises:
        PluginError: where it is a plug-in that can't be imported here or isn't what a trainer must be.
        MachineError: where the machine lacks what the framework needs.
    """
    # Only now: importing TensorFlow costs 4 to 25 seconds, PySpark 2.
    origin = framework.origin
    if origin is not None:
        return CheckedTrainer(origin, _of_plugin(framework, origin)(split, hidden), len(split.classes))
    trainer: Callable[..., Trainer] = _imported(framework.trainer)
    return trainer(split, hidden, directory, spark) if framework.in_spark else trainer(split, hidden)


def saved_model_of(framework: Framework) -> SavedModel:
    """How a framework's networks are written; only of one that says so.

    Raises:
        PluginError: where it is a plug-in that can't be imported, or its saved model is none.
    """
    if framework.origin is None:
        found: SavedModel = _imported(framework.saved_model)
        return found
    origin = _within(framework.origin, framework.saved_model)
    return checked_saved_model(origin, plugins.load(origin))


def checked_saved_model(origin: Origin, found: Any) -> SavedModel:
    """A plug-in's saved model.

    Raises:
        PluginError: where it is none.
    """
    if not isinstance(found, SavedModel):
        allowed = "a SavedModel of workers.training.saved_model"
        raise origin.error(f"has a saved_model that is {type(found).__name__}", allowed=allowed)
    plugins.check_callable(origin, found.save, "save(path, weights, activation)", said="saved_model.save")
    plugins.check_callable(origin, found.load, "load(path)", said="saved_model.load")
    return found


def _imported(path: str) -> Any:
    module, _, name = path.partition(plugins.SEPARATOR)
    return getattr(importlib.import_module(module), name)


def _of_plugin(framework: Framework, origin: Origin) -> Any:
    origin = _within(origin, framework.trainer)
    trainer = plugins.load(origin)
    plugins.check_methods(origin, trainer, METHODS)
    plugins.check_callable(origin, trainer, "trainer(split, hidden)")
    return trainer


def _within(origin: Origin, path: str) -> Origin:
    """Something else that a plug-in's record names. Of a file beside a study file there is the text alone."""
    module, own = (one.partition(plugins.SEPARATOR)[0] for one in (path, origin.target))
    return replace(origin, target=path, source=origin.source if module == own else "")
