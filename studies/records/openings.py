"""When the test rows were opened, for whom, and what was scored then: one attribute of the study.

Nothing else of a study holds a score on the test rows but :mod:`studies.records.finalists`, which is written
after the same opening.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from studies.records.reports import Scores
from studies.records.schema import OPENINGS


@dataclass(frozen=True)
class OpenedTrial:
    """What a trial's own network is worth on the test rows.

    A search keeps no weights, so that the trial was trained once more, with its own seed.

    Attributes:
        test: scores on the test rows; ``None`` where that training failed.
        validation: the study's metric on the validation rows after that training. It is the trial's own but
            for another kind of machine, or other versions, which round differently.
        failed: why it failed; empty where it didn't.
    """

    test: Scores | None
    validation: float | None = None
    failed: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OpenedTrial:
        """What ``dataclasses.asdict`` gave, also after a round through JSON."""
        test = values["test"]
        return cls(
            Scores.from_dict(test) if test else None, values.get("validation"), values.get("failed", "")
        )


@dataclass(frozen=True)
class Opening:
    """The test rows were compared with predictions.

    Attributes:
        at: when, ISO 8601 in UTC.
        trials: the finalists, by the numbers of their first trials, best first.
        trainings: how many networks of theirs predicted.
        searched: trials of the search whose own networks predicted, by number, ascending.
        scores: what these are worth, by number; empty until it is computed.
    """

    at: str
    trials: tuple[int, ...]
    trainings: int
    searched: tuple[int, ...] = ()
    scores: Mapping[int, OpenedTrial] = field(default_factory=dict)

    def covers(self, later: Opening) -> bool:
        """Whether ``later`` looks at nothing that wasn't looked at then: a kill cut that short."""
        finalists = (later.trials, later.trainings) in ((self.trials, self.trainings), ((), 0))
        return finalists and set(later.searched) <= set(self.searched)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Opening:
        """What ``dataclasses.asdict`` gave, also after a round through JSON, and what earlier code kept."""
        return cls(
            at=values["at"],
            trials=tuple(values["trials"]),
            trainings=values["trainings"],
            searched=tuple(values.get("searched", ())),
            scores={
                int(number): OpenedTrial.from_dict(scored)
                for number, scored in values.get("scores", {}).items()
            },
        )


def openings_of(attributes: Mapping[str, Any]) -> tuple[Opening, ...]:
    """When the test rows were opened, among a study's attributes; the first one first."""
    return tuple(Opening.from_dict(opening) for opening in attributes.get(OPENINGS, ()))


def plain_openings(openings: Sequence[Opening]) -> list[dict[str, Any]]:
    """The value of the study's attribute, and what programs read."""
    return [
        {
            **asdict(opening),
            "scores": {str(number): asdict(scored) for number, scored in opening.scores.items()},
        }
        for opening in openings
    ]


def with_scores(openings: Sequence[Opening], scores: Mapping[int, OpenedTrial]) -> tuple[Opening, ...]:
    """The same, with what was scored after the last of them."""
    *before, last = openings
    return (*before, replace(last, scores={**last.scores, **scores}))


def opened_trials(openings: Sequence[Opening]) -> dict[int, OpenedTrial]:
    """What is known of trials' own networks, by number, from all openings."""
    return {number: opened for opening in openings for number, opened in opening.scores.items()}
