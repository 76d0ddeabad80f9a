"""How trials learnt, and which of them were let go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.reporting.charts.drawn import thinned
from search.reporting.charts.frame import HALF, Frame
from search.reporting.charts.scales import Linear, Log, near_the_best
from search.reporting.html import Html, joined
from search.reporting.markup import Cells, Section, beside, figure, legend, paragraph, table
from search.reporting.report import StudyReport
from search.reporting.words import metric_label
from studies.records.trials import TrialRecord

MOST_LINES = 150
"""Trials whose curves are drawn besides the best."""

BEST_LINES = 5
"""Trials whose curves are set off."""


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


def curves(report: StudyReport) -> Section | None:
    """Validation scores and training losses by epoch, and how many trials went on from each rung."""
    seen = {record.number: points for record in report.records if len(points := scores_by_epoch(record)) > 1}
    losses = [record for record in report.ranked[:BEST_LINES] if _losses(record)]
    if not seen and not losses:
        return None
    rungs = rungs_of(report.records)
    pruned = any(record.state == "pruned" for record in report.records)
    return Section(
        "curves",
        "Learning",
        "How the configurations learnt",
        joined(
            beside(
                _scores(report, seen) if seen else None,
                _training(losses) if losses else None,
            ),
            _rung_table(rungs) if pruned and len(rungs) > 1 else None,
        ),
    )


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


def _scores(report: StudyReport, seen: Mapping[int, Mapping[int, float]]) -> Html:
    records = [record for record in report.records if record.number in seen]
    top = {record.number for record in report.ranked[:BEST_LINES]}
    others = thinned([record for record in records if record.number not in top], MOST_LINES)
    epochs = [epoch for points in seen.values() for epoch in points]
    shown = sorted(set(epochs))
    axis = near_the_best([points[max(points)] for points in seen.values()])
    frame = Frame(Log(shown[0], shown[-1], tuple(shown)), axis)
    lines = [
        frame.curve(_above(axis, seen[record.number]), _kind(record, top), record.number)
        for record in [*others, *(record for record in records if record.number in top)]
    ]
    drawing = frame.svg(
        frame.axes("epochs", metric_label(report)), *lines, says="Validation score by epoch, a line a trial."
    )
    entries = [("top", f"the best {len(top)}"), ("plain", "the others")]
    if any(record.state == "pruned" for record in others):
        entries.append(("early", "stopped early"))
    left_out = len(records) - len(others) - len(top & set(seen))
    reading = f"A line is one trial.{f' {left_out:,} of the others are left out.' if left_out > 0 else ''}"
    return figure("Score on the validation rows", joined(legend(*entries), drawing), reading)


def _above(axis: Linear, points: Mapping[int, float]) -> list[tuple[int, float]]:
    """A curve that runs along the floor where it is below it."""
    return [(epoch, max(axis.low, score)) for epoch, score in points.items()]


def _kind(record: TrialRecord, top: set[int]) -> str:
    if record.number in top:
        return "top"
    return "early" if record.state == "pruned" else "plain"


def _losses(record: TrialRecord) -> list[tuple[int, float]]:
    curve = record.report.curve if record.report is not None else ()
    return [(point.epoch, point.train_loss) for point in curve] if len(curve) > 1 else []


def _training(records: Sequence[TrialRecord]) -> Html:
    points = {record.number: _losses(record) for record in records}
    losses = [loss for found in points.values() for _, loss in found]
    last = max(epoch for found in points.values() for epoch, _ in found)
    low, high = min(losses), max(losses)
    wide = low > 0 and high / low > 20
    frame = Frame(Linear(1, last), Log(low, high) if wide else Linear(min(0.0, low), high), width=HALF)
    drawing = frame.svg(
        frame.axes("epochs", "training loss, nats a row"),
        *(
            frame.curve(points[record.number], f"rank{rank}", record.number)
            for rank, record in reversed(list(enumerate(records)))
        ),
        says="Training loss by epoch of the best trials.",
    )
    entries = ((f"rank{rank}", f"trial {record.number}") for rank, record in enumerate(records))
    return figure(
        "Loss on the training rows",
        joined(legend(*entries), drawing),
        f"Of the best {len(records)}. A curve that still falls at its end might gain from more epochs.",
    )


def _rung_table(rungs: Sequence[Rung]) -> Html:
    columns = [
        Cells("after epochs", [f"{rung.epoch:,}" for rung in rungs]),
        Cells("trials scored", [f"{rung.reached:,}" for rung in rungs]),
        Cells("went on", [f"{rung.went_on:,}" if rung is not rungs[-1] else "–" for rung in rungs]),
        Cells("best score", [f"{rung.best:.3f}" for rung in rungs]),
        Cells(
            "lowest that went on",
            ["–" if rung.lowest_on is None else f"{rung.lowest_on:.3f}" for rung in rungs],
        ),
    ]
    return joined(
        paragraph("Weak trials are stopped at rungs, so that the time goes into those that promise more:"),
        table(columns),
    )
