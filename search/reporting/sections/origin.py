"""What the figures rest on: the data, how to run it again, where it is kept, and the words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from search.reporting.report import StudyReport
from search.reporting.section import Code, Column, Fold, Number, Pairs, Points, Section, Table
from search.reporting.words import metric_label
from search.words import count_of, positive_name
from studies.records.reports import ROW_SETS

PURPOSE = {
    "train": "networks learn from these",
    "validation": "configurations are compared on these",
    "test": "played no part in any choice",
}
"""What each set of rows is for."""


def data(report: StudyReport) -> Section:
    """Rows, classes, skew, features, and how they were made."""
    facts = report.facts
    positive = positive_name(facts, 24)
    share = facts.positives("train") / max(1, facts.rows("train"))
    parts = [Number(facts.positives(rows) / max(1, facts.rows(rows)), ".1%") for rows in ROW_SETS]
    columns = [
        Column("rows", list(ROW_SETS)),
        *(
            Column(name, [facts.counts[rows][index] for rows in ROW_SETS])
            for index, name in enumerate(facts.classes)
        ),
        Column("all", [facts.rows(rows) for rows in ROW_SETS]),
        Column(f"{positive}, share", parts),
        Column("purpose", [PURPOSE[rows] for rows in ROW_SETS]),
    ]
    title = f"{sum(facts.rows(rows) for rows in ROW_SETS):,} rows, {share:.1%} of them {positive}"
    made = Pairs((("features", f"{facts.features:,} numbers a row"), *report.provenance.data))
    notes = (Points(facts.notes),) if facts.notes else ()
    return Section("data", "Data", title, (Table(columns), made, *notes))


def again(report: StudyReport) -> Section:
    """Seed, versions, cluster, storage, and the commands that make it again."""
    found = report.provenance
    name = shlex.quote(found.file)
    commands = (
        f"search launch {name}                  # runs it, or resumes it",
        f"search report {name} --html {shlex.quote(report.name + '.html')}  # makes this page again",
        report.dashboard,
    )
    title = f"The study file {found.file}, as it is now"
    file = (Fold(title, (Code(found.text),)),) if found.text else ()
    blocks = (Code("\n".join(commands)), Pairs(tuple(_run(report))), *file)
    return Section("again", "Run it again", "How it was run, and how to run it again", blocks)


def kept(report: StudyReport) -> Section:
    """Where the study is, and how to see more of it."""
    return Section("kept", "", "", (Pairs((("Kept in", report.storage), ("Dashboard", report.dashboard))),))


def _run(report: StudyReport) -> Iterator[tuple[str, str]]:
    found = report.provenance
    yield "seed", f"{found.seed}, of everything that is random"
    if report.ended:
        yield "ended", report.ended
    if found.cluster:
        slots = f", {count_of(found.slots, 'trial')} at once" if found.slots else ""
        yield "ran on", f"{found.cluster}{slots}"
    yield from found.search
    if found.versions:
        yield "versions", ", ".join(f"{package} {version}" for package, version in found.versions.items())
    yield "kept in", report.storage


def glossary(report: StudyReport) -> Section:
    """What the words mean, for who doesn't tune networks every day."""
    rows = tuple(_words(report, positive_name(report.facts, 24)))
    return Section("words", "Words", "What the words mean", (Pairs(rows),))


def _words(report: StudyReport, positive: str) -> Iterator[tuple[str, str]]:
    yield "trial", "One configuration, trained once and scored."
    yield (
        "configuration",
        "What is chosen before a network learns: framework, optimizer, learning rate and so on.",
    )
    yield (
        "F1",
        f"One number for two goals: to find all {positive} (recall), and to predict {positive} for nothing "
        "else (precision). It is their harmonic mean: 1 is perfect, and it is near 0 as soon as either is.",
    )
    if report.metric != "f1":
        yield metric_label(report), "What trials are ranked by here; higher is better."
    yield (
        "weighted F1",
        "The mean of every class's F1, by its rows; what Spark calls f1. Where one class is rare, it looks "
        "good for a program that never predicts it.",
    )
    yield (
        "validation and test rows",
        "The best of many is picked by its score on the validation rows, so luck there is picked too: that "
        "score is optimistic. The test rows played no part in the choice; their scores are what to expect "
        "of new rows.",
    )
    yield "95%", "An interval made so holds the true figure in 19 of 20 cases."
    yield (
        "no significant difference",
        "Chance alone could have made the difference that was measured. It doesn't say that there is none.",
    )
    yield (
        "equivalent",
        "The difference is significantly smaller than one that matters, in either direction.",
    )
    yield "epoch", "One pass over the training rows. Of optimizers that take all rows at once: one iteration."
    yield "pruned", "A trial that the pruner ended, because others scored better after as many epochs."
    yield "stopped early", "A trial that ended itself, because its score no longer improved (patience)."
    yield "interrupted", "A launch that a person ended; the next one resumes its unfinished trials."
    yield (
        "learning rate, batch, optimizer, initialisation",
        "How far a network moves in each step, how many rows it looks at for a step, by which rule it moves, "
        "and the random numbers that it starts from.",
    )
