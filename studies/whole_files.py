"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from pathlib import Path


def write_whole(
    path: Path, content: bytes, *, temporary: str = "", like: os.stat_result | None = None
) -> None:
    """Write a temporary file beside the place, force it to the disk, and rename it.

    Whoever reads meanwhile reads all of the file from before, and a power loss leaves one or the other.

    Args:
        path: the place; a file there is replaced.
        content: of the file.
        temporary: name of the temporary file, by default one of its own.
        like: a file whose owner and permissions it gets.

    Raises:
        OSError: where it can't be written; the temporary file is removed.
    """
    part = path.with_name(temporary or f".{uuid.uuid4().hex}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if like is not None:
                _liken(file.fileno(), like)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _force_directory(path.parent)


def _liken(descriptor: int, other: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, other.st_uid, other.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(other.st_mode))


def _force_directory(directory: Path) -> None:
    """Force the rename itself to the disk, where the system lets a directory be opened."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
