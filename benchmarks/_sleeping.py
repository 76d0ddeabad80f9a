"""A trial that only sleeps, for measuring what a search costs on many slots; imported by name by workers."""

from __future__ import annotations

import random
import threading
import time

from _fake_trial import flat_scores

from studies.records import SegmentReport, TimeLedger
from workers.task import Segment

SHORTEST, MEDIAN, LONGEST = 1.0, 6.0, 60.0
"""Seconds of a trial: log-normal with σ = 1, cut at both ends; its mean is 9.6."""

ended: list[tuple[float, float]] = []
"""When each trial ran that has ended, on ``time.monotonic``."""

running: dict[int, float] = {}
"""When each began that has not."""

over = threading.Event()
"""Wakes all of them, so that nobody waits for them once enough was measured."""


def sleep_through(segment: Segment) -> SegmentReport:
    """What :func:`workers.task.run_segment` returns, after a sleep that depends on the trial alone."""
    draw = random.Random(segment.trial)
    begun = running[segment.trial] = time.monotonic()
    seconds = min(LONGEST, max(SHORTEST, draw.lognormvariate(0, 1) * MEDIAN))
    over.wait(seconds)
    ended.append((begun, time.monotonic()))
    del running[segment.trial]
    ledger = TimeLedger(train=seconds)
    scores = {name: flat_scores(draw.uniform(0.5, 0.9)) for name in ("train", "validation", "test")}
    return SegmentReport(segment.trial, segment.until, finished=True, scores=scores, ledger=ledger)
