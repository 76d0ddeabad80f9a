"""The trainers by the name of their framework."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies.data.split import Split
from studies.errors import StudyFileError, nearest
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.training.trainer import Trainer

FRAMEWORKS = ("tensorflow", "spark", "analytic")
"""What :func:`make_trainer` knows; ``analytic`` is the shipped trainer for trying out a cluster."""


def make_trainer(
    framework: str,
    split: Split,
    hidden: Sequence[int],
    directory: Path,
    spark: SparkSettings = DEFAULTS,
) -> Trainer:
    """A trainer for one worker process.

    Args:
        framework: one of :data:`FRAMEWORKS`.
        split: the rows that it trains on.
        hidden: units of each hidden layer.
        directory: the split's cache directory; Spark reads its rows from a Parquet file there.
        spark: how Spark's trials run; the other frameworks don't read it.

    Raises:
        StudyFileError: where the framework is not known.
        MachineError: where the machine lacks what the framework needs.
    """
    # Each import waits until its framework is asked for: TensorFlow costs 4 to 25 seconds, PySpark 2.
    if framework == "tensorflow":
        from workers.tensorflow.trainer import TensorFlowTrainer

        return TensorFlowTrainer(split, hidden)
    if framework == "spark":
        from workers.spark.trainer import SparkTrainer

        return SparkTrainer(split, hidden, directory, spark)
    if framework == "analytic":
        from workers.training.analytic_trainer import AnalyticTrainer

        return AnalyticTrainer(split, hidden)
    raise StudyFileError(
        f"found the unknown framework '{framework}'",
        where="space.framework",
        allowed=", ".join(FRAMEWORKS),
        remedy=nearest(framework, FRAMEWORKS),
    )
