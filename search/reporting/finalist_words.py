"""The finalists in sentences, the same ones wherever a person reads of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.words import VERDICTS, brief_label, count_of, listed, p_text, with_sign
from studies.records.finalists import Difference, Finalist, Finalists, Interval


def finalist_sentences(found: Finalists, alike: int) -> Iterator[str]:
    """What their table doesn't say.

    Args:
        found: the finalists.
        alike: how many configurations share the highest validation score of the search.
    """
    yield from optimism(found, alike)
    yield from comparisons(found)
    yield coverage(found)


def comparisons(found: Finalists) -> Iterator[str]:
    """How the others compare with the best."""
    best, *others = found.finalists
    groups = {verdict: [one for one in others if one.verdict == verdict] for verdict in VERDICTS}
    if tied := groups["tied"]:
        lows = [f"{_at_worst(one):.3f}" for one in tied]
        alike = len(tied) > 1 and len(set(lows)) == 1
        by = f"each be up to {lows[0]}" if alike else f"be up to {listed(lows)}"
        yield (
            f"{_trials(tied)} {'is' if len(tied) == 1 else 'are'} not significantly different from trial "
            f"{best.trial}, but could {by} worse."
        )
    if equal := groups["equivalent"]:
        yield (
            f"{_trials(equal)} {'is' if len(equal) == 1 else 'are'} equivalent to trial {best.trial}: the "
            f"difference is significantly less than {found.margin:g} either way (two one-sided tests)."
        )
    if worse := groups["worse"]:
        yield f"{_trials(worse)} {'is' if len(worse) == 1 else 'are'} significantly worse."
    if better := groups["better"]:
        yield (
            f"{_trials(better)} {'is' if len(better) == 1 else 'are'} significantly better on the test rows "
            f"than trial {best.trial}, which was chosen on the validation rows. Choosing by that would make "
            "the test score optimistic."
        )


def optimism(found: Finalists, alike: int) -> Iterator[str]:
    """How optimistic the validation scores were that ranked the search's best, and the finalists' best."""
    first, best = found.winner, found.finalists[0]
    on_validation, on_test = first.optimism
    which = "had the highest" if alike == 1 else f"is one of {alike:,} with the highest"
    by = f"optimistic by {on_test:.3f}" if on_test > 0 else f"not optimistic ({with_sign(on_test)})"
    yield (
        f"Trial {first.trial} {which} validation score in the search, {first.found:.3f}. "
        f"{_retrained(len(first.test))}, it scores {first.validation_mean:.3f} on the same validation rows "
        f"and {first.test_mean:.3f} on the test rows. The score in the search was {by}: "
        f"{with_sign(on_validation)} is luck with the seed{_in_brackets(first.luck_of_seeds)}, "
        f"{with_sign(on_test - on_validation)} luck with the rows{_in_brackets(first.luck_of_rows)}."
    )
    if len(found.finalists) > 1 and best.validation_mean > best.test_mean:
        yield (
            f"Trial {best.trial} was chosen as the best by its validation mean over new seeds, "
            f"{best.validation_mean:.3f}. That is optimistic too, by "
            f"{best.validation_mean - best.test_mean:.3f} compared with its test mean."
        )


def best_of(count: int, *, tested: bool) -> str:
    """Why a score that chose is no estimate.

    Args:
        count: how many configurations it chose among.
        tested: whether a test score stands beside it.
    """
    test = "; the test score is not" if tested else ""
    return f"The validation score is the best of {count:,} and therefore optimistic{test}."


def prediction(one: Finalist, rows: int) -> str | None:
    """Where one new network is expected, which a mean's interval doesn't say."""
    if one.prediction is None:
        return None
    return (
        f"One new network of trial {one.trial}, scored on {rows:,} other rows, is expected between "
        f"{one.prediction.low:.3f} and {one.prediction.high:.3f} (95% prediction interval)."
    )


def mean_words(one: Finalist) -> str:
    """What a finalist's interval is of."""
    over = "over the test rows" if len(one.test) == 1 else "over seeds and test rows"
    return f"95% confidence interval of the mean, {over}: {between(one.interval)}."


def row_words(interval: tuple[float, float]) -> str:
    """What the interval of one trial's test score is of."""
    return (
        f"95% confidence interval of this network's score, over the test rows: {interval[0]:.3f} to "
        f"{interval[1]:.3f}. Other seeds are not in it."
    )


def coverage(found: Finalists) -> str:
    """What the intervals cover."""
    if all(len(one.test) == 1 for one in found.finalists):
        return (
            "With one training each, the intervals cover the test rows alone: other seeds may differ by more."
        )
    several = (
        " Differences and p are corrected for the number of comparisons (Holm)."
        if len(found.finalists) > 2
        else ""
    )
    return f"The 95% intervals are of means over seeds and test rows together.{several}"


def over_logistic(found: Finalists) -> str | None:
    """Whether the best beats a logistic regression."""
    one = found.over_logistic
    if one is None:
        return None
    score = getattr(found.logistic, found.metric)
    best = found.finalists[0].trial
    return (
        f"A logistic regression on the same features scores {score:.3f}. Trial {best} is {_apart(one)}: "
        f"{_with_interval(one)}."
    )


def thresholds(one: Finalist) -> str | None:
    """Whether to use the thresholds that validation rows like best."""
    change = one.tuned.difference
    if change is None:
        return None
    advice = "recommended" if one.tuned.recommended else "not recommended"
    return (
        f"Tuned thresholds are {advice} for trial {one.trial}: on the test rows they change "
        f"{brief_label(one.tuned.metric)} by {_with_interval(change)}"
        f"{'' if change.significant else ', which is not significant'}."
    )


def between(interval: Interval) -> str:
    """``0.921 to 0.971``."""
    return f"{interval.low:.3f} to {interval.high:.3f}"


def signed(interval: Interval) -> str:
    """``-0.031 to +0.012``."""
    return f"{with_sign(interval.low)} to {with_sign(interval.high)}"


def _at_worst(one: Finalist) -> float:
    return 0.0 if one.difference is None else max(0.0, -one.difference.low)


def _apart(one: Difference) -> str:
    if not one.significant:
        return "not significantly different"
    return "significantly better" if one.value > 0 else "significantly worse"


def _with_interval(one: Difference) -> str:
    ends = f"{with_sign(one.low)} to {with_sign(one.high)}"
    return f"{with_sign(one.value)} (95%: {ends}, p {p_text(one.p_value)})"


def _in_brackets(interval: Interval | None) -> str:
    """Empty for one without width, too: trainings that all score the same say nothing of how others vary."""
    return "" if interval is None or interval.low == interval.high else f" (95%: {signed(interval)})"


def _retrained(trainings: int) -> str:
    return f"Retrained with {count_of(trainings, 'new seed')}"


def _trials(ones: Sequence[Finalist]) -> str:
    return f"Trial{'' if len(ones) == 1 else 's'} {listed(str(one.trial) for one in ones)}"
