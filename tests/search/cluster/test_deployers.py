"""What is handed to Dask's deployers, as values: nothing is started, and no extra is needed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from search.cluster import deployers
from search.cluster.growing import wanted_workers
from search.loop.slots import describe_cluster
from studies.errors import MachineError
from studies.sections.cluster import Cluster
from workers.machine.resources import NO_GPU, NUMBER, PER_GPU, SLOTS, WITH_SPARK

BOTH = ("tensorflow", "spark")
SLURM = Cluster(kind="slurm", slots=2, workers=5, options={"queue": "long", "memory": "16GB"})
SSH = Cluster(kind="ssh", hosts=["gpu1", "gpu2"], workers=2, trials_per_gpu=2, options={"port": 22})
POD = Cluster(
    kind="kubernetes", workers=3, gpu="never", options={"image": "team/search:1", "env": {"A": "b"}}
)


def test_a_queues_job_is_one_worker_that_says_what_it_has() -> None:
    found = deployers.queue_options(SLURM, BOTH, None)
    assert (found["queue"], found["memory"]) == ("long", "16GB")
    assert (found["cores"], found["processes"]) == (3, 1)  # two slots, and one of Spark's
    assert found["worker_extra_args"][:2] == ["--preload", "workers.preload"]
    assert f"export {SLOTS}=2" in found["job_script_prologue"]
    assert f"export {WITH_SPARK}=1" in found["job_script_prologue"]


def test_a_queues_own_options_win_but_keep_the_preload() -> None:
    options = {"cores": 8, "worker_extra_args": ["--x"], "job_script_prologue": ["module load cuda"]}
    found = deployers.queue_options(Cluster(kind="pbs", options=options), ("tensorflow",), None)
    assert found["cores"] == 8
    assert found["worker_extra_args"][-1] == "--x"
    assert "workers.preload" in found["worker_extra_args"]
    assert found["job_script_prologue"][-1] == "module load cuda"


def test_what_is_started_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    found = deployers.queue_options(SLURM, (), None)
    assert found["scheduler_options"]["host"] == "127.0.0.1"
    assert found["scheduler_options"]["dashboard_address"] == "127.0.0.1:0"
    assert found["worker_extra_args"][-2:] == ["--host", "127.0.0.1"]
    wide = deployers.queue_options(SLURM.model_copy(update={"host": "10.0.0.1"}), (), None)
    assert wide["scheduler_options"]["host"] == "10.0.0.1"
    assert "--host" not in wide["worker_extra_args"]


def test_each_process_of_a_host_knows_its_number_so_that_they_share_the_gpus_out() -> None:
    found = deployers.ssh_workers(SSH, ("tensorflow",))
    assert list(found) == ["gpu1-0", "gpu1-1", "gpu2-0", "gpu2-1"]
    first, second = (found[name]["options"] for name in ("gpu1-0", "gpu1-1"))
    assert first["address"] == "gpu1"
    assert first["connect_options"] == {"port": 22}
    assert first["kwargs"]["preload"] == ["workers.preload"]
    assert (first["kwargs"]["env"][NUMBER], second["kwargs"]["env"][NUMBER]) == ("0", "1")
    assert first["kwargs"]["env"][PER_GPU] == "2"


def test_a_password_for_ssh_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    section = SSH.model_copy(update={"options": {"password": "${SSH_PASSWORD}"}})
    with pytest.raises(MachineError, match="no variable SSH_PASSWORD"):
        deployers.ssh_workers(section, ())
    monkeypatch.setenv("SSH_PASSWORD", "s3cret")
    worker = deployers.ssh_workers(section, ())["gpu1-0"]
    assert worker["options"]["connect_options"] == {"password": "s3cret"}
    refused = deployers._not_started(section, PermissionError("not let in with s3cret"))
    assert "not let in with ${SSH_PASSWORD}" in str(refused)


def test_python_is_one_word_of_a_jobs_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/home/ann/my project/.venv/bin/python")
    assert deployers.queue_options(SLURM, (), None)["python"] == "'/home/ann/my project/.venv/bin/python'"
    given = SLURM.model_copy(update={"options": {"python": "python3"}})
    assert deployers.queue_options(given, (), None)["python"] == "python3"


def test_pods_run_the_image_with_the_preload() -> None:
    found = deployers.kubernetes_options(POD, BOTH)
    assert (found["image"], found["n_workers"]) == ("team/search:1", 3)
    assert found["worker_command"] == ["dask", "worker", "--nthreads", "2", "--preload", "workers.preload"]
    assert found["env"] == {SLOTS: "1", PER_GPU: "1", NO_GPU: "1", WITH_SPARK: "1", "A": "b"}


def test_certificates_reach_processes_over_ssh_through_dasks_configuration() -> None:
    class Security:
        tls_ca_file, tls_worker_cert, tls_worker_key = "ca", "cert", "key"

    settings = deployers.tls_settings(Security())
    assert settings["distributed.comm.require-encryption"] is True
    assert settings["distributed.comm.tls.worker.key"] == "key"
    assert settings["distributed.comm.tls.scheduler.cert"] == "cert"
    assert deployers.tls_settings(None) == {}


@pytest.mark.parametrize(
    ("section", "extra"),
    [(SSH, "ssh"), (SLURM, "slurm"), (Cluster(kind="lsf"), "slurm"), (POD, "kubernetes")],
)
def test_a_package_that_is_missing_is_one_message_with_its_extra(
    section: Cluster, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MachineError) as refused:
        deployers.deployer_of(section, (), None)
    assert f"pip install 'honest-search[{extra}]'" in str(refused.value)
    extras = Path("pyproject.toml").read_text()
    assert f"\n{extra} = [" in extras


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        ({}, 1),
        ({"a": ["x"]}, 2),
        ({"a": ["x"], "b": ["y"]}, 4),
        ({"a": ["x"], "b": []}, 1),
        ({"a": [], "b": []}, 0),
    ],
)
def test_more_workers_are_wanted_while_all_are_busy_and_only_idle_ones_are_too_many(
    running: dict[str, list[Any]], wanted: int
) -> None:
    assert wanted_workers(running) == wanted


def test_a_section_is_described_without_being_started() -> None:
    assert describe_cluster(SLURM) == "what 5 jobs of slurm offer"
    assert describe_cluster(SSH) == "what 2 processes on each of gpu1, gpu2 offer"
    assert describe_cluster(POD) == "what 3 pods offer"
    adaptive = Cluster(kind="sge", adaptive={"minimum": 0, "maximum": 40})
    assert describe_cluster(adaptive) == "what 0 to 40 jobs of sge offer"
