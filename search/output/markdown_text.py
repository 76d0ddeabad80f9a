"""Text from outside in GitHub's Markdown: labels, notes, paths and messages stay text, in a table too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from search.words import one_line
from studies.printable import printable_lines

_SPECIAL = frozenset("\\`*_{}[]<>#|~&")
"""What would begin something in the middle of a line, or end a table's cell."""


def plain(text: str) -> str:
    """One line in which nothing is taken for Markdown or HTML."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in one_line(text))


def code(text: str) -> str:
    """One line in a fixed font, whatever backticks it holds. Not for tables, whose cells a ``|`` ends."""
    text = one_line(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def fenced(text: str) -> str:
    """Lines in a fixed font."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{printable_lines(text)}\n{fence}"


def table(columns: Sequence[tuple[str, Sequence[str], bool]]) -> str:
    """Columns, each a title, its cells, and whether these are figures, which stand to the right."""
    lines = [
        "| " + " | ".join(title for title, _, _ in columns) + " |",
        "|" + "|".join("--:" if right else "---" for _, _, right in columns) + "|",
        *("| " + " | ".join(row) + " |" for row in zip(*(cells for _, cells, _ in columns), strict=True)),
    ]
    return "\n".join(lines)
