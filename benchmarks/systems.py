"""What everything around a trial costs, here and in other systems; and how many trials the driver can feed.

The same no-op trial (three parameters, a score of one of them), drawn by Optuna's TPE, two at once: through
`search launch`, Optuna's own loop, its DaskStorage, and Ray Tune with actors that are used again. The others
run in an environment of their own, because Ray has other wishes of its dependencies::

    python3 -m venv .venv-others
    .venv-others/bin/pip install optuna optuna-integration distributed 'ray[tune]'

Where it isn't there, they are left out, and a line on stderr says so. Then trials of one second that take no
core, on a thousand slots: what share of them the driver keeps busy.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from common.fake_trial import SECONDS, run_a_second, run_nothing
from common.figures import Figure, run
from common.small_study import Stopwatch, small_study, study_text

import search.driving.dispatch
from search import launch
from studies.records.reports import SegmentReport
from workers.task import Segment

OTHERS = Path(__file__).parents[1] / ".venv-others" / "bin" / "python"

TRIALS = 200
"""No-op trials through each system."""

SYSTEMS = {
    "optimize": "Optuna's study.optimize, SQLite, one at once",
    "dask-storage": "Optuna's DaskStorage, in memory",
    "ray-tune": "Ray Tune, reuse_actors",
}

SLOTS = 1000
BUSY_TRIALS = 3000


def measure() -> Sequence[Figure]:
    """All figures."""
    ours = [Figure(f"no-op trial: search launch, {name}", _no_op(url), "ms a trial") for name, url in _URLS]
    return [*ours, *_others(), *_busy("random"), *_busy("tpe")]


_URLS = (("SQLite", "sqlite:///loop.db"), ("journal", "journal:loop.log"))


def _no_op(url: str) -> float:
    ends = _ends(run_nothing, study_text(TRIALS, url))
    return 1000 * (ends[-1] - ends[0]) / (len(ends) - 1)


def _ends(trial: Callable[[Segment], SegmentReport], study: str) -> list[float]:
    """When each trial's end was in storage, in seconds, and when the launch began ahead of them."""
    watch = Stopwatch()
    kept = search.driving.dispatch.run_segment
    search.driving.dispatch.run_segment = trial
    try:
        with small_study() as directory:
            path = directory / "loop.toml"
            path.write_text(study)
            launch(path, display=watch)
    finally:
        search.driving.dispatch.run_segment = kept
    return watch.ends


def _others() -> Sequence[Figure]:
    if not OTHERS.exists():
        print(f"{OTHERS} is not there: Optuna's and Ray's figures are left out", file=sys.stderr)
        return []
    program = Path(__file__).parent / "common" / "others.py"
    figures = []
    for system, name in SYSTEMS.items():
        command = [str(OTHERS), str(program), system, str(TRIALS)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
        figures.append(Figure(f"no-op trial: {name}", float(said.split()[-1]), "ms a trial"))
    return figures


def _busy(sampler: str) -> Sequence[Figure]:
    """The share of slots that are busy, once the first round of trials is over."""
    study = study_text(BUSY_TRIALS, "journal:loop.log", cluster=f"slots = {SLOTS}", sampler=sampler)
    ends = _ends(run_a_second, study)
    timed = ends[SLOTS : BUSY_TRIALS - SLOTS // 2]
    rate = (len(timed) - 1) / (timed[-1] - timed[0])
    where = f"trials of {SECONDS:g} s on {SLOTS:,} slots, journal, {sampler}"
    return [
        Figure(f"{where}: trials", rate, "a second"),
        Figure(f"{where}: busy slots", 100 * rate * SECONDS / SLOTS, "%"),
    ]


if __name__ == "__main__":
    run(__doc__ or "", measure)
