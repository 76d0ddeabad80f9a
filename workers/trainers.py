"""Makes the trainer that a framework's record names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studies import plugins
from studies.data.split import Split
from studies.frameworks import METHODS, Framework
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.training.checked import CheckedTrainer
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
    if framework.origin is not None:
        return CheckedTrainer(framework.origin, _of_plugin(framework)(split, hidden), len(split.classes))
    module, _, name = framework.trainer.partition(plugins.SEPARATOR)
    trainer: Callable[..., Trainer] = getattr(importlib.import_module(module), name)
    return trainer(split, hidden, directory, spark) if framework.in_spark else trainer(split, hidden)


def _of_plugin(framework: Framework) -> Any:
    origin = framework.origin
    assert origin is not None
    # Of a file beside the study file there is the text, and no other file that could be named.
    module = framework.trainer.partition(plugins.SEPARATOR)[0]
    same = module == origin.target.partition(plugins.SEPARATOR)[0]
    origin = replace(origin, target=framework.trainer, source=origin.source if same else "")
    trainer = plugins.load(origin)
    plugins.check_methods(origin, trainer, METHODS)
    plugins.check_callable(origin, trainer, "trainer(split, hidden)")
    return trainer
