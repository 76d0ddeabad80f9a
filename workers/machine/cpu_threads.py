"""How many threads TensorFlow computes with, so that the trials that run at once fill the cores and no more.

TensorFlow reads its number from the environment when it starts, and can't change it after that. A process's
threads are shared by its trials: with as many slots as cores, each trial computes in its own thread alone,
which saves the waiting for one another; with fewer, any of them may use all cores that the others leave.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

WITHIN_OPERATIONS = "TF_NUM_INTRAOP_THREADS"
BETWEEN_OPERATIONS = "TF_NUM_INTEROP_THREADS"


def environment(cores: int, processes: int, slots: int, *, alike: bool = False) -> dict[str, str]:
    """What TensorFlow reads in each worker process.

    Args:
        cores: that all worker processes of this machine may use together.
        processes: how many they are.
        slots: trials at once in each of them.
        alike: give the same sums whatever the numbers: on some processors a product of matrices is added up
            in another order by two threads than by one.
    """
    share = max(1, cores // processes)
    within = share if slots < share and not alike else 1
    return {WITHIN_OPERATIONS: str(within), BETWEEN_OPERATIONS: str(slots)}


@contextmanager
def set_unless_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Context with these in the environment, for this process and those that it starts.

    What is set already stays as it is: it was set on purpose.
    """
    missing = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def describe(device: str, variables: Mapping[str, str]) -> str:
    """The device with its threads, where they were set: ``CPU, 1 thread``; GPUs have none."""
    threads = variables.get(WITHIN_OPERATIONS, "")
    if device != "CPU" or not threads.isdigit() or int(threads) == 0:
        return device
    return f"{device}, 1 thread" if int(threads) == 1 else f"{device}, {int(threads)} threads"
