from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studies.identity import identity_of
from studies.sections.spark_conf import is_local, is_master, why_refused
from studies.study_file import read_study_file


@pytest.mark.parametrize(
    "master", ["local", "local[3]", "local[*]", "spark://a:7077", "spark://a:7077,b:7077", "sc://host:15002"]
)
def test_masters_of_spark_are_known(master: str):
    assert is_master(master)
    assert is_local(master) == master.startswith("local")


@pytest.mark.parametrize("master", ["", "local[0]", "local[]", "spark://a", "sc://", "yarn", "host:7077"])
def test_other_masters_are_not(master: str):
    assert not is_master(master)


def test_no_master_is_local():
    assert is_local(None)


@pytest.mark.parametrize(
    "key",
    [
        "spark.master",
        "spark.driver.memory",
        "spark.sql.adaptive.enabled",
        "spark.sql.files.maxPartitionBytes",
        "spark.default.parallelism",
        "spark.ui.enabled",
        "hadoop.security",
    ],
)
def test_what_changes_results_or_opens_the_session_is_refused_anywhere(key: str):
    assert why_refused(key, None)
    assert why_refused(key, "spark://a:7077")


def test_addresses_are_for_a_cluster_alone():
    assert "loopback" in (why_refused("spark.driver.bindAddress", None) or "")
    assert why_refused("spark.driver.bindAddress", "spark://a:7077") is None


@pytest.mark.parametrize("key", ["spark.executor.cores", "spark.authenticate.secret", "spark.locality.wait"])
def test_the_rest_is_spark_s_own_business(key: str):
    assert why_refused(key, None) is None


def test_what_a_trial_computes_is_part_of_the_study_and_where_it_does_is_not(study_file: Callable[..., Path]):
    section = """
[spark]
master = "local[1]"
partitions = 3
memory = "2g"
conf = { "spark.executor.cores" = 2 }
rungs = "restart"
"""
    identity = identity_of(read_study_file(study_file(append=section)))
    found = {key: value for key, value in identity.items() if key.startswith("spark.")}
    assert found == {"spark.partitions": 3, "spark.rungs": "restart"}
