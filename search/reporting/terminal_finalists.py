"""Prints the finalists: what the best configurations are worth, and which differ significantly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType

from search.output.tables import Column, fitted_table, indented, inset
from search.output.terminal import Text
from search.reporting.finalist_words import (
    between,
    finalist_sentences,
    over_logistic,
    p_text,
    signed,
    thresholds,
)
from search.reporting.readings import finalists_due
from search.reporting.report import StudyReport
from search.words import (
    VERDICTS,
    brief_label,
    class_name,
    configuration_text,
    count_of,
    decimals,
    from_to,
    score_label,
    short,
)
from studies.records.finalists import Finalist, Finalists
from studies.records.reports import SCORE_NAMES


def finalist_sections(report: StudyReport, width: int) -> Iterator[list[RenderableType]]:
    """The finalists, their scores and their thresholds; or how far their trainings are."""
    found = report.finalists
    if found is not None and found.finalists:
        yield [*_worth(report, found, width), Text(), *_sentences(report, found)]
        yield _all_scores(report, found, width)
        yield _thresholds(found, width)
    elif lines := _unfinished(report):
        yield [Text("Finalists", style="bold"), *lines]


def _worth(report: StudyReport, found: Finalists, width: int) -> list[RenderableType]:
    """Each finalist's mean with its interval, best first."""
    ones = found.finalists
    columns = [
        Column("trial", [str(one.trial) for one in ones]),
        Column("when\nfound", [f"{one.found:.3f}" for one in ones], optional=True),
        Column("new seeds,\nvalidation", [f"{one.validation_mean:.3f}" for one in ones]),
        Column("new seeds,\ntest", [f"{one.test_mean:.3f}" for one in ones]),
        Column("95%", [between(one.interval) for one in ones]),
        Column("against the best", [VERDICTS[one.verdict] for one in ones], right=False),
        Column("p", [p_text(one.p_value) for one in ones]),
        Column("less the best's", [_difference(one) for one in ones], optional=True),
        Column("sec", [f"{one.train_seconds:.1f}" for one in ones], optional=True),
    ]
    seeds = max(len(one.seeds) for one in ones)
    title = Text.assemble(
        ("Finalists", "bold"),
        f"  {score_label(found.metric, report.facts)}, {count_of(seeds, 'new seed')} each",
    )
    named = [indented(f"trial {one.trial}: {configuration_text(one.configuration)}") for one in ones]
    return [title, inset(fitted_table(columns, width, strong_row=0)), *named, *_failed(report, found)]


def _failed(report: StudyReport, found: Finalists) -> Iterator[RenderableType]:
    for one in found.finalists:
        if one.failed:
            causes = ", ".join(dict.fromkeys(one.failed))
            yield indented(f"trial {one.trial}: {count_of(len(one.failed), 'training')} failed: {causes}")
    for trial, failures in found.failed.items():
        yield indented(f"trial {trial}: every new training failed: {', '.join(dict.fromkeys(failures))}")
    yield from _unfinished(report)


def _sentences(report: StudyReport, found: Finalists) -> Iterator[RenderableType]:
    yield from map(indented, finalist_sentences(found, report.facts.rows("test")))


def _all_scores(report: StudyReport, found: Finalists, width: int) -> list[RenderableType]:
    """Every score on the test rows, beside those of the baselines."""
    names = [found.metric, *(name for name in SCORE_NAMES if name != found.metric)]
    baselines = [(f'always\n"{class_name(one.says, report.facts)}"', one.test) for one in report.baselines]
    cells = _cells(report)
    labels = [*(score_label(name, report.facts) for name in names), *(label for label, _, _ in cells)]
    columns = [Column("", labels, right=False)]
    for one in found.finalists:
        counts = [f"{one.confusion[i][j] / len(one.seeds):.1f}" for _, i, j in cells]
        figures = [decimals(one.scores[name]) for name in names]
        columns.append(Column(f"trial\n{one.trial}", [*figures, *counts]))
    for heading, scores in [("logistic\nregression", found.logistic), *baselines]:
        counts = [str(scores.confusion[i][j]) for _, i, j in cells]
        figures = [decimals(getattr(scores, name)) for name in names]
        columns.append(Column(heading, [*figures, *counts], optional=True))
    title = Text.assemble(("Scores on the test rows", "bold"), "  means over the new seeds")
    beaten = over_logistic(found)
    sentences = [] if beaten is None else [indented(beaten)]
    return [title, inset(fitted_table(columns, width, strong_row=0)), *sentences]


def _cells(report: StudyReport) -> list[tuple[str, int, int]]:
    """The cells of the confusion matrix, where there are few enough to be rows of a table."""
    classes = report.facts.classes
    if len(classes) > 2:
        return []
    return [
        (f"{short(true, among=classes)} said {short(said, among=classes)}", i, j)
        for i, true in enumerate(classes)
        for j, said in enumerate(classes)
    ]


def _thresholds(found: Finalists, width: int) -> list[RenderableType]:
    ones = found.finalists
    names = ("f1", "precision", "recall")
    columns = [
        Column("trial", [str(one.trial) for one in ones]),
        *(_scores_column("as trained", name, [one.scores for one in ones]) for name in names),
        *(_scores_column("tuned", name, [one.tuned.scores for one in ones]) for name in names),
        Column("tuned\nthresholds", [from_to(one.tuned.thresholds, 2) for one in ones]),
    ]
    title = Text.assemble(
        ("The threshold", "bold"), "  on the test rows, as trained and tuned on the validation rows"
    )
    advice = thresholds(found.finalists[0])
    sentences = [] if advice is None else [indented(advice)]
    return [title, inset(fitted_table(columns, width)), *sentences]


def _scores_column(how: str, name: str, scores: Sequence[Mapping[str, float]]) -> Column:
    return Column(f"{how}\n{brief_label(name)}", [decimals(one[name]) for one in scores])


def _unfinished(report: StudyReport) -> list[RenderableType]:
    words = finalists_due(report)
    return [] if words is None else [indented(words, "bold")]


def _difference(one: Finalist) -> str:
    return "-" if one.difference is None else signed(one.difference)
