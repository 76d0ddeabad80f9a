"""Runs segments in worker processes that ask to be replaced after each."""

from __future__ import annotations

import os
from pathlib import Path

from studies.records.reports import SegmentReport
from workers.machine import wear
from workers.task import Segment, run_segment


def run_and_wear_out(segment: Segment) -> SegmentReport:
    """Note the process beside the checkpoints' folder, and have it replaced, where it could be freed so."""
    with Path(segment.split).parents[1].joinpath("runs").open("a", encoding="utf-8") as file:
        file.write(f"{segment.trial} {segment.until} {os.getpid()}\n")
    if wear.can_be_replaced():
        wear.wear_out()
    return run_segment(segment)
