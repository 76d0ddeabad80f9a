"""Work by framework, and busy slots over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.reporting.charts.frame import Frame, box, legend, on_every_screen, svg, text
from search.reporting.charts.scales import Linear
from search.reporting.html import Content, Html, joined, number, tag
from search.reporting.words import FRAMEWORKS
from search.words import duration_text
from studies.records.reports import TimeLedger

PARTS = {"setup": "setting up", "train": "training", "score": "scoring"}
"""Of the work on a trial."""


def work_chart(rows: Mapping[str, TimeLedger]) -> Html:
    """A bar for each framework, split into setting up, training and scoring."""
    return joined(legend(*PARTS.items()), on_every_screen(lambda width: _ledger(rows, width)))


def slots_chart(ends: tuple[float, float], slots: Sequence[float], cuts: Sequence[float], known: int) -> Html:
    """Busy slots from ``ends[0]`` to ``ends[1]``, where time was cut out, and how many slots there were."""
    return on_every_screen(lambda width: _use_drawing(ends, slots, cuts, known, width))


def _ledger(rows: Mapping[str, TimeLedger], width: int) -> Html:
    left, right, each = 92, 84, 34
    longest = max(ledger.work for ledger in rows.values())
    inner = width - left - right
    marks: list[Content] = []
    for index, (name, ledger) in enumerate(sorted(rows.items(), key=lambda row: -row[1].work)):
        y, x = 6.0 + each * index, float(left)
        marks.append(text(left - 12, y + 17, FRAMEWORKS.get(name, name), "name end"))
        for part, words in PARTS.items():
            seconds = getattr(ledger, part)
            long = seconds / longest * inner
            marks.append(box(x, y, long, each - 10, part, f"{words}: {duration_text(seconds)}"))
            x += long
        marks.append(text(x + 8, y + 17, duration_text(ledger.work), "value"))
    return svg(width, 6 + each * len(rows), *marks, says="Seconds of work by framework.")


def _use_drawing(
    ends: tuple[float, float], slots: Sequence[float], cuts: Sequence[float], known: int, width: int
) -> Html:
    unit, name = next(
        (size, word)
        for size, word in ((3600, "hours"), (60, "minutes"), (1, "seconds"))
        if ends[1] - ends[0] >= 2 * size or size == 1
    )
    begin = ends[0]
    scale = Linear(0.0, (ends[1] - begin) / unit)
    frame = Frame(scale, Linear(0.0, max(known, *slots, 1.0)), width, 180)
    step = scale.high / len(slots)
    heights = "".join(
        f"V{number(frame.down(value))}H{number(frame.across((index + 1) * step))}"
        for index, value in enumerate(slots)
    )
    floor = number(frame.down(0.0))
    area = tag("path", class_="area", d=f"M{number(frame.left)} {floor}{heights}V{floor}Z")
    top = frame.down(known) if known else None
    marks = [
        tag("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="cut")
        for cut in cuts
        for x in [frame.across((cut - begin) / unit)]
    ]
    limit = (
        tag("line", x1=frame.left, x2=width - frame.right, y1=top, y2=top, class_="limit")
        if top is not None
        else None
    )
    return frame.svg(frame.axes(name, ""), area, marks, limit, says="Busy slots over time.")
