"""Dask's configuration on a machine: read, named, and kept off clusters that are ours alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dask.config
import distributed  # noqa: F401  has defaults of its own
import pytest
from click.testing import CliRunner

from search.cli import main
from search.cluster.dask_settings import not_used_here, own_settings, personal_settings
from search.cluster.starting import start_cluster
from studies.errors import MachineError
from studies.sections.cluster import Cluster

Says = Callable[[str], None]

STRICT = """
distributed:
  comm: {require-encryption: true}
  scheduler: {idle-timeout: 1s, pickle: false, preload: [no.such.module]}
  worker: {daemon: false, lifetime: {duration: 1s}, preload: [no.such.module]}
  nanny: {preload: [no.such.module]}
"""


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """Writes the machine's configuration of Dask."""

    def write(text: str) -> None:
        (tmp_path / "dask.yaml").write_text(text)
        monkeypatch.setattr(dask.config, "paths", [str(tmp_path)])

    return write


def test_settings_are_named_and_so_are_variables(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    says(STRICT)
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__RETRY__COUNT", "5")
    names = not_used_here(personal_settings())
    assert "distributed.comm.require-encryption" in names
    assert "distributed.comm.retry.count" in names
    says("")
    monkeypatch.delenv("DASK_DISTRIBUTED__COMM__RETRY__COUNT")
    assert not_used_here(personal_settings()) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("distributed: [1, ", r"dask\.yaml: Dask's configuration can't be read: line \d: .*expected"),
        ("- a\n- b", r"dask\.yaml: .*must have a dict as the top level"),
        ("a: b: c", r"dask\.yaml: .*line 1: mapping values are not allowed"),
        ("temporary-directory: /proc/none", "temporary directory can't be used: .*, in the folder /proc"),
        ("temporary-directory: /dev/null/x", "temporary directory can't be used: /dev/null is no folder"),
    ],
)
def test_what_dask_cannot_use_is_one_message(says: Says, text: str, why: str) -> None:
    says(text)
    with pytest.raises(MachineError, match=why) as caught:
        personal_settings()
    assert "\n" not in caught.value.problem


def test_a_cluster_of_our_own_has_dask_s_defaults_and_afterwards_all_is_as_before(
    says: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(STRICT + f"temporary-directory: {tmp_path}\n")
    monkeypatch.setattr(dask.config, "config", dask.config.config)
    with dask.config.set({"distributed.comm.require-encryption": True}):
        with own_settings({"distributed.scheduler.worker-ttl": "60s"}):
            assert dask.config.get("distributed.comm.require-encryption") is None
            assert dask.config.get("distributed.worker.daemon") is True
            assert dask.config.get("distributed.scheduler.worker-ttl") == "60s"
            assert dask.config.get("temporary-directory") == str(tmp_path)
        assert dask.config.get("distributed.comm.require-encryption") is True
        assert dask.config.get("distributed.scheduler.worker-ttl") != "60s"


@pytest.mark.slow
def test_strict_settings_of_another_cluster_end_no_worker_of_ours(says: Says) -> None:
    says(STRICT)
    with (
        dask.config.set(dask.config.collect(dask.config.paths)),
        start_cluster(Cluster(kind="processes", slots=1), ("analytic",)) as running,
    ):
        assert running.client.submit(pow, 2, 10, resources={"TRIAL": 1}).result(timeout=60) == 1024


def test_a_broken_file_is_exit_code_2_in_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    # As importing Dask ends.
    def broken(_path: Path) -> None:
        raise ValueError("A dask config file at '/x/d.yaml' is malformed, original error message:\n\nline")

    monkeypatch.setattr("search.reporting.report.report", broken)
    done = CliRunner().invoke(main, ["report", "s.toml"])
    assert done.exit_code == 2
    assert done.stderr.startswith("search: /x/d.yaml: Dask's configuration can't be read: line\n")
