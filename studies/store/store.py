"""What a driver holds of its study, opened by :func:`studies.opening.open_store`."""

from __future__ import annotations

from dataclasses import dataclass

from studies.store.launch import Launch
from studies.store.results import Results
from studies.store.trials import Trials
from studies.study_file import StudyFile


@dataclass(frozen=True)
class StudyStore:
    """A study as its driver writes it: one driver a study, but for a server's.

    Attributes:
        file: the study file.
        token: what tells the study from all others, of the same name too.
        folder: the one that the study has for itself wherever it keeps files.
        trials: of the search, from being asked for to their end.
        launch: what this driver does, why it ended, and who else is there.
        results: what is kept beyond the search.
    """

    file: StudyFile
    token: str
    folder: str
    trials: Trials
    launch: Launch
    results: Results
