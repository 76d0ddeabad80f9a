"""What a launch would do: the answer of ``search check``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from search.driving.preflight import overridden, preflight, prepare_data
from search.evaluation.caveats import too_few
from search.evaluation.choice import finalists_wanted
from search.loop.slots import describe_cluster, slots_for
from search.output.tables import INDENT, Column, fitted_table, inset, table_width
from search.output.terminal import Text
from search.words import class_name
from studies.data.facts import DataFacts, facts_of
from studies.data.split import Split
from studies.errors import NotStoredError
from studies.identity import remedy_of
from studies.records.reports import ROW_SETS
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from workers.spark.rows import heap_mib
from workers.spark.settings import SparkSettings
from workers.training.network import parameters
from workers.training.trainer import layer_sizes

MOST_CLASSES = 12
"""Classes that get a row of their own where there is no room for a column each."""

NAME = 24
"""Letters of a class's name in the table of rows."""


@dataclass(frozen=True)
class Plan:
    """A study that is ready to launch, and what launching it would do.

    Attributes:
        name, metric: of the study.
        facts: rows, classes, features.
        configurations: how many there are; ``None`` where a range of numbers has unlimited ones.
        axes: what is sampled, by Optuna's parameter names.
        enqueued: known configurations that are tried first.
        limits: when the study ends, in words.
        slots: trials at once beside Spark's, ``None`` where that depends on the workers; ``cluster`` is
            where they run.
        spark: how Spark's trials run, in words; empty without any.
        storage: where the study is kept; ``trials_stored`` of it are there already.
        differences: why a launch would refuse the stored study, in words; empty where it wouldn't.
        finalists: how many configurations are retrained after the search, and how often each.
        remedy: what can be done about ``differences``; empty where there are none.
        overridden: settings of this machine that a launch overrides, in words.
        plugins: plug-ins that the study uses, with their versions, in words.
    """

    name: str
    metric: str
    facts: DataFacts
    configurations: int | None
    axes: dict[str, str]
    enqueued: int
    sampler: str
    limits: tuple[str, ...]
    slots: int | None
    cluster: str
    spark: str
    storage: str
    trials_stored: int
    differences: tuple[str, ...]
    finalists: tuple[int, int] = (0, 1)
    remedy: str = ""
    overridden: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        baselines = {name: self.facts.all_positive_f1(name) for name in ROW_SETS}
        return {**asdict(self), "all_positive_f1": baselines, "caveats": self.caveats}

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the rows are too few for, in sentences."""
        return tuple(too_few(self.facts, self.metric))


def check(path: str | Path) -> Plan:
    """Validate a study and load its data, without starting a cluster, TensorFlow or Spark.

    Raises:
        UserError: as :func:`search.commands.launch.launch`.
    """
    file = read_study_file(path)
    preflight(file)
    prepared = prepare_data(file)
    study = file.study
    try:
        stored = read_study(file, prepared.split.content_hash)
        storage, stored_trials, differences = stored.location.shown, len(stored.records), stored.differences
        remedy = stored.remedy
    except NotStoredError as error:
        storage, stored_trials, differences, remedy = error.where, 0, (), ""
    return Plan(
        name=study.name,
        metric=study.objective.metric,
        facts=facts_of(prepared.split),
        configurations=file.space.size(),
        axes={name: distribution.describe() for name, distribution in file.space.parameters().items()},
        enqueued=len(file.enqueued),
        sampler=study.sampler.kind,
        limits=_limits(study.trial_limit, study.timeout, study.target),
        slots=slots_for(study.cluster, file.space.frameworks).trial
        if study.cluster.kind in ("threads", "processes")
        else None,
        cluster=describe_cluster(study.cluster),
        spark=_spark(file, prepared.split),
        storage=storage,
        trials_stored=stored_trials,
        differences=differences,
        remedy=remedy,
        finalists=(finalists_wanted(file), study.report.seeds),
        overridden=overridden(file),
        plugins=tuple(f"{one.what} {one.name}, of {one.package} {one.version}" for one in file.plugins),
    )


def render_plan(plan: Plan, console: Console) -> None:
    """Print a plan for a person."""
    verdict = "ready to launch"
    if plan.differences:
        verdict = f"the stored study was made differently; {remedy_of(plan.differences, plan.remedy)}"
    for words in plan.caveats:
        console.print(Text(words, style="bold"))
    console.print(Text.assemble((plan.name, "bold"), f": {verdict}\n"))
    console.print(_rows(plan.facts, console.width))
    console.print()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _lines(plan):
        table.add_row(label, Text(text))
    console.print(table)


def _rows(facts: DataFacts, width: int) -> RenderableType:
    """How many rows of each class there are: a column a class, or where these don't fit a row for each."""
    totals = [f"{facts.rows(name):,}" for name in ROW_SETS]
    always = [f"{facts.all_positive_f1(name):.3f}" for name in ROW_SETS]
    columns = [
        Column("rows", ROW_SETS, right=False),
        *(
            Column(class_name(name, facts, NAME), [f"{facts.counts[rows][index]:,}" for rows in ROW_SETS])
            for index, name in enumerate(facts.classes)
        ),
        Column("all", totals),
        Column("always-positive F1", always),
    ]
    if table_width(columns, 1) <= width - INDENT:
        return inset(fitted_table(columns, width), 1)
    # The positive one first, then by size.
    sizes = facts.counts["train"]
    order = sorted(range(len(sizes)), key=lambda index: (index != facts.positive_index, -sizes[index]))
    shown, remaining = order[:MOST_CLASSES], order[MOST_CLASSES:]
    names = [class_name(facts.classes[index], facts, NAME) for index in shown]
    more = [f"{len(remaining)} more"] if remaining else []
    columns = [Column("class", [*names, *more, "all", "always-positive F1"], right=False)]
    for rows, total, f1 in zip(ROW_SETS, totals, always, strict=True):
        counts = facts.counts[rows]
        cells = [f"{counts[index]:,}" for index in shown]
        rest = [f"{sum(counts[index] for index in remaining):,}"] if remaining else []
        columns.append(Column(rows, [*cells, *rest, total, f1]))
    return inset(fitted_table(columns, width), 1)


