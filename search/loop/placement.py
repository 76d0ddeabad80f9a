"""Which kind of slot a segment takes: pure decisions, from what is free and how quick each kind has been.

Trials other than Spark's take a GPU first. Where none is free, one runs on a CPU if it would be done there
before a GPU could have done it::

    on a CPU now            epochs × (seconds an epoch on a CPU)
    on a GPU, later         epochs × (seconds an epoch on a GPU) × (1 + (trials ahead + 1) / GPU slots)

The second is the mean wait, with trials as long as this one, and the training itself. While either speed is
unknown a CPU is taken, so that it is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from search.loop.slots import GPU, TRIAL, Slots

KEPT = 15
"""Segments whose speeds are remembered, of each kind of slot: enough for a median, few enough to forget."""


@dataclass
class Speeds:
    """Seconds an epoch, of the last segments on each kind of slot."""

    _last: dict[str, list[float]] = field(default_factory=dict)

    def measured(self, kind: str, seconds: float, epochs: int) -> None:
        """Remember that a segment trained for so many seconds and epochs."""
        if epochs > 0 and seconds > 0:
            self._last[kind] = [*self._last.get(kind, [])[1 - KEPT :], seconds / epochs]

    def of(self, kind: str) -> float | None:
        """The median; ``None`` where nothing is known."""
        known = self._last.get(kind)
        return median(known) if known else None


def place(
    framework: str, slots: Slots, free: Mapping[str, int], speeds: Speeds, ahead: int = 0
) -> str | None:
    """The kind of slot that a segment takes now; ``None`` where it waits.

    Args:
        framework: of its configuration.
        slots: all that there are.
        free: those that are free, by kind.
        speeds: what is known of each kind's.
        ahead: segments that wait for a GPU before this one.
    """
    kinds = slots.kinds(framework)
    if free.get(kinds[0], 0) > 0:
        return kinds[0]
    if kinds == (GPU, TRIAL) and free.get(TRIAL, 0) > 0 and pays(slots, speeds, ahead):
        return TRIAL
    return None


def pays(slots: Slots, speeds: Speeds, ahead: int = 0) -> bool:
    """Whether a trial that finds all GPUs taken is done sooner on a CPU that is free."""
    cpu, gpu = speeds.of(TRIAL), speeds.of(GPU)
    if cpu is None or gpu is None:
        return True
    return cpu <= gpu * (1 + (ahead + 1) / slots.gpu)
