"""``search launch``: runs a study to its end, with its finalists, and reports it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from search.driving.display import Display, make_display
from search.driving.driver import Search
from search.driving.finalists import run_finalists
from search.driving.opened import OpenedStudy, open_study
from search.evaluation.choice import finalists_wanted
from search.reporting.report import StudyReport, report
from studies.errors import CheckpointError
from studies.study_file import read_study_file


def launch(path: str | Path, *, fresh: bool = False, display: Display | None = None) -> StudyReport:
    """Run a study to its end, or resume one that was stopped.

    Args:
        path: the study file.
        fresh: remove what the storage holds of this study first.
        display: what shows the progress; by default a live view on a terminal, and lines elsewhere.

    Returns:
        The study's report, as :func:`search.report` gives it.

    Raises:
        UserError: before any trial, where the study file, its data, its storage or this machine can't be
            used.
    """
    file = read_study_file(path)
    with open_study(file, display or make_display(), fresh=fresh) as opened:
        search = Search(opened)
        if search.run():
            _train_finalists(opened)
    # Now that the cluster that was started here runs nothing more.
    with suppress(CheckpointError):
        search.remove_leftovers()
    return report(path)


def _train_finalists(opened: OpenedStudy) -> None:
    """Train the finalists, where the study file wants any. If that fails, the search can still be reported.
    Without finalists the test rows stay closed.
    """
    count = finalists_wanted(opened.file)
    if not count:
        return
    # Stopping is no error: what ended is kept, and the report says that the study was interrupted.
    with suppress(KeyboardInterrupt):
        try:
            run_finalists(opened, count)
        except CheckpointError as error:
            opened.display.note(f"no finalists: {error}")
