"""What promotion is worth: time to a validation F1 on SMS Spam, and the best F1 within a bound of time.

The example study of SMS Spam with TensorFlow alone (Spark's session and its slots would be most of what is
measured) runs from scratch with each pruner and seed for the same seconds: trials that pause and are promoted
(asha), Optuna's Hyperband stopping trials for good over the same trainer, and none. Nothing here has a bound:
the machine's noise and the seeds' are larger than the differences that one would want to hold.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.figures import Figure, Option, run
from common.sms_spam import TENSORFLOW_ALONE, example_study

from search import launch
from search.driving.display import SilentDisplay
from studies.stored_study import read_study
from studies.study_file import read_study_file

TARGET = 0.95
"""Validation F1 to reach."""

PRUNERS = ("asha", "hyperband", "none")

SECONDS = 35
SEEDS = 3
"""With the data's preparation, some six minutes in all; the full measure is 120 seconds and five seeds."""


WARM_UP_SECONDS = 10


@dataclass(frozen=True)
class Searched:
    """One search.

    Attributes:
        reached: seconds from its first trial's start until a trial with the target's score had ended;
            infinite where none did.
        best: validation F1.
        trials: that ended.
    """

    reached: float
    best: float
    trials: int


def measure(seeds: int = SEEDS, seconds: int = SECONDS) -> Sequence[Figure]:
    """All figures, pruner by pruner; the seeds take turns, so that a slow minute is everybody's."""
    found: dict[str, list[Searched]] = {pruner: [] for pruner in PRUNERS}
    with tempfile.TemporaryDirectory() as name:
        # The first search of a process starts TensorFlow; none of those that are measured shall pay for it.
        _search(Path(name), "none", seeds, WARM_UP_SECONDS)
        for seed in range(seeds):
            for pruner in PRUNERS:
                found[pruner].append(_search(Path(name), pruner, seed, seconds))
    return [figure for pruner, searched in found.items() for figure in _figures(pruner, searched, seconds)]


def _search(directory: Path, pruner: str, seed: int, seconds: int) -> Searched:
    path = directory / f"{pruner}-{seed}.toml"
    path.write_text(_study(pruner, seed, seconds))
    launch(path, display=SilentDisplay())
    trials = read_study(read_study_file(path)).study.get_trials(deepcopy=False)
    begun = min(trial.datetime_start for trial in trials if trial.datetime_start)
    complete = [trial for trial in trials if trial.values and trial.datetime_complete]
    reached = [
        (trial.datetime_complete - begun).total_seconds()
        for trial in complete
        if trial.datetime_complete and trial.values[0] >= TARGET
    ]
    best = max((trial.values[0] for trial in complete), default=0.0)
    return Searched(min(reached, default=float("inf")), best, sum(t.state.is_finished() for t in trials))


def _study(pruner: str, seed: int, seconds: int) -> str:
    changes = {
        'name = "sms-spam"': f'name = "{pruner}-{seed}"',
        "seed = 7\n": f"seed = {seed}\n",
        "trials = 40 ": f"timeout = {seconds} ",
        **TENSORFLOW_ALONE,
    }
    text = example_study(changes)
    return f'{text}\n[pruner]\nkind = "{pruner}"\n'


def _figures(pruner: str, searched: Sequence[Searched], seconds: int) -> Sequence[Figure]:
    reached = sorted(one.reached for one in searched)
    best = sorted(one.best for one in searched)
    ended = [one.trials for one in searched]
    hits = sum(one < float("inf") for one in reached)
    figures = [
        Figure(f"{pruner}: F1 {TARGET:g} reached within {seconds:g} s", hits, f"of {len(searched)}"),
        Figure(f"{pruner}: time to F1 {TARGET:g}, median", statistics.median(reached), "s"),
        Figure(f"{pruner}: time to F1 {TARGET:g}, quickest", reached[0], "s"),
        Figure(f"{pruner}: time to F1 {TARGET:g}, slowest", reached[-1], "s"),
        Figure(f"{pruner}: best F1 after {seconds:g} s, median", statistics.median(best), "F1"),
        Figure(f"{pruner}: best F1 after {seconds:g} s, lowest", best[0], "F1"),
        Figure(f"{pruner}: best F1 after {seconds:g} s, highest", best[-1], "F1"),
        Figure(f"{pruner}: trials ended, median", statistics.median(ended), "trials"),
    ]
    return [figure for figure in figures if figure.value < float("inf")]


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        Option("seeds", SEEDS, "searches with each pruner"),
        Option("seconds", SECONDS, "of each search"),
    )
