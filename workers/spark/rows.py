"""The training rows on their way into Spark: checked, written once as Parquet, loaded and cached."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from studies.data.split import Rows
from workers.solvers.mllib import PARTITIONS
from workers.spark.paths import paths_to_read
from workers.spark.session import AnySpark, Spark

LOAD_SECONDS = 120.0
"""What loading rows may take beside the time for the rows themselves. It takes 2 to 8."""


def refusal(rows: Rows, classes: int, partitions: int = PARTITIONS) -> str | None:
    """Why Spark must not be given these rows, or nothing."""
    if len(rows) < partitions:
        return f"Spark needs {partitions} training rows or more, one a partition; found {len(rows)}"
    if rows.labels.min() < 0 or rows.labels.max() >= classes:
        outside = rows.labels[(rows.labels < 0) | (rows.labels >= classes)][0]
        return f"found the label {outside} among the training rows; allowed: 0 to {classes - 1}"
    finite = np.isfinite(rows.features).all(axis=1)
    if not finite.all():
        return f"found a feature that is not finite in training row {int(np.argmin(finite))}"
    return None


def heap_mib(rows: Rows, parameters: int) -> int:
    """Heap of a JVM that trains a network of so many parameters on these rows.

    1 GiB for Spark itself; four times the rows in double precision, which it keeps twice, cached and as MLlib
    stacks them, in about half of its heap; and 64 times the parameters: l-bfgs carries 20 vectors of them,
    and each iteration's broadcast and sums take a few more for each trial at once.
    """
    return 1024 + 8 * (4 * rows.features.size + 64 * parameters) // 2**20


def load_seconds(rows: Rows) -> float:
    """How long Spark may take to load these rows, before it is taken to hang.

    It loads a million numbers in about two seconds; a cluster without a free worker never begins.
    """
    return LOAD_SECONDS + rows.features.size / 50_000


def write_once(rows: Rows, directory: Path, partitions: int = PARTITIONS) -> list[str]:
    """The training rows as Parquet, one file a partition, in the split's order; written where not there."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for part, at in enumerate(np.array_split(np.arange(len(rows)), partitions)):
        file = directory / f"spark-train-{part + 1}-of-{partitions}.parquet"
        if not file.exists():
            _write(rows.features[at], rows.labels[at], file)
        files.append(str(file))
    return files


def _write(features: NDArray[np.float32], labels: NDArray[np.int64], file: Path) -> None:
    """One file of one row group, whole or not at all. Spark keeps the order of rows within a row group."""
    lists = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    table = pa.table({"features": lists, "label": labels.astype(np.float64)})
    temporary = file.with_name(f".{file.name}-{uuid.uuid4().hex}")
    try:
        # Without statistics and compression, whose versions differ, a file's size depends on its rows alone.
        pq.write_table(
            table, temporary, row_group_size=len(labels), compression="none", write_statistics=False
        )
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(spark: AnySpark, files: Sequence[str]) -> Any:
    """The files as a DataFrame of features (vector) and label (double), in memory; one partition a file."""
    # Late: PySpark's imports cost seconds.
    from pyspark.ml.functions import array_to_vector

    places = [Path(file) for file in files]
    scratch = spark.scratch if isinstance(spark, Spark) and spark.settings.local else None
    paths = paths_to_read(places[0].parent, [place.name for place in places], scratch)
    stored = spark.session.read.parquet(*paths)
    rows = stored.select(array_to_vector("features").alias("features"), "label").cache()
    rows.count()  # loads them now, as setup
    partitions = spark.partitions(rows)
    if partitions != len(files):
        raise RuntimeError(f"Spark read {len(files)} files as {partitions} partitions")
    return rows
