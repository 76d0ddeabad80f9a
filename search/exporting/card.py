"""The model card of an exported model: what it is, what it is worth, and how to use it, in Markdown.

After M. Mitchell and others, "Model Cards for Model Reporting", FAT* 2019, as far as a study knows. Which
of the report's sections a card has is in :data:`search.reporting.contents.SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from search.exporting.example_code import requirements, usage
from search.exporting.model_folder import ExportedModel
from search.reporting.contents import sections_of
from search.reporting.finalist_words import best_of, mean_words, prediction, thresholds
from search.reporting.markdown import markdown
from search.reporting.readings import opening_words
from search.reporting.report import StudyReport
from search.reporting.section import Block, Code, Column, Pairs, Points, Section, Table, Words, sentences
from search.reporting.sections.answer import figures, scores_columns
from search.reporting.sections.frameworks import confusion_table
from search.words import count_of, score_label
from studies.records.finalists import Finalist
from studies.records.reports import SCORE_NAMES
from studies.records.trials import TrialRecord
from workers.trainers import saved_model_of
from workers.training.network import parameters

CARD = "README.md"

MOST_COLUMNS = 8
"""Columns of the rows that are named."""


def model_card(report: StudyReport, record: TrialRecord, model: ExportedModel, notes: Sequence[str]) -> str:
    """The card.

    Args:
        report: of the study.
        record: the exported trial, as the report has it.
        model: what is exported.
        notes: what a person should know of how the weights came to be.
    """
    if _finalist_of(report, record) is None:  # the finalists say nothing of this model
        report = replace(report, finalists=None, finalists_due=None)
    sections = (
        _what(report, record, model),
        _worth(report, record),
        *sections_of(report, "card"),
        _features(model),
        _use(model),
        _limits(report, model, notes),
        _origin(report, model),
    )
    return markdown(sections) + "\n"


def _network(model: ExportedModel) -> str:
    """``A multilayer perceptron (300 → 600 → 2, …)``."""
    if not model.framework.perceptron:
        numbers = sum(array.size for array in model.weights)
        return f"A model of {model.framework.title} ({count_of(numbers, 'number')})"
    sizes = " → ".join(str(size) for size in model.layers)
    return (
        f"A multilayer perceptron ({sizes}, {model.activation} hidden layers, softmax output, "
        f"{parameters(model.layers):,} parameters)"
    )


def _what(report: StudyReport, record: TrialRecord, model: ExportedModel) -> Section:
    taken = "a text" if model.step.takes_texts else f"{model.layers[0]} numbers"
    named = " or ".join(model.classes)
    what = (
        f"{_network(model)} that predicts of {taken} whether it is {named}. The positive class is "
        f"{report.facts.positive}."
    )
    blocks = (Words(what), Points(tuple(_choices(report, record, model))))
    return Section("what", "", f"{report.name}: {named}", blocks)


def _choices(report: StudyReport, record: TrialRecord, model: ExportedModel) -> Iterator[str]:
    yield f"Trained with: {model.configuration.describe()}, seed {model.origin.seed}"
    numbers = [ranked.number for ranked in report.ranked]
    rank = "a repeat of a configuration with another seed, ranked with it,"
    if record.number in numbers:
        place = numbers.index(record.number) + 1
        rank = (
            f"{'the best' if place == 1 else f'number {place}'} of {count_of(len(numbers), 'configuration')}"
        )
    trial = f"trial {record.number} of study {report.name}"
    yield f"Chosen as: {trial}, {rank} by {report.metric} on the validation rows"
    decision = "the most probable class is predicted"
    if model.threshold is not None:
        decision = f"{report.facts.positive} is predicted where its probability is above {model.threshold:g}"
    yield f"Decision: {decision}"
    if model.tuned is not None:
        yield (
            f"Tuned on the validation rows, the threshold is {model.tuned:.4g}, which is "
            f"{_tuned_advice(_finalist_of(report, record))}: search predict --threshold {model.tuned:.4g}, "
            "or threshold_tuned in model.json"
        )


def _tuned_advice(one: Finalist | None) -> str:
    if one is None or one.tuned.difference is None:
        return "not tested on the test rows"
    return "recommended" if one.tuned.recommended else "not recommended (see below)"


def _worth(report: StudyReport, record: TrialRecord) -> Section:
    test = report.test_scores(record)
    columns = [Column("", [score_label(name, report.facts) for name in SCORE_NAMES])]
    if test is not None:
        columns.append(Column("test", figures(test)))
    columns.append(Column("validation", figures(record.scores_on("validation"))))
    if test is not None:
        columns += scores_columns(report, "test")
    blocks: list[Block] = [Table(columns)]
    if test is None and report.openings:
        blocks.append(Words("The test rows were not opened for this trial."))
    blocks.append(Words(_chosen_by(report, record, tested=test is not None)))
    if test is not None:
        blocks.append(confusion_table(report, test.confusion, "On the test rows"))
    blocks += sentences(tuple(_over_seeds(report, record)))
    blocks.append(Words(" ".join(opening_words(report))))
    return Section("worth", "", "What it is worth", tuple(blocks))


def _chosen_by(report: StudyReport, record: TrialRecord, *, tested: bool) -> str:
    """What the validation score is worth as an estimate; any trial can be exported."""
    if record is report.best:
        return best_of(len(report.ranked), tested=tested)
    test = "; the test score is not" if tested else ""
    return (
        f"The search chose among {len(report.ranked):,} configurations by the validation score, which is "
        f"optimistic for whichever it chose{test}."
    )


def _over_seeds(report: StudyReport, record: TrialRecord) -> Iterator[str | None]:
    """What the configuration is worth whatever the seed, where it was retrained with several."""
    found, one = report.finalists, _finalist_of(report, record)
    if found is None or one is None:
        return
    yield (
        f"Retrained with {count_of(len(one.seeds), 'other seed')}, such networks have a mean "
        f"{score_label(found.metric, report.facts)} of {one.test_mean:.3f} on the test rows. "
        f"{mean_words(one)} This model is another such network."
    )
    yield prediction(one, report.facts.rows("test"))
    if one.verdict != "best":  # whose advice stands beside the finalists' thresholds
        yield thresholds(one)


def _finalist_of(report: StudyReport, record: TrialRecord) -> Finalist | None:
    """The finalist that a trial has the configuration of."""
    found = report.finalists.finalists if report.finalists is not None else ()
    return next((one for one in found if one.configuration == record.configuration), None)


def _features(model: ExportedModel) -> Section:
    return Section("features", "", "What it takes", (Points(tuple(_step(model))),))


def _step(model: ExportedModel) -> Iterator[str]:
    step = model.step
    if not step.takes_texts:
        names = ", ".join(step.columns[:MOST_COLUMNS])
        yield f"{model.layers[0]} numbers, {names}{' …' if len(step.columns) > MOST_COLUMNS else ''}"
    else:
        trained = "trained on the training rows" if step.kind == "word2vec" else "from a file of word vectors"
        yield (
            f"The mean of {model.layers[0]}-dimensional word vectors, {trained}; {len(step.words):,} words "
            "are known, the others are passed over"
        )
    if step.mean is not None:
        yield "Scaled: less the mean, by the standard deviation, of the training rows"


def _use(model: ExportedModel) -> Section:
    saved = saved_model_of(model.framework)
    install = "pip install -r requirements.txt" + (f"     # {saved.needs}" if saved.needs else "")
    outputs = ", ".join(f"{name} ({index})" for index, name in enumerate(model.classes))
    sentence = saved.sentence or f"what {model.framework.title} wrote."
    packages = ", ".join(line.split("==")[0] for line in requirements(model).splitlines())
    files = (
        (saved.file, sentence.replace("{outputs}", outputs)),
        ("weights.npz", "the same weights as plain arrays."),
        ("features/", "the fitted step before the network."),
        ("model.json", "the labels and the threshold."),
        ("example.py", f"uses all of it, and nothing but {packages}."),
    )
    with_us = Words("With honest-search installed, search predict scores a csv, tsv or Parquet file.")
    return Section("use", "", "How to use it", (Code(f"{install}\n{usage(model)}"), Pairs(files), with_us))


def _limits(report: StudyReport, model: ExportedModel, notes: Sequence[str]) -> Section:
    facts = report.facts
    share = facts.positives("test") / facts.rows("test")
    limits = [
        f"The scores hold for rows like those above, of which {share:.1%} are {facts.positive}. Precision "
        "falls where they are rarer.",
        "Probabilities are the network's own. They were not calibrated.",
    ]
    if model.step.takes_texts:
        limits.append(
            "A text without a known word has the features of an empty one; its score means nothing."
        )
    return Section("limits", "", "What to know before relying on it", (Points((*limits, *notes)),))


def _origin(report: StudyReport, model: ExportedModel) -> Section:
    origin = model.origin
    texts = (
        f"study {origin.study}, trial {origin.trial}, seed {origin.seed}, scored by {report.metric}",
        f"rows: SHA-256 of all that made them {origin.data_hash}",
        "versions: " + ", ".join(f"{name} {version}" for name, version in origin.versions.items()),
    )
    return Section("origin", "", "Where it comes from", (Points(texts),))
