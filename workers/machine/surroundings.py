"""Variables and configuration files of this machine that would change a result, and what is used instead.

A study's results depend on its file, its data and its versions. Of everything else that TensorFlow, Keras and
Spark read, only what is named here may stay: how a machine is reached, or what is logged. The rest is removed
from the environment before the framework starts, in every process that trains.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.errors import MachineError
from studies.frameworks import TENSORFLOW, any_in_spark

KERAS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
"""Keras's own defaults, which are used whatever ``keras.json`` has."""

NOWHERE = f"{os.devnull}/none"
"""A folder that can't be there, on any machine: where a library's configuration is not read from."""

_OF_TENSORFLOW = re.compile(
    r"(?:TF|TF2|TF3|XLA|KERAS|ONEDNN|DNNL)_\w+|NVIDIA_TF32_OVERRIDE|CUBLAS_WORKSPACE_CONFIG"
)

_KEPT_OF_TENSORFLOW = re.compile(
    r"TF_CPP_\w+|TF_NUM_INT(?:RA|ER)OP_THREADS|TF_GPU_(?:ALLOCATOR|THREAD_MODE|THREAD_COUNT)"
    r"|TF_FORCE_GPU_ALLOW_GROWTH|TF_FORCE_UNIFIED_MEMORY"
    r"|TF_(?:VAR|LOG|CLI|TOKEN|PLUGIN|REGISTRY|REATTACH|STATE|IGNORE)\w*"
    r"|TF_(?:DATA_DIR|INPUT|WORKSPACE|IN_AUTOMATION)"
)
"""What is logged, how a GPU's memory is handed out, and how many threads there are, which launch sets where
nobody has; and what is Terraform's."""

_KEPT_FLAGS = ("--xla_gpu_cuda_data_dir=", "--xla_dump_")
"""Of XLA's flags: where CUDA lies, and what is written for debugging. Others change the compiled code, and an
unknown one ends the process without a message."""

_OF_SPARK = re.compile(r"(?:PY)?SPARK_\w+|HADOOP_\w+|YARN_CONF_DIR|MASTER")

_NEVER_OF_SPARK = re.compile(
    r"SPARK_(?:HOME|REMOTE|LOCAL_REMOTE|API_MODE|CONNECT_MODE(?:_ENABLED)?|TESTING|PREPEND_CLASSES)|MASTER"
    r"|PYSPARK_SUBMIT_ARGS"
)
"""What says which Spark is started, or that another one is talked to: the study file does, also for a
cluster, whose other variables say how it is reached."""

MUST_BE_NUMBERS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Variables of which TensorFlow reads a whole number."""

_SHOWN = 60
"""Letters of a value that are shown."""


@dataclass(frozen=True)
class Override:
    """One setting of this machine that is not used.

    Attributes:
        setting: its name and value, or where it is.
        instead: what is used.
    """

    setting: str
    instead: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.instead}"


def check_documentation() -> None:
    """Refuse a Python that PySpark doesn't start in.

    Raises:
        MachineError: where it leaves documentation strings out.
    """
    if sys.flags.optimize >= 2:
        raise MachineError(
            "Python runs without documentation strings, and PySpark doesn't start without them",
            where="PYTHONOPTIMIZE" if os.environ.get("PYTHONOPTIMIZE") else "python -OO",
            allowed="python, or python -O",
            remedy="unset PYTHONOPTIMIZE, or leave -OO out",
        )


def overrides(
    frameworks: Sequence[str], variables: Mapping[str, str] = os.environ, *, cluster: bool = False
) -> tuple[Override, ...]:
    """Settings of this machine that a study of these frameworks doesn't use, for a person.

    Args:
        frameworks: of the study's space.
        variables: the environment.
        cluster: whether Spark's trials run on a cluster of Spark's own.
    """
    overridden: list[Override] = []
    if TENSORFLOW.name in frameworks:
        overridden += [
            Override(_shown(name, value), instead) for name, value, instead in _tensorflow(variables)
        ]
        overridden += _keras_json(variables)
    if any_in_spark(frameworks):
        overridden += [
            Override(_shown(name, variables[name]), _NOT_SPARK) for name in _spark(variables, cluster)
        ]
    return tuple(overridden)


def settle_tensorflow(variables: MutableMapping[str, str] = os.environ) -> None:
    """Take out of the environment what would change a result; before TensorFlow and Keras are imported."""
    for name, value, _ in list(_tensorflow(variables)):
        kept = _kept_flags(value) if name == "XLA_FLAGS" else ""
        if kept:
            variables[name] = kept
        else:
            del variables[name]
    variables["KERAS_BACKEND"] = BACKEND
    # Else ~/.keras/keras.json is read, and written where it isn't there.
    variables["KERAS_HOME"] = NOWHERE


def settle_spark(variables: MutableMapping[str, str], *, cluster: bool) -> None:
    """Take out of an environment what would change which Spark starts, and how."""
    for name in _spark(variables, cluster):
        del variables[name]


def _tensorflow(variables: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Names, values, and what is used instead."""
    for name, value in sorted(variables.items()):
        if name == "XLA_FLAGS":
            dropped = [flag for flag in value.split() if not flag.startswith(_KEPT_FLAGS)]
            if dropped:
                yield name, value, f"used without {' '.join(dropped)}" if _kept_flags(value) else _NOT_USED
        elif name in MUST_BE_NUMBERS and not value.isdigit():
            yield name, value, "not used; it is no whole number"
        elif name == "KERAS_BACKEND":
            if value != BACKEND:
                yield name, value, f"trials run on {BACKEND}"
        elif name == "KERAS_HOME":
            continue  # its keras.json is what counts
        elif _OF_TENSORFLOW.fullmatch(name) and not _KEPT_OF_TENSORFLOW.fullmatch(name):
            yield name, value, _NOT_USED


BACKEND = "tensorflow"
"""Of Keras's, that trials run on."""

_NOT_USED = "not used; it could change results"

_NOT_SPARK = "not used; PySpark's own Spark runs, as set by [spark] in the study file"


def _kept_flags(value: str) -> str:
    return " ".join(flag for flag in value.split() if flag.startswith(_KEPT_FLAGS))


def _keras_json(variables: Mapping[str, str]) -> Iterator[Override]:
    """Where Keras's configuration file differs from Keras's defaults."""
    home = variables.get("KERAS_HOME")
    try:
        folder = Path(home) if home and home != NOWHERE else Path.home() / ".keras"
        path = folder / "keras.json"
        settings: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home
        return
    for name, value in KERAS.items() if isinstance(settings, dict) else ():
        if settings.get(name, value) != value:
            yield Override(f"{name} = {settings[name]} in {path}", f"trials use {value}")


def _spark(variables: Mapping[str, str], cluster: bool) -> list[str]:
    counts: Callable[[str], Any] = (_NEVER_OF_SPARK if cluster else _OF_SPARK).fullmatch
    return sorted(name for name in variables if counts(name))


def _shown(name: str, value: str) -> str:
    """``NAME=value``, or the name alone where the value is long, odd, or could be a password."""
    secret = re.search(r"secret|password|token|key|auth", name + value, re.IGNORECASE)
    plain = value.isprintable() and len(value) <= _SHOWN
    return f"{name}={value}" if plain and not secret else name
