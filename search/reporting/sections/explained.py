"""Which change moved the score by how much: the explanations that were made of a study."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from search.reporting.charts.waterfall import waterfall_chart
from search.reporting.report import StudyReport
from search.reporting.section import (
    Between,
    Block,
    Cell,
    Chart,
    Column,
    Heading,
    Marked,
    Number,
    Points,
    Section,
    Span,
    Table,
    Words,
    sentences,
)
from search.words import VERDICTS, capital, count_of
from studies.records.explanations import Change, KeptExplanation

NAME = 36
"""Letters that names of changes may be cut to."""


def explained(report: StudyReport) -> Section | None:
    """Every explanation that the study keeps; none where nobody asked for one."""
    if not report.explanations:
        return None
    title = "Which change moved the score by how much"
    blocks = (block for one in report.explanations for block in (_heading(one), *explanation_blocks(one)))
    return Section("explained", "Explained", title, tuple(blocks))


def _heading(one: KeptExplanation) -> Heading:
    return Heading(f"From {one.start} to {one.end}")


def explanation_blocks(one: KeptExplanation) -> Iterator[Block]:
    """The answer, one change at a time, what each is worth, and the traps that were seen."""
    yield from sentences(one.sentences)
    yield Chart(
        partial(waterfall_chart, one),
        "One change at a time, the one that moves the score most first",
        "Means over the seeds on the validation rows; a hollow bar is no significant difference.",
        _steps(one),
    )
    yield _shares(one)
    yield Words(one.covers, "note")
    if one.traps:
        yield Heading("Traps that were seen")
        yield Points(tuple(f"{capital(name)}: {text}" for name, text in one.traps))


def _steps(one: KeptExplanation) -> Table:
    """From the score of one side to that of the other."""
    start, end = (Span(0.0, value, "whole") for value in one.values)
    spans = [start, *(Span(step.before, step.after, _kind(step)) for step in one.path), end]
    changes: list[Cell] = [Number(step.value, "+.3f") for step in one.path]
    columns = [
        Column("change", [one.start, *(step.title for step in one.path), one.end], shortest=NAME),
        Column("", spans),
        Column("score", [Number(one.values[0]), *changes, Number(one.values[1])]),
        Column("95%", [None, *map(_range, one.path), None]),
        Column("verdict", ["", *(VERDICTS[step.verdict] for step in one.path), ""]),
    ]
    return Table(columns)


def _shares(one: KeptExplanation) -> Table:
    parts = sorted(one.shares, key=lambda part: -abs(part.value))
    orders = f"{one.orders} sampled" if one.orders else "all"
    columns = [
        Column("change", [*(part.title for part in parts), "all of them: the gap"], shortest=NAME),
        Column("worth", [Number(value, "+.3f") for value in (*(part.value for part in parts), one.gap)]),
        Column("95%", [*map(_range, parts), None]),
        Column("verdict", [*(Marked(VERDICTS[part.verdict], _kind(part)) for part in parts), ""]),
    ]
    if any(part.kind for part in parts):
        columns.append(Column("by", [*(part.kind for part in parts), ""], optional=True))
    seeds = count_of(one.seeds, "seed")
    title = f"What each change is worth, over {orders} orders (Shapley values), with {seeds}"
    return Table(columns, title, strong=len(parts))


def _kind(part: Change) -> str:
    return part.verdict if part.verdict in ("more", "less") else "noise"


def _range(part: Change) -> Cell:
    if part.low is None or part.high is None or part.verdict == "same":
        return None
    return Between(part.low, part.high, "+.3f")
