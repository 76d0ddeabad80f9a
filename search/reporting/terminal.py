"""Prints a report for a person, in 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import Console, RenderableType

from search.evaluation.baselines import Baseline
from search.output.tables import INDENT, Column, fitted_table, indented, inset, table_width
from search.output.terminal import Text
from search.reporting.finalist_words import best_of
from search.reporting.readings import opening_words, readings
from search.reporting.report import StudyReport
from search.reporting.terminal_finalists import finalist_sections
from search.reporting.terminal_importance import importance_parts
from search.words import (
    brief_label,
    class_name,
    configuration_text,
    count_of,
    decimals,
    of_limit,
    one_line,
    or_dash,
    positive_name,
    score_label,
    short,
)
from studies.data.facts import DataFacts
from studies.records.reports import ROW_SETS, SCORE_NAMES, Scores
from studies.records.trials import TrialRecord

LARGEST_CONFUSION = 6
"""Classes up to which a confusion matrix is printed."""

MOST_TRIALS_NAMED = 12
"""Numbers of failed trials that are listed for one cause."""


def render_report(report: StudyReport, console: Console) -> None:
    """Print a report: the best configuration, the tables, importance, failures, and where it is kept."""
    console.print()
    for number, section in enumerate(_sections(report, console)):
        if number:
            console.print()
        for part in section:
            console.print(part)
    # Not wrapped by us: a command that is cut into lines can't be copied.
    console.print(Text(f"\nKept in    {report.storage}"), soft_wrap=True)
    console.print(Text.assemble("Dashboard  ", (report.dashboard, "cyan")), soft_wrap=True)


def _sections(report: StudyReport, console: Console) -> Iterator[list[RenderableType]]:
    yield _headline(report)
    if report.best is not None:
        yield _best_scores(report, report.best, console.width)
        yield from finalist_sections(report, console.width)
        if report.enqueued:
            yield from _enqueued(report, console.width)
        if sentences := readings(report):
            yield [Text("What these scores say", style="bold"), *map(indented, sentences)]
        yield _best_table(report, console.width)
        if _frameworks_differ_from_enqueued(report):
            yield _frameworks(report, console.width)
        yield importance_parts(report.importance, brief_label(report.metric), console)
    if report.failures:
        yield _failures(report)


def _frameworks_differ_from_enqueued(report: StudyReport) -> bool:
    """Whether there are frameworks to compare that the table of enqueued trials doesn't compare already."""
    best = report.best_by_framework.values()
    return len(best) > 1 and not all(record.enqueued for record in best)


def _headline(report: StudyReport) -> list[RenderableType]:
    lines: list[RenderableType] = [Text(f"{report.name}: {_count_text(report)}", style="bold")]
    lines += [indented(words, "bold") for words in report.caveats]
    facts = report.facts
    rows = ", ".join(f"{facts.rows(name):,} {name}" for name in ROW_SETS)
    share = f"{facts.positives('train') / facts.rows('train'):.1%} {positive_name(facts)}"
    lines.append(indented(f"Rows: {rows}; {share}; {facts.features} features"))
    lines += [indented(note) for note in facts.notes]
    lines += [indented(f"The study file has changed since: {text}.", "bold") for text in report.differences]
    if report.stopped_early:
        reached = ", ".join(f"{count} after {epochs}" for epochs, count in report.stopped_early.items())
        lines.append(indented(f"Trials stopped early, by the epochs that they were given: {reached}"))
    lines.append(_ending(report))
    lines += [indented(words) for words in opening_words(report)]
    if report.best is None:
        lines.append(indented(_why_none(report), "bold"))
    if report.furthest is not None:
        epochs, score, record = report.furthest
        lines.append(
            indented(
                f"The best of those that came furthest: trial {record.number}, "
                f"{_score_label(report.metric, report)} {score:.3f} on the validation rows after {epochs} of "
                f"{record.configuration.epochs if record.configuration else epochs} epochs."
            )
        )
        lines.append(indented(configuration_text(record.configuration), "bold green"))
    return lines


def _ending(report: StudyReport) -> RenderableType:
    left = f"{count_of(report.running, 'trial')} without an end"
    if not report.ended:
        return indented(f"Still running, or killed: {left}.", "bold")
    return indented(f"Ended: {report.ended}.{f' {left}: launch again.' if report.running else ''}")


def _count_text(report: StudyReport) -> str:
    failed = sum(len(group.trials) for group in report.failures)
    pruned = sum(report.stopped_early.values())
    text = of_limit(len(report.complete) + pruned + failed, report.limit)
    text += f", {pruned} stopped early" if pruned else ""
    return f"{text}, {failed} failed" if failed else text


