"""The trials: the table of the best, and the history of the search."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from search.page.frame import Dot, Frame, on_every_screen
from search.page.html import Content, Html, joined, tag
from search.page.scales import Linear, score_scale
from search.page.section import Cells, Section, figure, folded, legend, paragraph, table
from search.page.words import FRAMEWORKS, framework_name, metric_label
from search.results import StudyReport, scores_of, seconds_of
from search.tables import count_of, or_dash
from studies.configuration import Configuration
from studies.trial_record import TrialRecord

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
                f"By {metric_label(report)} on the validation rows. Test scores are shown only of those that "
                "were chosen, or named beforehand, so that nobody chooses by them."
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
    return Section(
        "history",
        "History",
        _when_found(complete),
        figure(
            "",
            joined(
                _history_legend(report),
                on_every_screen(lambda width: _history(report, width)),
            ),
            "A dot is one configuration, trained and scored on the validation rows; the line is the best so "
            "far.",
        ),
    )


def _table(report: StudyReport, records: tuple[TrialRecord, ...], strong: int | None = None) -> Html:
    found = [record.configuration for record in records if record.configuration is not None]
    runs = [len(report.runs[record.number]) for record in records]
    tests = [scores_of(record, "test") for record in records]
    columns = [
        Cells("trial", [str(record.number) for record in records]),
        Cells("validation", [f"{report.score(record):.3f}" for record in records]),
        *([Cells("runs", [str(count) for count in runs])] if max(runs, default=1) > 1 else []),
        Cells("test", [f"{getattr(test, report.metric):.3f}" if test else "–" for test in tests]),
        Cells("framework", [_framework(configuration) for configuration in found], right=False),
        Cells("optimizer", [configuration.optimizer for configuration in found], right=False),
        Cells(
            "learning rate",
            [or_dash(c.learning_rate, ".3g").replace("-", "–", c.learning_rate is None) for c in found],
        ),
        Cells("batch", [or_dash(c.batch_size, "d") for c in found]),
        Cells("initial weights", [configuration.initialisation for configuration in found], right=False),
        Cells("epochs", [str(configuration.epochs) for configuration in found]),
        Cells("seconds", [or_dash(seconds_of(record), ".1f") for record in records]),
    ]
    return table(columns, strong=strong)


def _framework(configuration: Configuration) -> Content:
    return joined(tag("i", class_=f"key {configuration.framework}"), framework_name(configuration))


def _when_found(complete: list[tuple[TrialRecord, float]]) -> str:
    if not complete:
        return "How the search went"
    place = max(range(len(complete)), key=lambda index: (complete[index][1], -index))
    after = len(complete) - place - 1
    first = f"The best score came with trial {complete[place][0].number}"
    return (
        f"{first}; {count_of(after, 'later one')} brought none better" if after else f"{first}, the last one"
    )


def _history_legend(report: StudyReport) -> Html:
    used = report.best_by_framework
    entries = [(name, FRAMEWORKS.get(name, name)) for name in sorted(used)]
    if any(record.state == "pruned" for record in report.records):
        entries.append(("early", "stopped early, with its last score"))
    if report.failures:
        entries.append(("broken", "failed"))
    return legend(*entries, ("best", "best so far"))


def _history(report: StudyReport, width: int) -> Html:
    found = report.scored
    last = max(record.number for record in report.records)
    frame = Frame(Linear(0, max(1, last)), score_scale([score for _, score in found]), width, 300)
    complete = [(record, score) for record, score in found if record.value is not None]
    best_so_far = list(accumulate((score for _, score in complete), max))
    rises = [
        (record.number, now)
        for (record, _), now, before in zip(complete, best_so_far, [None, *best_so_far], strict=False)
        if now != before
    ]
    stopped = [Dot(record.number, score, record.number) for record, score in found if record.value is None]
    return frame.svg(
        frame.axes("trial", metric_label(report)),
        frame.steps(rises, "best"),
        frame.dots(stopped, "early"),
        _by_framework(frame, complete),
        _failed(report, frame),
        says=f"Score of each trial by its number; the best is {best_so_far[-1]:.3f}."
        if best_so_far
        else "Scores.",
    )


def _by_framework(frame: Frame, complete: list[tuple[TrialRecord, float]]) -> Iterator[Html | None]:
    for name in FRAMEWORKS:
        yield frame.dots(
            (
                Dot(record.number, score, record.number)
                for record, score in complete
                if record.configuration is not None and record.configuration.framework == name
            ),
            name,
        )


def _failed(report: StudyReport, frame: Frame) -> Html | None:
    """Crosses at the foot, where no score is."""
    floor = frame.height - frame.bottom
    crosses = "".join(
        f"M{frame.across(trial) - 3:.1f} {floor - 3}l6 6m0 -6l-6 6"
        for group in report.failures
        for trial in group.trials
    )
    return tag("path", class_="broken", d=crosses) if crosses else None
