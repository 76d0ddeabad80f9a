"""An explanation as storage keeps it, so that reports can show it: the latest of each pair of sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from studies.records.reading import read_record
from studies.records.schema import EXPLANATION

SEEDS_ALONE = (
    "95% intervals, of each change by itself: over other seeds on the same rows. Explain it again for "
    "intervals of other rows too, and of all changes at once."
)
"""What intervals cover that were kept before they covered rows."""


@dataclass(frozen=True)
class Change:
    """One change and what it is worth.

    Attributes:
        title: in words.
        value: by how much it moves the score.
        low, high: 95% interval; ``None`` with one seed.
        verdict: ``same``, ``one seed``, ``within noise``, ``more`` or ``less``.
        before, after: the scores that it lies between on the path; both 0 where it is no step of one.
        kind: ``measuring`` or ``training``; empty in explanations that earlier code kept.
    """

    title: str
    value: float
    low: float | None
    high: float | None
    verdict: str
    before: float = 0.0
    after: float = 0.0
    kind: str = ""


@dataclass(frozen=True)
class KeptExplanation:
    """How a gap is made up, in what a person reads.

    Attributes:
        start, end: names of the sides.
        scores: what each is judged by, in words.
        values: the sides' scores.
        seeds: how many.
        path: the greedy path, one change at a time.
        shares: Shapley values; they add up to the gap.
        sentences: the answer.
        traps: name and text of each that was seen.
        covers: what the intervals are of.
        orders: how many orders of the changes were sampled; 0 where all were computed.
    """

    start: str
    end: str
    scores: tuple[str, str]
    values: tuple[float, float]
    seeds: int
    path: tuple[Change, ...]
    shares: tuple[Change, ...]
    sentences: tuple[str, ...]
    traps: tuple[tuple[str, str], ...]
    covers: str = SEEDS_ALONE
    orders: int = 0

    @property
    def gap(self) -> float:
        """The score of ``end`` less that of ``start``."""
        return self.values[1] - self.values[0]

    @property
    def key(self) -> str:
        """Name of the attribute that it is kept under."""
        return f"{EXPLANATION}{self.start} to {self.end}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> KeptExplanation:
        """The explanation that :meth:`to_dict` gave, also after a round through JSON."""
        return cls(
            start=values["start"],
            end=values["end"],
            scores=(values["scores"][0], values["scores"][1]),
            values=(values["values"][0], values["values"][1]),
            seeds=values["seeds"],
            path=tuple(read_record(Change, one) for one in values["path"]),
            shares=tuple(read_record(Change, one) for one in values["shares"]),
            sentences=tuple(values["sentences"]),
            traps=tuple((name, text) for name, text in values["traps"]),
            covers=values.get("covers", SEEDS_ALONE),
            orders=values.get("orders", 0),
        )


def explanations_of(attributes: Mapping[str, Any]) -> tuple[KeptExplanation, ...]:
    """The explanations among a study's attributes, by the names of their sides."""
    names = (name for name in sorted(attributes) if name.startswith(EXPLANATION))
    return tuple(KeptExplanation.from_dict(attributes[name]) for name in names)
