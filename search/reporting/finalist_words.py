"""What is said of finalists, in the same words wherever a person reads of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.words import VERDICTS, brief_label, count_of, listed, with_sign
from studies.records.finalists import Difference, Finalist, Finalists, Interval


def finalist_sentences(found: Finalists, rows: int) -> Iterator[str]:
    """What is said below the table of finalists, that were scored on so many test ``rows``."""
    yield from optimism(found)
    yield from comparisons(found)
    expected = prediction(found.finalists[0], rows)
    if expected is not None:
        yield expected
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
            f"{_trials(equal)} {'is' if len(equal) == 1 else 'are'} as good as trial {best.trial}: the "
            f"difference is less than {found.margin:g} either way (two one-sided tests)."
        )
    if worse := groups["worse"]:
        yield f"{_trials(worse)} {'is' if len(worse) == 1 else 'are'} significantly worse."
    if better := groups["better"]:
        yield (
            f"{_trials(better)} {'is' if len(better) == 1 else 'are'} significantly better on the test rows "
            f"than trial {best.trial}, which the validation rows chose. Choosing by that would make the test "
            "score optimistic."
        )


def at_worst(one: Finalist) -> str:
    """``could be up to 0.031 worse``, beside a verdict that is no proof; empty beside the others."""
    return f"could be up to {_at_worst(one):.3f} worse" if one.verdict in ("tied", "equivalent") else ""


def optimism(found: Finalists) -> Iterator[str]:
    """How optimistic the scores were that chose the search's winner and the best finalist."""
    winner, best = found.winner, found.finalists[0]
    on_validation, on_test = winner.optimism
    yield (
        f"The search's winner, trial {winner.trial}, scored {winner.found:.3f} when found. "
        f"{_retrained(len(winner.test))} it scores {winner.validation_mean:.3f} on the same validation rows "
        f"and {winner.test_mean:.3f} on the test rows. So {with_sign(on_test)} of it was luck: "
        f"{with_sign(on_validation)} with the seed{_in_brackets(winner.luck_of_seeds)}, "
        f"{on_test - on_validation:+.3f} with the rows{_in_brackets(winner.luck_of_rows)}."
    )
    if len(found.finalists) > 1 and best.validation_mean > best.test_mean:
        yield (
            f"The best, trial {best.trial}, was chosen by its new validation mean. That is optimistic too: "
            f"{best.validation_mean:.3f}, {best.validation_mean - best.test_mean:.3f} above its test mean."
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


def p_text(value: float | None) -> str:
    """``0.042``, ``<0.001``; a dash for the best, which isn't compared."""
    if value is None:
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.2g}"


def _in_brackets(interval: Interval | None) -> str:
    """Empty for one without width, too: trainings that all score the same tell nothing of how others vary."""
    return "" if interval is None or interval.low == interval.high else f" (95%: {signed(interval)})"


def _retrained(trainings: int) -> str:
    return f"Retrained with {count_of(trainings, 'new seed')}"


def _trials(ones: Sequence[Finalist]) -> str:
    return f"Trial{'' if len(ones) == 1 else 's'} {listed(str(one.trial) for one in ones)}"
