"""The head: the study's name, how far it is, and what a reader must know before all else."""

from __future__ import annotations

from collections.abc import Iterator

from search.reporting.readings import opening_words
from search.reporting.report import StudyReport
from search.reporting.section import Block, Points, Section, Words
from search.reporting.words import date_text, moments_of
from search.words import count_of, duration_text, listed, of_limit, positive_name
from studies.records.reports import ROW_SETS


def state(report: StudyReport) -> Section:
    """Counts of trials, caveats, rows, why it ended, and whether the test rows were opened."""
    return Section("state", "", report.name, tuple(_blocks(report)), note=" · ".join(_progress(report)))


def _progress(report: StudyReport) -> Iterator[str]:
    ended = sum(record.state != "running" for record in report.records)
    counts = {
        "pruned": sum(report.pruned.values()),
        "failed": sum(len(group.trials) for group in report.failures),
        "stopped early": report.stopped_early,
    }
    parts = [of_limit(ended, report.limit), *(f"{count:,} {fate}" for fate, count in counts.items() if count)]
    yield ", ".join(parts)
    if report.provenance.seconds > 0:
        yield f"{duration_text(report.provenance.seconds)} of searching"
    if moments := moments_of(report.records):
        yield date_text(moments[-1])


def _blocks(report: StudyReport) -> Iterator[Block]:
    yield from (Words(text, "warning") for text in report.caveats)
    yield from (Words(f"The study file has changed since: {text}.", "warning") for text in report.differences)
    unfinished = count_of(report.running, "unfinished trial")
    if not report.ended:
        yield Words(f"Still running, or killed: {unfinished}.", "warning")
    facts = report.facts
    rows = ", ".join(f"{facts.rows(name):,} {name}" for name in ROW_SETS)
    share = f"{facts.positives('train') / facts.rows('train'):.1%} {positive_name(facts)}"
    yield Words(f"Rows: {rows}; {share}; {facts.features:,} features.")
    if facts.notes:
        yield Points(facts.notes)
    if report.pruned:
        reached = listed(f"{count:,} after {epochs:,}" for epochs, count in report.pruned.items())
        yield Words(f"Pruned, by the epochs that they were trained for: {reached}.")
    if report.ended:
        them = "it" if report.running == 1 else "them"
        resume = f" {unfinished}: the next launch resumes {them}." if report.running else ""
        yield Words(f"Ended: {report.ended}.{resume}")
    yield Words(" ".join(opening_words(report)))
