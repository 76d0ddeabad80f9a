"""Which configurations are trained anew after the search, and how far that is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studies.finalists_record import Finalists
from studies.replica_record import Replica, ReplicaRecord, new_seeds
from studies.study_file import StudyFile
from studies.trial_record import TrialRecord

FINALISTS = 5
"""By default; where ``analytic`` is the only framework, whose trials are worth nothing to anybody, none."""


def finalists_wanted(file: StudyFile) -> int:
    """How many configurations a launch trains anew after the search."""
    if file.study.report.finalists is not None:
        return file.study.report.finalists
    return 0 if set(file.space.frameworks) == {"analytic"} else FINALISTS


def choose(ranked: Sequence[TrialRecord], count: int) -> tuple[TrialRecord, ...]:
    """The ``count`` best, best first, the best of each framework among them.

    Args:
        ranked: the first trial of each configuration, best first.
        count: fewer only where there are fewer.
    """
    best_of: dict[str, TrialRecord] = {}
    for record in ranked:
        if record.configuration is not None:
            best_of.setdefault(record.configuration.framework, record)
    first = list(best_of.values())[:count]
    kept = {record.number for record in first}
    rest = [record for record in ranked if record.number not in kept][: max(0, count - len(first))]
    kept |= {record.number for record in rest}
    return tuple(record for record in ranked if record.number in kept)


def replicas_of(file: StudyFile, chosen: Sequence[TrialRecord]) -> dict[int, tuple[Replica, ...]]:
    """The trainings of each chosen configuration, by the number of its first trial."""
    seeds = new_seeds(file.study.seed, file.study.report.seeds)
    return {
        record.number: tuple(Replica(record.configuration, seed) for seed in seeds)
        for record in chosen
        if record.configuration is not None
    }


def due(
    wanted: Mapping[int, Sequence[Replica]],
    finalists: Finalists | None,
    replicas: Mapping[str, ReplicaRecord],
) -> tuple[int, int] | None:
    """How many trainings are wanted and how many of them are there; ``None`` where these were evaluated.

    Args:
        wanted: see :func:`replicas_of`.
        finalists: those that were evaluated.
        replicas: all trainings that came to their end, by key.
    """
    asked = {one for several in wanted.values() for one in several}
    evaluated = {replicas[key].replica for key in finalists.asked if key in replicas} if finalists else set()
    if not asked or asked == evaluated:
        return None
    ended = {record.replica for record in replicas.values()}
    return len(asked), len(asked & ended)
