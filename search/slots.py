"""How many trials run at once, and of which kind.

Apart from the cluster, because importing Dask costs a second that ``search check`` can do without.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from studies.study import Cluster

TRIAL = "TRIAL"
"""The Dask resource that a trial takes one of."""

SPARK = "SPARK"
"""The Dask resource that a Spark trial takes one of instead, where a cluster offers it."""


SPARK_AT_ONCE = 1
"""Spark trials at once: each uses all cores by itself, and two at once in one session gained nothing."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Trials that can run at once.

    Spark's are apart, so that a fit in the JVM, which uses all cores by itself, neither keeps TensorFlow's
    trials from their slots nor waits behind them.

    Attributes:
        trial: slots of :data:`TRIAL`.
        spark: slots of :data:`SPARK`; without any, Spark trials take those of :data:`TRIAL`.
    """

    trial: int
    spark: int = 0

    @property
    def by_kind(self) -> Mapping[str, int]:
        """Slots by the name of their Dask resource."""
        return {TRIAL: self.trial, SPARK: self.spark} if self.spark else {TRIAL: self.trial}

    @property
    def total(self) -> int:
        """Trials of all kinds at once."""
        return self.trial + self.spark

    def kind(self, framework: str) -> str:
        """The resource that a framework's trials take."""
        return SPARK if framework == "spark" and self.spark else TRIAL

    def without(self, framework: str) -> Slots:
        """One slot less of a framework's kind."""
        if self.kind(framework) == SPARK:
            return replace(self, spark=self.spark - 1)
        return replace(self, trial=max(0, self.trial - 1))


def slots_of(section: Cluster) -> int:
    """The section's slots; by default one trial a core that this process may use."""
    return section.slots or _cores()


def slots_for(section: Cluster, frameworks: Sequence[str]) -> Slots:
    """The slots for a study whose space has these frameworks.

    A study of Spark alone has no others: more trials would be drawn than run, and drawn knowing less.
    """
    if "spark" not in frameworks:
        return Slots(slots_of(section))
    return Slots(slots_of(section) if len(frameworks) > 1 else 0, SPARK_AT_ONCE)


def describe_cluster(section: Cluster) -> str:
    """What the section starts, for a person: ``2 threads of this machine``."""
    if section.address is not None:
        return f"what the workers at {section.address} offer"
    slots = slots_of(section)
    return f"{slots} {section.kind} of this machine" if slots > 1 else f"1 slot in {section.kind}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
