"""What a reader must know before any score: that the rows are too few, or that nothing was decided. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from search.words import class_name, positive_name, score_label
from studies.data.facts import DataFacts

TYPICAL = 0.8
"""The F1 at which the width of an interval is stated; from 0.3 to 0.7 it is up to 1.4 times as wide."""

TOO_WIDE = 0.2
"""Half the width of a 95% interval from which on scores say nothing: from 0.6 to 1 for a true 0.8."""

USEFUL = 0.1
"""Half the width that is asked of rows that would do."""

JUDGED = ("validation", "test")
"""Row sets that scores are read from."""


def caveats(facts: DataFacts, metric: str, scores: Sequence[float] = ()) -> tuple[str, ...]:
    """Sentences for the top of a report, the weightiest first; none where there is nothing to warn of.

    Args:
        facts: rows and classes.
        metric: the study's.
        scores: validation scores of the complete configurations, best first.
    """
    return (*too_few(facts, metric), *_undecided(facts, metric, scores))


def undecided(scores: Sequence[float]) -> bool:
    """Whether there are several configurations, and all have one score."""
    return len(scores) > 1 and max(scores) == min(scores)


def half_width(positives: int, f1: float = TYPICAL) -> float:
    """Half of a 95% interval of F1 on rows of which ``positives`` are positive.

    By the delta method, where recall and precision are alike: hits are binomial and false alarms Poisson,
    which a rare class's are. With F1 = 2 TP / (n + TP + FP) the variance is
    p (1 - p) ((2 - p)² + p) / (4 n) for p = F1.
    """
    variance = f1 * (1.0 - f1) * ((2.0 - f1) ** 2 + f1) / (4.0 * positives)
    return 1.96 * math.sqrt(variance)


def enough_positives(half: float = USEFUL) -> int:
    """The fewest positive rows at which :func:`half_width` is at most ``half``: 35 for 0.1."""
    return math.ceil(half_width(1) ** 2 / half**2)


def too_few(facts: DataFacts, metric: str) -> Iterator[str]:
    """That a class has too few rows to choose by or to test on, how many would do, and what to do."""
    index = _judged_class(facts, metric)
    counts_of_set = {name: facts.counts[name][index] for name in JUDGED}
    fewest = min(counts_of_set.values())
    if half_width(fewest) <= TOO_WIDE:
        return
    name, total = (
        class_name(facts.classes[index], facts, 40),
        sum(counts[index] for counts in facts.counts.values()),
    )
    low, high = max(0.0, TYPICAL - half_width(fewest)), min(1.0, TYPICAL + half_width(fewest))
    rows = " and ".join(
        f"{count} of {facts.rows(row_set):,} {row_set} rows" for row_set, count in counts_of_set.items()
    )
    yield (
        f"Too few rows to compare networks by: {rows} are “{name}”. A network with a true F1 of "
        f"{TYPICAL:.2f} scores anything from {low:.2f} to {high:.2f} on {fewest} such rows."
    )
    yield f"{_would_do(name, total, fewest)} Until then, scores show that training works, and choose nothing."


def _would_do(name: str, total: int, fewest: int) -> str:
    wanted = enough_positives()
    needed = math.ceil(total * wanted / fewest)
    would_do = f"At {wanted} in each part, F1 is known to ±{USEFUL:g}."
    if total >= 3 * wanted:
        share = math.ceil(100 * wanted / total) / 100
        return f"{would_do} Raise data.validation and data.test to {share:g} or more, or label more rows."
    return f"{would_do} Label more rows: {needed:,} that are “{name}” would do, and the data has {total:,}."


def _judged_class(facts: DataFacts, metric: str) -> int:
    """The class that limits the metric: the rarest one for a mean over classes, else the positive one."""
    if metric != "f1_macro":
        return facts.positive_index
    return min(range(len(facts.classes)), key=lambda index: min(facts.counts[name][index] for name in JUDGED))


def _undecided(facts: DataFacts, metric: str, scores: Sequence[float]) -> Iterator[str]:
    label = score_label(metric, facts)
    if undecided(scores):
        yield (
            f"No configuration is better than another: all {len(scores):,} have {label} {scores[0]:.3f} on "
            "the validation rows."
        )
    if not scores or metric != "f1":
        return
    if scores[0] == 0.0:
        yield (
            f"No network predicted “{positive_name(facts, 40)}” for any validation row of that class. Try "
            'more epochs or higher learning rates; objective.metric = "average_precision" compares networks '
            "without a threshold."
        )
    elif scores[0] <= (always := facts.all_positive_f1("validation")):
        yield (
            f"No configuration beats a program that always predicts “{positive_name(facts, 40)}”: its F1 is "
            f"{always:.3f} on the validation rows."
        )
