"""Prints an explanation: the answer, the waterfall, the shares, the traps."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, RenderableType

from search.explaining.explanation import Contribution, Explanation, Step
from search.explaining.figures import Measured
from search.explaining.words import covers, sentences
from search.output.tables import INDENT, Column, fitted_table, indented
from search.output.terminal import Text
from search.words import VERDICTS, capital, configuration_text, count_of, score_label, short, with_sign

BAR, SHORTEST_BAR = 30, 8
"""Columns of a bar that is as long as the scale, where there is room, and at least."""

NAME = 36
"""Columns that names of changes take at most beside the bars."""


def render_explanation(one: Explanation, console: Console) -> None:
    """Print it."""
    for part in _parts(one, console.width):
        console.print(part)


def _parts(one: Explanation, width: int) -> Iterator[RenderableType]:
    sides = (one.start, one.end)
    yield Text(f"{one.study}: from {one.start.side.name} to {one.end.side.name}", style="bold")
    for side in sides:
        label = score_label(side.side.score, one.rows)
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
    how = (
        f"means over {one.orders} sampled orders" if one.orders else "means over all orders (Shapley values)"
    )
    yield Text.assemble(("What each change is worth", "bold"), f"  {how}; they add up to the gap")
    yield fitted_table(_columns(one), width)
    yield indented(f"remainder {one.remainder:.3f}", style="dim")
    yield indented(covers(one), style="dim")
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
    figures = [_step_figures(step) for step in steps]
    room = min(max(map(cell_len, names)), NAME)
    bar = max(SHORTEST_BAR, min(BAR, width - 2 * INDENT - room - max(map(len, figures)) - 4))
    scores = [one.start.value.value, *(step.after for step in steps)]
    low, high = min(0.0, *scores), max(*scores, 1e-9)

    def column(score: float) -> int:
        return round((score - low) / (high - low) * bar)

    def whole(name: str, score: float) -> Text:
        drawn = f"{' ' * column(0.0)}{'█' * (column(score) - column(0.0)) or '▏'}"
        return Text.assemble(f"{short(name, room):<{room}}  ", (f"{drawn:<{bar + 1}} {score:.3f}", "bold"))

    drawing = whole(names[0], scores[0])
    for name, step, before, said in zip(names[1:-1], steps, scores, figures, strict=False):
        begin, end = sorted((column(before), column(step.after)))
        drawn = f"{' ' * begin}{'█' * (end - begin) or '▏'}"
        style = {"more": "green", "less": "red"}.get(step.verdict, "dim")
        drawing.append(f"\n{short(name, room):<{room}}  ").append(f"{drawn:<{bar + 1}} {said}", style)
    return drawing.append("\n").append(whole(names[-1], scores[-1]))


def _step_figures(step: Step) -> str:
    return f"{with_sign(step.value)} {_range(step)} {VERDICTS[step.verdict]}".replace("  ", " ").rstrip()


def _columns(one: Explanation) -> list[Column]:
    parts = sorted(one.shares, key=lambda part: -abs(part.value))
    rows: list[Measured] = [*parts, one.gap]
    names = [*(part.difference.title for part in parts), "the gap"]
    columns = [
        Column("  change", [f"  {name}" for name in names], right=False, shortest=INDENT + NAME),
        Column("value", [with_sign(row.value) for row in rows]),
        Column("95%", [_range(row) for row in rows], right=False),
    ]
    if one.orders:
        columns.append(Column("s.e. of orders", [_error(part) for part in parts] + [""], optional=True))
    kinds = ["measuring" if part.difference.is_measuring else "training" for part in parts]
    columns.append(Column("", [VERDICTS[row.verdict] for row in rows], right=False))
    columns.append(Column("", [*kinds, ""], right=False, optional=True))
    return columns


def _error(part: Contribution) -> str:
    return "" if part.errors is None else f"{part.errors.orders:.3f}"


def _range(one: Measured) -> str:
    if one.low is None or one.high is None or one.verdict == "same":
        return ""
    return f"{with_sign(one.low)} to {with_sign(one.high)}"
