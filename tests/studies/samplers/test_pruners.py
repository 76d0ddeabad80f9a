"""Optuna's pruners over real segments of the analytic trainer: who is stopped, and who never is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from search.driving.preflight import prepare_data
from search.loop.halving import Ladder
from studies.data.facts import facts_of
from studies.opening import open_store
from studies.records.reports import SegmentReport
from studies.records.trials import AskedTrial
from studies.samplers.pruners import asks_optuna, make_pruner
from studies.sections.study import Pruner
from studies.space.configuration import Configuration
from studies.store.store import StudyStore
from studies.study_file import StudyFile, read_study_file
from workers.task import Segment, run_segment

Writes = Callable[..., Path]

EPOCHS = 64
GOOD = Configuration("analytic", "he_normal", "adam", EPOCHS, learning_rate=0.1, batch_size=16)
WEAK = replace(GOOD, learning_rate=1e-3, optimizer="sgd", batch_size=32)
KINDS = ["hyperband", "median", "percentile", "wilcoxon"]


class Bench:
    """Runs trials of chosen configurations, segment by segment, and asks the study's pruner at each rung."""

    def __init__(self, file: StudyFile, store: StudyStore) -> None:
        self.file, self.store = file, store
        self.rungs = Ladder(file.study.pruner.min_epochs, file.study.pruner.reduction_factor).rungs(EPOCHS)

    def ask(self, configuration: Configuration) -> AskedTrial:
        trial = self.store.trials.ask()
        assert isinstance(trial, AskedTrial)
        return replace(trial, configuration=configuration)

    def segment(self, trial: AskedTrial, until: int) -> SegmentReport:
        return run_segment(
            Segment(
                study="small",
                trial=trial.number,
                configuration=trial.configuration,
                seed=trial.seed,
                rungs=self.rungs,
                hidden=(4,),
                metric="f1",
                split=str(prepare_data(self.file).directory),
                checkpoints=str(self.file.directory / "checkpoints"),
                until=until,
            )
        )

    def run(self, configuration: Configuration) -> int:
        """The epochs after which a trial of this configuration ends, stopped or not."""
        trial = self.ask(configuration)
        for rung in self.rungs:
            report = self.segment(trial, rung)
            assert report.epoch == rung
            if report.finished:
                break
            score, stop = self.store.trials.record(report)
            assert score == report.scores["validation"].f1
            if stop:
                self.store.trials.tell(report, pruned=True)
                return rung
            self.store.trials.begin_segment(trial.number, rung, place=trial.number)
        self.store.trials.tell(report)
        return EPOCHS


@contextmanager
def bench(path: Path) -> Iterator[Bench]:
    file = read_study_file(path)
    split = prepare_data(file).split
    with open_store(file, split.content_hash, facts_of(split), {}) as store:
        yield Bench(file, store)


def pruned_by(kind: str, study_file: Writes, **more: str) -> Path:
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    return study_file(
        epochs=f"epochs = {EPOCHS}", append=f'\n[pruner]\nkind = "{kind}"\nreduction_factor = 2\n{lines}'
    )


@pytest.mark.parametrize("kind", ["median", "percentile", "hyperband"])
def test_a_weak_trial_is_stopped_and_the_first_ones_never(kind: str, study_file: Writes) -> None:
    with bench(pruned_by(kind, study_file, startup_trials="3")) as at:
        first = 1 if kind == "hyperband" else 3
        assert [at.run(GOOD) for _ in range(first)] == [EPOCHS] * first
        ends = [at.run(WEAK) for _ in range(6)]
        assert min(ends) < EPOCHS, "weak trials are stopped"
        records = at.store.trials.records()
    stopped = [record for record in records if record.state == "pruned"]
    assert stopped
    for record in stopped:
        assert tuple(record.rung_scores) == at.rungs[: len(record.rung_scores)]
        assert record.report is not None
        assert record.report.epoch == max(record.rung_scores)


@pytest.mark.parametrize("kind", ["median", "percentile"])
def test_before_so_many_complete_trials_none_is_stopped(kind: str, study_file: Writes) -> None:
    with bench(pruned_by(kind, study_file, startup_trials="3")) as at:
        at.run(GOOD)
        assert [at.run(WEAK), at.run(WEAK)] == [EPOCHS, EPOCHS]


@pytest.mark.parametrize("kind", ["median", "percentile"])
def test_before_the_first_rung_that_the_file_names_none_is_stopped(kind: str, study_file: Writes) -> None:
    with bench(pruned_by(kind, study_file, startup_trials="1", min_epochs="16")) as at:
        assert at.rungs == (16, 32, 64)
        at.run(GOOD)
        assert at.run(WEAK) == 16


def test_wilcoxon_stops_a_trial_that_is_worse_at_every_rung(study_file: Writes) -> None:
    with bench(pruned_by("wilcoxon", study_file)) as at:
        at.run(GOOD)
        assert at.run(WEAK) < EPOCHS


def test_what_hyperband_stops_is_stopped_also_by_the_next_driver(study_file: Writes) -> None:
    path = pruned_by("hyperband", study_file)
    with bench(path) as at:
        at.run(GOOD)
        for _ in range(8):
            trial = at.ask(WEAK)
            report = at.segment(trial, at.rungs[0])
            _, stop = at.store.trials.record(report)
            if stop:
                break  # the driver dies before it tells
            at.store.trials.tell(report, pruned=True)
        assert stop
    with bench(path) as at:
        left = [one for one in at.store.trials.unfinished() if one.asked.number == trial.number]
        assert left[0].report == report
        assert at.store.trials.record(report)[1]


@pytest.mark.parametrize("kind", ["none", "asha"])
def test_where_optuna_is_not_asked_it_stops_nothing(kind: str, study_file: Writes) -> None:
    with bench(pruned_by(kind, study_file)) as at:
        for configuration in (GOOD, GOOD, WEAK, WEAK):
            assert at.run(configuration) == EPOCHS


@pytest.mark.parametrize("kind", ["none", "asha", *KINDS])
def test_every_kind_has_a_pruner_and_says_whether_it_is_asked(kind: str) -> None:
    section = Pruner.model_validate({"kind": kind})
    assert asks_optuna(section) == (kind in KINDS)
    name = type(make_pruner(section, 27)).__name__.lower()
    assert name == ("noppruner" if kind in ("none", "asha") else f"{kind}pruner")
