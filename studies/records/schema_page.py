"""``docs/stored.md``, made from :mod:`studies.records.schema`: ``make reference`` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from studies.records.schema import FORMAT, OPTUNA_NOTES, STUDY, TRIAL, Attribute

PAGE = "docs/stored.md"

HEAD = """\
# What is stored

A study is one of Optuna's, in a database or a journal. This page lists every attribute that the study and
its trials carry beyond Optuna's own parameters, values and intermediate values. It is generated from
`studies/records/schema.py` by `make reference`, and tests hold it against studies that were really made.

Only `search` should write these. To read them elsewhere, use `search report STUDY --json`.

The **driver** is the process that runs `search launch`, `finalists`, `explain` or `export`. On a PostgreSQL
server a study may have several.

## Formats

The format of a study is {format} now. A study of a newer format is refused, with the version of this package
that reads it. The format is raised only where earlier code would misread what is stored. Readers ignore
fields that they don't know. What is added has a default, so that earlier studies are read. A score that a
study's trials were stored without is shown as a dash.

Checkpoints, outcomes of trainings and exported models carry formats of their own, with the same rules.
Samples of every format are in `tests/data`, and every command is tested on them.
"""


def stored_page() -> str:
    """The whole page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield HEAD.format(format=FORMAT)
    yield from _table("Attributes of a study", STUDY)
    yield from _table("Attributes of a trial", TRIAL)
    notes = ", ".join(f"`{name}…`" for name in OPTUNA_NOTES)
    yield f"Optuna's samplers and pruners keep notes of their own as system attributes of trials: {notes}."
    yield ""


def _table(title: str, attributes: Sequence[Attribute]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| attribute | kind | written by | meaning | since format |"
    yield "|---|---|---|---|--:|"
    for one in attributes:
        rest = f" and {one.rest}" if one.rest else ""
        yield f"| `{one.key}`{rest} | {one.kind} | {one.writer} | {one.meaning} | {one.since} |"
    yield ""


def main() -> None:
    """Write the page into the docs of the current directory."""
    Path(PAGE).write_text(stored_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
