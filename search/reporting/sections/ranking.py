"""The configurations by their validation scores, and those that the study file names."""

from __future__ import annotations

from collections.abc import Sequence

from search.reporting.report import StudyReport
from search.reporting.section import Block, Cell, Column, Fold, Marked, Number, Section, Table
from search.reporting.sections.answer import figures, scores_columns
from search.reporting.words import framework_name, metric_label
from search.words import brief_label, configuration_text, score_label
from studies.records.reports import SCORE_NAMES
from studies.records.trials import TrialRecord

MOST_LISTED = 200
"""Configurations in the long table."""

_SELDOM = {
    "biases": "biases",
    "shuffle": "shuffle",
    "drop_last_batch": "drops last",
    "loss_scale": "loss scale",
}
"""Choices that get a column where they differ."""


def ranking(report: StudyReport) -> Section | None:
    """The best configurations, as a table."""
    if report.best is None:
        return None
    count, shown = len(report.ranked), min(len(report.ranked), report.table_size)
    title = f"The best {shown} of {count:,} configurations"
    more = report.ranked[shown:MOST_LISTED]
    blocks: list[Block] = [_table(report, report.ranked[:shown], strong=0)]
    if more:
        blocks.append(Fold(f"The next {len(more):,}", (_table(report, more),)))
    return Section(
        "best",
        "Best",
        "The only complete configuration" if count == 1 else title,
        tuple(blocks),
        note=f"by {metric_label(report)} on the validation rows",
    )


def enqueued(report: StudyReport) -> Section | None:
    """The trials that the study file names, under every score."""
    if not report.enqueued:
        return None
    tested = any(report.test_scores(record) for record in report.enqueued)
    columns = [Column("", [score_label(name, report.facts) for name in SCORE_NAMES])]
    for record in report.enqueued:
        if tested:
            columns.append(Column(f"trial {record.number}\ntest", figures(report.test_scores(record))))
        columns.append(Column(f"trial {record.number}\nvalidation", figures(record.scores_on("validation"))))
    columns += scores_columns(report, "test" if tested else "validation")
    named = tuple(named_trials(report.enqueued))
    table = Table(columns, notes=named)
    return Section("enqueued", "Enqueued", "Enqueued configurations under every score", (table,))


def named_trials(records: Sequence[TrialRecord]) -> list[str]:
    """``trial 3: spark l-bfgs …``."""
    return [f"trial {record.number}: {configuration_text(record.configuration)}" for record in records]


def _table(report: StudyReport, records: Sequence[TrialRecord], strong: int | None = None) -> Table:
    found = [record.configuration for record in records if record.configuration is not None]
    runs = [len(report.runs[record.number]) for record in records]
    tests = [report.test_scores(record) for record in records]
    label = brief_label(report.metric)
    tested: list[Cell] = [None if one is None else Number(getattr(one, report.metric)) for one in tests]
    columns = [
        Column("trial", [Number(record.number, "d") for record in records]),
        Column(f"validation\n{label}", [Number(report.score(record)) for record in records]),
        *([Column(f"test\n{label}", tested, optional=True)] if any(tests) else []),
        *([Column("runs", runs, optional=True)] if max(runs) > 1 else []),
        Column("framework", [Marked(framework_name(one), one.framework) for one in found]),
        Column("optimizer", [one.optimizer or None for one in found]),
        Column("learning\nrate", [_number(one.learning_rate, ".3g") for one in found]),
        Column("batch", [one.batch_size for one in found]),
        Column("initialisation", [one.initialisation or None for one in found], optional=True),
        Column("epochs", [one.epochs for one in found], optional=True),
        Column("seconds", [_number(record.seconds, ".1f") for record in records], optional=True),
        *(
            Column(heading, [_choice(getattr(one, name)) for one in found], optional=True)
            for name, heading in _SELDOM.items()
            if len({getattr(one, name) for one in found} - {None}) > 1
        ),
    ]
    return Table(columns, strong=strong)


def _number(value: float | None, form: str) -> Number | None:
    return None if value is None else Number(value, form)


def _choice(value: float | bool | None) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value, "")