def _lines(plan: Plan) -> list[tuple[str, str]]:
    facts = plan.facts
    majority = max(facts.counts["validation"]) / facts.rows("validation")
    count = "unlimited" if plan.configurations is None else f"{plan.configurations:,}"
    lines = [
        (
            "positive",
            f"{facts.positive}, {facts.positives('train') / facts.rows('train'):.1%} of the training rows",
        ),
        ("features", f"{facts.features} a row"),
        *(("", note) for note in facts.notes),
        ("objective", f"{plan.metric} on the validation rows"),
        (
            "baselines",
            f"always positive: F1 {facts.all_positive_f1('validation'):.3f}; majority class: "
            f"F1 0.000, accuracy {majority:.3f}",
        ),
        ("space", f"{count} configuration{'' if plan.configurations == 1 else 's'}"),
        *(("", f"{name}: {text}") for name, text in plan.axes.items()),
    ]
    if plan.enqueued:
        known = (
            "1 known configuration is" if plan.enqueued == 1 else f"{plan.enqueued} known configurations are"
        )
        lines.append(("enqueued", f"{known} tried first"))
    lines += [
        *(("" if number else "plug-ins", text) for number, text in enumerate(plan.plugins)),
        ("sampler", plan.sampler),
        ("ends", ", or ".join(plan.limits)),
        *_finalists(plan),
        *_slots(plan),
        ("storage", f"{plan.storage}, {plan.trials_stored} trials there"),
        *(("", f"stored with another file: {text}") for text in plan.differences),
        *(("" if number else "environment", text) for number, text in enumerate(plan.overridden)),
    ]
    return lines


def _finalists(plan: Plan) -> list[tuple[str, str]]:
    count, seeds = plan.finalists
    if not count:
        return [("then", "the test rows stay closed, until search finalists opens them")]
    best = "the best configuration is" if count == 1 else f"the best {count} configurations are"
    seeds_text = "a new seed" if seeds == 1 else f"{seeds} new seeds"
    return [("then", f"{best} retrained with {seeds_text} each, and the test rows are opened")]


def _slots(plan: Plan) -> list[tuple[str, str]]:
    lines = []
    if plan.slots != 0:
        lines.append(("slots", plan.cluster if plan.slots is None else f"{plan.slots} ({plan.cluster})"))
    if plan.spark:
        lines.append(("Spark", plan.spark))
    return lines


def _spark(file: StudyFile, split: Split) -> str:
    """``1 trial at once in a slot of its own; local[2], 1,141 MiB of heap, rows in 2 partitions``."""
    study = file.study
    slots = slots_for(study.cluster, file.space.frameworks)
    if not slots.spark:
        return ""
    settings = SparkSettings.of(study.spark, file.directory)
    heap = settings.memory_mib or heap_mib(split.train, parameters(layer_sizes(split, study.model.hidden)))
    session = [str(settings.session().master)]
    if not settings.connect:
        session.append(f"{heap:,} MiB of heap")
    session.append(f"rows in {settings.partitions} partitions")
    trials = f"{slots.spark} trial{'s' if slots.spark > 1 else ''} at once in a slot of its own; "
    return ("" if study.cluster.address else trials) + ", ".join(session)


def _limits(trials: int | None, timeout: float | None, target: float | None) -> tuple[str, ...]:
    limits = []
    if trials is not None:
        limits.append(f"after {trials} trials")
    if timeout is not None:
        limits.append(f"after {timeout:g} s")
    if target is not None:
        limits.append(f"at a score of {target:g}")
    return tuple(limits)
