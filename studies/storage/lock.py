"""One driver at a time on a study that is kept in a file."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from studies.errors import StorageError


class DriverLock:
    """Held from entering to leaving; the kernel lets go of it when the process dies, however it dies.

    Raises:
        StorageError: on entering, where another driver holds it, with that driver's host and process.
    """

    def __init__(self, path: Path, shown: str = "") -> None:
        self._path = path
        self._shown = shown or str(path)
        self._descriptor: int | None = None

    def __enter__(self) -> DriverLock:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageError(
                f"the lock file can't be written: {error.strerror}",
                where=self._shown,
                remedy="give the study a directory that can be written, or another storage.url",
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(os.read(descriptor, 4096))
            os.close(descriptor)
            raise StorageError(
                f"another driver is running this study: {holder}",
                where=self._shown,
                remedy="wait for it or stop it; `search report` can be used meanwhile",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(_me()).encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The file stays: removing it would let a third driver lock a new file while a second waits here.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _me() -> dict[str, object]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": now}


def _describe(content: bytes) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "one that has only just started"
