"""Whether this very process can do anything: looked at once, before a command imports what it needs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from studies.errors import MachineError
from workers.machine.surroundings import check_documentation


def check_interpreter() -> None:
    """Refuse what no command can live with.

    Raises:
        MachineError: where Python leaves documentation out, which PySpark and help texts are made of, or the
            working directory is gone.
    """
    check_documentation()
    try:
        Path.cwd()
    except OSError as error:
        raise MachineError(
            f"the working directory is gone ({error.strerror})",
            remedy="go to a directory that is there: cd",
        ) from None


def check_temporary_files() -> None:
    """Refuse a machine on which no file can be kept for the time of a run.

    Raises:
        MachineError: where no folder for such files can be written.
    """
    try:
        tempfile.gettempdir()
    except OSError:
        raise MachineError(
            "no folder for temporary files can be written",
            where=f"TMPDIR={os.environ['TMPDIR']}" if "TMPDIR" in os.environ else "TMPDIR",
            allowed="a folder with room; without TMPDIR /tmp, /var/tmp and /usr/tmp are tried",
            remedy="set TMPDIR to one",
        ) from None


def unused_temporary_folder() -> str:
    """The folder that ``TMPDIR`` names where it can't be written, and another is used; else empty."""
    named = os.environ.get("TMPDIR", "")
    if not named or Path(tempfile.gettempdir()).resolve() == Path(named).resolve():
        return ""
    return named
