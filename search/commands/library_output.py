"""Keeps what TensorFlow, Spark's JVM and other libraries write to stderr off the person's terminal.

They write from C++ and from child processes, past Python's own ``sys.stderr``: some of it before any setting
of theirs is read, all of it into the middle of the live view. It is kept in a file, for when something goes
wrong.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from search.output.streams import terminal


@contextlib.contextmanager
def library_output_to(log: Path) -> Iterator[TextIO]:
    """Send file descriptor 2 to a file, and give the real stderr to the caller.

    Only for a command that owns its process. What earlier launches left in the file stays in front: a launch
    after a crash would otherwise take away the reason. The file and its directory are removed on leaving
    where they were made here and are empty.
    """
    made = [path for path in (log, log.parent) if not path.exists()]
    try:
        log.parent.mkdir(exist_ok=True)
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        # A directory that can't be written is refused with its own message when the study is opened.
        yield sys.stderr
        return
    sys.stderr.flush()
    real = os.dup(2)
    try:
        with terminal(os.dup(2)) as shown:
            os.dup2(sink, 2)
            yield shown
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)
        os.close(real)
        os.close(sink)
        _remove_empty(log, made)


def _remove_empty(log: Path, made: list[Path]) -> None:
    """Another launch may be writing to a file that was there before."""
    with contextlib.suppress(OSError):
        if log in made and log.stat().st_size == 0:
            log.unlink()
        if log.parent in made:
            log.parent.rmdir()  # refuses a directory that holds anything
