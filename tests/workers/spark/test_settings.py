from __future__ import annotations

import pickle
import shlex
from pathlib import Path
from typing import get_args

import pytest

from studies.errors import MachineError
from studies.sections.study import Spark
from workers.spark.settings import DEFAULTS, SparkSettings, cores, is_secret, properties

SCRATCH = Path("/scratch")


def test_a_section_without_keys_is_the_defaults():
    assert SparkSettings.of(Spark(), Path("/studies")) == DEFAULTS
    assert set(get_args(Spark.model_fields["rungs"].annotation)) == {"last", "restart"}


def test_a_section_becomes_plain_hashable_values(tmp_path: Path):
    section = Spark(
        master="local[3]",
        partitions=5,
        memory="2g",
        conf={"spark.a": True, "spark.b": 2, "spark.c": "x"},
        native_blas="blas.so",
        rungs="restart",
    )
    settings = SparkSettings.of(section, tmp_path)
    assert settings == SparkSettings(
        master="local[3]",
        partitions=5,
        memory_mib=2048,
        conf=(("spark.a", "true"), ("spark.b", "2"), ("spark.c", "x")),
        native_blas=str(tmp_path / "blas.so"),
        rungs="restart",
    )
    assert hash(settings) == hash(pickle.loads(pickle.dumps(settings)))
    assert SparkSettings.of(Spark(memory="900m"), tmp_path).memory_mib == 900


def test_sessions_are_shared_by_studies_that_differ_in_partitions_alone_where_threads_allow():
    many = SparkSettings(partitions=100).session()
    assert many.master == f"local[{cores()}]"
    assert many == SparkSettings(partitions=200, rungs="restart").session()
    assert SparkSettings(partitions=1).session().master == "local[1]"
    assert SparkSettings(memory_mib=1).session() != DEFAULTS.session()


def test_a_local_session_stays_on_the_loopback_interface_and_silent():
    found = properties(DEFAULTS.session(), 1234, SCRATCH)
    assert found["spark.driver.host"] == found["spark.driver.bindAddress"] == "127.0.0.1"
    assert found["spark.ui.enabled"] == found["spark.ui.showConsoleProgress"] == "false"
    assert found["spark.log.level"] == "ERROR"
    assert found["spark.driver.memory"] == "1234m"
    assert found["spark.local.dir"] == str(SCRATCH)


@pytest.mark.parametrize(
    ("master", "bound"),
    [("spark://localhost:1", True), ("spark://127.0.0.1:7077", True), ("spark://a:1,127.0.0.1:2", False)],
)
def test_a_cluster_elsewhere_must_reach_the_driver(master: str, bound: bool):
    found = properties(SparkSettings(master=master, memory_mib=700).session(), 1, SCRATCH)
    assert ("spark.driver.bindAddress" in found) == bound
    assert found["spark.executor.memory"] == found["spark.driver.memory"] == "700m"
    assert found["spark.executorEnv.OPENBLAS_NUM_THREADS"] == "1"


def java_options(settings: SparkSettings) -> list[str]:
    return properties(settings.session(), 1, SCRATCH)["spark.driver.extraJavaOptions"].split()


def test_the_options_that_the_study_gives_come_last_where_they_win():
    settings = SparkSettings(conf=(("spark.driver.extraJavaOptions", "-Da=b"),), native_blas="/lib/blas.so")
    ours = java_options(DEFAULTS)
    assert "-XX:+ExitOnOutOfMemoryError" in ours
    assert java_options(settings) == [*ours, "-Ddev.ludovic.netlib.blas.nativeLibPath=/lib/blas.so", "-Da=b"]


def test_a_library_of_any_name_is_one_option_to_java():
    library = "/opt/my libs/it's \"blas\\.so"
    options = properties(SparkSettings(native_blas=library).session(), 1, SCRATCH)
    found = shlex.split(options["spark.driver.extraJavaOptions"])
    assert f"-Ddev.ludovic.netlib.blas.nativeLibPath={library}" in found


def test_a_collector_of_the_study_s_own_replaces_ours_because_java_refuses_two():
    given = SparkSettings(conf=(("spark.driver.extraJavaOptions", "-XX:+UseSerialGC"),))
    assert [option for option in java_options(given) if "GC " in f"{option} "] == ["-XX:+UseSerialGC"]


def test_a_library_that_is_not_there_is_refused_by_its_path(tmp_path: Path):
    with pytest.raises(MachineError, match=r"no file .*gone\.so") as caught:
        SparkSettings(native_blas=str(tmp_path / "gone.so")).check()
    assert caught.value.where == "spark.native_blas"
    DEFAULTS.check()


def test_secrets_are_told_by_spark_s_own_rule():
    assert is_secret("spark.authenticate.secret")
    assert is_secret("spark.hadoop.fs.s3a.access.key")
    assert not is_secret("spark.executor.cores")
