"""Confusion matrices: rows by what they are and what was said of them."""

from __future__ import annotations

from collections.abc import Sequence

from search.reporting.html import Html, tag
from search.reporting.markup import figure
from search.words import short

LARGEST_CONFUSION = 12
"""Classes up to which a confusion matrix is drawn."""


def confusion(classes: Sequence[str], counts: Sequence[Sequence[int]], title: str) -> Html | None:
    """A matrix; a field's depth is its share of its row. None where there are too many classes to see.

    Args:
        classes: their names.
        counts: ``counts[i][j]`` rows of class i that were said to be of class j.
        title: what is above it.
    """
    if len(classes) > LARGEST_CONFUSION:
        return None
    names = [short(name, 16, classes) for name in classes]
    head = tag("tr", tag("td", ""), (tag("th", f"said {name}", scope="col") for name in names))
    rows = (
        tag(
            "tr",
            tag("th", f"are {name}", scope="row"),
            (_field(count, sum(row), index == other) for other, count in enumerate(row)),
        )
        for index, (name, row) in enumerate(zip(names, counts, strict=True))
    )
    matrix = tag("div", tag("table", head, rows, class_="confusion"), class_="scroll")
    return figure(title, matrix, kind="plainly")


def _field(count: int, total: int, right: bool) -> Html:
    share = count / total if total else 0.0
    depth = f"--depth:{round(100 * share)}%"
    kind = "hit" if right else "miss"
    return tag("td", tag("strong", f"{count:,}"), tag("small", f"{share:.1%}"), class_=kind, style=depth)
