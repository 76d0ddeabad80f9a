"""Which kinds of cluster need a package that a plain installation lacks.

Apart from the deployers, so that ``search check`` can say it without importing Dask.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from studies.errors import MachineError
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
    if module and importlib.util.find_spec(module) is None:
        raise MachineError(
            f"kind = {as_toml(section.kind)} needs the package {module.replace('_', '-')}, "
            "which is not installed",
            where="cluster.kind",
            remedy=f"pip install 'honest-search[{extra}]'",
        )
