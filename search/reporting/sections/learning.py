"""How trials learnt, and which of them went on from each rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from search.reporting.charts.learning import BEST_LINES, MOST_LINES, losses_chart, losses_of, scores_chart
from search.reporting.report import StudyReport
from search.reporting.section import Block, Chart, Column, Number, Section, Table, Words
from studies.records.trials import TrialRecord


@dataclass(frozen=True, slots=True)
class Rung:
    """One epoch count at which trials were scored.

    Attributes:
        epoch: after so many.
        reached: how many trials were scored there.
        went_on: how many of them were scored at a later one.
        best: the best score there.
        lowest_on: the lowest score there of those that went on; ``None`` where none did.
    """

    epoch: int
    reached: int
    went_on: int
    best: float
    lowest_on: float | None


def learning(report: StudyReport) -> Section | None:
    """Validation scores and training losses by epoch, and how many trials went on from each rung."""
    seen = {record.number: points for record in report.records if len(points := scores_by_epoch(record)) > 1}
    best = [record for record in report.ranked[:BEST_LINES] if losses_of(record)]
    if not seen and not best:
        return None
    blocks: list[Block] = []
    if seen:
        others = len(set(seen) - {record.number for record in report.ranked[:BEST_LINES]})
        more = f" {others - MOST_LINES:,} of the others are left out." if others > MOST_LINES else ""
        chart = partial(scores_chart, report, seen)
        blocks.append(Chart(chart, "Score on the validation rows", f"A line is one trial.{more}", half=True))
    if best:
        reading = f"Of the best {len(best)}. A curve that still falls at its end might gain from more epochs."
        blocks.append(Chart(partial(losses_chart, best), "Loss on the training rows", reading, half=True))
    rungs = rungs_of(report.records)
    if report.pruned and len(rungs) > 1:
        blocks.append(
            Words("Weak trials are pruned at rungs, so that the time goes into more promising ones.")
        )
        blocks.append(_rung_table(rungs))
    return Section("curves", "Learning", "How the configurations learnt", tuple(blocks))


def scores_by_epoch(record: TrialRecord) -> dict[int, float]:
    """A trial's validation scores on the way, by epoch."""
    curve = record.report.curve if record.report is not None else ()
    found = {point.epoch: point.validation_score for point in curve if point.validation_score is not None}
    return dict(sorted({**record.rung_scores, **found}.items()))


def rungs_of(records: Sequence[TrialRecord]) -> list[Rung]:
    """The rungs that trials were compared at, from the first."""
    scores = [record.rung_scores for record in records if record.rung_scores]
    found = []
    for epoch in sorted({epoch for each in scores for epoch in each}):
        there = [each for each in scores if epoch in each]
        on = [each[epoch] for each in there if max(each) > epoch]
        best = max(each[epoch] for each in there)
        found.append(Rung(epoch, len(there), len(on), best, min(on, default=None)))
    return found


def _rung_table(rungs: Sequence[Rung]) -> Table:
    columns = [
        Column("after epochs", [rung.epoch for rung in rungs]),
        Column("trials scored", [rung.reached for rung in rungs]),
        Column("went on", [None if rung is rungs[-1] else rung.went_on for rung in rungs]),
        Column("best score", [Number(rung.best) for rung in rungs]),
        Column("lowest that went on", [None if r.lowest_on is None else Number(r.lowest_on) for r in rungs]),
    ]
    return Table(columns)
