"""A segment that blocks at a named point until its worker is killed, as often as a file says."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from studies.records import SegmentReport
from workers.task import Segment, run_segment


def asked_for(directory: Path, trial: int, kills: int) -> None:
    """Let the first ``kills`` runs of this trial block."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"trial-{trial}").write_text(str(kills))


def blocked(directory: Path) -> list[int]:
    """Process ids of the workers that have blocked so far."""
    return [int(path.name.rsplit("-", 1)[1]) for path in directory.glob("trial-*-in-*")]


def place_of(segment: Segment) -> Path:
    """Where the runs of a segment leave word."""
    return Path(segment.checkpoints).parent / "blocked"


def run_blocked(segment: Segment) -> SegmentReport:
    """Stands in for :func:`workers.task.run_segment`."""
    place = place_of(segment)
    wanted = place / f"trial-{segment.trial}"
    runs = len(list(place.glob(f"trial-{segment.trial}-in-*")))
    if wanted.exists() and runs < int(wanted.read_text()):
        (place / f"trial-{segment.trial}-in-{os.getpid()}").touch()
        threading.Event().wait()
    return run_segment(segment)
