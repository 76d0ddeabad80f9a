"""Trials that train nothing, for measuring what everything around them costs."""

from __future__ import annotations

import math
import time

from studies.records import ROW_SETS, CurvePoint, Scores, SegmentReport
from workers.task import Segment

SECONDS = 1.0


def run_nothing(segment: Segment) -> SegmentReport:
    """Stands in for :func:`workers.task.run_segment`; the score depends on the learning rate alone."""
    rate = segment.configuration.learning_rate or 1.0
    score = math.exp(-((math.log10(rate) + 2) ** 2))
    found = Scores(score, score, score, score, score, score, score, score, 1 - score, ((1, 1), (1, 1)))
    return SegmentReport(
        segment.trial,
        segment.until,
        curve=(CurvePoint(segment.until, 1 - score, score),),
        scores=dict.fromkeys(ROW_SETS, found),
    )


def run_a_second(segment: Segment) -> SegmentReport:
    """The same, after a second that takes no core."""
    time.sleep(SECONDS)
    return run_nothing(segment)
