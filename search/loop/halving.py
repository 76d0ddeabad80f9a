"""Asynchronous successive halving with promotion: which paused trial resumes. Pure bookkeeping of scores.

L. Li and others, "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2: a trial
that reached a rung is promoted once it is among the best 1/η of all that reached it, now or later. Brackets
as in L. Li and others, "Hyperband", JMLR 18, 2018: each begins a rung later than the one before.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from studies.sections.study import Pruner


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of a study.

    Attributes:
        first: epochs of the first rung.
        factor: by which epochs grow from rung to rung, and by which trials get fewer.
        brackets: ladders that trials are divided among.
    """

    first: int = 1
    factor: int = 3
    brackets: int = 1

    def rungs(self, epochs: int, bracket: int = 0) -> tuple[int, ...]:
        """first · factor^(bracket + k) for k = 0, 1, … as long as it is below ``epochs``, and ``epochs``."""
        rungs = []
        rung = self.first * self.factor**bracket
        while rung < epochs:
            rungs.append(rung)
            rung *= self.factor
        return (*rungs, epochs)

    def bracket(self, number: int) -> int:
        """The bracket of a trial: as many trials in each as make their costs about equal.

        A trial of bracket b costs at least factor^b times as much as one of bracket 0, so that bracket b gets
        factor^(brackets - 1 - b) of each round of trials.
        """
        shares = [self.factor ** (self.brackets - 1 - bracket) for bracket in range(self.brackets)]
        place = number % sum(shares)
        for bracket, share in enumerate(shares):
            if place < share:
                return bracket
            place -= share
        raise AssertionError("the places of a round are as many as its shares")


def ladder_of(pruner: Pruner) -> Ladder:
    """The rungs of a study."""
    return Ladder(pruner.min_epochs, pruner.reduction_factor, pruner.brackets)


@dataclass
class Rung:
    """The scores of all trials that reached one rung, whatever happened to them afterwards.

    Attributes:
        factor: one in so many may be promoted.
        places: how many can be promoted in the end; ``None`` where that is unknown.
    """

    factor: int
    places: int | None = None
    _best_first: list[tuple[float, int]] = field(default_factory=list)
    _fallen: list[int] = field(default_factory=list)

    def add(self, number: int, score: float) -> None:
        """A trial reached the rung with this score. Of equal scores the lower number is the better."""
        bisect.insort(self._best_first, (-score, number))
        if self.places is not None and len(self._best_first) > self.places:
            at = bisect.bisect_left(self._best_first, (-score, number))
            self._fallen.append(self._best_first[max(at, self.places)][1])

    def promotable(self) -> list[int]:
        """Numbers of the best 1/factor, best first."""
        return [number for _, number in self._best_first[: len(self._best_first) // self.factor]]

    def take_fallen(self) -> list[int]:
        """Numbers of those that have fallen behind the last place since this was last asked."""
        fallen, self._fallen = self._fallen, []
        return fallen


@dataclass
class Halving:
    """The rungs of all brackets, and the trials that wait at them.

    Its answers depend on which trials reached which rung with which score, and on which of them wait. The
    order in which they arrived does not matter.

    Args:
        ladder: the study's rungs.
        trials: how many trials the study will have at most; ``None`` where that is unknown.
    """

    ladder: Ladder
    trials: int | None = None
    _rungs: dict[tuple[int, int], Rung] = field(default_factory=dict)
    _waiting: dict[int, tuple[int, int]] = field(default_factory=dict)

    def reached(self, number: int, epoch: int, score: float, *, waits: bool) -> None:
        """A trial reached a rung; it waits there, has resumed, or has ended."""
        key = (self.ladder.bracket(number), epoch)
        if key not in self._rungs:
            # At least one: where all others fail, the last that waits trains to its end.
            places = None if self.trials is None else max(1, self.trials // self.ladder.factor)
            self._rungs[key] = Rung(self.ladder.factor, places)
        self._rungs[key].add(number, score)
        if waits:
            self._waiting[number] = key

    def resumed_or_ended(self, number: int) -> None:
        """A trial that waited resumes, or has ended."""
        self._waiting.pop(number, None)

    def promotable(self) -> Iterator[int]:
        """Trials that wait and may resume: those on the highest rungs first, there the best first."""
        occupied = sorted(set(self._waiting.values()), key=lambda key: (-key[1], key[0]))
        for key in occupied:
            for number in self._rungs[key].promotable():
                if self._waiting.get(number) == key:
                    yield number

    def take_hopeless(self) -> list[int]:
        """Trials that wait and can no longer be promoted, whatever scores follow; each is returned once.

        At most all trials reach a rung, and ranks only get worse. A trial that was promoted and then
        overtaken doesn't use up a place.
        """
        fallen = [(number, key) for key, rung in self._rungs.items() for number in rung.take_fallen()]
        return [number for number, key in fallen if self._waiting.get(number) == key]
