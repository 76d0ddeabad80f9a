"""Whether a process of this machine is still there, or another one has its number."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def started(pid: int) -> int | None:
    """When a process began, in clock ticks since the machine's start; ``None`` where nobody shows it.

    psutil says it by the machine's clock, which may be set meanwhile. Less the moment of the machine's start
    by the same clock it is what no change of the clock touches.
    """
    try:
        process = psutil.Process(pid)
        while True:
            boot, began = psutil.boot_time(), process.create_time()
            if psutil.boot_time() == boot:
                ticks: int = round((began - boot) * os.sysconf("SC_CLK_TCK"))
                return ticks
    except psutil.Error:
        return None


def is_there(kernel: str, pid: int, since: int) -> bool | None:
    """Whether a process runs; ``None`` where only another machine can know.

    Args:
        kernel: :func:`kernel` of the machine where it began.
        pid: its number there.
        since: when it :func:`started`; one that began at another time is another.
    """
    if not kernel or kernel != this_kernel():
        return None
    began = started(pid)
    if began is None:
        return _exists(pid)
    return began == since and not _has_ended(pid)


def this_kernel() -> str:
    """A name for this machine's processes, since its last start; empty where the system gives none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _has_ended(pid: int) -> bool:
    """Whether nobody but its parent, which hasn't asked yet how it ended, knows of it any more."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _exists(pid: int) -> bool:
    """Whether a process is there that the system doesn't show: some hide those of other users, and psutil
    takes these for none.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
