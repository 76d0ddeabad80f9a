"""An explanation in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from search.explaining.explanation import Contribution, Explanation, SideResult
from search.explaining.figures import Measured
from search.words import VERDICTS, capital, class_name, count_of, from_to, listed, score_label, with_sign
from studies.records.explanations import Change, KeptExplanation


def to_json(explanation: Explanation) -> dict[str, Any]:
    """JSON-ready values, with the sentences that a person reads."""
    found = {"sentences": list(sentences(explanation)), "covers": covers(explanation)}
    return explanation.to_dict() | found


def sentences(explanation: Explanation) -> tuple[str, ...]:
    """What was found, the answer first."""
    return tuple(_sentences(explanation))


def covers(one: Explanation) -> str:
    """What the intervals are of, and what they can't know."""
    seeds = len(one.seeds)
    if seeds < 2:
        return (
            "No intervals: nothing is known of other seeds, so no difference is significant. Ask for "
            "3 seeds or more."
        )
    orders = f", over the other orders than the {one.orders} sampled" if one.orders else ""
    # Of that many seeds none shows it, once in twenty times.
    unseen = 1.0 - 0.05 ** (1.0 / seeds)
    return (
        f"95% intervals, of all changes at once: over other seeds than these {seeds}, and over other rows "
        f"than these {one.rows.count:,}{orders}. Where an interval holds 0, there is no significant "
        f"difference. What goes wrong with fewer than {unseen:.0%} of seeds may not have shown in {seeds}."
    )


def to_keep(one: Explanation) -> KeptExplanation:
    """What is kept of an explanation for reports."""
    befores = [one.start.value.value, *(step.after for step in one.path)]
    path = (
        replace(_change(step), before=before, after=step.after)
        for before, step in zip(befores, one.path, strict=False)
    )
    return KeptExplanation(
        start=one.start.side.name,
        end=one.end.side.name,
        scores=(_name(one, one.start), _name(one, one.end)),
        values=(one.start.value.value, one.end.value.value),
        seeds=len(one.seeds),
        path=tuple(path),
        shares=tuple(map(_change, one.shares)),
        sentences=sentences(one),
        traps=tuple((trap.name, trap.text) for trap in one.traps),
        covers=covers(one),
        orders=one.orders,
    )


def _change(part: Contribution) -> Change:
    kind = "measuring" if part.difference.is_measuring else "training"
    return Change(part.difference.title, part.value, part.low, part.high, part.verdict, kind=kind)


def _sentences(one: Explanation) -> Iterator[str]:
    yield from _kinds(one)
    yield _headline(one)
    if one.start.side.score != one.end.side.score:
        yield _alike(one)
        yield _measuring(one)
    yield from _parts(one)
    if one.without_spark:
        yield (
            f"Spark has {one.without_spark}: mixtures with it were trained by TensorFlow, and there "
            "the framework changes nothing."
        )
    for side in (one.start, one.end):
        if side.diverged:
            yield (
                f"{side.side.name}: {count_of(side.diverged, 'training')} of {len(one.seeds)} diverged, and "
                "counts as a program that always predicts the commonest class."
            )


def _kinds(one: Explanation) -> Iterator[str]:
    """Where some seeds learn and others don't, no mean tells that: it is said first."""
    for side in (one.start, one.end):
        failed = side.failed
        if any(failed):
            yield _kinds_of_side(one, side, failed)
    if one.mixed:
        yield (
            f"Of the {one.between} configurations between them, {one.mixed} "
            f"{'predicts' if one.mixed == 1 else 'predict'} one class for every row with some seeds and not "
            "with others: this makes the intervals wide."
        )


