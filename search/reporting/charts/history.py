"""Every trial's score by its number, and the best so far."""

from __future__ import annotations

from itertools import accumulate

from search.reporting.charts.frame import Dot, Frame, legend, on_every_screen
from search.reporting.charts.scales import Linear
from search.reporting.html import Html, joined, tag
from search.reporting.report import StudyReport
from search.reporting.words import FRAMEWORKS, metric_label


def history_chart(report: StudyReport, axis: Linear) -> Html:
    """A dot a trial; those below the axis lie on its floor."""
    return joined(_legend(report), on_every_screen(lambda width: _history(report, axis, width)))


def _legend(report: StudyReport) -> Html:
    used = report.best_by_framework
    entries = [(name, FRAMEWORKS.get(name, name)) for name in sorted(used)]
    if any(record.state == "pruned" for record in report.records):
        entries.append(("early", "pruned, with its last score"))
    if report.failures:
        entries.append(("broken", "failed"))
    return legend(*entries, ("best", "best so far"))


def _history(report: StudyReport, axis: Linear, width: int) -> Html:
    last = max(record.number for record in report.records)
    frame = Frame(Linear(0, max(1, last)), axis, width, 320)
    complete = [(record, score) for record, score in report.scored if record.value is not None]
    best_so_far = list(accumulate((score for _, score in complete), max))
    rises = [
        (record.number, max(axis.low, now))
        for (record, _), now, before in zip(complete, best_so_far, [None, *best_so_far], strict=False)
        if now != before
    ]
    best = f"; the best is {best_so_far[-1]:.3f}" if best_so_far else ""
    return frame.svg(
        frame.axes("trial", metric_label(report)),
        frame.steps(rises, "best"),
        [frame.dots(dots, kind) for kind, dots in _by_kind(report, axis.low).items()],
        _failed(report, frame),
        says=f"Score of each trial by its number{best}.",
    )


def _by_kind(report: StudyReport, floor: float) -> dict[str, list[Dot]]:
    """Dots of what was pruned, and of each framework; none below the axis."""
    found: dict[str, list[Dot]] = {"early": []}
    for record, score in report.scored:
        configuration = record.configuration
        complete = record.value is not None and configuration is not None
        kind = configuration.framework if complete and configuration is not None else "early"
        found.setdefault(kind, []).append(Dot(record.number, max(floor, score), record.number))
    return found


def _failed(report: StudyReport, frame: Frame) -> Html | None:
    """Crosses at the foot, where no score is."""
    floor = frame.height - frame.bottom
    crosses = "".join(
        f"M{frame.across(trial) - 3:.1f} {floor - 3}l6 6m0 -6l-6 6"
        for group in report.failures
        for trial in group.trials
    )
    return tag("path", class_="broken", d=crosses) if crosses else None
