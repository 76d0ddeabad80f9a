"""What a study keeps beyond its search: replicas, finalists, explanations, openings of the test rows."""

from __future__ import annotations

from collections.abc import Mapping

from studies.records.explanations import KeptExplanation
from studies.records.finalists import Finalists, finalists_of
from studies.records.openings import (
    OpenedTrial,
    Opening,
    opened_trials,
    openings_of,
    plain_openings,
    with_scores,
)
from studies.records.replicas import ReplicaRecord, replica_records_of
from studies.records.schema import FINALISTS, OPENINGS, REPLICA
from studies.storage.writers.writer import Writer


class Results:
    """An attribute of the Optuna study each, written by its driver.

    Args:
        writer: of the study.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def replicas(self) -> dict[str, ReplicaRecord]:
        """The replicas that came to their end, by the keys of their outcomes."""
        return replica_records_of(self._writer.attributes(REPLICA))

    def keep_replica(self, key: str, record: ReplicaRecord) -> None:
        """Write a replica's end."""
        self._writer.set_attribute(f"{REPLICA}{key}", record.to_dict())

    def finalists(self) -> Finalists | None:
        """What the finalists are worth, where they were evaluated."""
        return finalists_of(self._writer.attributes(FINALISTS))

    def keep_finalists(self, finalists: Finalists) -> None:
        """Write what they are worth, in the place of what was there."""
        self._writer.set_attribute(FINALISTS, finalists.to_dict())

    def keep_explanation(self, explanation: KeptExplanation) -> None:
        """Keep what was explained, in the place of an earlier explanation of the same two sides."""
        self._writer.set_attribute(explanation.key, explanation.to_dict())

    def open_test_rows(self, opening: Opening) -> None:
        """Write that the test rows are looked at, unless that is what the last opening, which a kill cut
        short, was for.
        """
        before = openings_of(self._writer.attributes(OPENINGS))
        if not (before and before[-1].covers(opening)):
            self._writer.set_attribute(OPENINGS, plain_openings((*before, opening)))

    def keep_test_scores(self, scores: Mapping[int, OpenedTrial]) -> None:
        """Write what trials' own networks are worth, by number, with the last opening."""
        before = openings_of(self._writer.attributes(OPENINGS))
        self._writer.set_attribute(OPENINGS, plain_openings(with_scores(before, scores)))

    def opened_trials(self) -> dict[int, OpenedTrial]:
        """What trials' own networks are worth, by number, as far as the test rows were opened for them."""
        return opened_trials(openings_of(self._writer.attributes(OPENINGS)))
