"""One configuration: whether intervals of its mean, and of a new network, hold what they should.

Coverage for F1 of 0.5, 0.7, 0.85, 0.95 and 0.98 together, and of the worst of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from common.figures import Figure, share
from common.networks import SHARE, Sample, Setting, draw_seeds, f1_of, mean_distance
from scipy.special import logit, ndtr

from search.evaluation.row_noise import row_interval
from search.evaluation.statistics import compare

STUDIES = 60
"""Simulated for each F1, number of positive rows and of seeds."""

TRUTHS = (0.5, 0.7, 0.85, 0.95, 0.98)


def measure(repetitions: int) -> Sequence[Figure]:
    return [*_trial(1000 * repetitions), *_means(STUDIES * repetitions)]


def _trial(count: int) -> Iterator[Figure]:
    """One network's score: the interval of its own true F1, over rows."""
    draw = np.random.default_rng(23)
    for positives in (4, 6, 13, 26, 130):
        negatives = round(positives * (1.0 - SHARE) / SHARE)
        held = []
        for truth in TRUTHS:
            distance = mean_distance(Setting(truth, 0.0, 0.0))
            cut = -float(logit(SHARE)) / distance
            hits = draw.binomial(positives, ndtr(distance / 2.0 - cut), count // len(TRUTHS))
            alarms = draw.binomial(negatives, ndtr(-distance / 2.0 - cut), count // len(TRUTHS))
            ends = [
                row_interval([[negatives - alarm, alarm], [positives - hit, hit]], "f1", 1) or (0.0, 0.0)
                for hit, alarm in zip(hits, alarms, strict=True)
            ]
            true_f1 = float(f1_of(distance, cut))
            held.append(sum(low <= true_f1 <= high for low, high in ends))
        yield share(f"one trial, {positives} positives: F1 covered", sum(held), count, at_least=91.0)
        worst = int(np.argmin(held))
        yield share(f"  the worst, F1 {TRUTHS[worst]:g}", held[worst], count // len(TRUTHS), at_least=80.0)


def _means(count: int) -> Iterator[Figure]:
    for seeds in (3, 5, 10):
        for positives in (6, 26, 130, 500):
            held, new, widths = zip(
                *(_covered(truth, seeds, positives, count) for truth in TRUTHS), strict=True
            )
            name, all_of_them = f"{seeds} seeds, {positives} positives", count * len(TRUTHS)
            yield share(f"{name}: mean F1 covered", sum(held), all_of_them, at_least=92.0)
            yield share("  the worst F1", min(held), count, at_least=82.0)
            yield share("  a new network on new rows covered", sum(new), all_of_them, at_least=92.0)
            yield Figure("  width of the mean's interval at F1 0.85", float(widths[2]), "")


def _covered(truth: float, seeds: int, positives: int, count: int) -> tuple[int, int, float]:
    """Intervals that hold the true mean, those that hold a new network's score, and the mean width."""
    draw, setting = np.random.default_rng(24), Setting(truth)
    held, new, width = 0, 0, 0.0
    for _ in range(count):
        test, other = Sample(positives, draw), Sample(positives, draw)
        rows, tested = test.labelled(), [test.tested(0, draw_seeds(setting, seeds, draw))]
        (found,) = compare(rows, tested, rows.scored(tested))
        held += found.interval.low <= truth <= found.interval.high
        width += found.interval.high - found.interval.low
        (score,) = other.tested(0, draw_seeds(setting, 1, draw)).scores
        new += found.prediction is not None and found.prediction.low <= score <= found.prediction.high
    return held, new, width / count
