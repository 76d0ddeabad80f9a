"""The verbs by which a driver writes its study, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection


@dataclass
class Change:
    """What is written of a trial at once.

    Attributes:
        params: what was sampled, by name: the value as Optuna stores it, and its distribution.
        scores: on the way, by step.
        attributes: user attributes.
        notes: system attributes, which samplers and pruners write.
        state: that the trial comes to, where it comes to another.
        values: its values, with the state.
    """

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    state: TrialState | None = None
    values: Sequence[float] | None = None

    def add(self, later: Change) -> None:
        """Have all that ``later`` has."""
        self.params |= later.params
        self.scores |= later.scores
        self.attributes |= later.attributes
        self.notes |= later.notes
        if later.state is not None:
            self.state, self.values = later.state, later.values

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return self == Change()

    @property
    def ends(self) -> bool:
        """Whether it is a trial's end."""
        return self.state is not None and self.state.is_finished()


class Writer(Protocol):
    """Writes one study, in the form in which Optuna reads it."""

    @property
    def study_id(self) -> int:
        """The study's number in its storage."""

    def create(self, trial: FrozenTrial) -> tuple[int, int]:
        """Store a new trial with all that it has; returns its id and its number."""

    def change(self, trial_id: int, change: Change) -> bool:
        """Write a change; false where it begins a trial that somebody else has begun.

        Raises:
            KeyError: where there is no such trial.
            UpdateFinishedTrialError: where it has ended.
        """

    def read(self, trial_ids: Collection[int] | None = None) -> list[FrozenTrial]:
        """The study's trials, or some of them, by id."""

    def attributes(self, prefix: str = "") -> Mapping[str, Any]:
        """The study's user attributes whose names begin so."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Write a user attribute of the study."""

    def notes(self) -> Mapping[str, Any]:
        """The study's system attributes."""

    def set_note(self, key: str, value: Any) -> None:
        """Write a system attribute of the study."""


class SharedWriter(Writer, Protocol):
    """Writes a study that other drivers write too."""

    def states(self, newer_than: int, among: Collection[int]) -> Mapping[int, TrialState]:
        """The states of all trials with a greater id, and of those ``among`` these ids, by id."""

    def take(self, trial_ids: Collection[int], key: str, value: Any) -> set[int]:
        """Set a user attribute of those of these trials that have not ended; returns their ids."""

    def remove_attributes(self, keys: Collection[str]) -> None:
        """Remove user attributes of the study, which Optuna's own interface has no word for."""

    def bound_to(self, connection: Connection) -> AbstractContextManager[None]:
        """Within it all is read and written by this connection, in its transaction."""
