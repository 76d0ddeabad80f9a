"""How the search went: scores by trial, and every choice at once."""

from __future__ import annotations

from functools import partial

from search.reporting.charts.history import history_chart
from search.reporting.charts.parallel import MOST_BEST, MOST_OTHERS, choices_that_differ, parallel_chart
from search.reporting.charts.scales import near_the_best
from search.reporting.report import StudyReport
from search.reporting.section import Chart, Section
from search.words import count_of


def history(report: StudyReport) -> Section | None:
    """Every trial's score by its number, and the best so far."""
    if not report.scored:
        return None
    axis = near_the_best([score for _, score in report.scored])
    below = sum(score < axis.low for _, score in report.scored)
    reading = "A dot is one trial, scored on the validation rows; the line is the best so far."
    if below:
        reading += f" {count_of(below, 'score')} below {axis.low:.2f} lie on the floor."
    chart = Chart(partial(history_chart, report, axis), reading=reading)
    return Section("history", "History", _title(report), (chart,))


def _title(report: StudyReport) -> str:
    complete = [(record, score) for record, score in report.scored if record.value is not None]
    if not complete:
        return "How the search went"
    place = max(range(len(complete)), key=lambda index: (complete[index][1], -index))
    after = len(complete) - place - 1
    first = f"The best score came with trial {complete[place][0].number}"
    return (
        f"{first}; {count_of(after, 'later one')} brought none better" if after else f"{first}, the last one"
    )


def choices(report: StudyReport) -> Section | None:
    """All choices of many trials; none where fewer than two choices differ."""
    if choices_that_differ(report) < 2:
        return None
    reading = (
        "A line is one configuration: follow the colour of the best scores back to what they have in common."
    )
    others = len(report.scored) - MOST_BEST
    if others > MOST_OTHERS:
        reading += f" The best {MOST_BEST} are shown, and {MOST_OTHERS:,} of the other {others:,}."
    chart = Chart(partial(parallel_chart, report), reading=reading)
    return Section("choices", "Choices", "Every choice at once", (chart,))
