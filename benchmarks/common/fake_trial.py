"""Trials that train nothing, for measuring what everything around them costs."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from studies.records.reports import ROW_SETS, SCORE_NAMES, CurvePoint, Scores, SegmentReport
from workers.task import Segment

SECONDS = 1.0


def run_nothing(segment: Segment) -> SegmentReport:
    """Stands in for :func:`workers.task.run_segment`; the score depends on the learning rate alone."""
    rate = segment.configuration.learning_rate or 1.0
    score = math.exp(-((math.log10(rate) + 2) ** 2))
    found = flat_scores(score)
    return SegmentReport(
        segment.trial,
        segment.until,
        curve=(CurvePoint(segment.until, 1 - score, score),),
        scores=dict.fromkeys(ROW_SETS, found),
        assignment=segment.assignment,
    )


def flat_scores(value: float) -> Scores:
    """Every score of this value, and a log loss of what it lacks to 1."""
    return replace(Scores(*[value] * len(SCORE_NAMES), confusion=((1, 1), (1, 1))), log_loss=1 - value)


def run_a_second(segment: Segment) -> SegmentReport:
    """The same, after a second that takes no core."""
    time.sleep(SECONDS)
    return run_nothing(segment)