def _kinds_of_side(one: Explanation, side: SideResult, failed: Sequence[bool]) -> str:
    bad = [seed for seed, is_bad in enumerate(failed) if is_bad]
    where = f"With {len(bad)} of {len(failed)} seeds {side.side.name}"
    name = _name(one, side)
    others = from_to([value for value, is_bad in zip(side.by_seed, failed, strict=True) if not is_bad], 3)
    rest = f"with the others its {name} is {others}."
    said = [only for seed in bad if (only := side.only[seed]) is not None]
    if not said:
        return f"{where} is far worse: its {name} is {from_to([side.by_seed[s] for s in bad], 3)}; {rest}"
    classes = " or ".join(f"“{class_name(only, one.rows)}”" for only in sorted(set(said)))
    what = f"predicts {classes} for every validation row"
    chance = one.rows.positives / one.rows.count
    precisions = [side.precisions[seed] for seed in bad]
    # In order: nearer to a perfect order than to one by chance.
    if min(precisions) < (1.0 + chance) / 2.0:
        return f"{where} learned nothing: it {what}; {rest}"
    return f"{where} {what}, though it ranks them well (average precision {from_to(precisions, 3)}); {rest}"


def _headline(one: Explanation) -> str:
    start, end = (
        f"{side.side.name} has {figure(side.value)} {_name(one, side)}" for side in (one.start, one.end)
    )
    gap = one.gap
    if gap.verdict == "same":
        return f"{start}, {end}: the networks are the same."
    noise = f", {VERDICTS[gap.verdict]}" if VERDICTS[gap.verdict] else ""
    return f"{start}, {end}: {abs(gap.value):.3f} {'more' if gap.value > 0 else 'less'}{noise}{_range(gap)}."


def _alike(one: Explanation) -> str:
    said = []
    for side in (one.start, one.end):
        metric = side.side.score
        label = score_label(metric, one.rows)
        figures = " and ".join(f"{other.scores[metric]:.3f}" for other in (one.start, one.end))
        said.append(f"by {label} they have {figures}")
    return f"Measured alike, {'; '.join(said)}."


def _measuring(one: Explanation) -> str:
    measuring, training = one.measuring, one.training
    definition = next(part for part in one.shares if part.difference.is_measuring)
    sure = "" if definition.verdict in ("more", "less") else f" ({VERDICTS[definition.verdict]})"
    return (
        f"Of the gap of {with_sign(one.gap.value)}, {with_sign(measuring)}{sure} is only the definition of "
        f"the score, with nothing trained differently, and {with_sign(training)} is training."
    )


def _parts(one: Explanation) -> Iterator[str]:
    trained = [part for part in one.shares if not part.difference.is_measuring]
    clear = sorted(
        (part for part in trained if part.verdict in ("more", "less")), key=lambda part: -abs(part.value)
    )
    for part in clear:
        verb = "raises" if part.value > 0 else "lowers"
        brings = f" ({', '.join(part.difference.brings)})" if part.difference.brings else ""
        title = f"{capital(part.difference.title)}{brings}"
        yield f"{title} {verb} the score by {abs(part.value):.3f}{_range(part)}."
    for verdict, said in (
        ("within noise", "No significant difference"),
        ("one seed", "With one seed no difference can be tested"),
    ):
        noisy = [part for part in trained if part.verdict == verdict]
        if noisy:
            names = listed([f"{part.difference.title} ({with_sign(part.value)})" for part in noisy])
            yield f"{said}: {names}."
    nothing = [part for part in trained if part.verdict == "same"]
    if nothing:
        titles = listed([part.difference.title for part in nothing])
        yield f"Changes nothing, the networks are the same with every seed: {titles}."
    if len(one.shares) > 1 and any(abs(part.value) > abs(one.gap.value) for part in clear):
        yield "A change can move the score by more than the whole gap: others move it back."


def _name(one: Explanation, side: SideResult) -> str:
    return score_label(side.side.score, one.rows)


def _range(part: Measured) -> str:
    """Of a significant difference, how large; of another, from one side of 0 to the other."""
    if part.low is None or part.high is None:
        return ""
    if part.verdict == "within noise":
        return f" (95%: {with_sign(part.low)} to {with_sign(part.high)})"
    low, high = sorted((abs(part.low), abs(part.high)))
    return f" (95%: {low:.3f} to {high:.3f})"


def figure(value: Measured) -> str:
    """A mean with three digits."""
    return f"{value.value:.3f}"
