"""How many trials run at once, of which kind, and which kind a trial takes. All of it is pure.

Apart from the cluster, because importing Dask costs a second that ``search check`` can do without.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from studies.frameworks import GPU, SPARK, TRIAL, any_in_spark, framework_of, records_of
from studies.sections.cluster import DEPLOYED, Cluster
from workers.spark import settings as spark_settings

__all__ = [
    "GPU",
    "SPARK",
    "TRIAL",
    "Slots",
    "allowance",
    "cores",
    "describe_cluster",
    "slots_for",
    "slots_of",
]


@dataclass(frozen=True, slots=True)
class Slots:
    """Trials that can run at once.

    Spark's are apart, so that a fit in the JVM, which uses all cores by itself, neither keeps TensorFlow's
    trials from their slots nor waits behind them. GPUs' are apart, because Spark's trials must not take them.

    Attributes:
        trial: slots of :data:`TRIAL`, on CPUs.
        spark: slots of :data:`SPARK`; without any, Spark trials take those of :data:`TRIAL`.
        gpu: slots of :data:`GPU`, for trials of frameworks that can use one.
        gpu_only: whether these trials may take no other.
    """

    trial: int
    spark: int = 0
    gpu: int = 0
    gpu_only: bool = False

    @property
    def by_kind(self) -> Mapping[str, int]:
        """Slots by the name of their Dask resource; only kinds that there are, but for :data:`TRIAL`."""
        counts = {TRIAL: self.trial, SPARK: self.spark, GPU: self.gpu}
        return {kind: count for kind, count in counts.items() if count or kind == TRIAL}

    @property
    def total(self) -> int:
        """Trials of all kinds at once."""
        return self.trial + self.spark + self.gpu

    def kinds(self, framework: str) -> tuple[str, ...]:
        """The resources that a framework's trials may take one of, the best first."""
        record = framework_of(framework)
        if record.in_spark:
            return (SPARK,) if self.spark else (TRIAL,)
        if not record.on_gpus:
            return (TRIAL,)
        if self.gpu_only:
            return (GPU,)
        return (GPU, TRIAL) if self.gpu else (TRIAL,)

    def takes(self, framework: str, free: Mapping[str, int]) -> str:
        """The resource that the next trial of a framework takes: the best that is free, or the last."""
        kinds = self.kinds(framework)
        return next((kind for kind in kinds if free.get(kind, 0) > 0), kinds[-1])

    def free(self, running: Mapping[str, int]) -> dict[str, int]:
        """Free slots by kind; fewer than none where a cluster has shrunk.

        Args:
            running: trials by framework, each taken to be on the best slot that it could get.
        """
        free = {TRIAL: self.trial, SPARK: self.spark, GPU: self.gpu}
        beside = 0
        for framework, count in running.items():
            kinds = self.kinds(framework)
            if kinds == (GPU, TRIAL):
                beside += count
            else:
                free[kinds[0]] -= count
        on_gpus = min(beside, self.gpu)
        free[GPU] -= on_gpus
        free[TRIAL] -= beside - on_gpus
        return free

    def of(self, framework: str) -> int:
        """Trials of a framework that can run at once."""
        return sum(self.by_kind.get(kind, 0) for kind in self.kinds(framework))

    def within(self, limits: Mapping[str, int]) -> Slots:
        """No more of any kind than these limits allow; all where they give none."""
        return replace(
            self,
            trial=min(self.trial, limits.get(TRIAL, self.trial)),
            spark=min(self.spark, limits.get(SPARK, self.spark)),
            gpu=min(self.gpu, limits.get(GPU, self.gpu)),
        )

    def without(self, kind: str) -> Slots:
        """One slot less of a kind."""
        if kind == SPARK:
            return replace(self, spark=max(0, self.spark - 1))
        if kind == GPU:
            return replace(self, gpu=max(0, self.gpu - 1))
        return replace(self, trial=max(0, self.trial - 1))


def allowance(total: int, mine: int, others: int, drivers: int, place: int) -> int:
    """How many slots of one kind a driver may fill, on a scheduler that it shares with others.

    Slots of others' tasks stay theirs, and free slots are divided equally. While none is free, a driver below
    its share keeps one task waiting with Dask, which runs tasks in the order of their arrival. Drivers above
    their share see that one waits, and begin fewer. So each driver has at least one task with Dask, and gets
    a slot as soon as any task ends there.

    Args:
        total: slots that there are for this driver.
        mine: those that its tasks take, waiting ones too.
        others: the same of others' tasks, on the same workers.
        drivers: how many want such slots, this one among them.
        place: of this driver among them, from 0: the first ones get what can't be divided.
    """
    if not total:
        return 0
    share, free = total // drivers, total - mine - others
    if free >= 0:
        most = mine + free // drivers + (place < free % drivers)
        return max(most, min(share, mine + 1), 1)
    return max(mine + free, min(share, mine), 1)


def slots_of(section: Cluster) -> int:
    """The section's slots; by default one trial a core that this process may use."""
    return section.slots or cores()


def slots_for(section: Cluster, frameworks: Sequence[str]) -> Slots:
    """The slots of this machine for a study whose space has these frameworks.

    A study of Spark alone has no others: more trials would be sampled than run, from fewer results.
    """
    if not any_in_spark(frameworks):
        return Slots(slots_of(section))
    alone = all(framework.in_spark for framework in records_of(frameworks))
    return Slots(0 if alone else slots_of(section), spark_settings.AT_ONCE)


def describe_cluster(section: Cluster) -> str:
    """What the section starts, for a person: ``2 threads of this machine``."""
    if section.address is not None:
        return f"what the workers at {section.address} offer"
    if section.kind in DEPLOYED:
        return f"what {_workers(section)} offer"
    slots = slots_of(section)
    return f"{slots} {section.kind} of this machine" if slots > 1 else f"1 slot in {section.kind}"


def _workers(section: Cluster) -> str:
    if section.kind == "cuda":
        return "the GPUs of this machine"
    what = {"ssh": "processes", "kubernetes": "pods"}.get(section.kind, f"jobs of {section.kind}")
    where = f" on each of {', '.join(section.hosts)}" if section.hosts else ""
    if section.adaptive is not None:
        return f"{section.adaptive['minimum']} to {section.adaptive['maximum']} {what}"
    return f"{section.workers or 1} {what}{where}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
