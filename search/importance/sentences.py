"""What mattered, in sentences. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from search.importance.importance import ImportanceGroup
from search.importance.regions import Condition, Region
from search.words import count_of

NAMED_BY_VALUE = ("framework", "optimizer", "initialisation")
"""Parameters whose values need no name: ``adam`` is an optimizer."""


def beneath(group: ImportanceGroup) -> Iterator[str]:
    """What is significant in a table of shares, and what there is to know of the model."""
    yield significance(group)
    variance = group.variance
    if variance.reason:
        yield f"no fANOVA: {variance.reason}"
        return
    both = variance.interaction
    if both is not None:
        names = " and ".join(label_of(axis) for axis in both.axes)
        between = f"95%: {100 * both.low:.0f}-{100 * both.high:.0f}"
        yield f"{names} interact: together they explain at least about {both.share:.0%} more ({between})"
    elif variance.pairs:
        yield "no two choices interact significantly"
    rows_of_tree = (
        f"; each tree samples {variance.rows_per_tree:,}"
        if variance.rows_per_tree < group.trials // 2
        else ""
    )
    yield f"the model explains {variance.explained:.0%} of the variance of unseen trials{rows_of_tree}"


def significance(group: ImportanceGroup) -> str:
    """Which choices the table is sure of, in words; that all of it may be chance where there are none."""
    number = len(group.shares)
    corrected = f"corrected for {count_of(number, 'choice')}"
    names = [label_of(share.axis) for share in group.shares if share.significant]
    if not names:
        return f"none significant, {corrected}: the whole table may be chance"
    return f"significant, {corrected}: {', '.join(names)}"


def chance_mark(groups: Iterable[ImportanceGroup], mark: str = "?") -> str | None:
    """What a mark says of a share that may be chance; ``None`` where no share has it."""
    marked = [share for group in groups for share in group.shares if share.by_chance]
    if not marked:
        return None
    meaning = f"{mark}: shuffled scores give as large a share of best, so it may be chance."
    if any(share.significant for share in marked):
        meaning += " A choice can be significant all the same: by the mean scores of its values."
    return meaning


def label_of(axis: str) -> str:
    """``tensorflow learning_rate`` for ``learning_rate.tensorflow``."""
    name, _, framework = axis.partition(".")
    return f"{framework} {name}".strip()


def sentence(region: Region, metric: str) -> str:
    """``learning_rate below 0.003 with tensorflow sgd never passed F1 0.1: 14 trials``."""
    where = " with ".join(_condition(condition) for condition in region.conditions)
    if region.bound is None:
        outcome = "always diverged"
    elif region.good:
        outcome = f"always reached {metric} {_floor(region.bound):.3f}"
    else:
        outcome = f"never passed {metric} {-_floor(-region.bound):.3f}"
    among = [f"{region.diverged} diverged"] if region.diverged and region.bound is not None else []
    among += [f"{region.stopped} pruned"] if region.stopped else []
    return f"{where} {outcome}: {count_of(region.trials, 'trial')}" + (
        f" ({', '.join(among)})" if among else ""
    )


def _condition(condition: Condition) -> str:
    name, _, framework = condition.parameter.partition(".")
    if condition.value is not None:
        value = str(condition.value)
        words = [framework, value] if name in NAMED_BY_VALUE else [framework, name, value]
        return " ".join(word for word in words if word)
    label, low, high = label_of(condition.parameter), condition.low, condition.high
    if low is None:
        return f"{label} below {high:g}"
    return f"{label} of {low:g} and above" if high is None else f"{label} from {low:g} to below {high:g}"


def _floor(value: float) -> float:
    # A bound that is rounded must still be one; what is a thousandth already stays so.
    return math.floor(value * 1000 + 1e-9) / 1000
