"""Prints an explanation, as the section of the report does, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from search.explaining.explanation import Explanation
from search.explaining.words import to_keep
from search.reporting.section import Block, Section, Words
from search.reporting.sections.explained import explanation_blocks
from search.reporting.terminal import render_sections
from search.words import configuration_text, count_of, score_label


def render_explanation(one: Explanation, console: Console) -> None:
    """Print it."""
    title = f"{one.study}: from {one.start.side.name} to {one.end.side.name}"
    render_sections([Section("explained", "", title, tuple(_blocks(one)))], console)


def _blocks(one: Explanation) -> Iterator[Block]:
    for side in (one.start, one.end):
        label = score_label(side.side.score, one.rows)
        text = configuration_text(side.side.configuration)
        yield Words(f"{side.side.name}: {text}, judged by {label}")
    share = one.rows.positives / one.rows.count
    yield Words(
        f"{one.rows.count:,} validation rows, {one.rows.positives:,} ({share:.1%}) of them "
        f"{one.rows.positive}; {count_of(len(one.seeds), 'seed')}, the same for all",
        "note",
    )
    yield from explanation_blocks(to_keep(one))
    yield Words(f"remainder {one.remainder:.3f}", "note")
    yield Words(
        f"{count_of(one.trainings, 'training')} for {one.mixtures} sets of changes with "
        f"{count_of(len(one.seeds), 'seed')}; {one.trained} were run now",
        "note",
    )
