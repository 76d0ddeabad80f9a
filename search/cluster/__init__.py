"""The Dask clusters that trials run on. Only this folder knows which deployers there are.

``starting.py`` has the clusters of this machine and the choice among all; ``deployers.py`` what is handed to
Dask's deployers; ``joining.py`` everything about workers that the driver didn't start itself: whether they
fit, what they offer, and how they get the rows.
"""

from search.cluster.running import NO_WORKERS_SECONDS, RunningCluster
from search.cluster.starting import Site, start_cluster

__all__ = ["NO_WORKERS_SECONDS", "RunningCluster", "Site", "start_cluster"]
