"""The report as Markdown, for an issue, a wiki or a model card."""

from __future__ import annotations

from collections.abc import Iterator

from search.evaluation.row_noise import row_interval
from search.importance.importance import ImportanceGroup
from search.importance.sentences import beneath, chance_mark, sentence
from search.output.markdown_text import code, plain, table
from search.reporting.finalist_words import (
    at_worst,
    best_of,
    finalist_sentences,
    over_logistic,
    p_text,
    row_words,
    signed,
    thresholds,
)
from search.reporting.readings import opening_words, readings
from search.reporting.report import StudyReport
from search.words import (
    VERDICTS,
    brief_label,
    class_name,
    configuration_text,
    count_of,
    decimals,
    of_limit,
    one_line,
    or_dash,
    score_label,
)
from studies.records.reports import ROW_SETS, SCORE_NAMES
from studies.records.trials import TrialRecord


def markdown_of(report: StudyReport) -> str:
    """What the terminal says, in sections and tables of GitHub's Markdown."""
    blocks = [f"# {plain(report.name)}", *_state(report)]
    if report.best is not None:
        blocks += _best(report, report.best)
        blocks += [plain(words) for words in readings(report)]
        blocks += _finalists(report)
        blocks += _ranking(report)
        blocks += _importance(report)
    blocks += _failures(report)
    blocks.append(f"Kept in {code(report.storage)}. Dashboard: {code(report.dashboard)}.")
    return "\n\n".join(blocks)


def _state(report: StudyReport) -> Iterator[str]:
    ended = sum(record.state != "running" for record in report.records)
    facts = report.facts
    rows = ", ".join(f"{facts.rows(name):,} {name}" for name in ROW_SETS)
    share = facts.positives("train") / facts.rows("train")
    yield from (f"**{plain(words)}**" for words in report.caveats)
    yield (
        f"{of_limit(ended, report.limit)}. Rows: {rows}; {share:.1%} {plain(facts.positive)}; "
        f"{facts.features:,} features."
    )
    notes = [*facts.notes, *(f"The study file has changed since: {text}." for text in report.differences)]
    if notes:
        yield "\n".join(f"- {plain(note)}" for note in notes)
    left = f"{count_of(report.running, 'trial')} without an end"
    yield f"Ended: {plain(report.ended)}." if report.ended else f"**Still running, or killed: {left}.**"
    yield " ".join(plain(words) for words in opening_words(report))


def _best(report: StudyReport, best: TrialRecord) -> Iterator[str]:
    equal = f"One of {len(report.ranked)} equal configurations"
    yield f"## {equal if report.undecided else 'Best configuration'}: trial {best.number}"
    yield f"`{configuration_text(best.configuration)}`"
    test, (row_set, _) = report.test_scores(best), report.judged(best)
    labels = [plain(score_label(name, report.facts)) for name in SCORE_NAMES]
    columns = [("", labels)]
    for title, scores in (("test", test), ("validation", best.scores_on("validation"))):
        if title == "test" and scores is None:
            continue
        cells = ["–" if scores is None else decimals(getattr(scores, name)) for name in SCORE_NAMES]
        columns.append((title, cells))
    for baseline in report.baselines:
        title = f"always “{plain(class_name(baseline.says, report.facts))}”, {row_set}"
        scores = baseline.scores(row_set)
        columns.append((title, [decimals(getattr(scores, name)) for name in SCORE_NAMES]))
    yield table(columns)
    interval = row_interval(test.confusion, report.metric, report.facts.positive_index) if test else None
    if interval is not None:
        yield f"Test {brief_label(report.metric)}: {row_words(interval)}"
    yield best_of(len(report.ranked), tested=bool(test))


