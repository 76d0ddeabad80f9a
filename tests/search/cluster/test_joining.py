"""A driver on a scheduler of somebody else's, both in this process: placement, refusals, rows and TLS.

Real, and quick; tests/faults has them in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distributed import Scheduler, SpecCluster, Worker

from search import launch
from search.cluster import starting
from search.cluster.joining import Reception
from search.cluster.security import security_of
from search.cluster.starting import start_cluster
from search.driving.display import SilentDisplay
from search.loop.slots import Slots
from studies.errors import MachineError
from studies.sections.cluster import Cluster
from tests.certificates import make_certificates
from tests.faults.programs import wait_until
from workers import process
from workers.machine import rows
from workers.machine.environment import Environment, environment
from workers.machine.rows import CACHE, FILES

Writes = Callable[..., Path]
LOOPBACK = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}


@contextmanager
def cluster_of(security: Any = None, **workers: Mapping[str, int]) -> Iterator[SpecCluster]:
    """A scheduler, and a worker of each name with these resources."""
    protocol = {} if security is None else {"protocol": "tls://"}
    options = {**LOOPBACK, **protocol, "security": security}
    specification = {
        name: {"cls": Worker, "options": {"nthreads": 2, "resources": dict(resources), **options}}
        for name, resources in workers.items()
    }
    scheduler = {"cls": Scheduler, "options": {"port": 0, **options}}
    with SpecCluster(workers=specification, scheduler=scheduler, security=security) as found:
        yield found


def at(cluster: SpecCluster, more: str = "") -> str:
    return f'kind = "address"\naddress = "{cluster.scheduler_address}"\n{more}'


def used(study: Path, display: SilentDisplay | None = None) -> set[str]:
    result = launch(study, fresh=True, display=display or SilentDisplay())
    assert [record.state for record in result.records] == ["complete"] * len(result.records)
    return {record.report.worker for record in result.records if record.report}


class Notes(SilentDisplay):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_gpus_are_preferred_required_or_left_alone(study_file: Writes) -> None:
    with cluster_of(gpu={"GPU": 1}, cpu={"TRIAL": 1, "SPARK": 1}) as cluster:
        section = Cluster(kind="address", address=cluster.scheduler_address)
        with start_cluster(section, ("tensorflow", "spark")) as running:
            assert running.slots in (Slots(1, 1, 1), Slots(1, 1)), "the GPU's may come a moment later"
            wait_until(lambda: running.present() == Slots(1, 1, 1), "all slots")
        study = study_file(slots=at(cluster), trials="trials = 10")
        text = study.read_text()
        assert used(study) == {"gpu", "cpu"}
        for policy, worker in (("require", "gpu"), ("never", "cpu")):
            study.write_text(text.replace("[cluster]", f'[cluster]\ngpu = "{policy}"'))
            assert used(study) == {worker}


@pytest.mark.parametrize(
    ("gpu", "frameworks", "said"),
    [
        ("require", ("tensorflow",), 'no slot with a GPU, and cluster.gpu is "require"'),
        ("prefer", ("tensorflow", "spark"), "no slot for tensorflow"),
    ],
)
def test_what_no_worker_has_is_refused_with_what_they_have(
    gpu: str, frameworks: Sequence[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "FIND_SECONDS", 3.0)
    with cluster_of(one={"SPARK": 2}) as cluster:
        section = Cluster.model_validate(
            {"kind": "address", "address": cluster.scheduler_address, "gpu": gpu}
        )
        with pytest.raises(MachineError) as refused, start_cluster(section, frameworks):
            pass
    assert said in str(refused.value)
    assert "its workers have 1 × SPARK=2" in str(refused.value)


def another_version(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let drivers find that the worker of this name has another version of the project."""
    real = Reception._compared

    def compared(reception: Reception, address: str, there: Any) -> Any:
        if there.host == name:
            there = replace(there, versions={**there.versions, "honest-search": "9.9.9"})
        return real(reception, address, there)

    async def described(rows: str, java: bool, packages: Sequence[str], dask_worker: Any) -> Environment:
        return replace(environment(rows, java, packages), host=dask_worker.name)

    monkeypatch.setattr(Reception, "_compared", compared)
    monkeypatch.setattr("search.cluster.joining.greet", described)


