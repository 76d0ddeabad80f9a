"""Starts a worker's Spark session and loads a study's rows into it, before its first trial asks for them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

from studies.frameworks import SPARK_MLLIB
from workers import process
from workers.spark.session import AnySpark
from workers.spark.settings import SparkSettings
from workers.spark.trainer import SparkTrainer
from workers.training.trainer import TrainingFailed


@dataclass(frozen=True)
class Warmed:
    """What a warm-up did.

    Attributes:
        seconds: what it took.
        notes: what a person should know before the first trial, a sentence each.
    """

    seconds: float
    notes: tuple[str, ...]


def warm(split: str, hidden: tuple[int, ...], settings: SparkSettings) -> Warmed:
    """The Dask task: everything that Spark's first trial would otherwise wait for.

    A trial that comes while it runs waits for the session, and then starts.

    Args:
        split: cache directory of the rows.
        hidden: units of each hidden layer.
        settings: the study's.

    Raises:
        MachineError: where Spark can't be started; no Spark trial can run then.
    """
    start = time.perf_counter()
    trainer = cast(SparkTrainer, process.trainer_for(SPARK_MLLIB.name, split, hidden, settings))
    try:
        spark = trainer.warm()
    except TrainingFailed as failed:
        notes: tuple[str, ...] = (
            f"Spark's warm-up failed ({failed.failure.message}); its trials start a fresh session",
        )
    else:
        notes = () if spark is None or not settings.local else (_blas_note(spark),)
    return Warmed(time.perf_counter() - start, notes)


def _blas_note(spark: AnySpark) -> str:
    if spark.native_blas:
        library = spark.settings.native_blas or "libblas.so.3"
        return f"Spark computes with the native BLAS {library}"
    return (
        "Spark computes in Java: it found no native BLAS, which makes its trials about 1.3 times faster. "
        "`apt install libopenblas0` (Debian, Ubuntu) brings one, or spark.native_blas names one"
    )
