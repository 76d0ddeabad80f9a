"""What the figures rest on: the data, the environment, how to run it again, and the words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from search.reporting.html import Content, joined, tag
from search.reporting.markup import Cells, Section, copied, folded, pairs, table
from search.reporting.report import StudyReport
from search.reporting.words import metric_label
from search.words import positive_name
from studies.records.reports import ROW_SETS

PURPOSE = {
    "train": "networks learn from these",
    "validation": "configurations are compared on these",
    "test": "nothing was chosen by these",
}
"""What each set of rows is for."""


def data(report: StudyReport) -> Section:
    """Rows, classes, skew, features, and how they were made."""
    facts = report.facts
    positive = positive_name(facts, 24)
    share = facts.positives("train") / max(1, facts.rows("train"))
    columns = [
        Cells("rows", list(ROW_SETS), right=False),
        *(
            Cells(name, [f"{facts.counts[rows][index]:,}" for rows in ROW_SETS])
            for index, name in enumerate(facts.classes)
        ),
        Cells("all", [f"{facts.rows(rows):,}" for rows in ROW_SETS]),
        Cells(positive, [_share(report, rows) for rows in ROW_SETS]),
        Cells("what for", [PURPOSE[rows] for rows in ROW_SETS], right=False),
    ]
    return Section(
        "data",
        "Data",
        f"{sum(facts.rows(rows) for rows in ROW_SETS):,} rows, {share:.1%} of them {positive}",
        joined(
            table(columns),
            pairs([("features", f"{facts.features:,} numbers a row"), *report.provenance.data]),
            tag("ul", (tag("li", note) for note in facts.notes)) if facts.notes else None,
        ),
    )


def environment(report: StudyReport) -> Section:
    """Seed, versions, cluster, storage, and the commands that make it again."""
    found = report.provenance
    name = shlex.quote(found.file)
    commands = "\n".join(
        (
            f"search launch {name}                  # runs it, or goes on with it",
            f"search report {name} --html {shlex.quote(report.name + '.html')}  # makes this page again",
            report.dashboard,
        )
    )
    return Section(
        "again",
        "Run it again",
        "How it was run, and how to run it again",
        joined(
            copied(commands),
            pairs(_run(report)),
            folded(f"The study file {found.file}, as it is now", copied(found.text)) if found.text else None,
        ),
    )


def words(report: StudyReport) -> Section:
    """What the words mean, for who doesn't tune networks every day."""
    positive = positive_name(report.facts, 24)
    return Section("words", "Words", "What the words mean", pairs(_words(report, positive)))


def _share(report: StudyReport, rows: str) -> Content:
    share = report.facts.positives(rows) / max(1, report.facts.rows(rows))
    return joined(tag("span", "", class_="meter", style=f"--part:{share:.3f}"), f"{share:.1%}")


def _run(report: StudyReport) -> Iterator[tuple[str, Content]]:
    found = report.provenance
    yield "seed", f"{found.seed}, of everything that is drawn"
    if report.ended:
        yield "ended", report.ended
    if found.cluster:
        slots = f", {found.slots} trials at once" if found.slots else ""
        yield "ran on", f"{found.cluster}{slots}"
    yield from found.search
    if found.versions:
        yield "versions", ", ".join(f"{package} {version}" for package, version in found.versions.items())
    yield "kept in", report.storage


def _words(report: StudyReport, positive: str) -> Iterator[tuple[str, Content]]:
    yield "trial", "One configuration, trained once and scored."
    yield (
        "configuration",
        "The choices that are made before a network learns: framework, optimizer, learning rate …",
    )
    yield (
        "F1",
        f"One number for two goals: to find all {positive} (recall) and to call nothing else so (precision). "
        "It is their harmonic mean: 1 is perfect, and it is near 0 as soon as either is.",
    )
    if report.metric != "f1":
        yield metric_label(report), "What trials are ranked by here; higher is better."
    yield (
        "weighted F1",
        "The mean of every class's F1, by its rows; what Spark calls f1. Where one class is rare, it looks "
        "good for a program that never names it.",
    )
    yield (
        "validation and test rows",
        "The best of many is picked by its score on the validation rows, so that luck there is picked too. "
        "The test rows took no part in the choice, so that their scores are what to expect of new rows.",
    )
    yield "95%", "An interval made so holds the true figure in 19 of 20 cases."
    yield "epoch", "One pass over the training rows. Of optimizers that take all rows at once: one iteration."
    yield (
        "stopped early",
        "A trial that was so far behind others after as many epochs that it was given no more.",
    )
    yield (
        "learning rate, batch, optimizer, initial weights",
        "How far a network moves in each step, how many rows it looks at for a step, by which rule it moves, "
        "and the random numbers that it starts from.",
    )
