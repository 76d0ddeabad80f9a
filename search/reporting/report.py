"""The report of a study, read from its storage: during a run, after it, or on another machine.

Trials have no test scores. Those of the chosen ones (the best, the best of each framework, and the enqueued
ones, which were named before anything was scored) are there once the test rows were opened for them.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.evaluation.baselines import Baseline, baselines_of
from search.evaluation.caveats import caveats, undecided
from search.evaluation.choice import best_by_framework, finalists_wanted, missing_of, shown, wanted_of
from search.importance.importance import Importance, importance
from search.loop.stopping import INTERRUPTED, STOPPED_AT_ONCE
from search.reporting.provenance import Provenance, provenance_of
from studies.data.facts import DataFacts
from studies.records.explanations import KeptExplanation
from studies.records.finalists import Finalists
from studies.records.openings import OpenedTrial, Opening, opened_trials, plain_openings
from studies.records.ranking import FailedTrials, complete_trials, failures_of, mean, ranking
from studies.records.reports import SCORE_NAMES, STOPPED_EARLY, Scores
from studies.records.trials import TrialRecord
from studies.sections.distributions import Distribution
from studies.space.configuration import Configuration
from studies.stored_study import StoredStudy, read_study
from studies.study_file import StudyFile, read_study_file

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FinalistsDue:
    """Trainings that the next opening of the test rows is for: how many, how many are done, and whether
    finalists are among them.
    """

    trainings: int
    done: int
    of_finalists: bool = True


@dataclass(frozen=True)
class StudyReport:
    """All that there is to say of a study.

    Attributes:
        name, metric: of the study; ``metric`` is the score on the validation rows that ranks its trials.
        differences: how the study file has changed since the study was made, in words.
        facts: rows, classes and skew of its data.
        records: every trial but those that wait, by number.
        ranked: for each configuration its first complete trial, best mean validation score first, ties to the
            earlier trial. A configuration that was sampled again ran with other seeds; it is ranked by the
            mean of its runs, because the best of them would be optimistic.
        runs: validation scores of each configuration's complete trials, by the number of its first.
        chosen: numbers of the trials whose test scores are shown, once the test rows were opened for them.
        baselines: constant predictors to beat: always the positive class, always the commonest.
        importance: how much each choice mattered.
        failures: by cause, commonest first.
        running: trials without an end.
        ended: why the last launch ended; empty where none did, because it runs or was killed.
        limit: trials after which the study ends, if it has such a limit.
        table_size: trials in the table of the best.
        storage: where the study is kept, without a password.
        dashboard: shell command that opens it in Optuna's dashboard.
        parameters: what is sampled, by the names that Optuna knows.
        provenance: how it was run.
        finalists: what the best configurations are worth when they are retrained with other seeds.
        openings: when the test rows were opened, for whom, and what was scored then; the first time first.
        explanations: what ``search explain`` found, the latest of each two sides.
        tested_on_the_way: whether earlier code began the study, which scored every trial on the test rows.
        finalists_due: how far the trainings are that the study file asks for before the test rows are opened,
            where they are not all there.
    """

    name: str
    metric: str
    differences: tuple[str, ...]
    facts: DataFacts
    records: tuple[TrialRecord, ...]
    ranked: tuple[TrialRecord, ...]
    runs: Mapping[int, tuple[float, ...]]
    chosen: frozenset[int]
    baselines: tuple[Baseline, ...]
    importance: Importance
    failures: tuple[FailedTrials, ...]
    running: int
    ended: str
    limit: int | None
    table_size: int
    storage: str
    dashboard: str
    parameters: Mapping[str, Distribution]
    provenance: Provenance
    finalists: Finalists | None = None
    openings: tuple[Opening, ...] = ()
    finalists_due: FinalistsDue | None = None
    explanations: tuple[KeptExplanation, ...] = ()
    tested_on_the_way: bool = False

    @property
    def best(self) -> TrialRecord | None:
        """The first trial of the configuration with the best validation score."""
        return self.ranked[0] if self.ranked else None

    def score(self, record: TrialRecord) -> float:
        """What ranks a trial's configuration: the mean validation score of its runs."""
        return mean(self.runs[record.number])

    @cached_property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before any score, in sentences."""
        return caveats(self.facts, self.metric, [self.score(record) for record in self.ranked])

    @cached_property
    def undecided(self) -> bool:
        """Whether all of several configurations have one score, so that none is the best."""
        return undecided([self.score(record) for record in self.ranked])

    @property
    def command(self) -> str:
        """What opens the test rows."""
        return f"search finalists {shlex.quote(self.provenance.file)}"

    @cached_property
    def opened(self) -> dict[int, OpenedTrial]:
        """What trials' own networks are worth on the test rows, by number, as far as these were opened."""
        return opened_trials(self.openings)

    def test_scores(self, record: TrialRecord) -> Scores | None:
        """The scores of a trial's own network on the test rows, where these were opened for it."""
        found = self.opened.get(record.number)
        return None if found is None else found.test

    def judged(self, record: TrialRecord) -> tuple[str, Scores | None]:
        """The rows that a trial is judged by, and its scores on them: the test rows once they were opened for
        it, and the validation rows until then.
        """
        test = self.test_scores(record)
        return ("validation", record.scores_on("validation")) if test is None else ("test", test)

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """Every trial with a score, by number."""
        return complete_trials(self.records)

    @property
    def furthest(self) -> tuple[int, float, TrialRecord] | None:
        """While no trial is complete, what there is to go by: of the trials that were scored after the most
        epochs, the best; with these epochs and its score there.
        """
        if self.ranked:
            return None
        scored = [(*max(record.rung_scores.items()), record) for record in self.records if record.rung_scores]
        return max(scored, key=lambda one: (one[0], one[1], -one[2].number), default=None)

    @cached_property
    def scored(self) -> tuple[tuple[TrialRecord, float], ...]:
        """Every trial with a validation score, by number: the last one, where it was stopped early."""
        found = ((record, record.score) for record in self.records)
        return tuple((record, score) for record, score in found if score is not None)

    @property
    def pruned(self) -> dict[int, int]:
        """How many trials were pruned, by the epochs that they were trained for."""
        reached = (max(r.rung_scores, default=0) for r in self.records if r.state == "pruned")
        return dict(sorted(Counter(reached).items()))

    @property
    def stopped_early(self) -> int:
        """How many complete trials ended before their last epoch, because their score no longer improved."""
        return sum(
            note.startswith(STOPPED_EARLY)
            for record in self.complete
            for note in (record.report.notes if record.report is not None else ())
        )

    @property
    def best_by_framework(self) -> dict[str, TrialRecord]:
        """The best trial of each framework, the best framework first."""
        return best_by_framework(self.ranked)

    @property
    def enqueued(self) -> tuple[TrialRecord, ...]:
        """Complete trials of the study file's ``[[enqueue]]`` tables, by number."""
        return tuple(record for record in self.complete if record.enqueued)

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the last launch."""
        return self.ended in (INTERRUPTED, STOPPED_AT_ONCE)

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial: number, state, every choice, seed, every score, seconds and cause of failure.

        Scores are named ``f1_validation``, ``f1_test`` and so on. There are test scores only once the test
        rows were opened, and only of the trials that they were opened for.
        """
        import pandas as pd  # late: it takes half a second, and the command line doesn't need it

        choices = [field.name for field in fields(Configuration)]
        row_sets = ("validation", "test") if self.opened else ("validation",)
        scores = [f"{name}_{rows}" for rows in row_sets for name in SCORE_NAMES]
        columns = ["number", "state", *choices, "seed", "enqueued", "value", *scores, "seconds", "cause"]
        return pd.DataFrame([_row(self, record) for record in self.records], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; numbers that aren't finite become ``None``."""
        plain = {
            "name": self.name,
            "metric": self.metric,
            "differences": self.differences,
            "data": self.facts.to_dict(),
            "ended": self.ended,
            "running": self.running,
            "caveats": self.caveats,
            "best": self.best.number if self.best else None,
            "furthest": self.furthest[2].number if self.furthest else None,
            "best_by_framework": {name: record.number for name, record in self.best_by_framework.items()},
            "ranked": [
                {"trial": record.number, "score": self.score(record), "runs": self.runs[record.number]}
                for record in self.ranked
            ],
            "chosen": sorted(self.chosen),
            "trials": [_trial_dict(self, record) for record in self.records],
            "baselines": [asdict(baseline) for baseline in self.baselines],
            "importance": asdict(self.importance),
            "failures": [asdict(failure) for failure in self.failures],
            "finalists": self.finalists.to_dict() if self.finalists else None,
            "explanations": [one.to_dict() for one in self.explanations],
            "finalists_due": asdict(self.finalists_due) if self.finalists_due else None,
            "test_openings": plain_openings(self.openings),
            "tested_on_the_way": self.tested_on_the_way,
            "storage": self.storage,
            "dashboard": self.dashboard,
            "provenance": asdict(self.provenance),
        }
        return {name: finite(value) for name, value in plain.items()}


def report(path: str | Path) -> StudyReport:
    """The report of the study that a study file describes. Writes nothing.

    Raises:
        StudyFileError: where the study file can't be used.
        StorageError: where the study isn't in its storage yet, or the storage can't be opened.
    """
    file = read_study_file(path)
    return summarise(file, read_study(file))


def summarise(file: StudyFile, stored: StoredStudy) -> StudyReport:
    """The report of what was read from storage."""
    ranked, runs = ranking(stored.records)
    records = stored.records
    location = stored.location
    return StudyReport(
        name=file.study.name,
        metric=stored.metric,
        differences=stored.differences,
        facts=stored.facts,
        records=records,
        ranked=ranked,
        runs=runs,
        chosen=frozenset(record.number for record in shown(records, ranked)),
        baselines=baselines_of(stored.facts),
        importance=importance(records, file.space),
        failures=failures_of(records),
        running=sum(record.state == "running" for record in records),
        ended=stored.ended,
        limit=file.study.trial_limit,
        table_size=file.study.report.best,
        storage=location.shown,
        dashboard=f"search dashboard {shlex.quote(file.path.name)}",
        parameters=file.space.parameters(),
        provenance=provenance_of(file, stored),
        finalists=stored.finalists,
        openings=stored.openings,
        finalists_due=_due(file, stored, ranked),
        explanations=stored.explanations,
        tested_on_the_way=stored.tested_on_the_way,
    )


def _due(file: StudyFile, stored: StoredStudy, ranked: Sequence[TrialRecord]) -> FinalistsDue | None:
    count = finalists_wanted(file)
    if not count:
        return None
    wanted = wanted_of(file, stored.records, ranked, count)
    missing = missing_of(wanted, stored.finalists, stored.replicas, opened_trials(stored.openings))
    trainings = set(missing.all())
    ended = {record.replica for record in stored.replicas.values()}
    of_finalists = bool(missing.finalists)
    return FinalistsDue(len(trainings), len(trainings & ended), of_finalists) if trainings else None


def _row(report: StudyReport, record: TrialRecord) -> dict[str, Any]:
    row: dict[str, Any] = {"number": record.number, "state": record.state}
    row |= asdict(record.configuration) if record.configuration else {}
    row |= {"seed": record.seed, "enqueued": record.enqueued, "value": record.value}
    for rows, scores in (
        ("validation", record.scores_on("validation")),
        ("test", report.test_scores(record)),
    ):
        row |= {f"{name}_{rows}": getattr(scores, name) for name in SCORE_NAMES} if scores else {}
    return row | {"seconds": record.seconds, "cause": record.cause}


def _trial_dict(report: StudyReport, record: TrialRecord) -> dict[str, Any]:
    result, test = record.report, report.test_scores(record)
    scores = {**(result.scores if result else {}), **({"test": test} if test else {})}
    return {
        "number": record.number,
        "state": record.state,
        "configuration": record.configuration.used() if record.configuration else None,
        "seed": record.seed,
        "enqueued": record.enqueued,
        "value": record.value,
        "rung_scores": {str(epoch): score for epoch, score in record.rung_scores.items()},
        "scores": {rows: asdict(of_rows) for rows, of_rows in scores.items()},
        "seconds": record.seconds,
        "failure": asdict(result.failure) if result and result.failure else None,
    }


def finite(value: Any) -> Any:
    """The value with ``None`` for numbers that aren't finite, which JSON doesn't know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value
