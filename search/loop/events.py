"""What the loop receives, and what it answers. Events and actions are plain values, so that its decisions can
be tested without a cluster or a storage.
"""

from __future__ import annotations

from dataclasses import dataclass

from search.loop.slots import Slots
from studies.records.reports import SegmentReport
from studies.records.trials import AskedTrial, NoTrial, TrialRecord, UnfinishedTrial


@dataclass(frozen=True)
class Asked:
    """A trial was sampled and stored, or another driver's unfinished one was taken over; or neither."""

    trial: AskedTrial | UnfinishedTrial | NoTrial


@dataclass(frozen=True)
class Reported:
    """A submitted segment ended, well or not."""

    report: SegmentReport


@dataclass(frozen=True)
class Recorded:
    """A trial's score at a rung is in storage; ``stop`` is whether Optuna's pruner, if any, ends it."""

    trial: int
    score: float
    stop: bool = False


@dataclass(frozen=True)
class Told:
    """A trial's end is in storage."""

    record: TrialRecord


@dataclass(frozen=True)
class OthersFinished:
    """Trials that other drivers finished since the last time. From now on asking may help again."""

    records: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class Interrupted:
    """A person pressed Ctrl-C, sent SIGTERM, or asked for the end with `search stop`."""


@dataclass(frozen=True)
class Lost:
    """The cluster can't be used any more, for this reason."""

    reason: str


@dataclass(frozen=True)
class Withdrawn:
    """Submitted segments that had not begun, and won't."""

    trials: tuple[int, ...]


@dataclass(frozen=True)
class Resized:
    """The cluster has other slots than before."""

    slots: Slots


@dataclass(frozen=True)
class Tick:
    """Time went by."""


Event = Asked | Reported | Recorded | Told | OthersFinished | Interrupted | Lost | Withdrawn | Resized | Tick


@dataclass(frozen=True)
class Ask:
    """Sample a trial, store it as the ``place``-th segment of the search, and answer with :class:`Asked`."""

    place: int


@dataclass(frozen=True)
class Submit:
    """Run a trial's segment up to ``rung`` on the cluster; :class:`Reported` follows.

    ``place`` counts the segments of a study, over every launch, in the order in which they were decided on;
    ``new``: storage does not know of this one yet; ``trained`` are the seconds of those before it.
    """

    trial: AskedTrial
    rung: int
    place: int
    new: bool = False
    trained: float = 0.0


@dataclass(frozen=True)
class Record:
    """Store a trial's score at a rung, and answer with :class:`Recorded`."""

    report: SegmentReport


@dataclass(frozen=True)
class Tell:
    """Store a trial's end (as in ask and tell), and answer with :class:`Told`; ``pruned`` where it ended
    before its last epoch.
    """

    report: SegmentReport
    pruned: bool = False


@dataclass(frozen=True)
class Finish:
    """Nothing remains to do. ``abandoned`` are trials that stay in storage as running."""

    reason: str
    abandoned: tuple[int, ...] = ()


Action = Ask | Submit | Record | Tell | Finish
