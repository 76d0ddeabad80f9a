"""How many trials a cluster section runs at once.

Apart from the cluster, because importing Dask costs a second that ``search check`` can do without.
"""

from __future__ import annotations

import os

from studies.study import Cluster


def slots_of(section: Cluster) -> int:
    """The section's slots; by default one trial a core that this process may use."""
    return section.slots or cores()


def describe_cluster(section: Cluster) -> str:
    """What the section starts, for a person: ``2 threads of this machine``."""
    slots = slots_of(section)
    return f"{slots} {section.kind} of this machine" if slots > 1 else f"1 slot in {section.kind}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
