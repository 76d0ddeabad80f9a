"""Files that a command writes for a person: looked at before any work, and nothing else destroyed.

A regular file is replaced whole or not at all, and keeps its permissions. A link stays, and its target is
replaced. A device or a pipe is written to and never replaced. Whatever can't be a target is refused by
:func:`output_file`, before the command does anything.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from search.output.streams import write_to_stdout
from studies.errors import OutputError, UnwrittenError
from studies.sections.sizes import describe_size
from studies.whole_files import write_whole

STDOUT = "-"

_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}

_DESCRIPTOR = re.compile(r"(?:/dev/fd|/proc/(?P<process>self|thread-self|\d+)/fd)/(?P<number>\d+)")

_LINKS = 40
"""Symbolic links in a row that Linux follows."""

_FIXED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)
"""Why a file that may be written can't be replaced: its folder may not be written, or it is a mount."""


@dataclass(frozen=True)
class OutputFile:
    """A place for one file, as a person named it, that was looked at.

    Attributes:
        named: the name; :data:`STDOUT` for standard output.
        option: that it was given to, for messages: ``--csv``.
    """

    named: str
    option: str

    def write(self, content: bytes) -> str:
        """Write all of it; returns what was written, for a person: ``report.html (65 kB)``.

        Raises:
            UnwrittenError: where the place refuses.
        """
        descriptor = _descriptor(self.named)
        try:
            if descriptor == 1:
                write_to_stdout(content)
            elif descriptor is not None:
                with os.fdopen(os.dup(descriptor), "wb") as stream:
                    stream.write(content)
            else:
                _write(Path(self.named), content)
        except OSError as error:
            raise UnwrittenError(
                f"can't be written: {error.strerror or error}",
                where=f"{self.option} {self.named}",
                remedy="make room or name another file, and run the command again",
            ) from None
        return "the report to stdout" if descriptor == 1 else f"{self.named} ({describe_size(len(content))})"

    def is_same(self, other: OutputFile) -> bool:
        """Whether both are one regular file, of which one would replace the other."""
        ours, theirs = Path(self.named), Path(other.named)
        if ours.exists() and not ours.is_file():
            return False  # a device or a pipe takes both
        return _is_same(ours, theirs) or _followed(ours) == _followed(theirs)


def output_file(named: str, option: str, inputs: Iterable[Path] = ()) -> OutputFile:
    """The place, if a file can be written there.

    Args:
        named: what the person gave; :data:`STDOUT` for standard output.
        option: that it was given to.
        inputs: files that the command reads, which it must not replace.

    Raises:
        OutputError: where it can't.
    """
    problem = _problem(named, inputs)
    if problem:
        raise OutputError(
            f"can't be written: {problem}",
            where=f"{option} {named}".rstrip(),
            allowed="a file, a pipe or a device; - is standard output",
            remedy="name another file",
        )
    return OutputFile(named, option)


def new_file(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet, whole or not at all.

    Raises:
        OutputError: where something is there, or it can't be written.
    """
    try:
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except FileExistsError:
        raise OutputError(
            "this file is there already", where=str(path), remedy="move it away, or edit it"
        ) from None
    except OSError as error:
        raise OutputError(
            f"can't be written: {error.strerror}",
            where=str(path.absolute()),
            remedy="go to another directory",
        ) from None


def folder_problem(directory: Path) -> str:
    """Why entries can't be made in a folder that should be there; empty where they can."""
    try:
        status = directory.stat()
    except FileNotFoundError:
        return f"there is no folder {directory}"
    except OSError as error:
        return str(error.strerror)
    if not stat.S_ISDIR(status.st_mode):
        return f"{directory} is no folder"
    if not _may(directory, os.W_OK | os.X_OK):
        return f"no permission to write in the folder {directory}"
    try:
        # Where permissions are not all: a file system of the kernel's, or a server's with rules of its own.
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        return f"{error.strerror}, in the folder {directory}"
    return ""


def _problem(named: str, inputs: Iterable[Path]) -> str:
    """Why a file can't be written under a name; empty where it can."""
    if not named.strip():
        return "the name is empty"
    if _descriptor(named) is not None:
        return ""
    path = Path(named)
    try:
        status = path.stat()
    except FileNotFoundError:
        if named.endswith(os.sep):
            return "this names a folder"
        return folder_problem(_followed(path).parent)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return str(getattr(error, "strerror", None) or error)
    if stat.S_ISDIR(status.st_mode):
        return "this is a folder"
    if stat.S_ISBLK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return "this is a disk" if stat.S_ISBLK(status.st_mode) else "this is a socket"
    if not _may(path, os.W_OK):
        return "no permission to write this file"
    if any(_is_same(path, each) for each in inputs):
        return "the command reads this file, and would destroy it"
    return ""


def _write(path: Path, content: bytes) -> None:
    """Into a device or a pipe, or in the place of a regular file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        write_whole(_followed(path), content)
        return
    regular = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    # Links of /proc into other processes' open files can't be followed by their text.
    if not regular or not _is_same(path, _followed(path)):
        _write_into(path, content)
        return
    try:
        write_whole(_followed(path), content, like=status)
    except OSError as error:
        if error.errno not in _FIXED:
            raise
        _write_into(path, content)


def _write_into(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        unwritten = memoryview(content)
        while unwritten:
            unwritten = unwritten[stream.write(unwritten) :]


def _followed(path: Path) -> Path:
    """Where a name leads, through links, also to what isn't there yet."""
    return Path(os.path.realpath(path))


def _descriptor(named: str) -> int | None:
    """The open file of this process that a name stands for, such as ``-`` and ``/dev/stdout``."""
    if named == STDOUT:
        return 1
    text = os.path.normpath(Path(named).absolute())
    for _ in range(_LINKS):
        if text in _STANDARD:
            return _STANDARD[text]
        match = _DESCRIPTOR.fullmatch(text)
        if match:
            ours = match["process"] in (None, "self", "thread-self", str(os.getpid()))
            return int(match["number"]) if ours and _is_open(int(match["number"])) else None
        try:
            link = Path(text).readlink()
        except (OSError, ValueError):
            return None
        text = os.path.normpath(Path(text).parent / link)
    return None


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False
