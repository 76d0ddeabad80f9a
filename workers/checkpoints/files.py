"""Where checkpoints lie: a directory of this machine, or any place that fsspec has a protocol for.

A file is written whole or not at all: renamed into its place where the place can rename, put as one object
where it keeps objects, which are there only when they are whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from fsspec import AbstractFileSystem
from fsspec.core import has_magic

from studies.errors import CheckpointError, MachineError, StudyFileError
from studies.whole_files import write_whole
from workers.machine.places import Place, hidden_of, local_directory, open_place, shown

_OBJECTS = frozenset(
    {"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "oci", "oss", "tos", "hf"}
)
"""Protocols whose files are objects: whole when they appear, and renamed only by copying them."""

_MODIFIED = ("mtime", "modified", "LastModified", "last_modified", "updated", "created")
"""What the protocols call the moment of the last write, which fsspec has no common word for."""


@dataclass(frozen=True)
class Entry:
    """A file: its name, its size in bytes, and when it was written, in seconds; 0 where that isn't known."""

    name: str
    size: int
    written: float


class Files(Protocol):
    """The files of one folder, by name. Every method may raise what its place raises."""

    def entries(self) -> list[Entry]:
        """All files, in no order; none where the folder isn't there."""

    def read(self, name: str) -> bytes:
        """The content, or ``FileNotFoundError``."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, in the place of one of the same name; the folder is made."""

    def remove(self, name: str) -> None:
        """Remove a file, where it is there."""

    def clear(self) -> None:
        """Remove the folder and all that is in it."""


@dataclass(frozen=True)
class LocalFiles:
    """A directory of this machine, or one that is mounted."""

    directory: Path

    def entries(self) -> list[Entry]:
        """See :class:`Files`."""
        entries = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self.directory) as scan:
            for entry in scan:
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                    state = entry.stat()
                    entries.append(Entry(entry.name, state.st_size, state.st_mtime))
        return entries

    def read(self, name: str) -> bytes:
        """See :class:`Files`."""
        return (self.directory / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write to a temporary file beside the place, force it to the disk, and rename it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / name
        write_whole(path, content, temporary=f".{path.stem}-{uuid.uuid4().hex}.tmp")

    def remove(self, name: str) -> None:
        """See :class:`Files`."""
        (self.directory / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """See :class:`Files`."""
        shutil.rmtree(self.directory, ignore_errors=True)


class RemoteFiles:
    """A folder behind a URL of fsspec's."""

    def __init__(self, place: Place) -> None:
        self._system, self._folder = place.system, place.folder
        self._renames = place.protocol not in _OBJECTS

    def entries(self) -> list[Entry]:
        """See :class:`Files`."""
        self._system.invalidate_cache()  # other processes write here too
        try:
            infos = self._system.ls(self._folder, detail=True)
        except FileNotFoundError:
            return []
        files = [info for info in infos if info["type"] == "file"]
        return [Entry(info["name"].rsplit("/", 1)[-1], info["size"] or 0, _written(info)) for info in files]

    def read(self, name: str) -> bytes:
        """See :class:`Files`."""
        content: bytes = self._system.cat_file(self._path(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put one object, or write beside the place and rename."""
        if not self._renames:
            self._system.pipe_file(self._path(name), content)
            return
        self._system.makedirs(self._folder, exist_ok=True)
        temporary = self._path(f".{name.removesuffix('.npz')}-{uuid.uuid4().hex}.tmp")
        try:
            self._system.pipe_file(temporary, content)
            self._move(temporary, self._path(name))
        except BaseException:
            with contextlib.suppress(Exception):
                self._system.rm_file(temporary)
            raise

    def remove(self, name: str) -> None:
        """See :class:`Files`."""
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(name))

    def clear(self) -> None:
        """See :class:`Files`."""
        with contextlib.suppress(FileNotFoundError):
            if not has_magic(self._folder):
                self._system.rm(self._folder, recursive=True)
                return
            # What is removed at once is taken for a pattern.
            for path in self._system.find(self._folder):
                self._system.rm_file(path)

    def _move(self, before: str, after: str) -> None:
        if type(self._system).mv is not AbstractFileSystem.mv:
            self._system.mv(before, after)
            return
        # fsspec's own copies and removes, and takes both names for patterns.
        self._system.cp_file(before, after)
        self._system.rm_file(before)

    def _path(self, name: str) -> str:
        return f"{self._folder.rstrip('/')}/{name}"


def open_files(url: str) -> Files:
    """The files of the folder that an address or a path names.

    Raises:
        StudyFileError, MachineError: as :func:`workers.machine.places.open_place`.
    """
    directory = local_directory(url)
    if directory is not None:
        return LocalFiles(directory)
    return RemoteFiles(open_place(url, "checkpoints.url"))


@contextlib.contextmanager
def refusals(url: str, done: str, what: str = "checkpoint") -> Iterator[None]:
    """Turn whatever the place raises inside into one of our errors.

    Raises:
        CheckpointError: where the place refuses.
    """
    # The clients of object stores raise their own kinds beside OSError: no credentials, no endpoint.
    kinds = OSError if local_directory(url) is not None else Exception
    try:
        yield
    except (CheckpointError, MachineError, StudyFileError):
        raise
    except kinds as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CheckpointError(
            f"the {what} can't be {done}: {hidden_of(url).out_of(reason)}",
            where=shown(url),
            remedy="make room, make the place writable, or change checkpoints.url; then launch again",
        ) from (error if kinds is OSError else None)  # its own words may hold the address


def _written(info: Mapping[str, Any]) -> float:
    moment = next((info[key] for key in _MODIFIED if info.get(key) is not None), 0.0)
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, int | float) else 0.0
