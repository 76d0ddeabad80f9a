"""The model card of an exported model: what it is, what it is worth, and how to use it, in Markdown.

After M. Mitchell and others, "Model Cards for Model Reporting", FAT* 2019, as far as a study knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from search.exporting.example_code import requirements, usage
from search.exporting.model_folder import ExportedModel
from search.output.markdown_text import plain
from search.reporting.finalist_words import (
    at_worst,
    best_of,
    comparisons,
    mean_words,
    over_logistic,
    prediction,
    thresholds,
)
from search.reporting.readings import opening_words
from search.reporting.report import StudyReport
from search.words import VERDICTS, count_of, decimals
from studies.records.finalists import Finalist
from studies.records.reports import ROW_SETS, Scores
from studies.records.trials import TrialRecord
from workers.trainers import saved_model_of
from workers.training.network import parameters

CARD = "README.md"

SHOWN = ("f1", "precision", "recall", "f1_macro", "f1_weighted", "average_precision", "mcc", "log_loss")
"""Scores in the card, in this order."""

_LABELS: Mapping[str, str] = {
    "f1": "F1 of {positive}",
    "precision": "precision of {positive}",
    "recall": "recall of {positive}",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "average_precision": "average precision",
    "mcc": "Matthews correlation",
    "log_loss": "log loss, nats a row",
}


def model_card(report: StudyReport, record: TrialRecord, model: ExportedModel, notes: Sequence[str]) -> str:
    """The card.

    Args:
        report: of the study.
        record: the exported trial, as the report has it.
        model: what is exported.
        notes: what a person should know of how the weights came to be.
    """
    sections = (
        _what(report, record, model),
        _worth(report, record),
        _finalist(report, record),
        _data(report, model),
        _use(model),
        _limits(report, model, notes),
        _origin(report, model),
    )
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n"


def _network(model: ExportedModel) -> str:
    """``A multilayer perceptron (300 → 600 → 2, …)``."""
    if not model.framework.perceptron:
        numbers = sum(array.size for array in model.weights)
        return f"A model of {plain(model.framework.title)} ({count_of(numbers, 'number')})"
    sizes = " → ".join(str(size) for size in model.layers)
    return (
        f"A multilayer perceptron ({sizes}, {model.activation} hidden layers, softmax output, "
        f"{parameters(model.layers):,} parameters)"
    )


def _what(report: StudyReport, record: TrialRecord, model: ExportedModel) -> Iterator[str]:
    facts = report.facts
    names = [plain(name) for name in model.classes]
    yield f"# {report.name}: {' or '.join(names)}"
    yield ""
    taken = "a text" if model.step.takes_texts else f"{model.layers[0]} numbers"
    yield (
        f"{_network(model)} that says of {taken} whether it is "
        f"{' or '.join(f'**{name}**' for name in names)}. The positive class is {plain(facts.positive)}."
    )
    yield ""
    yield f"- Trained with: {model.configuration.describe()}, seed {model.origin.seed}"
    best = report.best
    is_best = best is not None and best.number == record.number
    configurations = len(report.ranked)
    rank = f"the best of {configurations} configurations" if is_best else _rank(report, record)
    trial = f"trial {record.number} of study {report.name}"
    yield f"- Chosen as: {trial}, {rank} by {report.metric} on the validation rows"
    said = (
        "the most probable class is said"
        if model.threshold is None
        else f"{plain(facts.positive)} is said where its probability is above {model.threshold:g}"
    )
    yield f"- Decision: {said}"
    if model.tuned is not None:
        yield (
            f"- Tuned on the validation rows, the threshold is {model.tuned:.4g}, which is "
            f"{_tuned_advice(_finalist_of(report, record))}: `search predict --threshold "
            f"{model.tuned:.4g}`, or `threshold_tuned` in `model.json`"
        )


def _tuned_advice(one: Finalist | None) -> str:
    if one is None or one.tuned.difference is None:
        return "not tested on the test rows"
    return "recommended" if one.tuned.recommended else "not recommended (see below)"


def _rank(report: StudyReport, record: TrialRecord) -> str:
    numbers = [ranked.number for ranked in report.ranked]
    if record.number not in numbers:
        return "a repeat of a configuration with another seed, ranked with it,"
    return f"number {numbers.index(record.number) + 1} of {len(numbers)} configurations"


def _chosen_by(report: StudyReport, record: TrialRecord, *, tested: bool) -> str:
    """What the validation score, which chose the best, is worth as an estimate; any trial can be exported."""
    if record is report.best:
        return best_of(len(report.ranked), tested=tested)
    test = "; the test rows chose nothing" if tested else ""
    return (
        f"The search chose among {len(report.ranked):,} configurations by the validation score, which is "
        f"optimistic for whichever it chose{test}."
    )


def _worth(report: StudyReport, record: TrialRecord) -> Iterator[str]:
    validation, test = record.scores_on("validation"), report.test_scores(record)
    columns: list[tuple[str, Scores | None]] = [("validation", validation)]
    if test is not None:
        columns.insert(0, ("test", test))
        columns += [(f"always “{plain(one.says)}”, test", one.test) for one in report.baselines]
    yield "## What it is worth"
    yield ""
    yield "| | " + " | ".join(name for name, _ in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for name in SHOWN:
        figures = (decimals(getattr(scores, name)) if scores else "–" for _, scores in columns)
        label = _LABELS[name].format(positive=plain(report.facts.positive))
        yield f"| {label} | " + " | ".join(figures) + " |"
    yield ""
    if test is None:
        opened = "The test rows were not opened for this trial. " if report.openings else ""
        yield f"{opened}{_chosen_by(report, record, tested=False)}"
    else:
        yield _chosen_by(report, record, tested=True)
        yield ""
        yield from _confusion(report, test)
    yield ""
    yield " ".join(opening_words(report))


def _confusion(report: StudyReport, test: Scores) -> Iterator[str]:
    classes = [plain(name) for name in report.facts.classes]
    yield "| test rows | " + " | ".join(f"said {name}" for name in classes) + " |"
    yield "|---|" + "---:|" * len(classes)
    for name, row in zip(classes, test.confusion, strict=True):
        yield f"| are {name} | " + " | ".join(f"{count:,}" for count in row) + " |"


def _finalist(report: StudyReport, record: TrialRecord) -> Iterator[str]:
    """What the configuration is worth over seeds, where it was trained with several."""
    found = report.finalists
    one = _finalist_of(report, record)
    if found is None or one is None:
        return
    label = _LABELS.get(found.metric, found.metric).format(positive=plain(report.facts.positive))
    yield "## What its configuration is worth, whatever the seed"
    yield ""
    yield (
        f"Retrained with {count_of(len(one.seeds), 'other seed')}, such networks have a mean {label} of "
        f"**{one.test_mean:.3f}** on the test rows. {mean_words(one)} This model is another such network."
    )
    yield ""
    if (new := prediction(one, report.facts.rows("test"))) is not None:
        yield f"- {new}"
    yield f"- The search found it at {one.found:.3f} on the validation rows, {_optimism(one.optimism[1])}"
    if one.verdict == "best":
        yield from (f"- {words}" for words in comparisons(found))
        yield from (f"- {words}" for words in (over_logistic(found),) if words is not None)
    else:
        best, beside = found.finalists[0].trial, at_worst(one)
        yield f"- Against the best finalist, trial {best}: {VERDICTS[one.verdict]}{beside and f', {beside}'}"
    if (advice := thresholds(one)) is not None:
        yield f"- {advice}"


def _finalist_of(report: StudyReport, record: TrialRecord) -> Finalist | None:
    """The finalist that a trial has the configuration of."""
    found = report.finalists.finalists if report.finalists is not None else ()
    return next((one for one in found if one.configuration == record.configuration), None)


def _optimism(gap: float) -> str:
    return f"which was optimistic by {gap:.3f}" if gap > 0 else f"{-gap:.3f} below its test mean"


def _data(report: StudyReport, model: ExportedModel) -> Iterator[str]:
    facts, step = report.facts, model.step
    yield "## What it was trained on"
    yield ""
    for row_set in ROW_SETS:
        rows = facts.rows(row_set)
        share = facts.positives(row_set) / rows
        yield f"- {row_set}: {rows:,} rows, {share:.1%} {plain(facts.positive)}"
    if not step.takes_texts:
        yield f"- features: {model.layers[0]} numbers, {_listed(step.columns)}"
    else:
        trained = "trained on the training rows" if step.kind == "word2vec" else "from a file of word vectors"
        yield (
            f"- features: the mean of {model.layers[0]}-dimensional word vectors, {trained}; "
            f"{len(step.words):,} words are known, the others are passed over"
        )
    if step.mean is not None:
        yield "- scaled: less the mean, by the standard deviation, of the training rows"
    for note in facts.notes:
        yield f"- {plain(note)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} …"


def _use(model: ExportedModel) -> Iterator[str]:
    saved = saved_model_of(model.framework)
    yield "## How to use it"
    yield ""
    yield "```sh"
    yield "pip install -r requirements.txt" + (f"     # {saved.needs}" if saved.needs else "")
    yield usage(model)
    yield "```"
    yield ""
    sentence = saved.sentence or f"what {model.framework.title} wrote."
    yield f"`{saved.file}` is {sentence.replace('{outputs}', _outputs(model))}"
    yield (
        "`weights.npz` has the same weights as plain arrays, `features/` the fitted step before the network, "
        "and `model.json` the labels and the threshold. `example.py` uses all of it, and nothing but "
        f"{', '.join(line.split('==')[0] for line in requirements(model).splitlines())}. "
        "With honest-search installed, `search predict` scores a csv, tsv or Parquet file."
    )


def _outputs(model: ExportedModel) -> str:
    return ", ".join(f"{plain(name)} ({index})" for index, name in enumerate(model.classes))


def _limits(report: StudyReport, model: ExportedModel, notes: Sequence[str]) -> Iterator[str]:
    yield "## What to know before relying on it"
    yield ""
    facts = report.facts
    share = facts.positives("test") / facts.rows("test")
    yield (
        f"- The scores hold for rows like those above, of which {share:.1%} are {plain(facts.positive)}. "
        "Precision falls where they are rarer."
    )
    yield "- Probabilities are the network's own. They were not calibrated."
    if model.step.takes_texts:
        yield "- A text without a known word has the features of an empty one, and its score means nothing."
    for note in notes:
        yield f"- {plain(note)}"


def _origin(report: StudyReport, model: ExportedModel) -> Iterator[str]:
    origin = model.origin
    yield "## Where it comes from"
    yield ""
    yield f"- study {origin.study}, trial {origin.trial}, seed {origin.seed}, scored by {report.metric}"
    yield f"- rows: SHA-256 of all that made them {origin.data_hash}"
    yield "- versions: " + ", ".join(f"{name} {version}" for name, version in origin.versions.items())