def _finalists(report: StudyReport) -> Iterator[str]:
    found = report.finalists
    if found is None or not found.finalists:
        return
    ones = found.finalists
    label = brief_label(found.metric)
    yield f"## Finalists, retrained with {count_of(max(len(one.seeds) for one in ones), 'new seed')}"
    yield table(
        [
            ("trial", [str(one.trial) for one in ones]),
            (f"test {label}", [f"{one.test_mean:.3f}" for one in ones]),
            ("95%", [f"{one.interval.low:.3f} to {one.interval.high:.3f}" for one in ones]),
            (
                "against the best",
                [", ".join(filter(None, (VERDICTS[one.verdict], at_worst(one)))) for one in ones],
            ),
            ("less the best's", ["–" if one.difference is None else signed(one.difference) for one in ones]),
            ("p", [p_text(one.p_value) for one in ones]),
            ("when found", [f"{one.found:.3f}" for one in ones]),
            ("validation, new seeds", [f"{one.validation_mean:.3f}" for one in ones]),
            ("precision", [decimals(one.scores["precision"]) for one in ones]),
            ("recall", [decimals(one.scores["recall"]) for one in ones]),
            ("configuration", [f"`{configuration_text(one.configuration)}`" for one in ones]),
        ]
    )
    sentences = [
        *finalist_sentences(found, report.facts.rows("test")),
        over_logistic(found),
        thresholds(ones[0]),
    ]
    yield "\n".join(f"- {words}" for words in sentences if words is not None)


def _ranking(report: StudyReport) -> Iterator[str]:
    rows = report.ranked[: report.table_size]
    found = [record.configuration for record in rows if record.configuration is not None]
    yield f"## The best {len(rows)} of {len(report.ranked):,}"
    yield table(
        [
            ("trial", [str(record.number) for record in rows]),
            (f"validation {brief_label(report.metric)}", [f"{report.score(record):.3f}" for record in rows]),
            ("framework", [each.framework for each in found]),
            ("optimizer", [each.optimizer or "-" for each in found]),
            ("learning rate", [or_dash(each.learning_rate, ".3g") for each in found]),
            ("batch", [or_dash(each.batch_size) for each in found]),
            ("initialisation", [each.initialisation or "-" for each in found]),
            ("epochs", [str(each.epochs) for each in found]),
            ("seconds", [or_dash(record.seconds, ".1f") for record in rows]),
        ]
    )


def _importance(report: StudyReport) -> Iterator[str]:
    found = report.importance
    yield "## What mattered"
    groups = [group for group in (found.overall, *found.frameworks) if group.shares]
    if not groups:
        yield f"No importance: {found.overall.reason}."
    for group in groups:
        yield f"{_group_name(group)}, {count_of(group.trials, 'trial')}:"
        yield table(_shares(group))
        yield "\n".join(f"- {plain(words)}" for words in beneath(group))
    if mark := chance_mark(groups):
        yield mark
    if found.regions:
        yield "\n".join(
            f"- {plain(sentence(region, brief_label(report.metric)))}" for region in found.regions
        )


def _group_name(group: ImportanceGroup) -> str:
    return f"Within {group.framework}" if group.framework else "Over all trials"


def _shares(group: ImportanceGroup) -> list[tuple[str, list[str]]]:
    effects = {effect.axes[0]: effect for effect in group.variance.effects}
    columns = [
        ("choice", [share.axis for share in group.shares]),
        (
            "sets the best apart (PED-ANOVA)",
            [
                f"{s.share:.0%}{'?' if s.by_chance else ''} ({s.low:.0%} to {s.high:.0%})"
                for s in group.shares
            ],
        ),
    ]
    if effects:
        shown = [effects.get(share.axis) for share in group.shares]
        columns.append(
            (
                "changes the score (fANOVA)",
                ["–" if e is None else f"{e.share:.0%} ({e.low:.0%} to {e.high:.0%})" for e in shown],
            )
        )
    return columns


def _failures(report: StudyReport) -> Iterator[str]:
    if not report.failures:
        return
    yield "## Failures"
    yield table(
        [
            ("cause", [group.cause for group in report.failures]),
            ("trials", [str(len(group.trials)) for group in report.failures]),
            ("what the first said", [plain(one_line(group.message)) for group in report.failures]),
        ]
    )
