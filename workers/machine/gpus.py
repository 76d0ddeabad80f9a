"""Which GPUs of this machine a process may use, without starting TensorFlow or CUDA in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PATIENCE = 20.0
"""Seconds that NVIDIA's program may take; the first call after a start loads the driver."""


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: as ``CUDA_VISIBLE_DEVICES`` takes it: its index, or the id of a part of one.
        memory: in MiB; 0 where that is unknown.
    """

    name: str
    memory: int = 0


def find_gpus(variables: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """The GPUs that this process may use: none where NVIDIA's program isn't there, or doesn't answer."""
    program = shutil.which("nvidia-smi", path=variables.get("PATH"))
    if program is None:
        return ()
    question = [program, "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            question, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if answer.returncode != 0:
        return ()
    return visible(_parse(answer.stdout.decode(errors="replace")), variables.get("CUDA_VISIBLE_DEVICES"))


def visible(gpus: Sequence[tuple[str, str, int]], wanted: str | None) -> tuple[Gpu, ...]:
    """Those that ``CUDA_VISIBLE_DEVICES`` leaves, in its order.

    CUDA's own rules: without it all are visible; what stands behind an entry that is no device is not.
    https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars

    Args:
        gpus: index, id and MiB of each GPU of the machine.
        wanted: the variable's value.
    """
    if wanted is None:
        return tuple(Gpu(index, memory) for index, _, memory in gpus)
    chosen = []
    for name in (part.strip() for part in wanted.split(",")):
        if name.startswith("MIG-"):
            chosen.append(Gpu(name))  # a part of a GPU; how large it is, the list doesn't say
            continue
        match = [memory for index, uuid, memory in gpus if name == index or _is_id(name, uuid)]
        if not match:
            break
        chosen.append(Gpu(name, match[0]))
    return tuple(chosen)


def share_memory(config: Any, gpus: Sequence[Any], limit: int) -> None:
    """Keep this process from taking a whole GPU, as TensorFlow otherwise does with the first operation.

    Both are fixed once TensorFlow has started, and one excludes the other: a limit is taken at once.

    Args:
        config: ``tensorflow.config``.
        gpus: its physical devices.
        limit: MiB that this process may take of each; 0 for what it needs, growing.
    """
    for gpu in gpus:
        if limit:
            parts = [config.LogicalDeviceConfiguration(memory_limit=limit)]
            config.set_logical_device_configuration(gpu, parts)
        else:
            config.experimental.set_memory_growth(gpu, True)


def _is_id(name: str, uuid: str) -> bool:
    return name.startswith("GPU-") and uuid.startswith(name)


def _parse(listing: str) -> list[tuple[str, str, int]]:
    """``0, GPU-5f2c…, 81559`` a line; an unknown memory is 0."""
    rows = [
        [part.strip() for part in line.split(",")] for line in listing.splitlines() if line.count(",") == 2
    ]
    return [(index, uuid, int(memory) if memory.isdigit() else 0) for index, uuid, memory in rows]
