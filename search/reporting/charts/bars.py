"""Shares of choices as bars with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from search.reporting.charts.frame import HALF, box, line, svg, text
from search.reporting.charts.scales import Linear
from search.reporting.html import Content, Html, joined, tag
from search.reporting.section import Share, Table, text_of

ROW = 26
"""Pixels that a bar has."""


def bars_chart(table: Table) -> Html:
    """The table's columns of shares beside each other, each as bars under its heading."""
    names, *columns = table.columns
    drawn = []
    for column in columns:
        rows = [(text_of(name), cell) for name, cell in zip(names.cells, column.cells, strict=True)]
        drawn.append(
            tag("div", tag("h4", column.title), _bars([(n, c) for n, c in rows if isinstance(c, Share)]))
        )
    return tag("div", joined(drawn), class_="beside")


def _bars(rows: Sequence[tuple[str, Share]]) -> Html:
    """Shares as bars with their 95% intervals; those that may be chance are pale."""
    left, right, top = 158, 44, 4
    inner, floor = HALF - left - right, top + ROW * len(rows)
    scale = Linear(0.0, 1.0)
    marks: list[Content] = [
        line(left + part * inner, top, left + part * inner, floor, "grid") for part in (0.25, 0.5, 0.75, 1)
    ]
    for index, (name, share) in enumerate(rows):
        y = top + ROW * index
        middle = y + ROW / 2
        marks += [
            text(left - 8, middle + 4, name, "name end"),
            box(
                left,
                y + 5,
                scale.part(share.value) * inner,
                ROW - 10,
                "bar pale" if share.unsure else "bar",
                f"95%: {share.interval}",
            ),
            line(left + share.low * inner, middle, left + share.high * inner, middle, "whisker"),
            text(left + max(share.value, share.high) * inner + 6, middle + 4, share.figure, "value"),
        ]
    marks.append(line(left, top, left, floor, "axis"))
    return svg(HALF, floor + 4, *marks, says="; ".join(f"{name} {share.text}" for name, share in rows))
