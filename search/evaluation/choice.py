"""What is trained for the opening of the test rows, and how far that is. Pure.

Two kinds of networks: those of the finalists, with seeds that the search didn't use, and those of trials
whose test scores the report shows, each with its own seed: it is that trial's network once more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from studies.frameworks import records_of
from studies.records.finalists import Finalists
from studies.records.replicas import Replica, ReplicaRecord, new_seeds
from studies.records.trials import TrialRecord
from studies.study_file import StudyFile

FINALISTS = 5
"""By default; none where all frameworks are for trying out a cluster, whose scores mean nothing."""


@dataclass(frozen=True)
class Wanted:
    """The trainings that an opening of the test rows is for.

    Attributes:
        finalists: those of each finalist, by the number of its first trial.
        searched: that of each trial of the search, by number.
    """

    finalists: Mapping[int, Sequence[Replica]]
    searched: Mapping[int, Replica]

    def all(self) -> tuple[Replica, ...]:
        """All of them, the finalists' first."""
        return (
            *(replica for replicas in self.finalists.values() for replica in replicas),
            *self.searched.values(),
        )


def finalists_wanted(file: StudyFile) -> int:
    """How many configurations a launch retrains after the search."""
    if file.study.report.finalists is not None:
        return file.study.report.finalists
    practice = all(framework.practice for framework in records_of(file.space.frameworks))
    return 0 if practice else FINALISTS


def choose(ranked: Sequence[TrialRecord], count: int) -> tuple[TrialRecord, ...]:
    """The ``count`` best, best first, the best of each framework among them.

    Args:
        ranked: the first trial of each configuration, best first.
        count: fewer only where there are fewer.
    """
    first = list(best_by_framework(ranked).values())[:count]
    kept = {record.number for record in first}
    rest = [record for record in ranked if record.number not in kept][: max(0, count - len(first))]
    kept |= {record.number for record in rest}
    return tuple(record for record in ranked if record.number in kept)


def shown(records: Iterable[TrialRecord], ranked: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """The trials whose own networks' test scores a report shows, by number: the best, the best of each
    framework, and complete ones that the study file names in an ``[[enqueue]]`` table.
    """
    enqueued = (record for record in records if record.enqueued and record.value is not None)
    chosen = {record.number: record for record in (*best_by_framework(ranked).values(), *enqueued)}
    return tuple(chosen[number] for number in sorted(chosen) if chosen[number].configuration is not None)


def best_by_framework(ranked: Iterable[TrialRecord]) -> dict[str, TrialRecord]:
    """The best trial of each framework, the best framework first."""
    best: dict[str, TrialRecord] = {}
    for record in ranked:
        if record.configuration is not None:
            best.setdefault(record.configuration.framework, record)
    return best


def wanted_of(
    file: StudyFile, records: Iterable[TrialRecord], ranked: Sequence[TrialRecord], count: int
) -> Wanted:
    """What an opening for ``count`` finalists is to train."""
    seeds = new_seeds(file.study.seed, file.study.report.seeds)
    return Wanted(
        {
            record.number: tuple(Replica(record.configuration, seed) for seed in seeds)
            for record in choose(ranked, count)
            if record.configuration is not None
        },
        {
            record.number: Replica(record.configuration, record.seed)
            for record in shown(records, ranked)
            if record.configuration is not None and record.seed is not None
        },
    )


def missing_of(
    wanted: Wanted,
    finalists: Finalists | None,
    replicas: Mapping[str, ReplicaRecord],
    opened: Collection[int],
) -> Wanted:
    """What of it the test rows have not been opened for: all finalists or none, since they are compared.

    Args:
        wanted: see :func:`wanted_of`.
        finalists: those that were evaluated.
        replicas: all trainings that came to their end, by key.
        opened: trials whose own networks were scored.
    """
    asked = {replica for replicas_of_one in wanted.finalists.values() for replica in replicas_of_one}
    evaluated = {replicas[key].replica for key in finalists.asked if key in replicas} if finalists else set()
    return Wanted(
        {} if asked == evaluated else wanted.finalists,
        {number: replica for number, replica in wanted.searched.items() if number not in opened},
    )
