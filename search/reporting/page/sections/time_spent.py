"""Where the hours went: failures, the ledger of work, and how busy the cluster was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from search.reporting.charts.frame import Frame, box, on_every_screen, svg, text
from search.reporting.charts.scales import Linear
from search.reporting.html import Content, Html, joined, number, tag
from search.reporting.markup import Cells, Section, figure, legend, table
from search.reporting.report import StudyReport
from search.reporting.words import FRAMEWORKS, counted
from search.words import duration_text, listed, one_line
from studies.records.reports import TimeLedger
from studies.records.trials import TrialRecord

MOST_NAMED = 12
"""Numbers of failed trials that are listed for one cause."""

BINS = 160
"""Stretches of time that the cluster's use is counted in."""

LONGEST_IDLE = 60.0
"""Seconds without any trial after which what follows counts as another launch."""

PARTS = {"setup": "setting up", "train": "training", "score": "scoring"}
"""Of the work on a trial."""

FATES = {"complete": "complete", "pruned": "stopped early", "fail": "failed", "running": "without an end"}
"""What became of trials."""


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of one trial's work, done evenly between two moments."""

    begin: float
    end: float
    seconds: float


def failures(report: StudyReport) -> Section | None:
    """Failed trials, by cause."""
    if not report.failures:
        return None
    total = sum(len(group.trials) for group in report.failures)
    columns = [
        Cells("cause", [group.cause for group in report.failures], right=False),
        Cells("trials", [f"{len(group.trials):,}" for group in report.failures]),
        Cells("which", [_which(group.trials) for group in report.failures], right=False),
        Cells("what the first said", [one_line(group.message) for group in report.failures], right=False),
    ]
    return Section(
        "failures",
        "Failures",
        f"{counted(total, 'trial')} of {len(report.records):,} failed",
        table(columns, kind="wraps"),
    )


def time_spent(report: StudyReport) -> Section | None:
    """The ledger of work, and the use of the cluster over time."""
    ledgers = [(record, record.report.ledger) for record in report.records if record.report is not None]
    worked = sum(ledger.work for _, ledger in ledgers)
    if worked <= 0:
        return None
    return Section(
        "time",
        "Time",
        _time_title(report, worked),
        joined(
            figure(
                "Where the work went",
                joined(
                    legend(*((name, words) for name, words in PARTS.items())),
                    on_every_screen(lambda width: _ledger(ledgers, width)),
                ),
                _waste(ledgers, worked),
            ),
            _use(report),
        ),
    )


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


def _which(trials: Sequence[int]) -> str:
    named = ", ".join(str(trial) for trial in trials[:MOST_NAMED])
    left = len(trials) - MOST_NAMED
    return f"{named} and {left:,} more" if left > 0 else named


def _time_title(report: StudyReport, worked: float) -> str:
    seconds = report.provenance.seconds
    if seconds <= 0:
        return f"{duration_text(worked)} of work"
    return f"{duration_text(worked)} of work in {duration_text(seconds)}"


def _ledger(ledgers: Sequence[tuple[TrialRecord, TimeLedger]], width: int) -> Html:
    """A bar for each framework, split into setting up, training and scoring."""
    rows: dict[str, TimeLedger] = {}
    for record, ledger in ledgers:
        name = record.configuration.framework if record.configuration is not None else "?"
        rows[name] = rows.get(name, TimeLedger()) + ledger
    left, right, each = 92, 84, 34
    longest = max(ledger.work for ledger in rows.values())
    inner = width - left - right
    marks: list[Content] = []
    for index, (name, ledger) in enumerate(sorted(rows.items(), key=lambda row: -row[1].work)):
        y, x = 6.0 + each * index, float(left)
        marks.append(text(left - 12, y + 17, FRAMEWORKS.get(name, name), "name end"))
        for part, words in PARTS.items():
            seconds = getattr(ledger, part)
            long = seconds / longest * inner
            marks.append(box(x, y, long, each - 10, part, f"{words}: {duration_text(seconds)}"))
            x += long
        marks.append(text(x + 8, y + 17, duration_text(ledger.work), "value"))
    return svg(width, 6 + each * len(rows), *marks, says="Seconds of work by framework.")


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


def _use(report: StudyReport) -> Html | None:
    work, cuts = without_idle(work_of(report.records, waits=report.provenance.waits))
    if not work or max(each.end for each in work) <= min(each.begin for each in work):
        return None
    begin, end, slots = busy(work, BINS)
    mean = sum(slots) / len(slots)
    known = report.provenance.slots
    of = f" of the {known} that there was room for" if known else ""
    reading = f"On average {mean:.1f} trials ran at once{of}."
    if cuts:
        reading += f" Dashed: pauses between launches, left out ({len(cuts):,})."
    if report.provenance.waits:
        reading += " A trial that waited at rungs is spread evenly from its beginning to its end."
    title = f"Trials at once{f', on {report.provenance.cluster}' if report.provenance.cluster else ''}"
    return figure(
        title, on_every_screen(lambda width: _use_drawing((begin, end), slots, cuts, known, width)), reading
    )


def _use_drawing(
    ends: tuple[float, float], slots: Sequence[float], cuts: Sequence[float], known: int, width: int
) -> Html:
    unit, name = next(
        (size, word)
        for size, word in ((3600, "hours"), (60, "minutes"), (1, "seconds"))
        if ends[1] - ends[0] >= 2 * size or size == 1
    )
    begin = ends[0]
    scale = Linear(0.0, (ends[1] - begin) / unit)
    frame = Frame(scale, Linear(0.0, max(known, *slots, 1.0)), width, 180)
    step = scale.high / len(slots)
    heights = "".join(
        f"V{number(frame.down(value))}H{number(frame.across((index + 1) * step))}"
        for index, value in enumerate(slots)
    )
    floor = number(frame.down(0.0))
    area = tag("path", class_="area", d=f"M{number(frame.left)} {floor}{heights}V{floor}Z")
    top = frame.down(known) if known else None
    marks = [
        tag("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="cut")
        for cut in cuts
        for x in [frame.across((cut - begin) / unit)]
    ]
    limit = (
        tag("line", x1=frame.left, x2=width - frame.right, y1=top, y2=top, class_="limit")
        if top is not None
        else None
    )
    return frame.svg(frame.axes(name, ""), area, marks, limit, says="Busy slots over time.")
