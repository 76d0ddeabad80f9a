"""The finalists: the best configurations, retrained with new seeds, and which differ significantly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from search.reporting.charts.finalists import interval_chart, precision_recall_chart
from search.reporting.finalist_words import finalist_sentences, over_logistic, thresholds
from search.reporting.readings import finalists_due
from search.reporting.report import StudyReport
from search.reporting.section import (
    Between,
    Block,
    Cell,
    Chart,
    Column,
    Heading,
    Marked,
    Number,
    Points,
    Section,
    Table,
    Words,
)
from search.reporting.sections.answer import figures, scores_columns
from search.words import (
    VERDICTS,
    brief_label,
    configuration_text,
    count_of,
    p_text,
    positive_name,
    score_label,
    short,
)
from studies.records.finalists import Finalist, Finalists
from studies.records.reports import SCORE_NAMES


def finalists(report: StudyReport) -> Section | None:
    """The finalists, all their scores and their thresholds; or how far their trainings are."""
    found, due = report.finalists, finalists_due(report)
    unfinished = [] if due is None else [Words(due, "warning")]
    if found is None or not found.finalists:
        return Section("finalists", "Finalists", "Finalists", unfinished) if unfinished else None
    seeds = max(len(one.seeds) for one in found.finalists)
    positive = positive_name(report.facts, 24)
    chart = Chart(
        partial(interval_chart, report, found),
        reading="Bands are 95% intervals of the means, over seeds and test rows. Hollow: the validation "
        "score in the search.",
    )
    blocks: list[Block] = [
        chart,
        _compared(found),
        *unfinished,
        Points(tuple(finalist_sentences(found, _alike(report, found)))),
        Heading("Scores on the test rows", "means over the new seeds"),
        _all_scores(report, found),
        Heading("The threshold", "on the test rows, as trained and tuned on the validation rows"),
        Chart(
            partial(precision_recall_chart, found),
            "Precision against recall on the test rows",
            f"By the threshold above which a row is predicted to be {positive}. Filled: as trained; hollow: "
            "tuned on the validation rows.",
        ),
        _thresholds(found),
    ]
    note = f"{score_label(found.metric, report.facts)}, retrained with {count_of(seeds, 'new seed')}"
    return Section("finalists", "Finalists", _title(found), tuple(blocks), note)


def _title(found: Finalists) -> str:
    others, apart = len(found.finalists) - 1, len(found.finalists) - len(found.tied)
    if not others:
        return "Finalists: one, retrained"
    differ = "differs" if apart == 1 else "differ"
    return f"Finalists: {apart} of {count_of(others, 'other')} {differ} significantly from the best"


def _alike(report: StudyReport, found: Finalists) -> int:
    """How many configurations share the highest validation score of the search."""
    highest = found.winner.found
    ranked = sum(report.score(record) == highest for record in report.ranked)
    return max(ranked, sum(one.found == highest for one in found.finalists))


def _compared(found: Finalists) -> Table:
    """Each finalist's mean with its interval, best first."""
    ones = found.finalists
    columns = [
        Column("trial", [Number(one.trial, "d") for one in ones]),
        Column("test", [Number(one.test_mean) for one in ones]),
        Column("95%", [Between(one.interval.low, one.interval.high) for one in ones]),
        Column("against the best", [Marked(VERDICTS[one.verdict], one.verdict) for one in ones]),
        Column("p", [p_text(one.p_value) for one in ones]),
        Column("validation", [Number(one.validation_mean) for one in ones]),
        Column("validation\nin search", [Number(one.found) for one in ones], optional=True),
        Column("difference\nfrom best", [_difference(one) for one in ones], optional=True),
        Column("seconds", [Number(one.train_seconds, ".1f") for one in ones], optional=True),
        Column("configuration", [configuration_text(one.configuration) for one in ones], beneath=True),
    ]
    return Table(columns, strong=0, notes=tuple(_failed(found)))


def _difference(one: Finalist) -> Cell:
    return None if one.difference is None else Between(one.difference.low, one.difference.high, "+.3f")


def _failed(found: Finalists) -> Iterator[str]:
    for one in found.finalists:
        if one.failed:
            causes = ", ".join(dict.fromkeys(one.failed))
            yield f"trial {one.trial}: {count_of(len(one.failed), 'training')} failed: {causes}"
    for trial, failures in found.failed.items():
        yield f"trial {trial}: every new training failed: {', '.join(dict.fromkeys(failures))}"


def _all_scores(report: StudyReport, found: Finalists) -> Table:
    """Every score, beside those of the logistic regression and of constant predictors."""
    cells = _cells(report)
    labels = [*(score_label(name, report.facts) for name in SCORE_NAMES), *(label for label, _, _ in cells)]
    columns = [Column("", labels)]
    for one in found.finalists:
        counts = [Number(one.confusion[i][j] / len(one.seeds), ",.1f") for _, i, j in cells]
        columns.append(Column(f"trial\n{one.trial}", [*_figures(one.scores), *counts]))
    logistic = Column("logistic\nregression", figures(found.logistic), optional=True)
    constant = zip(scores_columns(report, "test"), [one.test for one in report.baselines], strict=True)
    for column, scores in ((logistic, found.logistic), *constant):
        columns.append(
            Column(
                column.heading, [*column.cells, *(scores.confusion[i][j] for _, i, j in cells)], optional=True
            )
        )
    beaten = over_logistic(found)
    return Table(columns, notes=() if beaten is None else (beaten,))


def _cells(report: StudyReport) -> list[tuple[str, int, int]]:
    """The cells of the confusion matrix, where there are few enough to be rows of a table."""
    classes = report.facts.classes
    if len(classes) > 2:
        return []
    names = [short(name, among=classes) for name in classes]
    return [
        (f"{true} predicted {predicted}", i, j)
        for i, true in enumerate(names)
        for j, predicted in enumerate(names)
    ]


def _figures(scores: Mapping[str, float]) -> list[Number | None]:
    return [Number(scores[name]) if name in scores else None for name in SCORE_NAMES]


def _thresholds(found: Finalists) -> Table:
    ones = found.finalists
    columns = [Column("trial", [Number(one.trial, "d") for one in ones])]
    for how, scores in (
        ("as trained", [one.scores for one in ones]),
        ("tuned", [one.tuned.scores for one in ones]),
    ):
        for name in dict.fromkeys((found.metric, "f1", "precision", "recall")):
            cells = [Number(each[name]) if name in each else None for each in scores]
            columns.append(Column(f"{how}\n{brief_label(name)}", cells))
    tuned = [Between(min(one.tuned.thresholds), max(one.tuned.thresholds), ".2f") for one in ones]
    columns.append(Column("tuned\nthresholds", tuned))
    advice = thresholds(ones[0])
    return Table(columns, notes=() if advice is None else (advice,))
