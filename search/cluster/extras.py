"""Which kinds of cluster need a package that a plain installation lacks.

Apart from the deployers, so that ``search check`` can check it without importing Dask.
"""

from __future__ import annotations

from collections.abc import Mapping

from studies.packages import check_packages
from studies.printable import as_toml
from studies.sections.cluster import QUEUES, Cluster

_NEEDED: Mapping[str, tuple[str, str]] = {
    "ssh": ("asyncssh", "ssh"),
    **dict.fromkeys(QUEUES, ("dask_jobqueue", "slurm")),
    "kubernetes": ("dask_kubernetes", "kubernetes"),
}
"""The module that a kind imports, and the extra that brings it."""


def check_extra(section: Cluster) -> None:
    """Refuse a cluster whose package isn't installed.

    Raises:
        MachineError: where it isn't.
    """
    module, extra = _NEEDED.get(section.kind, ("", ""))
    if module:
        check_packages(f"kind = {as_toml(section.kind)}", [module], extra, where="cluster.kind")
