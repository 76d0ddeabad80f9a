"""Framework against framework, and what the best of each gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from search.reporting.charts.confusion import confusion_chart
from search.reporting.charts.frameworks import balance_chart, strips_chart
from search.reporting.readings import readings
from search.reporting.report import StudyReport
from search.reporting.section import (
    Block,
    Chart,
    Column,
    Marked,
    Number,
    Section,
    Table,
    sentences,
)
from search.reporting.words import framework_name
from search.reporting.worth import Worth, contenders
from search.words import VERDICTS, brief_label, class_names, configuration_text, positive_name
from studies.records.reports import SCORE_NAMES

LARGEST_CONFUSION = 12
"""Classes up to which a confusion matrix is shown."""

FIRST = ("f1", "f1_weighted", "precision", "recall")
"""Scores that stay in the table where a terminal is narrow."""


def frameworks(report: StudyReport) -> Section | None:
    """The best of each framework; none where there is one framework, or the enqueued trials compare them."""
    best = report.best_by_framework
    if len(best) < 2 or all(record.enqueued for record in best.values()):
        return None
    worths = contenders(report)
    reading = (
        "Every trial's score on the validation rows. Where a strip is long, the framework's other choices "
        "matter; its right end is what it can do."
    )
    blocks = (Chart(partial(strips_chart, report), reading=reading), _table(report, worths))
    return Section("frameworks", "Frameworks", _title(worths), blocks)


def mistakes(report: StudyReport) -> Section | None:
    """Confusion matrices of the best of each framework, and the balance of precision and recall."""
    best = contenders(report)
    of_same_rows = [worth for worth in best if worth.tested] or best
    if not of_same_rows:
        return None
    blocks: list[Block] = [*sentences(readings(report))]
    if len(report.facts.classes) <= LARGEST_CONFUSION:
        blocks += [_confusion(report, worth) for worth in of_same_rows]
    reading = f"On the validation rows. Along a thin curve F1 of {positive_name(report.facts)} is the same."
    balance = partial(balance_chart, report)
    blocks.append(Chart(balance, "Precision and recall of every trial", reading, half=True))
    return Section("mistakes", "Mistakes", _mistakes_title(report, of_same_rows[0]), tuple(blocks))


def _title(best: Sequence[Worth]) -> str:
    """The best of two frameworks on the same rows, and whether they differ significantly."""
    if len(best) < 2 or best[0].tested != best[1].tested:
        return "Framework against framework"
    ahead, behind = sorted(best[:2], key=lambda worth: -worth.score)
    scores = " and ".join(
        f"{framework_name(each.configuration)} {each.score:.3f}" for each in (ahead, behind)
    )
    verdicts = {one.verdict for worth in best[:2] if (one := worth.finalist) is not None} - {"best"}
    compared = verdicts.pop() if len(verdicts) == 1 else ""
    significant = "significantly different" if compared in ("worse", "better") else VERDICTS.get(compared, "")
    verdict = f", {significant}" if significant else ""
    return f"{scores} on the {ahead.row_set} rows{verdict}"


def _table(report: StudyReport, best: Sequence[Worth]) -> Table:
    """The best of each framework; scores on the test rows of those that these were opened for."""
    complete = [
        sum(
            r.configuration is not None and r.configuration.framework == w.configuration.framework
            for r in report.complete
        )
        for w in best
    ]
    names = list(dict.fromkeys((report.metric, *FIRST, *SCORE_NAMES)))
    columns = [
        Column("best of", [Marked(framework_name(w.configuration), w.configuration.framework) for w in best]),
        Column("complete", complete, optional=True),
        Column("trial", [Number(worth.trial, "d") for worth in best]),
        Column("validation\nin search", [Number(worth.validation) for worth in best]),
        Column("scored on", [worth.row_set for worth in best], optional=True),
        *(
            Column(
                brief_label(name),
                [Number(worth.scores[name]) if name in worth.scores else None for worth in best],
                optional=name not in (report.metric, *FIRST),
            )
            for name in names
        ),
        Column("configuration", [configuration_text(worth.configuration) for worth in best], beneath=True),
    ]
    return Table(columns, strong=0)


def confusion_table(report: StudyReport, confusion: Sequence[Sequence[int]], title: str = "") -> Table:
    """Rows by their own class, and by the one that was predicted for them."""
    names = list(class_names(report.facts.classes).values())
    predicted = (
        Column(f"predicted\n{name}", [row[index] for row in confusion]) for index, name in enumerate(names)
    )
    return Table([Column("", [f"actual {name}" for name in names]), *predicted], title)


def _confusion(report: StudyReport, worth: Worth) -> Chart:
    together = f", {worth.trainings} trainings together" if worth.trainings > 1 else ""
    title = (
        f"{framework_name(worth.configuration)}, trial {worth.trial}, on the {worth.row_set} rows{together}"
    )
    names = list(class_names(report.facts.classes).values())
    draw = partial(confusion_chart, names, worth.confusion)
    return Chart(draw, title, table=confusion_table(report, worth.confusion), half=True, whole=True)


def _mistakes_title(report: StudyReport, worth: Worth) -> str:
    facts = report.facts
    index = facts.positive_index
    missed = sum(worth.confusion[index]) - worth.confusion[index][index]
    false = sum(row[index] for row in worth.confusion) - worth.confusion[index][index]
    positive = positive_name(facts, 24)
    counts = [f"{count / worth.trainings:,.3g}" for count in (missed, false)]
    mean = " on average" if worth.trainings > 1 else ""
    return (
        f"The best misses {counts[0]} of {facts.positives(worth.row_set):,} {positive}{mean}, "
        f"and predicts {positive} for {counts[1]} others{'' if worth.tested else ', on the validation rows'}"
    )
