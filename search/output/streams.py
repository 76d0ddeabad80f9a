"""Standard output and standard error as a command may rely on them, whatever they are.

One that is closed takes everything and keeps nothing. Where standard output's reader has left, the command
ends as SIGPIPE ends others (141); where it is full, with a message. Standard error only shows progress and
messages: one that refuses is written to no more, and the command goes on. Characters that an encoding lacks
become ASCII ones (:data:`MARKS`).
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from studies.errors import UnwrittenError

READER_LEFT = 141
"""Exit code where standard output's reader has left: what a shell says of a program that SIGPIPE ended."""

MARKS: Mapping[str, str] = {
    **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True)),
    **dict.fromkeys("─━╌═", "-"),
    **dict.fromkeys("│┃┆▏", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("–—−‐", "-"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("‘’", "'"),
    "…": "~",
    "×": "x",
    "·": ".",
    "•": "*",
    "→": "->",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "²": "^2",
    "\N{NO-BREAK SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
}
"""What this program's own signs become where an encoding lacks them: as wide, where they stand in tables. Any
other character becomes its escape (``\\\\xe9``), so that two labels never look alike."""

_TO_MARKS = "honest-search-marks"
"""Name of the error handler for encoding."""


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What is written instead of characters that an encoding lacks; see :func:`codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    escaped = (MARKS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in lacking)
    return "".join(escaped), error.end


codecs.register_error(_TO_MARKS, in_ascii)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Standard streams that no command needs to look after.

    Raises:
        SystemExit: on leaving, where standard output's reader has left.
        UnwrittenError: on leaving, where it can't be written.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    _fill_closed()
    sys.stdout = _safe(sys.stdout, 1, _output_refuses)
    sys.stderr = _safe(sys.stderr, 2, _give_up)
    try:
        yield
    finally:
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = before
        stderr.flush()
        stdout.flush()


def terminal(descriptor: int) -> TextIO:
    """A stream for a person on a descriptor, which it closes with itself. One that refuses is left alone."""
    like: Any = sys.stderr
    return _text_stream(_Guarded(descriptor, _give_up, closes=True), like, by_line=True)


def write_to_stdout(content: bytes) -> None:
    """Write bytes that don't depend on the terminal's encoding: a table, or a page.

    Raises:
        SystemExit, UnwrittenError: as :func:`safe_streams`.
    """
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # a stream of texts that a program put there
        sys.stdout.write(content.decode())
        return
    binary.write(content)
    binary.flush()


class _Guarded(io.RawIOBase):
    """A descriptor whose refusals are somebody's to decide on.

    Args:
        descriptor: of an open file.
        refused: is given a refusal; raises, or returns to go on without the file.
        closes: whether the descriptor is closed with this.
    """

    def __init__(self, descriptor: int, refused: Callable[[int, OSError], None], *, closes: bool) -> None:
        self._descriptor, self._refused, self._closes = descriptor, refused, closes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, content: Any) -> int:
        try:
            return os.write(self._descriptor, content)
        except BlockingIOError:  # somebody else made the terminal non-blocking
            os.set_blocking(self._descriptor, True)
            return os.write(self._descriptor, content)
        except OSError as error:
            self._refused(self._descriptor, error)
            return len(content)

    def close(self) -> None:
        if self._closes and not self.closed:
            os.close(self._descriptor)
        super().close()


def _output_refuses(descriptor: int, error: OSError) -> None:
    _to_nowhere(descriptor)
    if error.errno == errno.EPIPE:
        raise SystemExit(READER_LEFT)
    raise UnwrittenError(
        f"can't be written: {error.strerror}",
        where="standard output",
        remedy="make room or send it elsewhere, and run the command again; what was trained is stored",
    )


def _give_up(descriptor: int, _error: OSError) -> None:
    _to_nowhere(descriptor)


def _to_nowhere(descriptor: int) -> None:
    """So that what is still buffered, and what others write there, doesn't fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _fill_closed() -> None:
    """Open what is closed of the first three descriptors.

    Else the next file to be opened, such as a database, is standard output to whatever writes there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free, which is this one
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - lives as long as the process


def _safe(stream: Any, descriptor: int, refused: Callable[[int, OSError], None]) -> Any:
    """The stream of a descriptor with its refusals decided on; one that a program put there as it is, but for
    what its encoding lacks.
    """
    if stream is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        return _text_stream(_Guarded(nowhere, refused, closes=True), None)
    if stream is not getattr(sys, "__stdout__" if descriptor == 1 else "__stderr__"):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors=_TO_MARKS)
        return stream
    stream.flush()
    # Python writes standard error through at once: who waits for a line in a file must see it there.
    by_line = descriptor == 2 or bool(getattr(stream, "line_buffering", False))
    return _text_stream(_Guarded(stream.fileno(), refused, closes=False), stream, by_line=by_line)


def _text_stream(raw: _Guarded, like: Any, *, by_line: bool = False) -> TextIO:
    encoding = getattr(like, "encoding", None) or "utf-8"
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffered, encoding=encoding, errors=_TO_MARKS, line_buffering=by_line)
