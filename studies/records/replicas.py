"""Trainings outside the search, as storage keeps them: one attribute of the Optuna study each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studies.records.reports import SegmentReport
from studies.records.schema import REPLICA
from studies.space.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Replica:
    """One training of one configuration with one seed, outside the search."""

    configuration: Configuration
    seed: int


@dataclass(frozen=True)
class ReplicaRecord:
    """A replica that was trained, or failed, and its report; ``report.trial`` means nothing."""

    replica: Replica
    report: SegmentReport

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "configuration": self.replica.configuration.used(),
            "seed": self.replica.seed,
            "report": self.report.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReplicaRecord:
        """The record that :meth:`to_dict` gave, also after a round through JSON."""
        replica = Replica(Configuration.from_dict(values["configuration"]), int(values["seed"]))
        return cls(replica, SegmentReport.from_dict(values["report"]))


def replica_records_of(attributes: Mapping[str, Any]) -> dict[str, ReplicaRecord]:
    """The replicas among a study's attributes, by the keys of their outcomes."""
    return {
        name.removeprefix(REPLICA): ReplicaRecord.from_dict(values)
        for name, values in attributes.items()
        if name.startswith(REPLICA)
    }


def new_seeds(study_seed: int, count: int) -> tuple[int, ...]:
    """Seeds that no trial of a study has; the same for every configuration, so that equal replicas meet.

    Trials count up from the study's own seed, see :func:`studies.space.configuration.trial_seed`, by one for
    each run of a configuration; these do from a million further on.
    """
    return tuple((study_seed + _APART + number) % _SEEDS for number in range(count))


_SEEDS = 2**31
_APART = 1_000_000
