"""Which GPUs a process may use, what it offers of them, and how much of their memory it takes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workers import preload
from workers.machine.gpus import Gpu, find_gpus, share_memory, visible
from workers.machine.resources import (
    GPU,
    HIDDEN,
    MEMORY,
    NO_GPU,
    NUMBER,
    PER_GPU,
    SLOTS,
    SPARK,
    TRIAL,
    VISIBLE,
    WITH_SPARK,
    memory_limit,
    offers,
    own_share,
)

TWO = [("0", "GPU-aa11", 81559), ("1", "GPU-bb22", 24576)]
BIG, SMALL = Gpu("0", 81559), Gpu("1", 24576)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, (BIG, SMALL)),
        ("1", (SMALL,)),
        ("1,0", (SMALL, BIG)),
        ("GPU-bb", (Gpu("GPU-bb", 24576),)),
        ("0,7,1", (BIG,)),
        ("MIG-1/2/3", (Gpu("MIG-1/2/3"),)),
        ("", ()),
        ("-1", ()),
    ],
)
def test_the_variable_leaves_gpus_as_cuda_reads_it(wanted: str | None, found: tuple[Gpu, ...]) -> None:
    assert visible(TWO, wanted) == found


def nvidia_smi(directory: Path, body: str) -> dict[str, str]:
    """An environment whose only program is an ``nvidia-smi`` of ours."""
    program = directory / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\n{body}\n")
    program.chmod(0o755)
    return {"PATH": str(directory)}


def test_nvidias_program_is_asked_and_a_machine_without_it_has_no_gpu(tmp_path: Path) -> None:
    assert find_gpus({"PATH": str(tmp_path)}) == ()
    says = nvidia_smi(tmp_path, r'print("0, GPU-aa11, 81559\n1, GPU-bb22, [N/A]")')
    assert find_gpus(says) == (BIG, Gpu("1", 0))
    assert find_gpus({**says, VISIBLE: HIDDEN}) == ()
    assert find_gpus(nvidia_smi(tmp_path, "import sys; print('No devices were found'); sys.exit(9)")) == ()


def test_a_machine_offers_each_gpu_once_a_share_and_hides_them_from_all_others() -> None:
    found = offers([BIG, SMALL], trials_per_gpu=2, slots=2, spark=1)
    assert [dict(offer.resources) for offer in found] == [{GPU: 1}] * 4 + [{TRIAL: 1}] * 2 + [{SPARK: 1}]
    assert [offer.environment[VISIBLE] for offer in found] == ["0", "0", "1", "1", *[HIDDEN] * 3]
    shares = [int(offer.environment.get(MEMORY, 0)) for offer in found]
    assert shares == [36701, 36701, 11059, 11059, 0, 0, 0]
    assert shares[0] * 2 < BIG.memory


def test_a_gpu_of_its_own_is_not_limited() -> None:
    (offer,) = offers([BIG], trials_per_gpu=1, slots=0, spark=0)
    assert dict(offer.environment) == {VISIBLE: "0"}


@pytest.mark.parametrize(
    ("number", "per_gpu", "device"),
    [(0, 1, "0"), (1, 1, "1"), (2, 1, HIDDEN), (1, 2, "0"), (3, 2, "1"), (4, 2, HIDDEN)],
)
def test_processes_of_one_machine_share_its_gpus_out_by_their_numbers(
    number: int, per_gpu: int, device: str
) -> None:
    offer = own_share([BIG, SMALL], 4, {NUMBER: str(number), PER_GPU: str(per_gpu)})
    assert offer.environment[VISIBLE] == device
    assert dict(offer.resources) == ({TRIAL: 4} if device == HIDDEN else {GPU: 1})


def test_a_process_offers_what_it_was_told_to() -> None:
    assert dict(own_share([BIG], 4, {NO_GPU: "1", SLOTS: "3"}).resources) == {TRIAL: 3}
    assert dict(own_share([], 3, {WITH_SPARK: "1"}).resources) == {TRIAL: 2, SPARK: 1}
    assert dict(own_share([BIG], 2, {WITH_SPARK: "1"}).resources) == {GPU: 1, SPARK: 1}
    assert memory_limit({MEMORY: "512"}) == 512
    assert memory_limit({}) == 0


def test_tensorflow_is_told_a_limit_or_to_grow_and_never_both() -> None:
    said: list[tuple[Any, ...]] = []
    config = SimpleNamespace(
        LogicalDeviceConfiguration=lambda memory_limit: ("part", memory_limit),
        set_logical_device_configuration=lambda *given: said.append(("limit", *given)),
        experimental=SimpleNamespace(set_memory_growth=lambda *given: said.append(("growth", *given))),
    )
    share_memory(config, ["gpu"], 4096)
    assert said == [("limit", "gpu", [("part", 4096)])]
    said.clear()
    share_memory(config, ["gpu"], 0)
    assert said == [("growth", "gpu", True)]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A worker that was started without resources, before its scheduler knows of it."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv(VISIBLE, "0")  # set anew by what is tested, and put back afterwards
    monkeypatch.setenv(MEMORY, "")
    yield SimpleNamespace(state=SimpleNamespace(nthreads=3, total_resources={}, available_resources={}))
    signal.signal(signal.SIGINT, before)


def test_the_preload_says_what_the_process_has_and_hides_the_rest(
    worker: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = nvidia_smi(tmp_path, 'print("0, GPU-aa11, 81559")')
    monkeypatch.setenv("PATH", f"{found['PATH']}:{os.environ['PATH']}")
    monkeypatch.setenv(PER_GPU, "2")
    monkeypatch.setenv(NUMBER, "1")
    asyncio.run(preload.dask_setup(worker))
    assert worker.state.total_resources == worker.state.available_resources == {GPU: 1.0}
    assert (os.environ[VISIBLE], os.environ[MEMORY]) == ("0", "36701")
    worker.state.total_resources, worker.state.available_resources = {}, {}
    monkeypatch.setenv(NUMBER, "2")
    asyncio.run(preload.dask_setup(worker))
    assert worker.state.total_resources == {TRIAL: 3.0}
    assert os.environ[VISIBLE] == HIDDEN


def test_the_preload_leaves_what_a_person_said(worker: SimpleNamespace) -> None:
    worker.state.total_resources = {TRIAL: 7.0, "MEMORY": 1e9}
    asyncio.run(preload.dask_setup(worker))
    assert worker.state.total_resources == {TRIAL: 7.0, "MEMORY": 1e9}
    assert os.environ[VISIBLE] == "0"


def test_finding_gpus_starts_no_tensorflow() -> None:
    code = (
        "import sys, workers.machine.gpus, workers.machine.resources; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