def _why_none(report: StudyReport) -> str:
    if report.furthest is not None:
        return "No best configuration: no trial came to its last epoch."
    if report.failures:
        return "No best configuration: every trial so far failed, for the causes below."
    return "No best configuration: no trial is complete yet."


def _best_scores(report: StudyReport, best: TrialRecord, width: int) -> list[RenderableType]:
    row_set, judged = report.judged(best)
    test, validation = report.test_scores(best), best.scores_on("validation")
    shown = [report.metric, *(name for name in ("f1", "f1_weighted", "precision", "recall"))]
    names = list(dict.fromkeys(shown))
    columns = [
        Column("", [_score_label(name, report) for name in names], right=False),
        *([Column("test", [_figure(test, name) for name in names])] if test else []),
        Column("validation", [_figure(validation, name) for name in names]),
        *(_baseline(baseline, row_set, names, report.facts) for baseline in report.baselines),
    ]
    parts: list[RenderableType] = [
        Text.assemble((_best_title(report), "bold"), f"  trial {best.number}"),
        indented(configuration_text(best.configuration), "bold green"),
        *_repeats(report, best),
        *_surpassed(report, best),
        Text(),
        inset(fitted_table(columns, width, strong_row=0)),
    ]
    if judged is not None:
        parts += _confusion(judged, row_set, report, width)
    return [*parts, Text(), *_cautions(report, row_set)]


def _baseline(
    baseline: Baseline, row_set: str, names: Iterable[str], facts: DataFacts, *, optional: bool = False
) -> Column:
    heading = f'always\n"{class_name(baseline.says, facts)}"'
    return Column(heading, [_figure(baseline.scores(row_set), name) for name in names], optional=optional)


def _best_title(report: StudyReport) -> str:
    return f"One of {len(report.ranked)} equal configurations" if report.undecided else "Best configuration"


def _repeats(report: StudyReport, best: TrialRecord) -> list[RenderableType]:
    runs = report.runs[best.number]
    if len(runs) == 1:
        return []
    found = ", ".join(f"{value:.3f}" for value in runs[:MOST_TRIALS_NAMED])
    return [indented(f"Drawn {len(runs)} times, with other seeds: validation {found}; ranked by their mean.")]


def _surpassed(report: StudyReport, best: TrialRecord) -> list[RenderableType]:
    """That another one is better once both are retrained, where it is so."""
    found = report.finalists
    if found is None or not found.finalists or found.finalists[0].trial == best.number:
        return []
    better = found.finalists[0].trial
    return [indented(f"Retrained with other seeds, trial {better} does better: see the finalists below.")]


def _cautions(report: StudyReport, row_set: str) -> list[RenderableType]:
    says = positive_name(report.facts)
    baseline = report.facts.all_positive_f1(row_set)
    lines: list[RenderableType] = []
    if len(report.complete) > len(report.enqueued) and not report.undecided:
        lines.append(indented(best_of(len(report.ranked), tested=row_set == "test")))
    lines.append(
        indented(
            f'A program that always says "{says}" has F1 2p/(1+p) = {baseline:.3f} on the {row_set} rows.'
        )
    )
    return lines


def _confusion(scores: Scores, row_set: str, report: StudyReport, width: int) -> list[RenderableType]:
    classes = [short(name, 12, report.facts.classes) for name in report.facts.classes]
    if len(classes) > LARGEST_CONFUSION:
        return []
    columns = [
        Column(f"{row_set} rows", [f"are {name}" for name in classes], right=False),
        *(
            Column(f"said {name}", [f"{row[index]:,}" for row in scores.confusion])
            for index, name in enumerate(classes)
        ),
    ]
    if table_width(columns, 1) > width - INDENT:
        return []
    return [Text(), inset(fitted_table(columns, width))]


