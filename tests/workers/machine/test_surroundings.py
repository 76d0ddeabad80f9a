"""Results don't depend on what a machine's variables and configuration files say."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.programs import PATIENCE, ROOT, environment
from workers.machine.surroundings import NOWHERE, overrides, settle_spark, settle_tensorflow


def said(frameworks: str, variables: dict[str, str], **more: Any) -> list[str]:
    return [str(one) for one in overrides(frameworks.split(), variables, **more)]


def settled(variables: dict[str, str]) -> dict[str, str]:
    """What is left of them but for Keras's two, which are always set."""
    settle_tensorflow(variables)
    assert variables.pop("KERAS_BACKEND") == "tensorflow"
    assert variables.pop("KERAS_HOME") == NOWHERE
    return variables


@pytest.mark.parametrize(
    "name",
    ["TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "TF2_BEHAVIOR", "KERAS_MAX_EPOCHS",
     "NVIDIA_TF32_OVERRIDE", "ONEDNN_MAX_CPU_ISA", "TF_SOMETHING_NEW"],
)  # fmt: skip
def test_what_could_change_a_result_is_taken_out_and_named(name: str) -> None:
    assert said("tensorflow", {name: "1", "HOME": NOWHERE}) == [
        f"{name}=1: not used; it could change results"
    ]
    assert settled({name: "1"}) == {}
    assert said("spark", {name: "1"}) == []


@pytest.mark.parametrize(
    "name",
    ["PATH", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_VAR_password", "CUDA_VISIBLE_DEVICES",
     "OMP_NUM_THREADS", "SPARK_HOME"],
)  # fmt: skip
def test_what_changes_none_stays_and_is_not_spoken_of(name: str) -> None:
    assert settled({name: "abc"}) == {name: "abc"}
    assert said("tensorflow", {name: "abc", "HOME": NOWHERE}) == []


def test_threads_are_numbers_or_nothing() -> None:
    assert settled({"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "two"}) == {
        "TF_NUM_INTRAOP_THREADS": "2"
    }


def test_of_xla_s_flags_those_stay_that_say_where_cuda_is() -> None:
    flags = "--xla_gpu_cuda_data_dir=/opt/cuda --xla_nope"
    assert settled({"XLA_FLAGS": flags}) == {"XLA_FLAGS": "--xla_gpu_cuda_data_dir=/opt/cuda"}
    assert said("tensorflow", {"XLA_FLAGS": flags, "HOME": NOWHERE}) == [
        f"XLA_FLAGS={flags}: used without --xla_nope"
    ]
    assert settled({"XLA_FLAGS": "/a/file/of/flags"}) == {}


def test_keras_json_is_named_with_what_holds_instead(tmp_path: Path) -> None:
    path = tmp_path / "keras.json"
    path.write_text('{"floatx": "float64", "epsilon": 1e-07, "backend": "torch"}')
    variables = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch"}
    assert said("tensorflow", variables) == [
        "KERAS_BACKEND=torch: trials run on tensorflow",
        f"floatx = float64 in {path}: trials use float32",
    ]
    for broken in ("{", "[]", "3", '{"floatx": "float32"}'):
        path.write_text(broken)
        assert said("tensorflow", {"KERAS_HOME": str(tmp_path)}) == []


def test_a_value_that_may_be_a_password_is_not_shown() -> None:
    variables = {"SPARK_AUTH_SECRET": "x7", "SPARK_REMOTE": "sc://h/;token=x7", "SPARK_CONF_DIR": "a\nx7"}
    text = "\n".join(said("spark", variables))
    assert "x7" not in text
    assert "SPARK_CONF_DIR: not used" in text


def test_of_spark_s_variables_none_counts_here_and_a_cluster_s_do_there() -> None:
    of_clusters = ("SPARK_CONF_DIR", "HADOOP_CONF_DIR", "SPARK_LOCAL_DIRS")
    variables = dict.fromkeys(("SPARK_HOME", "SPARK_REMOTE", "MASTER", *of_clusters, "PATH"), "x")
    local, cluster = dict(variables), dict(variables)
    settle_spark(local, cluster=False)
    settle_spark(cluster, cluster=True)
    assert set(local) == {"PATH"}
    assert set(cluster) == {"PATH", *of_clusters}
    assert len(said("spark", variables)) == 6
    assert len(said("spark", variables, cluster=True)) == 3


names = st.one_of(
    st.from_regex(r"(TF|XLA|KERAS|SPARK|PYSPARK|HADOOP|MY)_[A-Z]{1,6}", fullmatch=True),
    st.sampled_from(["XLA_FLAGS", "KERAS_BACKEND", "MASTER", "TF_NUM_INTRAOP_THREADS"]),
)


@given(st.dictionaries(names, st.text(max_size=20)))
def test_what_is_named_is_what_is_changed_and_settling_twice_changes_nothing(
    variables: dict[str, str],
) -> None:
    variables = {"HOME": NOWHERE, **variables}
    before, after = dict(variables), dict(variables)
    settle_tensorflow(after)
    settle_spark(after, cluster=False)
    changed = {name for name in before if before[name] != after.get(name) and name != "KERAS_HOME"}
    named = {text.split(":")[0].split("=")[0] for text in said("tensorflow spark", before)}
    assert named == changed
    again = dict(after)
    settle_tensorflow(again)
    assert again == after
    assert said("tensorflow spark", after) == []


TRAINS = """
import hashlib, warnings
import numpy as np
from studies.space.configuration import Configuration
from studies.data.split import Rows, Split
from workers.tensorflow.trainer import TensorFlowTrainer
from workers.training.trainer import Deadline

def weights(optimizer):
    generator = np.random.default_rng(1)
    features = generator.normal(size=(50, 3)).astype(np.float32)
    rows = Rows(features, (features[:, 0] > 0).astype(np.int64))
    trainer = TensorFlowTrainer(Split(rows, rows, rows, ("no", "yes"), 1, "hash"), (4,))
    wanted = Configuration("tensorflow", "glorot_uniform", optimizer, 5, learning_rate=0.03, batch_size=16,
                           shuffle=True, drop_last_batch=False, loss_scale=1.0)
    state = trainer.advance(wanted, 7, trainer.begin(wanted, 7), 5, Deadline())
    return hashlib.sha256(b"".join(array.tobytes() for array in state.weights)).hexdigest()

found = [weights(optimizer) for optimizer in ("adam", "nadam")]
"""


@pytest.mark.slow
def test_a_trial_has_the_same_bits_whatever_the_environment_says(tmp_path: Path) -> None:
    said = {"floatx": "float64", "epsilon": 0.01, "backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(said))
    odd = {
        "KERAS_HOME": str(tmp_path),
        "KERAS_BACKEND": "torch",
        "KERAS_MAX_EPOCHS": "many",
        "XLA_FLAGS": "--xla_nope",
        "TF_XLA_FLAGS": "--tf_nope",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTEROP_THREADS": "two",
        "OMP_NUM_THREADS": "abc",
        "CUDA_VISIBLE_DEVICES": "abc",
    }
    done = subprocess.run(
        [sys.executable, "-c", f"{TRAINS}\nprint(*found)"],
        cwd=ROOT,
        env=environment() | odd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here: dict[str, Any] = {}
    exec(TRAINS, here)
    assert done.stdout.split() == here["found"]
    assert json.loads((tmp_path / "keras.json").read_text()) == said
    assert len(hashlib.sha256().hexdigest()) == len(here["found"][0])
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
