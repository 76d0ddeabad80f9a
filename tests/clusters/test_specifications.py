"""What is handed to deployers whose servers aren't here, against the deployers' own types."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from search.cluster.deployers import kubernetes_options, queue_options
from studies.sections.cluster import Cluster

pytestmark = pytest.mark.clusters


def from_extra(module: str, name: str) -> Any:
    """What an extra brings; late, because `make test` collects this file and installs none of them."""
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("kind", "job", "directive"),
    [("slurm", "SLURMJob", "#SBATCH"), ("pbs", "PBSJob", "#PBS"), ("sge", "SGEJob", "#$"),
     ("lsf", "LSFJob", "#BSUB")],
)  # fmt: skip
def test_every_queues_script_starts_a_worker_with_the_preload(kind: str, job: str, directive: str) -> None:
    section = Cluster.model_validate({"kind": kind, "slots": 2, "options": {"memory": "4GB"}})
    given = queue_options(section, ("tensorflow", "spark"), None)
    del given["scheduler_options"]  # for the cluster, not for its jobs
    make = from_extra(f"dask_jobqueue.{kind}", job)
    script = make("tcp://127.0.0.1:8786", name="a", **given).job_script()
    assert directive in script
    assert "export HONEST_SEARCH_SLOTS=2" in script
    (command,) = [line for line in script.splitlines() if "dask worker" in line or "dask_worker" in line]
    assert "--preload workers.preload" in command
    assert "--nthreads 3" in command


def test_kubernetes_takes_the_specification() -> None:
    section = Cluster(kind="kubernetes", workers=3, options={"image": "team/search:1", "namespace": "ml"})
    given = kubernetes_options(section, ("tensorflow",))
    make_cluster_spec = from_extra("dask_kubernetes.operator", "make_cluster_spec")
    inspect.signature(from_extra("dask_kubernetes.operator", "KubeCluster")).bind(quiet=True, **given)
    known = {name: given[name] for name in inspect.signature(make_cluster_spec).parameters if name in given}
    worker = make_cluster_spec(**known)["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert worker["replicas"] == 3
    assert container["image"] == "team/search:1"
    assert " ".join(container["args"]).startswith("dask worker --nthreads 1 --preload workers.preload")
    assert {"name": "HONEST_SEARCH_SLOTS", "value": "1"} in container["env"]
