"""Intervals of finalists and their comparisons with the best, from what their networks predicted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.evaluation.comparisons import LEVEL, Scored, Spread, holm, mean_interval, of_new_network
from search.evaluation.influence import Answers
from search.evaluation.row_covariance import row_covariance
from search.evaluation.row_noise import logit_interval, row_interval
from studies.records.finalists import SIGNIFICANT, Difference, Interval, Verdict
from workers.training.confusions import NAMES
from workers.training.scores import confusion_of

MARGIN = 0.01
"""A finalist is called equivalent to the best where their difference is significantly smaller than this."""


@dataclass(frozen=True, eq=False)
class Tested:
    """Networks of one configuration on one set of rows, with their scores there."""

    answers: Sequence[Answers]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Compared:
    """One finalist's intervals, and how it compares with the best, as in
    :class:`studies.records.finalists.Finalist`.
    """

    interval: Interval
    prediction: Interval | None
    verdict: Verdict
    difference: Interval | None = None
    p_value: float | None = None


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """What networks are scored on.

    Attributes:
        labels: (rows,).
        classes: how many there are.
        positive: the class that ``metric`` is of.
        metric: one of :data:`workers.training.scores.METRICS`.
    """

    labels: NDArray[np.int64]
    classes: int
    positive: int
    metric: str

    def scored(self, tested: Sequence[Tested], fixed: Sequence[int] = ()) -> Scored:
        """Configurations, side by side; ``fixed`` as in :class:`search.evaluation.comparisons.Scored`."""
        return Scored([networks.scores for networks in tested], self.covariance(tested), fixed)

    def covariance(self, tested: Sequence[Tested]) -> NDArray[np.float64]:
        """Of all networks' scores, see :func:`search.evaluation.row_covariance.row_covariance`."""
        answers = [answers for networks in tested for answers in networks.answers]
        groups = [group for group, networks in enumerate(tested) for _ in networks.answers]
        return row_covariance(self.labels, answers, groups, self.metric, self.classes, self.positive)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The lowest and highest that the metric can be."""
        return (-1.0 if self.metric == "mcc" else 0.0), 1.0


def compare(rows: LabelledRows, tested: Sequence[Tested], scored: Scored) -> tuple[Compared, ...]:
    """Each finalist, the best first, with it.

    Args:
        rows: the test rows.
        tested: the finalists, the best first.
        scored: the same, and maybe others after them.
    """
    spreads = [scored.of_difference(place, 0) for place in range(1, len(tested))]
    values = [scored.mean(place) - scored.mean(0) for place in range(1, len(tested))]
    p_values = [spread.p_value(value) for spread, value in zip(spreads, values, strict=True)]
    best = _intervals(rows, tested[0], scored, 0)
    comparisons = [Compared(*best, "best")]
    for place, factor in enumerate(holm(p_values)):
        value, corrected = values[place], min(1.0, factor * p_values[place])
        mean, new = _intervals(rows, tested[place + 1], scored, place + 1)
        difference = _difference(rows, value, spreads[place], LEVEL / factor)
        difference = _within(difference, value, mean, best[0])
        verdict = _verdict(value, corrected, difference)
        comparisons.append(Compared(mean, new, verdict, difference, corrected))
    return tuple(comparisons)


def difference(rows: LabelledRows, scored: Scored, index: int, other: int) -> Difference:
    """Of two configurations, one comparison by itself."""
    value, spread = scored.mean(index) - scored.mean(other), scored.of_difference(index, other)
    ends = _difference(rows, value, spread, LEVEL)
    return Difference(value, ends.low, ends.high, spread.p_value(value))


def change(rows: LabelledRows, before: Tested, after: Tested) -> Difference:
    """What another rule for predicting from the same probabilities adds to their mean score.

    Each network is compared with itself, so that only the differences vary by seeds.
    """
    covariance, count = rows.covariance([before, after]), len(before.scores)
    old, new = slice(None, count), slice(count, None)
    crossed = covariance[old, new]
    gained = np.subtract(after.scores, before.scores)
    paired = Scored([gained.tolist()], covariance[old, old] + covariance[new, new] - crossed - crossed.T)
    value, spread = paired.mean(0), paired.of_mean(0)
    ends = _difference(rows, value, spread, LEVEL)
    return Difference(value, ends.low, ends.high, spread.p_value(value))


def luck(
    when_chosen: float, validation: tuple[LabelledRows, Tested], test: tuple[LabelledRows, Tested]
) -> tuple[Interval | None, Interval | None]:
    """95% intervals of how optimistic a validation score was, by seeds and by rows.

    The first is of ``when_chosen`` less the mean of other seeds on the same validation rows: only these seeds
    make it unsure. The second is of that mean less the true one, which the test rows estimate. Both need
    several trainings.

    Args:
        when_chosen: validation score with which the search chose it.
        validation, test: the new trainings on these rows.
    """
    old, new = np.asarray(validation[1].scores), np.asarray(test[1].scores)
    if len(old) < 2:
        return None, None
    covariance = validation[0].covariance([validation[1]])
    spread = Scored([old.tolist()], covariance).of_mean(0)
    # The validation rows are given: of their noise, only what is each network's own counts.
    both = covariance - spread.rows + test[0].covariance([test[1]])
    rows = Scored([(old - new).tolist()], both).of_mean(0)
    seeds = _difference(validation[0], when_chosen - float(old.mean()), replace(spread, rows=0.0), LEVEL)
    lowest, highest = validation[0].bounds
    return (
        Interval(max(when_chosen - highest, seeds.low), min(when_chosen - lowest, seeds.high)),
        _difference(validation[0], float((old - new).mean()), rows, LEVEL),
    )


def _intervals(
    rows: LabelledRows, networks: Tested, scored: Scored, place: int
) -> tuple[Interval, Interval | None]:
    mean, spread, share = scored.mean(place), scored.of_mean(place), scored.row_share(place)
    alone = _row_interval(rows, networks, mean, spread.rows / share if share else spread.rows)
    count = len(networks.scores)
    interval = Interval(*mean_interval(mean, spread, alone, share, rows.bounds))
    if count == 1:
        return interval, None
    new = of_new_network(spread, count)
    return interval, Interval(*mean_interval(mean, new, alone, 2.0 * share, rows.bounds))


def _row_interval(rows: LabelledRows, networks: Tested, mean: float, variance: float) -> tuple[float, float]:
    """Over rows, of a network such as the configuration's are in the mean."""
    counts = [confusion_of(rows.labels, each.predicted, rows.classes) for each in networks.answers]
    if rows.metric in NAMES:
        ends = row_interval(np.mean(counts, axis=0), rows.metric, rows.positive)
        if ends is not None:
            return ends
    positives = int(np.count_nonzero(rows.labels == rows.positive))
    return logit_interval(mean, variance, positives)


def _difference(rows: LabelledRows, value: float, spread: Spread, level: float) -> Interval:
    """An interval of 1 - level, within what a difference of two scores can be."""
    half = spread.quantile(level) * spread.error
    most = rows.bounds[1] - rows.bounds[0]
    return Interval(max(-most, value - half), min(most, value + half))


def _within(difference: Interval, value: float, own: Interval, best: Interval) -> Interval:
    """At most as wide as means within their own intervals can differ; it stays on its side of 0."""
    lowest = min(0.0, value, own.low - best.high)
    highest = max(0.0, value, own.high - best.low)
    return Interval(max(difference.low, lowest), min(difference.high, highest))


def _verdict(value: float, p_value: float, difference: Interval) -> Verdict:
    """Two one-sided tests are passed where the interval lies within the margin: D. Schuirmann, "A comparison
    of the two one-sided tests procedure and the power approach for assessing the equivalence of average
    bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    if p_value < SIGNIFICANT:
        return "worse" if value < 0.0 else "better"
    return "equivalent" if max(-difference.low, difference.high) < MARGIN else "tied"
