"""Where the hours went: the ledger of work, and how busy the cluster was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from search.reporting.charts.work import PARTS, slots_chart, work_chart
from search.reporting.report import StudyReport
from search.reporting.section import Block, Chart, Section, Words
from search.words import duration_text, listed
from studies.records.reports import TimeLedger
from studies.records.trials import TrialRecord

BINS = 160
"""Stretches of time that the cluster's use is counted in."""

LONGEST_IDLE = 60.0
"""Seconds without any trial after which what follows counts as another launch."""

FATES = {"complete": "complete", "pruned": "pruned", "fail": "failed", "running": "unfinished"}
"""What became of trials."""


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of one trial's work, done evenly between two moments."""

    begin: float
    end: float
    seconds: float


def time_spent(report: StudyReport) -> Section | None:
    """The ledger of work, and the use of the cluster over time."""
    ledgers = [(record, record.report.ledger) for record in report.records if record.report is not None]
    worked = sum(ledger.work for _, ledger in ledgers)
    if worked <= 0:
        return None
    rows: dict[str, TimeLedger] = {}
    for record, ledger in ledgers:
        name = record.configuration.framework if record.configuration is not None else "?"
        rows[name] = rows.get(name, TimeLedger()) + ledger
    seconds = report.provenance.seconds
    title = f"{duration_text(worked)} of work{f' in {duration_text(seconds)}' if seconds > 0 else ''}"
    blocks = (
        Chart(partial(work_chart, rows), "Where the work went"),
        Words(_waste(ledgers, worked)),
        *_use(report),
    )
    return Section("time", "Time", title, blocks)


def work_of(records: Iterable[TrialRecord], *, waits: bool) -> list[Work]:
    """When each trial was worked on, in seconds since the first began.

    Storage knows when a trial was asked for and when it ended. One that was trained in one go was worked on
    just before its end. One that waited at rungs was worked on at several times between, which are not known,
    and is spread evenly.

    Args:
        records: trials.
        waits: whether trials wait at rungs.
    """
    known = [(record, moments) for record in records if (moments := _moments(record)) is not None]
    start = min((begun for _, (begun, _) in known), default=None)
    if start is None:
        return []
    found = []
    for record, (begun, ended) in known:
        assert record.report is not None
        seconds = record.report.ledger.work
        last = (ended - start).total_seconds()
        first = (begun - start).total_seconds()
        if not waits or len(record.rung_scores) < 2 or last - first < seconds:
            first = last - seconds
        found.append(Work(first, last, seconds))
    return found


def without_idle(work: Sequence[Work]) -> tuple[list[Work], list[float]]:
    """The same work with long times in which nobody worked cut out, and where they were cut."""
    ordered = sorted(work, key=lambda each: each.begin)
    shift, reached = 0.0, ordered[0].begin if ordered else 0.0
    found, cuts = [], []
    for each in ordered:
        idle = each.begin - reached
        if idle > LONGEST_IDLE:
            shift += idle
            cuts.append(each.begin - shift)
        reached = max(reached, each.end)
        found.append(Work(each.begin - shift, each.end - shift, each.seconds))
    return found, cuts


def busy(work: Sequence[Work], bins: int) -> tuple[float, float, list[float]]:
    """How many slots were busy on average in each of ``bins`` stretches of time.

    Returns:
        The begin of the first, the end of the last, and the means.
    """
    begin, end = min(each.begin for each in work), max(each.end for each in work)
    width = (end - begin) / bins or 1.0
    found = [0.0] * bins
    for each in work:
        length = each.end - each.begin
        rate = each.seconds / length if length > 0 else 0.0
        first = int((each.begin - begin) / width)
        last = min(bins - 1, int((each.end - begin) / width))
        for index in range(max(0, first), last + 1):
            low, high = begin + index * width, begin + (index + 1) * width
            found[index] += rate * max(0.0, min(high, each.end) - max(low, each.begin)) / width
    return begin, end, found


def _moments(record: TrialRecord) -> tuple[datetime, datetime] | None:
    if record.report is None or record.started is None or record.completed is None:
        return None
    return record.started, record.completed


def _waste(ledgers: Sequence[tuple[TrialRecord, TimeLedger]], worked: float) -> str:
    total = TimeLedger()
    by_state: dict[str, float] = {}
    for record, ledger in ledgers:
        total += ledger
        by_state[record.state] = by_state.get(record.state, 0.0) + ledger.work
    shares = listed(f"{getattr(total, part) / worked:.0%} {words}" for part, words in PARTS.items())
    fates = listed(
        f"{by_state[state] / worked:.0%} for {words} trials"
        for state, words in FATES.items()
        if state in by_state
    )
    waited = (
        f" Trials waited {duration_text(total.queued / max(1, len(ledgers)))} each for a slot."
        if total.queued
        else ""
    )
    return f"{shares}; {fates}.{waited}"


def _use(report: StudyReport) -> Iterator[Block]:
    work, cuts = without_idle(work_of(report.records, waits=report.provenance.waits))
    if not work or max(each.end for each in work) <= min(each.begin for each in work):
        return
    begin, end, slots = busy(work, BINS)
    known = report.provenance.slots
    reading = f"Dashed: pauses between launches, left out ({len(cuts):,}). " if cuts else ""
    if report.provenance.waits:
        reading += "A trial that waited at rungs is spread evenly from its beginning to its end."
    title = f"Trials at once{f', on {report.provenance.cluster}' if report.provenance.cluster else ''}"
    yield Chart(partial(slots_chart, (begin, end), slots, cuts, known), title, reading)
    of = f" of the {known} that there was room for" if known else ""
    yield Words(f"On average {sum(slots) / len(slots):.1f} trials ran at once{of}.")
