"""The scores by which trials are compared, pruned ones among them.

A pruned trial has no final score, and its last one is that of a shorter training. There are two easy ways to
use it wrongly. To leave it out: then only those remain that did well early, the bad part of the space looks
empty, and whatever decides early (often the learning rate) looks unimportant. To take its last score as
final: then a trial seems bad because it was pruned, which shows only what the pruner did.

Here two trials are compared at the last epoch that both reached. So that all comparisons agree with each
other, each pruned trial gets one number: its last score, and for each step that it did not take, the median
of what that step gave to the trials that took it. Two trials that were pruned together keep their order and
distance. Against a trial that trained on, a pruned one ranks as it did at that epoch, had the other gained
the median. The median is over all that took the step, also those that were pruned later, because the
complete ones alone are the lucky ones. Steps are compared among trials of one full length only. A pruned
trial from whose last epoch no such trial trained to the end is left out: nothing can be compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from studies.records.trials import TrialRecord


@dataclass(frozen=True, slots=True)
class Progress:
    """How a trial did on its way.

    Attributes:
        epochs: of its full training.
        seen: validation scores by epoch; for a trial that finished, that of ``epochs`` among them.
    """

    epochs: int
    seen: Mapping[int, float]


def comparable_scores(records: Iterable[TrialRecord]) -> dict[int, float]:
    """Scores by trial number: of complete trials their values, of pruned ones what they were heading for."""
    records = list(records)
    values = {record.number: record.value for record in records if record.value is not None}
    pruned = {record.number for record in records if record.state == "pruned"}
    if not pruned:
        return values
    progress = {record.number: _progress(record) for record in records if record.configuration is not None}
    expected = expected_scores({number: each for number, each in progress.items() if each.seen})
    return values | {number: score for number, score in expected.items() if number in pruned}


def expected_scores(trials: Mapping[int, Progress]) -> dict[int, float]:
    """The score of each trial at the end of its full training, seen or expected; see the module."""
    expected = {}
    for epochs in {trial.epochs for trial in trials.values()}:
        alike = {number: trial.seen for number, trial in trials.items() if trial.epochs == epochs}
        ladder = sorted({epoch for seen in alike.values() for epoch in seen})
        if not ladder or ladder[-1] != epochs:
            continue  # none finished
        steps = {
            start: [seen[end] - seen[start] for seen in alike.values() if start in seen and end in seen]
            for start, end in pairwise(ladder)
        }
        for number, seen in alike.items():
            last = max(seen)
            ahead = [steps[start] for start in ladder[:-1] if start >= last]
            if all(ahead):
                expected[number] = seen[last] + sum(median(gains) for gains in ahead)
    return expected


def _progress(record: TrialRecord) -> Progress:
    assert record.configuration is not None
    curve = record.report.curve if record.report is not None else ()
    seen = {point.epoch: point.validation_score for point in curve if point.validation_score is not None}
    epochs = record.configuration.epochs
    return Progress(epochs, seen if record.value is None else {**seen, epochs: record.value})
