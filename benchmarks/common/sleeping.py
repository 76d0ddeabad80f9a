"""A trial that only sleeps, for measuring what a search costs on many slots; imported by name by workers."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from common.fake_trial import flat_scores
from studies.records.reports import SCORED, SegmentReport, TimeLedger
from workers.task import Segment

SHORTEST, MEDIAN, LONGEST = 1.0, 6.0, 60.0
"""Seconds of a trial: log-normal with σ = 1, cut at both ends; its mean is 9.6."""

NOTES = "SLEPT_NOTES"
"""Variable of the environment that names the directory where worker processes note when trials ran."""


def sleep_through(segment: Segment) -> SegmentReport:
    """What :func:`workers.task.run_segment` returns, after a sleep that depends on the trial alone."""
    draw = random.Random(segment.trial)
    seconds = min(LONGEST, max(SHORTEST, draw.lognormvariate(0, 1) * MEDIAN))
    begun = time.monotonic()
    # Both at once, as nobody reads them before: who reads looks at the clock.
    _note(begun, begun + seconds)
    time.sleep(seconds)
    ledger = TimeLedger(train=seconds)
    scores = {name: flat_scores(draw.uniform(0.5, 0.9)) for name in SCORED}
    return SegmentReport(
        segment.trial,
        segment.until,
        finished=True,
        scores=scores,
        ledger=ledger,
        assignment=segment.assignment,
    )


def slept(directory: Path) -> Iterator[tuple[float, float]]:
    """From when to when each trial ran, or will have run, on ``time.monotonic``."""
    for file in directory.glob("*.slept"):
        yield from _intervals(file.read_text().splitlines())


def _intervals(lines: Iterable[str]) -> Iterator[tuple[float, float]]:
    for line in lines:
        with suppress(ValueError):  # a line that is being written
            first, last = map(float, line.split())
            yield first, last


def _note(first: float, last: float) -> None:
    path = Path(os.environ[NOTES]) / f"{os.getpid()}.slept"
    with path.open("a") as notes:
        notes.write(f"{first} {last}\n")
