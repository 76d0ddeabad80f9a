"""What worker processes of one machine offer to trials, as Dask resources. Pure but for the environment's
variables.

A process has one device for life: TensorFlow can't be moved from a GPU to the CPU once it has started. So
a process that offers :data:`GPU` offers no :data:`TRIAL`, and sees one GPU alone; all others see none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from studies.frameworks import GPU, SPARK, TRIAL
from workers.machine.gpus import Gpu

RESOURCES = (TRIAL, SPARK, GPU)
"""The Dask resources that trials take one of."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

NUMBER = "HONEST_SEARCH_PROCESS"
"""Environment variable: which of its machine's worker processes this one is, from 0."""

PER_GPU = "HONEST_SEARCH_TRIALS_PER_GPU"
"""Environment variable: processes that share each GPU."""

NO_GPU = "HONEST_SEARCH_NO_GPU"
"""Environment variable: set where GPUs are to stay idle."""

SLOTS = "HONEST_SEARCH_SLOTS"
"""Environment variable: trials at once in a process without a GPU; by default one a thread."""

WITH_SPARK = "HONEST_SEARCH_SPARK"
"""Environment variable: set where each process also has a slot for Spark's trials."""

MEMORY = "HONEST_SEARCH_GPU_MEMORY"
"""Environment variable: MiB of its GPU that this process may take; without it, what it needs."""

HIDDEN = "-1"
"""The value of :data:`VISIBLE` that hides all GPUs; an empty one counts as not set in some programs."""

SHARED = 0.9
"""Share of a GPU's memory that processes share out among them: each needs some for CUDA itself, which
TensorFlow's limit doesn't count."""


@dataclass(frozen=True)
class Offer:
    """One worker process: its Dask resources, and its environment before TensorFlow starts."""

    resources: Mapping[str, int]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """Trials at once."""
        return sum(self.resources.values())


def offers(gpus: Sequence[Gpu], trials_per_gpu: int, slots: int, spark: int) -> tuple[Offer, ...]:
    """The worker processes of a whole machine.

    Args:
        gpus: that it may use.
        trials_per_gpu: processes for each of them.
        slots: trials at once on CPUs, each in a process of its own.
        spark: trials of Spark's at once, in one further process: a crash of its JVM hits no other trial.
    """
    on_gpus = [on_gpu(gpu, trials_per_gpu) for gpu in gpus for _ in range(trials_per_gpu)]
    on_cpus = [on_cpu({TRIAL: 1}) for _ in range(slots)]
    return (*on_gpus, *on_cpus, *([on_cpu({SPARK: spark})] if spark else []))


def on_gpu(gpu: Gpu, trials_per_gpu: int) -> Offer:
    """A process that has a GPU, or its share of one."""
    environment = {VISIBLE: gpu.name}
    if trials_per_gpu > 1 and gpu.memory:
        environment[MEMORY] = str(int(gpu.memory * SHARED / trials_per_gpu))
    return Offer({GPU: 1}, environment)


def on_cpu(resources: Mapping[str, int]) -> Offer:
    """A process that sees no GPU."""
    return Offer(resources, {VISIBLE: HIDDEN})


def own_share(gpus: Sequence[Gpu], threads: int, variables: Mapping[str, str] = os.environ) -> Offer:
    """What one process offers that was started beside others of its machine, by its place among them.

    The first ``trials_per_gpu`` processes share the first GPU, the next the second, and the rest have none.
    A JVM needs no GPU, so that any of them may have one.
    """
    number, per_gpu = _whole(variables, NUMBER, 0), max(1, _whole(variables, PER_GPU, 1))
    spark = {SPARK: 1} if WITH_SPARK in variables else {}
    if NO_GPU not in variables and number // per_gpu < len(gpus):
        offer = on_gpu(gpus[number // per_gpu], per_gpu)
    else:
        offer = on_cpu({TRIAL: _whole(variables, SLOTS, max(1, threads - len(spark)))})
    return replace(offer, resources={**offer.resources, **spark})


def memory_limit(variables: Mapping[str, str] = os.environ) -> int:
    """MiB of its GPU that this process may take; 0 for what it needs."""
    return _whole(variables, MEMORY, 0)


def _whole(variables: Mapping[str, str], name: str, default: int) -> int:
    value = variables.get(name, "")
    return int(value) if value.isdigit() else default
