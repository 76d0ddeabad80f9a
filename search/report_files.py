"""Reports as files: a page, a table of trials, and Markdown."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from search.markdown import markdown_of
from search.page.page import page
from search.results import StudyReport
from studies.errors import UserError

__all__ = ["markdown_of", "write_csv", "write_html"]

STDOUT = Path("-")


def write_html(report: StudyReport, path: Path) -> str:
    """Write the report as one page; returns what was written, for a person.

    Raises:
        UserError: where the file can't be written.
    """
    return _write(path, page(report, datetime.now()))


def write_csv(report: StudyReport, path: Path) -> str:
    """Write one row a trial, as :attr:`StudyReport.trials` has them; returns what was written.

    Raises:
        UserError: where the file can't be written.
    """
    # Whole numbers stay whole where some trials have none.
    return _write(path, report.trials.convert_dtypes().to_csv(index=False, lineterminator="\n"))


def _write(path: Path, text: str) -> str:
    """The whole file or nothing of it: a browser may be reading the one from before."""
    if path == STDOUT:
        sys.stdout.write(text)
        return "the report to stdout"
    content = text.encode()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(
            f"can't be written: {error.strerror}", where=str(path.absolute()), remedy="name another file"
        ) from None
    return f"{path} ({_size(len(content))})"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
