"""Reports as files: a page, a table of trials, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from search.output.files import OutputFile, output_file
from search.reporting.markdown import markdown_of
from search.reporting.page.page import page
from search.reporting.report import StudyReport
from studies.errors import OutputError, UserError
from studies.storage.locations import location_of
from studies.study_file import read_study_file

WHOLE = ("number", "batch_size", "epochs", "seed")
"""Columns of whole numbers, which some trials lack."""

__all__ = ["markdown_of", "targets", "write_csv", "write_html"]


def targets(study: Path, html: str | None, csv: str | None) -> tuple[OutputFile | None, OutputFile | None]:
    """Where the page and the table go, before anything is read or computed for them.

    Args:
        study: the study file.
        html, csv: what a person gave to ``--html`` and ``--csv``.

    Raises:
        OutputError: where nothing can be written there, or both are one file.
    """
    if html is None and csv is None:
        return None, None
    inputs = _inputs(study)
    page, table = (
        None if named is None else output_file(named, option, inputs)
        for named, option in ((html, "--html"), (csv, "--csv"))
    )
    if page is not None and table is not None and page.is_same(table):
        raise OutputError(
            f"--html and --csv name the same file, {page.named}", remedy="name two files, or give one option"
        )
    return page, table


def write_html(report: StudyReport, target: OutputFile) -> str:
    """Write the report as one page; returns what was written, for a person.

    Raises:
        UnwrittenError: where the file can't be written.
    """
    return target.write(page(report, datetime.now()).encode(errors="backslashreplace"))


def write_csv(report: StudyReport, target: OutputFile) -> str:
    """Write one row a trial, as :attr:`StudyReport.trials` has them; returns what was written.

    Raises:
        UnwrittenError: where the file can't be written.
    """
    # Whole numbers stay whole where some trials have none.
    table = report.trials.astype(dict.fromkeys(WHOLE, "Int64"))
    text = table.to_csv(index=False, lineterminator="\n")
    return target.write(text.encode(errors="backslashreplace"))


def _inputs(study: Path) -> Sequence[Path]:
    """The files that a study is made of: the study file, its storage and its data."""
    try:
        file = read_study_file(study)
        stored = location_of(file).file
    except UserError:  # which reading the report says, too
        return [study]
    rows = file.study.data.path
    return [
        file.path,
        *([] if stored is None else [stored]),
        *([] if rows is None else [file.directory / Path(rows).expanduser()]),
    ]