def test_a_worker_with_another_version_of_the_project_gets_no_trial_and_keeps_its_slots(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_version(monkeypatch, "two")
    display = Notes()
    with cluster_of(one={"TRIAL": 1}, two={"TRIAL": 2}) as cluster:
        with start_cluster(Cluster(kind="address", address=cluster.scheduler_address)) as running:
            assert running.slots == Slots(1)
        assert used(study_file(slots=at(cluster)), display) == {"one"}
        offered = {worker.name: worker.resources for worker in cluster.scheduler.workers.values()}
        assert offered == {"one": {"TRIAL": 1}, "two": {"TRIAL": 2}}
    (note,) = [note for note in display.notes if "9.9.9" in note]
    assert "those refused get no trial of this study; other work there goes on" in note


def test_where_all_workers_have_another_version_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    another_version(monkeypatch, "one")
    with cluster_of(one={"TRIAL": 1}) as cluster:
        section = Cluster(kind="address", address=cluster.scheduler_address)
        with pytest.raises(MachineError) as refused, start_cluster(section, ("analytic",)):
            pass
    assert "is like this machine" in str(refused.value)
    assert "9.9.9" in str(refused.value)


def test_workers_of_others_that_cannot_import_the_project_can_come_later() -> None:
    with cluster_of(one={}) as cluster:
        with start_cluster(Cluster(kind="address", address=cluster.scheduler_address)) as running:
            wait_until(lambda: running.present() == Slots(2), "its threads")
        plugins = cluster.scheduler.worker_plugins
        assert all(b"workers." not in plugin for plugin in plugins.values()), "who comes would load them"


@pytest.mark.parametrize("shared", [False, True], ids=["through the scheduler", "through a store"])
def test_a_machine_that_does_not_see_the_rows_gets_a_copy_and_nothing_stays_behind(
    shared: bool, study_file: Writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = rows.sees
    monkeypatch.setattr("workers.machine.environment.sees", lambda _directory: False)
    monkeypatch.setattr(rows, "sees", lambda directory: seen(directory) and tmp_path not in directory.parents)
    monkeypatch.setenv(CACHE, str(tmp_path / "copies"))
    monkeypatch.setattr(process, "_splits", {})
    monkeypatch.setattr(process, "_trainers", {})
    with cluster_of(one={"TRIAL": 1}, two={"TRIAL": 1}) as cluster:
        more = f'rows = "file://{tmp_path}/store"' if shared else ""
        display = Notes()
        assert used(study_file(slots=at(cluster, more)), display) <= {"one", "two"}
        held = cluster.scheduler.task_metadata["honest-search-rows"]
    (copy,) = (tmp_path / "copies").iterdir()
    assert {file.name for file in copy.iterdir()} == set(FILES)
    assert bool(list(tmp_path.glob("store/*/*.npy"))) is shared
    assert [note for note in display.notes if "go to workers that don't see" in note]
    (left,) = held.values()
    assert set(left.pop("index").values()) <= {None}
    assert set(left.values()) <= {None}


def test_who_was_not_signed_by_the_authority_is_let_in_nowhere(
    study_file: Writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, others = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "others")
    keys = {"tls_ca": str(ours.ca), "tls_cert": str(ours.certificate), "tls_key": str(ours.key)}
    security = security_of(Cluster.model_validate({"kind": "slurm", **keys}), tmp_path)
    assert security.require_encryption
    with cluster_of(security, one={"TRIAL": 1}) as cluster:
        study = study_file(slots=at(cluster, ours.in_study()))
        assert used(study) == {"one"}
        monkeypatch.setattr(starting, "FIND_SECONDS", 1.0)
        text = study.read_text()
        for wrong in (
            text.replace(ours.in_study(), others.in_study()),
            text.replace(ours.in_study(), "").replace("tls://", "tcp://"),
        ):
            study.write_text(wrong)
            with pytest.raises(MachineError, match="no Dask scheduler answers at"):
                launch(study, display=SilentDisplay())


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    ours, others = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "others")
    keys = {"tls_ca": str(ours.ca), "tls_cert": str(ours.certificate), "tls_key": str(others.key)}
    with pytest.raises(MachineError, match="the certificates can't be used"):
        security_of(Cluster.model_validate({"kind": "slurm", **keys}), tmp_path)
    with pytest.raises(MachineError, match="there is no file"):
        security_of(Cluster.model_validate({"kind": "slurm", **keys, "tls_ca": "none.pem"}), tmp_path)
