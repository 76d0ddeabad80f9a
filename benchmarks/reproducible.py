"""What `reproducible = true` costs: seconds of a search, against the same search that runs freely.

The example study of SMS Spam with TensorFlow alone, 40 trials on two threads. The modes draw other trials
after the first ones, so that their seconds differ for that too; what is lost to waiting is the time in
which a slot had nothing to work on. Nothing here has a bound.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.figures import Figure, Option, run
from common.sms_spam import TENSORFLOW_ALONE, example_study

from search import launch
from search.driving.display import SilentDisplay

SLOTS = 2
SEEDS = 2
WIDTHS = (2, 8)
"""Trials that are decided on ahead of results: as many as there are slots, and the default."""


@dataclass(frozen=True)
class Searched:
    """One search: its seconds from its first event to its last, and those in which nothing ran on a slot."""

    seconds: float
    idle: float
    best: float


def measure(seeds: int = SEEDS) -> Sequence[Figure]:
    """All figures; the modes take turns, so that a slow minute is everybody's."""
    modes = {"free": "", **{f"reproducible, width {width}": _ordered(width) for width in WIDTHS}}
    found: dict[str, list[Searched]] = {mode: [] for mode in modes}
    with tempfile.TemporaryDirectory() as name:
        # The first search of a process starts TensorFlow; none of those that are measured shall pay for it.
        _search(Path(name), "warm-up", 0, "", trials=6)
        for seed in range(seeds):
            for mode, lines in modes.items():
                found[mode].append(_search(Path(name), mode, seed, lines))
    return [figure for mode, searched in found.items() for figure in _figures(mode, searched, found["free"])]


def _ordered(width: int) -> str:
    return f"reproducible = true\nwidth = {width}\n"


def _search(directory: Path, mode: str, seed: int, lines: str, trials: int = 40) -> Searched:
    study = mode.replace(", ", "-").replace(" ", "-")
    changes = {
        'name = "sms-spam"': f'name = "{study}-{seed}"\n{lines}',
        "seed = 7\n": f"seed = {seed}\n",
        "trials = 40 ": f"trials = {trials} ",
        'kind = "threads" ': f'kind = "threads"\nslots = {SLOTS}  ',
        **TENSORFLOW_ALONE,
    }
    path = directory / f"{study}-{seed}.toml"
    path.write_text(example_study(changes))
    watch = _Watch()
    result = launch(path, display=watch)
    seconds = watch.last - watch.first
    worked = sum(record.seconds or 0.0 for record in result.records)
    best = result.score(result.best) if result.best else 0.0
    return Searched(seconds, seconds - worked / SLOTS, best)


class _Watch(SilentDisplay):
    """Notes when the search began and when it was last looked at."""

    first = last = 0.0

    def update(self, loop: object, now: float) -> None:  # noqa: ARG002
        """Note the time."""
        self.last = time.monotonic()
        self.first = self.first or self.last


def _figures(mode: str, searched: Sequence[Searched], free: Sequence[Searched]) -> Sequence[Figure]:
    seconds = sum(one.seconds for one in searched)
    return [
        Figure(f"{mode}: 40 trials", seconds / len(searched), "s"),
        Figure(f"{mode}: of these a slot waits for", sum(one.idle for one in searched) / len(searched), "s"),
        Figure(f"{mode} / free: seconds", seconds / sum(one.seconds for one in free)),
        Figure(f"{mode}: best F1, median", statistics.median(one.best for one in searched), "F1"),
    ]


if __name__ == "__main__":
    run(__doc__ or "", measure, Option("seeds", SEEDS, "searches in each mode"))
