"""Draws ``docs/run.svg``, the README's picture of a run, from a study that has run.

``python tools/run_picture.py demo/sms-spam.toml`` shows the study as the live view did in the middle of it.
"""

from __future__ import annotations

import io
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console

from search.driving.live_view import live_view
from search.loop.events import Asked
from search.loop.loop import Limits, Loop
from search.loop.slots import Slots
from studies.records.trials import AskedTrial, TrialRecord
from studies.stored_study import read_study
from studies.study_file import read_study_file

SLOTS = Slots(trial=2, spark=1)
"""Those of the machine that the README speaks of."""


def main() -> None:
    """Write the picture."""
    file = read_study_file(sys.argv[1])
    records = read_study(file).records
    started = min(_time(record.started) for record in records)
    middle = sorted(_time(record.completed) for record in records)[len(records) * 2 // 3]
    middle += timedelta(seconds=0.5)  # by then the next trial runs
    running = [record for record in records if _began(record) <= middle < _time(record.completed)]
    loop = Loop(Limits(trials=file.study.trial_limit), SLOTS, started=0.0)
    told = [record for record in records if _time(record.completed) <= middle]
    loop.start(sorted(told, key=lambda record: _time(record.completed)), [], 0.0)
    for record in running:
        loop.handle(Asked(_asked(record)), (_began(record) - started).total_seconds())
    now = (middle - started).total_seconds()
    console = Console(record=True, width=88, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(live_view(loop, now, file.study.name, told_here=len(told), height=24))
    picture = Path(__file__).parent.parent / "docs" / "run.svg"
    svg = console.export_svg(title=f"search launch {file.path.name}")
    # Rich's page fetches fonts from the network; the reader's own monospace does as well.
    picture.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


def _asked(record: TrialRecord) -> AskedTrial:
    if record.configuration is None or record.seed is None:
        raise ValueError(f"trial {record.number} has no configuration")
    return AskedTrial(record.number, record.configuration, record.seed)


def _began(record: TrialRecord) -> datetime:
    """When its training did; a trial of Spark's may have waited for its slot since it was sampled."""
    return _time(record.completed) - timedelta(seconds=record.seconds or 0.0)


def _time(moment: datetime | None) -> datetime:
    if moment is None:
        raise ValueError("the study has not ended yet")
    return moment


if __name__ == "__main__":
    main()
