"""An explanation in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from search.explanation import Contribution, Explanation, Measured, SideResult
from search.score_labels import score_label
from search.tables import count_of, listed
from studies.explanation_record import Change, KeptExplanation

VERDICTS = {"none": "no change", "within noise": "within noise", "more": "", "less": ""}
"""What an interval says of a change, in a word."""


def to_json(explanation: Explanation) -> dict[str, Any]:
    """JSON-ready values, with the sentences that a person reads."""
    return explanation.to_dict() | {"sentences": list(sentences(explanation))}


def sentences(explanation: Explanation) -> tuple[str, ...]:
    """What was found, the answer first."""
    return tuple(_sentences(explanation))


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
    )


def _change(part: Contribution) -> Change:
    return Change(part.difference.title, part.value, part.low, part.high, part.verdict)


def _sentences(one: Explanation) -> Iterator[str]:
    yield _headline(one)
    if one.start.side.score != one.end.side.score:
        yield _alike(one)
        yield _measuring(one)
    yield from _parts(one)
    if one.without_spark:
        yield (
            f"Spark has {one.without_spark}: what lies between with it was trained by TensorFlow, and there "
            "the framework changes nothing."
        )
    for side in (one.start, one.end):
        if side.diverged:
            yield (
                f"{side.side.name}: {count_of(side.diverged, 'training')} of {len(one.seeds)} diverged, and "
                "counts as a program that always says the commonest class."
            )


def _headline(one: Explanation) -> str:
    start, end = (
        f"{side.side.name} has {figure(side.value)} {_name(one, side)}" for side in (one.start, one.end)
    )
    gap = one.gap
    if gap.verdict == "none":
        return f"{start}, {end}: the same."
    noise = ", which is within noise" if gap.verdict == "within noise" else ""
    return f"{start}, {end}: {abs(gap.value):.3f} {'more' if gap.value > 0 else 'less'}{noise}."


def _alike(one: Explanation) -> str:
    said = []
    for side in (one.start, one.end):
        metric = side.side.score
        label = score_label(metric, one.rows.positive)
        figures = " and ".join(f"{other.scores[metric]:.3f}" for other in (one.start, one.end))
        said.append(f"by {label} they have {figures}")
    return f"Measured alike, {'; '.join(said)}."


def _measuring(one: Explanation) -> str:
    measuring, training = one.measuring, one.training
    return (
        f"Of the gap of {one.gap.value:+.3f}, {measuring:+.3f} is only what is called the score, with "
        f"nothing trained differently, and {training:+.3f} is training."
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
    noisy = [part for part in trained if part.verdict == "within noise"]
    if noisy:
        names = listed([f"{part.difference.title} ({part.value:+.3f})" for part in noisy])
        yield f"Within noise of {count_of(len(one.seeds), 'seed')}: {names}."
    nothing = [part for part in trained if part.verdict == "none"]
    if nothing:
        yield f"Changes nothing: {listed([part.difference.title for part in nothing])}."
    if any(abs(part.value) > abs(one.gap.value) for part in one.shares) and len(one.shares) > 1:
        yield "A change can move the score by more than the whole gap: others move it back."


def _name(one: Explanation, side: SideResult) -> str:
    return score_label(side.side.score, one.rows.positive)


def _range(part: Contribution) -> str:
    if part.low is None or part.high is None:
        return ""
    low, high = sorted((abs(part.low), abs(part.high)))
    return f" (95%: {low:.3f} to {high:.3f})"


def figure(value: Measured) -> str:
    """A mean with three digits."""
    return f"{value.value:.3f}"


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
