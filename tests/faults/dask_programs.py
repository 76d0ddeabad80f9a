"""A Dask scheduler and workers in processes of their own, started by hand as a person would."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.programs import PATIENCE, environment, wait_until

DASK = str(Path(sys.executable).with_name("dask"))


@dataclass
class DaskPrograms:
    """A scheduler with its workers.

    Attributes:
        scheduler: its process, and ``address`` where it listens.
        workers: processes of the workers, or of their nannies.
    """

    directory: Path
    scheduler: subprocess.Popen[bytes]
    address: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def add_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker; nobody waits for it to be there."""
        command = ["worker", self.address, "--host", "127.0.0.1", "--no-dashboard", *options]
        worker = self._stack.enter_context(_program(self.directory, *command))
        self.workers.append(worker)
        return worker

    def stop_scheduler(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.scheduler.send_signal(number)


@contextmanager
def dask_programs(directory: Path) -> Iterator[DaskPrograms]:
    """A scheduler on a free port of this machine; all that was started is killed on leaving."""
    directory.mkdir(exist_ok=True)
    file = directory / "scheduler.json"
    command = [
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    ]
    with ExitStack() as stack, _program(directory, *command) as scheduler:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), "a scheduler")
        address = str(json.loads(file.read_text())["address"])
        yield DaskPrograms(directory, scheduler, address, _stack=stack)


@contextmanager
def _program(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [DASK, *arguments],
            cwd=directory,
            env=environment(),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        process.kill()  # a worker's own process ends with its nanny, and both with their scheduler
        process.wait(PATIENCE)
