"""``search finalists``: opens the test rows of a study that was searched, or stopped."""

from __future__ import annotations

from pathlib import Path

from search.driving.display import Display, make_display
from search.driving.finalists import run_finalists
from search.driving.opened import open_stored_study
from search.evaluation.choice import FINALISTS, finalists_wanted
from search.reporting.report import StudyReport, report
from studies.errors import StorageError, StudyFailedError
from studies.records.ranking import ranking
from studies.study_file import read_study_file


def finalists(path: str | Path, *, count: int | None = None, display: Display | None = None) -> StudyReport:
    """Open the test rows of a study that was searched, also of one that was stopped: train the finalists and
    the trials that are reported, or what is missing of them, and score them.

    Args:
        path: the study file.
        count: how many finalists; by default as many as its ``[report]`` says, and where that is 0, five.
        display: as in :func:`search.launch`.

    Returns:
        The study's report, with them.

    Raises:
        UserError: where the study was never launched, or it can't be driven from here.
        StudyFailedError: where no trial is complete.
        KeyboardInterrupt: where a person asked to stop; the next call resumes.
    """
    file = read_study_file(path)
    with open_stored_study(file, display or make_display()) as opened:
        if not opened.store.launch.is_alone():
            raise StorageError(
                "another driver is running this study: its test rows stay closed until the search has ended",
                where=file.path.name,
                remedy="wait for it or stop it; see search status",
            )
        if not ranking(opened.store.trials.records())[0]:
            raise StudyFailedError("there are no finalists: not one trial is complete")
        run_finalists(opened, (finalists_wanted(file) or FINALISTS) if count is None else count)
    return report(path)
