"""Runs the real command line in processes of its own, as a person or a scheduler would."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from studies.records.trials import TrialRecord
from studies.stored_study import read_study
from studies.study_file import read_study_file

ROOT = Path(__file__).parents[2]
SEARCH = str(Path(sys.executable).with_name("search"))

PATIENCE = 150.0
"""Seconds after which something that takes a few is taken to hang, on the most loaded machine."""


def environment() -> dict[str, str]:
    """This process's own, with a place for bytecode where it is told to write none.

    A test run starts many programs, and compiling Optuna and Dask anew costs each of them five seconds.
    """
    inherited = dict(os.environ)
    if inherited.pop("PYTHONDONTWRITEBYTECODE", ""):
        inherited["PYTHONPYCACHEPREFIX"] = _bytecode()
    return inherited


def search(
    directory: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``search`` with these arguments in a directory, to its end."""
    return subprocess.run(
        [SEARCH, *arguments],
        cwd=directory,
        env=environ or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass(frozen=True)
class Running:
    """A ``search`` that runs, as the leader of a session of its own."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal does it: to every process in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(PATIENCE)

    def told(self) -> bool:
        """Whether it has said of a trial that it ended."""
        return "\ntrial " in self.stderr.read_text()

    def family(self) -> list[int]:
        """Processes of its session, itself among them, that are alive."""
        return [pid for pid in psutil.pids() if _session(pid) == self.process.pid and _alive(pid)]


@contextmanager
def started(directory: Path, *arguments: str) -> Iterator[Running]:
    """Start ``search`` in a directory; whatever is left of it is killed on leaving."""
    logs = Path(tempfile.mkdtemp(prefix="search-output-"))
    with (logs / "stdout").open("wb") as stdout, (logs / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [SEARCH, *arguments],
            cwd=directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    running = Running(process, logs / "stdout", logs / "stderr")
    try:
        yield running
    finally:
        for pid in running.family():
            os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE)
        shutil.rmtree(logs)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look until it is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"after {PATIENCE:g} s not yet: {what}")
        time.sleep(0.01)


def stored(study: Path) -> tuple[TrialRecord, ...]:
    """The trials that the storage of a study file holds."""
    return read_study(read_study_file(study)).records


def states(study: Path) -> dict[int, str]:
    """State of each stored trial, by number."""
    return {record.number: record.state for record in stored(study)}


def contents(directory: Path) -> dict[str, bytes | None]:
    """Every file below a directory with its bytes, and every directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


@cache
def _bytecode() -> str:
    directory = tempfile.mkdtemp(prefix="search-bytecode-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
