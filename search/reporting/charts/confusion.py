"""Confusion matrices: rows by their own class and by the one that was predicted for them."""

from __future__ import annotations

from collections.abc import Sequence

from search.reporting.html import Html, tag


def confusion_chart(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    """A matrix; a field's depth is its share of its row.

    Args:
        names: of the classes.
        counts: ``counts[i][j]`` rows of class i for which class j was predicted.
    """
    head = tag("tr", tag("td", ""), (tag("th", f"predicted {name}", scope="col") for name in names))
    rows = (
        tag(
            "tr",
            tag("th", f"actual {name}", scope="row"),
            (_field(count, sum(row), index == other) for other, count in enumerate(row)),
        )
        for index, (name, row) in enumerate(zip(names, counts, strict=True))
    )
    return tag("div", tag("table", head, rows, class_="confusion"), class_="scroll")


def _field(count: int, total: int, right: bool) -> Html:
    share = count / total if total else 0.0
    depth = f"--depth:{round(100 * share)}%"
    kind = "hit" if right else "miss"
    return tag("td", tag("strong", f"{count:,}"), tag("small", f"{share:.1%}"), class_=kind, style=depth)
