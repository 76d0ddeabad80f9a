"""What a word of the command line means: a trial, a recipe, ``best``, ``worst`` or ``default``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from search.explaining.differences import Side
from studies.errors import StudyFileError, nearest
from studies.records.ranking import ranking
from studies.records.trials import TrialRecord
from studies.study_file import StudyFile

DEFAULT_SIDES = ("default", "best")
"""What is explained where nobody says what: how the best came about from what one would have tried first."""


def names_a_trial(file: StudyFile, names: Sequence[str]) -> bool:
    """Whether any of the names is no recipe's, so that the study must have been launched."""
    return any(name not in file.recipes for name in names)


def find_sides(file: StudyFile, records: Sequence[TrialRecord], names: tuple[str, str]) -> tuple[Side, Side]:
    """The two sides.

    ``best`` and ``worst`` are the ends of the report's ranking; ``default`` is the recipe of that name, else
    the first enqueued trial, else the first trial of all: what somebody tried before anything was learnt.

    Args:
        file: the study file.
        records: the study's trials, by number.
        names: as given on the command line.

    Raises:
        StudyFileError: where there is no such trial or recipe.
    """
    return _find(file, records, names[0]), _find(file, records, names[1])


def _find(file: StudyFile, records: Sequence[TrialRecord], name: str) -> Side:
    metric = file.study.objective.metric
    if name in file.recipes:
        return Side(name, file.recipes[name], file.study.recipe[name].score or metric)
    complete = [record for record in records if record.value is not None]
    if name.isdecimal():
        return _trial(file, records, int(name), metric)
    if name not in ("best", "worst", "default"):
        known = (*file.recipes, "best", "worst", "default")
        raise StudyFileError(
            f"there is no recipe '{name}'",
            where=file.path.name,
            allowed=f"the number of a trial, {', '.join(known)}",
            remedy=nearest(name, known) or f"add a table [recipe.{name}]",
        )
    if not complete:
        raise StudyFileError(
            f"there is no {name} trial: none has ended with a score",
            where=file.path.name,
            remedy=f"search launch {shlex.quote(file.path.name)}, or name two recipes",
        )
    if name == "default":
        chosen = next((record for record in complete if record.enqueued), complete[0])
    else:
        chosen = ranking(complete)[0][0 if name == "best" else -1]
    return _side(chosen, metric, f"{name} (trial {chosen.number})")


def _trial(file: StudyFile, records: Sequence[TrialRecord], number: int, metric: str) -> Side:
    trial = next((record for record in records if record.number == number), None)
    if trial is None or trial.configuration is None:
        raise StudyFileError(
            f"there is no trial {number}",
            where=file.path.name,
            allowed=f"0 to {max(record.number for record in records)}"
            if records
            else "no trial is there yet",
        )
    return _side(trial, metric, f"trial {number}")


def _side(record: TrialRecord, metric: str, name: str) -> Side:
    if record.configuration is None:
        raise ValueError(f"trial {record.number} has no configuration")
    return Side(name, record.configuration, metric)