def _enqueued(report: StudyReport, width: int) -> Iterator[list[RenderableType]]:
    """The trials that the study file names, under every score, as many beside each other as fit."""
    label = max(cell_len(_score_label(name, report)) for name in SCORE_NAMES)
    tested = any(report.test_scores(record) for record in report.enqueued)
    beside = max(1, (width - INDENT - label) // (20 if tested else 12))
    for start in range(0, len(report.enqueued), beside):
        group = report.enqueued[start : start + beside]
        title = "Enqueued configurations under every score" if not start else "Enqueued configurations, more"
        columns = [Column("", [_score_label(name, report) for name in SCORE_NAMES], right=False)]
        for record in group:
            test, validation = report.test_scores(record), record.scores_on("validation")
            trial = f"trial {record.number}"
            if tested:
                columns.append(Column(f"{trial}\ntest", [_figure(test, name) for name in SCORE_NAMES]))
            heading = f"{'' if tested else trial}\nvalidation"
            columns.append(Column(heading, [_figure(validation, name) for name in SCORE_NAMES]))
        row_set = "test" if tested else "validation"
        columns += [
            _baseline(baseline, row_set, SCORE_NAMES, report.facts, optional=True)
            for baseline in report.baselines
        ]
        yield [Text(title, style="bold"), *_named(group), Text(), inset(fitted_table(columns, width))]


def _best_table(report: StudyReport, width: int) -> list[RenderableType]:
    rows = report.ranked[: report.table_size]
    found = [record.configuration for record in rows if record.configuration is not None]
    columns = [
        Column("trial", [str(record.number) for record in rows]),
        Column("score", [f"{report.score(record):.3f}" for record in rows]),
        *_run_counts(report, rows),
        Column("framework", [c.framework for c in found], right=False),
        Column("optimizer", [c.optimizer or "-" for c in found], right=False),
        Column("lr", [or_dash(c.learning_rate, ".3g") for c in found]),
        Column("batch", [or_dash(c.batch_size, "d") for c in found]),
        Column("initialisation", [c.initialisation or "-" for c in found], right=False, optional=True),
        Column("epochs", [str(c.epochs) for c in found], optional=True),
        Column("sec", [or_dash(record.seconds, ".1f") for record in rows], optional=True),
        *(
            Column(heading, [or_dash(getattr(c, name)) for c in found], optional=True)
            for name, heading in _SELDOM.items()
            if len({getattr(c, name) for c in found} - {None}) > 1
        ),
    ]
    many = "The only complete configuration"
    if len(rows) > 1:
        many = f"The best {len(rows)} of {len(report.ranked)} configurations"
    title = Text.assemble(
        (many, "bold"), f"  by {_score_label(report.metric, report)} on the validation rows"
    )
    return [title, inset(fitted_table(columns, width, strong_row=0))]


def _run_counts(report: StudyReport, rows: Iterable[TrialRecord]) -> list[Column]:
    """A column of how often each configuration ran, where any ran twice."""
    counts = [len(report.runs[record.number]) for record in rows]
    return [Column("runs", [str(n) for n in counts], optional=True)] if max(counts) > 1 else []


def _frameworks(report: StudyReport, width: int) -> list[RenderableType]:
    best = report.best_by_framework
    records = list(best.values())
    complete = [
        sum(r.configuration is not None and r.configuration.framework == name for r in report.complete)
        for name in best
    ]
    tests = [report.test_scores(record) for record in records]
    row_set = "test" if any(tests) else "validation"
    shown = tests if any(tests) else [record.scores_on("validation") for record in records]
    names = list(dict.fromkeys([report.metric, "f1", "f1_weighted", "precision", "recall"]))
    columns = [
        Column("best of", list(best), right=False),
        Column("complete", [str(count) for count in complete], optional=True),
        Column("trial", [str(record.number) for record in records]),
        Column(
            f"validation\n{brief_label(report.metric)}", [f"{report.score(record):.3f}" for record in records]
        ),
        *(
            Column(f"{row_set}\n{brief_label(name)}", [_figure(scores, name) for scores in shown])
            for name in names
            if row_set == "test" or name != report.metric
        ),
    ]
    table = inset(fitted_table(columns, width, strong_row=0))
    return [Text("Framework against framework", style="bold"), table, *_named(records)]


def _failures(report: StudyReport) -> list[RenderableType]:
    parts: list[RenderableType] = [Text("Failures", style="bold")]
    for group in report.failures:
        named = ", ".join(str(number) for number in group.trials[:MOST_TRIALS_NAMED])
        more = (
            f" and {len(group.trials) - MOST_TRIALS_NAMED} more"
            if len(group.trials) > MOST_TRIALS_NAMED
            else ""
        )
        noun = "trial" if len(group.trials) == 1 else "trials"
        text = Text.assemble((f"{group.cause} ", "red"), f"{len(group.trials)}: {noun} {named}{more}")
        parts += [indented(text), inset(Text(one_line(group.message)), 2)]
    return parts


_SELDOM = {
    "biases": "biases",
    "shuffle": "shuffle",
    "drop_last_batch": "drops last",
    "loss_scale": "loss scale",
}
"""Choices that get a column in the table of the best where they differ."""


def _named(records: Iterable[TrialRecord]) -> list[RenderableType]:
    return [indented(f"trial {r.number}: {configuration_text(r.configuration)}") for r in records]


def _score_label(name: str, report: StudyReport) -> str:
    return score_label(name, report.facts)


def _figure(scores: Scores | None, name: str) -> str:
    return "-" if scores is None else decimals(getattr(scores, name))
