"""An explanation, one change at a time, as a waterfall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.reporting.charts.frame import LETTER, WIDE, box, on_every_screen, svg, text, uprights
from search.reporting.charts.scales import Linear
from search.reporting.html import Content, Html
from search.words import VERDICTS, short, with_sign
from studies.records.explanations import KeptExplanation


def waterfall_chart(one: KeptExplanation) -> Html:
    """The waterfall, for every screen."""
    return on_every_screen(lambda width: waterfall(one, width))


def waterfall(one: KeptExplanation, width: int) -> Html:
    """A row for each step, from the score before to the score after, between the two sides' own scores."""
    height, marks = waterfall_marks(one, width)
    return svg(width, height, *marks, says=f"From {one.start} to {one.end}: {' '.join(one.sentences)}")


def waterfall_marks(one: KeptExplanation, width: int) -> tuple[float, Sequence[Content]]:
    """What the waterfall is drawn of, and its height."""
    ends = (0.0, *one.values, *(step.after for step in one.path))
    scale = Linear(min(ends), max(*ends, 0.01))
    left, right = (330, 240) if width == WIDE else (150, 84)
    each, top = 30, 8
    inner, floor = width - left - right, top + each * (len(one.path) + 2)
    marks: list[Content] = [*uprights(scale.ticks(max(3, inner // 90)), (left, inner), (top, floor))]
    for index, (name, before, after, figures, kind) in enumerate(_rows(one)):
        middle = top + each * (index + 0.5)
        begin, end = (left + scale.part(value) * inner for value in sorted((before, after)))
        marks.append(text(left - 12, middle + 4, short(name, int((left - 12) / LETTER)), "name end"))
        marks.append(box(begin, middle - 8, max(end - begin, 1.5), 16, kind, f"{name}: {figures}"))
        marks.append(text(width - right + 10, middle + 4, figures.split("  ")[0], "value"))
        if width == WIDE and "  " in figures:
            marks.append(text(width, middle + 4, figures.split("  ")[1], "tick end"))
    return floor + 24, marks


def _rows(one: KeptExplanation) -> Iterator[tuple[str, float, float, str, str]]:
    """Name, both ends of the bar, figures, class."""
    yield one.start, 0.0, one.values[0], f"{one.values[0]:.3f}", "whole"
    for step in one.path:
        figures = f"{with_sign(step.value)}  {VERDICTS[step.verdict]}".rstrip()
        kind = step.verdict if step.verdict in ("more", "less") else "noise"
        yield step.title, step.before, step.after, figures, f"step {kind}"
    yield one.end, 0.0, one.values[1], f"{one.values[1]:.3f}", "whole"
