"""Prints an explanation: the answer, the waterfall, the shares, the traps."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from search.explain_words import capital, sentences
from search.explanation import Contribution, Explanation, Measured
from search.score_labels import score_label
from search.tables import Column, configuration_text, count_of, fitted_table, indented

BAR = 30
"""Columns of a bar that is as long as the scale."""

VERDICTS = {"none": "no change", "within noise": "within noise", "more": "", "less": ""}


def render_explanation(one: Explanation, console: Console) -> None:
    """Print it."""
    for part in _parts(one, console.width):
        console.print(part)


def _parts(one: Explanation, width: int) -> Iterator[RenderableType]:
    sides = (one.start, one.end)
    yield Text(f"{one.study}: from {one.start.side.name} to {one.end.side.name}", style="bold")
    for side in sides:
        label = score_label(side.side.score, one.rows.positive)
        yield indented(f"{side.side.name}: {configuration_text(side.side.configuration)}, judged by {label}")
    share = one.rows.positives / one.rows.count
    yield indented(
        f"{one.rows.count:,} validation rows, {one.rows.positives:,} ({share:.1%}) of them "
        f"{one.rows.positive}; {count_of(len(one.seeds), 'seed')}, the same for all",
        style="dim",
    )
    yield Text()
    for sentence in sentences(one):
        yield indented(sentence)
    yield Text()
    yield Text.assemble(("One change at a time", "bold"), "  the one that moves the score most comes first")
    yield indented(waterfall(one, width))
    yield Text()
    how = f"means over {one.orders} drawn orders" if one.orders else "means over all orders (Shapley values)"
    yield Text.assemble(("What each change is worth", "bold"), f"  {how}; they add up to the gap")
    yield fitted_table(_columns(one), width)
    yield indented(f"remainder {one.remainder:.3f}", style="dim")
    if one.traps:
        yield Text()
        yield Text("Traps that were seen", style="bold")
        for trap in one.traps:
            yield indented(Text.assemble((capital(trap.name), "yellow"), f": {trap.text}"))
    yield Text()
    yield indented(
        f"{count_of(one.trainings, 'training')} for {one.mixtures} sets of changes with "
        f"{count_of(len(one.seeds), 'seed')}; {one.trained} were run now",
        style="dim",
    )


def waterfall(one: Explanation, width: int) -> Text:
    """A line for each step: a bar from the score before to the score after."""
    steps = one.path
    names = [one.start.side.name, *(step.difference.title for step in steps), one.end.side.name]
    room = max(20, min(max(map(len, names)), width - BAR - 34))
    scores = [one.start.value.value, *(step.after for step in steps)]
    low, high = min(0.0, *scores), max(*scores, 1e-9)

    def column(score: float) -> int:
        return round((score - low) / (high - low) * BAR)

    text = Text()
    _line(text, names[0], room, (0, column(scores[0])), f"{scores[0]:.3f}", "bold")
    for name, step, before in zip(names[1:-1], steps, scores, strict=False):
        ends = sorted((column(before), column(step.after)))
        style = {"more": "green", "less": "red"}.get(step.verdict, "dim")
        note = VERDICTS[step.verdict]
        _line(
            text, name, room, (ends[0], ends[1]), f"{step.value:+.3f} {_range(step)} {note}".rstrip(), style
        )
    _line(text, names[-1], room, (0, column(scores[-1])), f"{scores[-1]:.3f}", "bold")
    text.rstrip()
    return text


def _line(text: Text, name: str, room: int, bar: tuple[int, int], figures: str, style: str) -> None:
    begin, end = bar
    drawn = " " * begin + ("█" * (end - begin) or "▏")
    shown = name if len(name) <= room else f"{name[: room - 2]}.."
    text.append(f"{shown:<{room}}  ")
    text.append(f"{drawn:<{BAR + 1}}", style=style)
    text.append(f" {figures}\n", style=style)


def _columns(one: Explanation) -> list[Column]:
    parts = sorted(one.shares, key=lambda part: -abs(part.value))
    rows: list[Measured] = [*parts, one.gap]
    columns = [
        Column("  change", [f"  {part.difference.title}" for part in parts] + ["  the gap"], right=False),
        Column("value", [f"{row.value:+.3f}" for row in rows]),
        Column("95%", [_range(row) for row in rows], right=False),
    ]
    if one.orders:
        columns.append(Column("s.e. of orders", [_error(part) for part in parts] + [""], optional=True))
    kinds = ["measuring" if part.difference.is_measuring else "training" for part in parts]
    columns.append(Column("", [VERDICTS[row.verdict] for row in rows], right=False))
    columns.append(Column("", [*kinds, ""], right=False, optional=True))
    return columns


def _error(part: Contribution) -> str:
    return "" if part.error is None else f"{part.error:.3f}"


def _range(one: Measured) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:+.3f} to {one.high:+.3f}"
