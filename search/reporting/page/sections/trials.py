"""The trials: the table of the best, and the history of the search."""

from __future__ import annotations

from itertools import accumulate

from search.reporting.charts.frame import Dot, Frame, on_every_screen
from search.reporting.charts.scales import Linear, near_the_best
from search.reporting.html import Content, Html, joined, tag
from search.reporting.markup import Cells, Section, figure, folded, legend, paragraph, table
from search.reporting.report import StudyReport
from search.reporting.words import FRAMEWORKS, counted, framework_name, metric_label
from search.words import decimals
from studies.records.reports import Scores
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration

MOST_LISTED = 200
"""Configurations in the long table."""


def best(report: StudyReport) -> Section | None:
    """The best configurations, as a table."""
    if report.best is None:
        return None
    count = len(report.ranked)
    shown = min(count, report.table_size)
    title = (
        "The only complete configuration" if count == 1 else f"The best {shown} of {count:,} configurations"
    )
    more = report.ranked[shown:MOST_LISTED]
    return Section(
        "best",
        "Best",
        title,
        joined(
            paragraph(
                f"By {metric_label(report)} on the validation rows."
                + (
                    " Test scores are there only of those that the test rows were opened for."
                    if report.opened
                    else ""
                )
            ),
            _table(report, report.ranked[:shown], strong=0),
            folded(f"The next {len(more):,}", _table(report, more)) if more else None,
        ),
    )


def history(report: StudyReport) -> Section | None:
    """Every trial's score by its number, and the best so far."""
    found = report.scored
    if not found:
        return None
    complete = [(record, score) for record, score in found if record.value is not None]
    axis = near_the_best([score for _, score in found])
    below = sum(score < axis.low for _, score in found)
    reading = "A dot is one trial, scored on the validation rows; the line is the best so far."
    if below:
        reading += f" {counted(below, 'score')} below {axis.low:.2f} lie on the floor."
    drawing = on_every_screen(lambda width: _history(report, axis, width))
    return Section(
        "history",
        "History",
        _when_found(complete),
        figure("", joined(_history_legend(report), drawing), reading),
    )


def _table(report: StudyReport, records: tuple[TrialRecord, ...], strong: int | None = None) -> Html:
    found = [record.configuration for record in records if record.configuration is not None]
    runs = [len(report.runs[record.number]) for record in records]
    tests = [report.test_scores(record) for record in records]
    columns = [
        Cells("trial", [str(record.number) for record in records]),
        Cells("validation", [f"{report.score(record):.3f}" for record in records]),
        *([Cells("runs", [str(count) for count in runs])] if max(runs, default=1) > 1 else []),
        *([Cells("test", [_test(test, report.metric) for test in tests])] if any(tests) else []),
        Cells("framework", [_framework(configuration) for configuration in found], right=False),
        Cells("optimizer", [configuration.optimizer or "-" for configuration in found], right=False),
        Cells(
            "learning rate",
            [_given(each.learning_rate, ".3g") for each in found],
        ),
        Cells("batch", [_given(each.batch_size, ",d") for each in found]),
        Cells(
            "initial weights", [configuration.initialisation or "-" for configuration in found], right=False
        ),
        Cells("epochs", [str(configuration.epochs) for configuration in found]),
        Cells("seconds", [_given(record.seconds, ".1f") for record in records]),
    ]
    return table(columns, strong=strong)


def _test(scores: Scores | None, metric: str) -> str:
    return "–" if scores is None else decimals(getattr(scores, metric))


def _given(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _framework(configuration: Configuration) -> Content:
    return joined(tag("i", class_=f"key {configuration.framework}"), framework_name(configuration))


def _when_found(complete: list[tuple[TrialRecord, float]]) -> str:
    if not complete:
        return "How the search went"
    place = max(range(len(complete)), key=lambda index: (complete[index][1], -index))
    after = len(complete) - place - 1
    first = f"The best score came with trial {complete[place][0].number}"
    return (
        f"{first}; {counted(after, 'later one')} brought none better" if after else f"{first}, the last one"
    )


def _history_legend(report: StudyReport) -> Html:
    used = report.best_by_framework
    entries = [(name, FRAMEWORKS.get(name, name)) for name in sorted(used)]
    if any(record.state == "pruned" for record in report.records):
        entries.append(("early", "stopped early, with its last score"))
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
    """Dots of what was stopped early, and of each framework; none below the axis."""
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
