"""Canaries: what has moved in PySpark, of all that ``workers/spark/internals.py`` takes from its inside.

They start no JVM. What a JVM answers is tried by ``tests/workers/spark/test_session.py``.
"""

from __future__ import annotations

import inspect
import struct
from pathlib import Path

import pytest

from tests.canaries import Part, check, resolve

PARTS = (
    Part("pyspark.java_gateway:launch_gateway", "PySpark is told where the JVM listens that we started"),
    Part("pyspark:SparkContext._gateway", "another JVM can be started after one that died"),
    Part("pyspark:SparkContext._jvm", "another JVM can be started after one that died"),
    Part("pyspark:SparkContext._active_spark_context", "another session can be started after one that died"),
    Part("pyspark.sql:SparkSession._instantiatedSession", "another session can be started after one died"),
    Part("pyspark.sql:SparkSession._activeSession", "another session can be started after one that died"),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_pyspark_has_what_is_used_of_its_inside(part: Part) -> None:
    check(part, "pyspark")


IN_TEXT = {
    "_PYSPARK_DRIVER_CONN_INFO_PATH": ("pyspark.java_gateway", "a JVM writes how it is reached"),
    "PYSPARK_GATEWAY_PORT": ("pyspark.java_gateway", "PySpark is told where a JVM listens"),
    "PYSPARK_GATEWAY_SECRET": ("pyspark.java_gateway", "PySpark is told a JVM's password"),
    "_jsc": ("pyspark.core.context", "a context is stopped without a word to a JVM that hangs"),
    "_jdf": (
        "pyspark.sql.classic.dataframe",
        "a DataFrame's partitions are counted",
    ),
    "self._jvm": ("pyspark.sql.session", "parity reaches MLlib's own curve of precision and recall"),
}
"""What is set only as a JVM runs: the module whose text has it, and what for."""


@pytest.mark.parametrize("name", IN_TEXT)
def test_pyspark_still_speaks_of_what_it_sets_as_it_runs(name: str) -> None:
    import pyspark

    module, purpose = IN_TEXT[name]
    assert name in inspect.getsource(resolve(module)), (
        f"{module} of pyspark {pyspark.__version__} doesn't know {name} any more, by which {purpose}; "
        "docs/moving-versions.md says what to do"
    )


def test_a_connection_is_read_as_pyspark_reads_it(tmp_path: Path) -> None:
    from pyspark.serializers import UTF8Deserializer, read_int

    from workers.spark.internals import read_connection

    file = tmp_path / "connection"
    file.write_bytes(struct.pack("!ii", 40_001, 6) + b"secret")
    with file.open("rb") as written:
        assert read_connection(file) == (read_int(written), UTF8Deserializer().loads(written))
