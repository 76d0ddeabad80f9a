"""A Dask scheduler and workers in processes of their own, started by hand as a person would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.programs import PATIENCE, environment, wait_until

Program = subprocess.Popen[bytes]

SEARCH = str(Path(sys.executable).with_name("search"))

DASK = str(Path(sys.executable).with_name("dask"))


@dataclass
class DaskPrograms:
    """A scheduler with its workers.

    Attributes:
        scheduler: its process, and ``address`` where it listens.
        workers: processes of the workers, or of their nannies.
    """

    directory: Path
    scheduler: Program
    address: str
    workers: list[Program] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def add_worker(self, *options: str, blind_to: Path | None = None, **variables: str) -> Program:
        """Start a worker; nobody waits for it to be there.

        Args:
            options: of ``dask worker``.
            blind_to: a directory that it finds empty, as on a machine that doesn't share it.
            variables: of its environment.
        """
        command = [DASK, "worker", self.address, "--host", "127.0.0.1", "--no-dashboard", *options]
        return self.add(without(blind_to, command) if blind_to else command, "worker", variables)

    def add(self, command: Sequence[str], name: str, variables: Mapping[str, str] | None = None) -> Program:
        """Start a program that is to end with all others."""
        program = self._stack.enter_context(_program(self.directory, command, name, variables or {}))
        self.workers.append(program)
        return program

    def said(self, name: str) -> str:
        """What programs of a name wrote."""
        return (self.directory / f"{name}.log").read_text()

    def stop_scheduler(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.scheduler.send_signal(number)


def without(directory: Path, command: Sequence[str]) -> list[str]:
    """The command, in a mount namespace of its own where a directory is empty."""
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    script = 'mount -t tmpfs none "$1" && shift && exec "$@"'
    return [*alone, "sh", "-c", script, "sh", str(directory), *command]


@contextmanager
def dask_programs(directory: Path, *options: str) -> Iterator[DaskPrograms]:
    """A scheduler on a free port of this machine; all that was started is killed on leaving."""
    directory.mkdir(exist_ok=True)
    file = directory / "scheduler.json"
    command = [
        DASK,
        "scheduler",
        *options,
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    ]
    with ExitStack() as stack, _program(directory, command, "scheduler", {}) as scheduler:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), "a scheduler")
        address = str(json.loads(file.read_text())["address"])
        yield DaskPrograms(directory, scheduler, address, _stack=stack)


@contextmanager
def _program(
    directory: Path, command: Sequence[str], name: str, variables: Mapping[str, str]
) -> Iterator[Program]:
    with (directory / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**environment(), **variables},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        process.kill()  # a worker's own process ends with its nanny, and both with their scheduler
        process.wait(PATIENCE)
