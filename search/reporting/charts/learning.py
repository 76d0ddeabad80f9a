"""Validation scores and training losses by epoch, a line a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.reporting.charts.drawn import thinned
from search.reporting.charts.frame import HALF, Frame, legend
from search.reporting.charts.scales import Linear, Log, near_the_best
from search.reporting.html import Html, joined
from search.reporting.report import StudyReport
from search.reporting.words import metric_label
from studies.records.trials import TrialRecord

MOST_LINES = 150
"""Trials whose curves are drawn besides the best."""

BEST_LINES = 5
"""Trials whose curves are set off."""


def scores_chart(report: StudyReport, seen: Mapping[int, Mapping[int, float]]) -> Html:
    """Validation scores by epoch of the best trials, and of as many others as can be seen."""
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
        entries.append(("early", "pruned"))
    return joined(legend(*entries), drawing)


def _above(axis: Linear, points: Mapping[int, float]) -> list[tuple[int, float]]:
    """A curve that runs along the floor where it is below it."""
    return [(epoch, max(axis.low, score)) for epoch, score in points.items()]


def _kind(record: TrialRecord, top: set[int]) -> str:
    if record.number in top:
        return "top"
    return "early" if record.state == "pruned" else "plain"


def losses_of(record: TrialRecord) -> list[tuple[int, float]]:
    """A trial's training loss by epoch; empty where one epoch is all."""
    curve = record.report.curve if record.report is not None else ()
    return [(point.epoch, point.train_loss) for point in curve] if len(curve) > 1 else []


def losses_chart(records: Sequence[TrialRecord]) -> Html:
    """Training losses by epoch."""
    points = {record.number: losses_of(record) for record in records}
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
    return joined(legend(*entries), drawing)
