"""Studies on clusters that are started over SSH and through a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from search import launch
from search.driving.display import SilentDisplay
from search.reporting.report import StudyReport
from studies.errors import MachineError
from tests.certificates import make_certificates
from tests.clusters.servers import SshServer, jobs, slurm, ssh_server
from tests.conftest import write_rows
from tests.faults.histories import every_score_is_that_of_an_undisturbed_run, is_whole
from tests.faults.programs import wait_until

pytestmark = pytest.mark.clusters

Writes = Callable[..., Path]


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshServer]:
    with ssh_server() as found:
        yield found


@pytest.fixture(scope="module")
def queue() -> Iterator[Mapping[str, str]]:
    with slurm() as found:
        yield found


def workers_of(result: StudyReport) -> set[str]:
    assert [record.state for record in result.records] == ["complete"] * len(result.records)
    return {record.report.worker for record in result.records if record.report}


def test_ssh_starts_workers_on_its_hosts_and_ends_them(ssh: SshServer, study_file: Writes) -> None:
    section = f'kind = "ssh"\nhosts = ["127.0.0.1"]\nworkers = 2\n{ssh.options()}'
    study = study_file(slots=section, trials="trials = 8", epochs="epochs = 100")
    write_rows(study.parent, rows=5_000)
    before = set(psutil.pids())
    result = launch(study, display=SilentDisplay())
    assert len(workers_of(result)) == 2
    wait_until(lambda: not _left("distributed.cli.dask_spec", before), "its workers' end")
    every_score_is_that_of_an_undisturbed_run(study, is_whole(study, 8))


def test_ssh_with_certificates(ssh: SshServer, study_file: Writes, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    section = f'kind = "ssh"\nhosts = ["127.0.0.1"]\n{ssh.options()}\n{certificates.in_study()}'
    assert len(workers_of(launch(study_file(slots=section), display=SilentDisplay()))) == 1


def test_a_host_that_lets_nobody_in_is_named(ssh: SshServer, study_file: Writes) -> None:
    options = ssh.options().replace(str(ssh.key), str(ssh.known.parent / "host"))
    section = f'kind = "ssh"\nhosts = ["127.0.0.1"]\n{options}'
    with pytest.raises(MachineError, match="the cluster can't be started: PermissionDenied"):
        launch(study_file(slots=section), display=SilentDisplay())


def test_slurm_runs_workers_as_jobs_and_none_is_left(
    queue: Mapping[str, str], study_file: Writes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_CONF", queue["SLURM_CONF"])
    monkeypatch.chdir(tmp_path)  # where the jobs' own logs go
    section = 'kind = "slurm"\nworkers = 2\noptions = { memory = "1GB", walltime = "00:20:00" }'
    study = study_file(slots=section, trials="trials = 8", epochs="epochs = 100")
    write_rows(study.parent, rows=5_000)
    result = launch(study, display=SilentDisplay())
    assert len(workers_of(result)) == 2
    wait_until(lambda: not jobs(queue), "the jobs' end")
    every_score_is_that_of_an_undisturbed_run(study, is_whole(study, 8))


def test_slurm_gets_more_workers_while_all_are_busy(
    queue: Mapping[str, str], study_file: Writes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_CONF", queue["SLURM_CONF"])
    monkeypatch.chdir(tmp_path)
    section = (
        'kind = "slurm"\nadaptive = { minimum = 1, maximum = 3 }\n'
        'options = { memory = "1GB", walltime = "00:20:00" }'
    )
    study = study_file(slots=section, trials="trials = 60", epochs="epochs = 400")
    write_rows(study.parent, rows=20_000)
    widest = [0]

    class Watch(SilentDisplay):
        def update(self, loop: object, now: float) -> None:  # noqa: ARG002  the display's own signature
            widest[0] = max(widest[0], loop.slots.total)  # type: ignore[attr-defined]
            if widest[0] == 3:
                loop.limits = type(loop.limits)(trials=1)  # type: ignore[attr-defined]  seen enough

    launch(study, display=Watch())
    assert widest[0] == 3
    wait_until(lambda: not jobs(queue), "the jobs' end")


def _left(what: str, before: set[int]) -> list[int]:
    found = []
    for pid in set(psutil.pids()) - before:
        try:
            if what in " ".join(psutil.Process(pid).cmdline()):
                found.append(pid)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found
