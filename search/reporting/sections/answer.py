"""The answer: the configuration to use, what it is worth, and how to use it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from search.reporting.charts.contenders import contenders_chart
from search.reporting.finalist_words import best_of, mean_words, prediction, row_words
from search.reporting.report import StudyReport
from search.reporting.section import (
    Block,
    Chart,
    Code,
    Column,
    Fold,
    Headline,
    Number,
    Section,
    Table,
    Words,
    sentences,
)
from search.reporting.words import as_toml, in_words, metric_label
from search.reporting.worth import Worth, winner
from search.words import class_name, configuration_text, positive_name, score_label
from studies.records.reports import SCORE_NAMES, Scores

MOST_RUNS_NAMED = 12
"""Runs of one configuration whose scores are listed."""


def answer(report: StudyReport) -> Section:
    """The best configuration, its scores beside those to beat, and the configuration as text to paste."""
    best = winner(report)
    if best is None:
        return Section("answer", "Answer", "No best configuration", tuple(_why_none(report)))
    title = f"Best configuration: {in_words(best.configuration)}"
    if report.undecided:
        title = f"One of {len(report.ranked):,} equal configurations: {in_words(best.configuration)}"
    mean = f", mean of {best.trainings} trainings" if best.trainings > 1 else ""
    label = f"{metric_label(report)} on the {best.row_set} rows{mean}"
    blocks: list[Block] = [
        Code(f"trial {best.trial}: {configuration_text(best.configuration)}"),
        Headline(Number(best.score), label),
        *sentences(tuple(_sentences(report, best))),
        Chart(partial(contenders_chart, report), table=_scores(report, best)),
        Fold(
            "Use this configuration again",
            (
                Words("Paste it into a study file: it will be the first trial."),
                Code(as_toml(best.configuration)),
            ),
        ),
    ]
    return Section("answer", "Answer", title, tuple(blocks))


def scores_columns(report: StudyReport, row_set: str) -> list[Column]:
    """The constant predictors that are to beat, a column each."""
    return [
        Column(f"always\n“{class_name(one.says, report.facts)}”", figures(one.scores(row_set)), optional=True)
        for one in report.baselines
    ]


def figures(scores: Scores | None) -> list[Number | None]:
    """Every score that is one number."""
    return [None if scores is None else Number(getattr(scores, name)) for name in SCORE_NAMES]


def _why_none(report: StudyReport) -> Iterator[Block]:
    if report.furthest is None:
        failed = "Every trial so far failed, for the causes below."
        yield Words(failed if report.failures else "No trial is complete yet.", "warning")
        return
    epochs, score, record = report.furthest
    wanted = record.configuration.epochs if record.configuration else epochs
    yield Words("No trial reached its last epoch.", "warning")
    yield Words(
        f"The best of those that came furthest is trial {record.number}: {metric_label(report)} {score:.3f} "
        f"on the validation rows after {epochs} of {wanted} epochs."
    )
    yield Code(configuration_text(record.configuration))


def _sentences(report: StudyReport, best: Worth) -> Iterator[str | None]:
    facts = report.facts
    positive = positive_name(facts, 24)
    if best.tested:
        yield (
            f"Of {facts.rows('test'):,} test rows, which played no part in the choice, "
            f"{facts.positives('test'):,} are {positive}. It finds {best.scores['recall']:.1%} of them "
            f"(recall). Of the rows that it predicts to be {positive}, {best.scores['precision']:.1%} are "
            "(precision)."
        )
    if best.interval is not None:
        yield row_words(best.interval) if best.finalist is None else mean_words(best.finalist)
    yield None if best.finalist is None else prediction(best.finalist, facts.rows("test"))
    yield _optimism(report, best)
    yield _repeats(report, best)
    if report.metric == "f1":
        baseline = facts.all_positive_f1(best.row_set)
        yield (
            f"A program that always predicts “{positive}” has F1 2p/(1+p) = {baseline:.3f} on the "
            f"{best.row_set} rows."
        )


def _optimism(report: StudyReport, best: Worth) -> str | None:
    """What the validation score is worth by which the search ranked it."""
    if report.undecided:
        return None
    if best.retrained is not None:
        luck = ": the best score of many is partly luck" if best.retrained < best.validation else ""
        first = report.best
        ahead = ""
        if first is not None and first.number != best.trial:
            ahead = f" Trial {first.number} had the highest score of the search, {report.score(first):.3f}."
        return (
            f"On the validation rows it scored {best.validation:.3f} in the search and {best.retrained:.3f} "
            f"retrained{luck}.{ahead}"
        )
    if len(report.complete) <= len(report.enqueued):  # nothing was sampled, so nothing was chosen among many
        return None
    if len(report.ranked) < 2:
        return f"Its score on the validation rows, {best.validation:.3f}, is the only one."
    return best_of(len(report.ranked), tested=best.tested)


def _repeats(report: StudyReport, best: Worth) -> str | None:
    runs = report.runs.get(best.trial, ())
    if len(runs) < 2:
        return None
    scores = ", ".join(f"{value:.3f}" for value in runs[:MOST_RUNS_NAMED])
    return f"Sampled {len(runs)} times, with different seeds: validation {scores}; ranked by their mean."


def _scores(report: StudyReport, best: Worth) -> Table:
    record = next(record for record in report.complete if record.number == best.trial)
    retrained = "\nretrained" if best.retrained is not None else ""
    worth: list[Number | None] = [
        Number(best.scores[name]) if name in best.scores else None for name in SCORE_NAMES
    ]
    columns = [Column("", [score_label(name, report.facts) for name in SCORE_NAMES])]
    if best.tested:
        columns.append(Column(f"test{retrained}", worth))
    columns.append(
        Column(
            "validation\nin search" if retrained else "validation",
            figures(record.scores_on("validation")),
        )
    )
    if report.finalists is not None:
        columns.append(Column("logistic\nregression", figures(report.finalists.logistic), optional=True))
    return Table([*columns, *scores_columns(report, best.row_set)])
