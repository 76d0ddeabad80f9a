"""The log of a launch: what `search` itself did, in the file where what libraries print lands too.

The handlers are set up here, at the edge of a command that drives a study, and nowhere else: importing the
packages installs none but :class:`logging.NullHandler`. No record ever breaks a search: a disk that is full
or a terminal that is gone loses records, and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from search.commands.library_output import library_output_to
from search.driving.display import Display, LineDisplay, make_display
from search.output.terminal import Console

MOST_BYTES = 10_000_000
"""The log begins again once it is so long; the one before is kept beside it, as ``launch.log.1``."""

FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextlib.contextmanager
def launch_log(study: Path, *, quiet: bool, verbose: bool = False) -> Iterator[Display]:
    """Log what a command does to ``.search/launch.log`` beside its study file, and give it its display.

    Only for a command that owns its process, see :func:`library_output_to`.

    Args:
        study: the study file.
        quiet: whether no progress is shown.
        verbose: whether what is logged, but for debugging, is shown too.
    """
    path = study.parent / ".search" / "launch.log"
    with library_output_to(path) as terminal, contextlib.ExitStack() as stack:
        display = make_display(quiet, terminal)
        handlers: list[logging.Handler] = []
        with contextlib.suppress(OSError):  # a folder that can't be written has its own message later
            handlers.append(LogFile(path))
        if verbose:
            handlers.append(OnDisplay(LineDisplay(Console(terminal)) if quiet else display))
        stack.enter_context(_logging_to(handlers))
        yield display


@contextlib.contextmanager
def _logging_to(handlers: list[logging.Handler]) -> Iterator[None]:
    logger = logging.getLogger("search")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


class LogFile(logging.Handler):
    """Appends each record in one write, so that no line of it is torn by what others write there.

    Python's RotatingFileHandler renames the file; libraries, and processes that they started, hold it open by
    its descriptor and would go on in the renamed one. So the file is copied and emptied, as logrotate's
    ``copytruncate`` does: who appends to it goes on at its new end.

    Args:
        path: of the file, whose folder is there.
        most: bytes after which it begins again.

    Raises:
        OSError: where it can't be opened.
    """

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        super().__init__()
        self._path, self._most = path, most
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._torn = False
        self.setFormatter(logging.Formatter(FORM))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or lose it."""
        with contextlib.suppress(Exception):
            line = (self.format(record) + "\n").encode(errors="backslashreplace")
            if os.fstat(self._descriptor).st_size + len(line) > self._most:
                self._begin_again()
            self._torn, torn = True, self._torn
            self._torn = os.write(self._descriptor, b"\n" * torn + line) < len(line) + torn

    def _begin_again(self) -> None:
        """Unless another launch with this log does so just now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        try:
            if os.fstat(self._descriptor).st_size > self._most // 2:
                with contextlib.suppress(OSError):  # no room for a copy is no reason to grow on
                    shutil.copyfile(self._path, self._path.with_name(f"{self._path.name}.1"))
                os.ftruncate(self._descriptor, 0)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()


class OnDisplay(logging.Handler):
    """Shows records from ``INFO`` on as notes of a display, above its live view where it has one."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.INFO)
        self._display = display
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record, or lose it."""
        with contextlib.suppress(Exception):
            self._display.note(self.format(record))
