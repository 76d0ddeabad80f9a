"""A whole launch with promotion, on threads: exact counts, true scores at the rungs, nothing run twice."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from search import launch
from search.driving.display import SilentDisplay
from search.driving.preflight import prepare_data
from search.reporting.report import StudyReport
from studies.records.reports import SegmentReport
from studies.records.trials import TrialRecord
from studies.stored_study import read_study
from studies.study_file import read_study_file
from workers.task import Segment, run_segment

Writes = Callable[..., Path]

TRIALS = 14
RUNGS = (1, 3, 9)

# Drawn at random, so that what is drawn doesn't depend on the order in which results come.
PLAIN = '\n[sampler]\nkind = "random"\n'
SOME_DIVERGE = "learning_rate = [0.1, 20.0]"

ASHA = PLAIN + '\n[pruner]\nkind = "asha"\n'


class Crash(Exception):  # noqa: N818  the driver's own, made by a test
    """The driver dies with what it is doing."""


@dataclass
class Stopper(SilentDisplay):
    """Stops the search once so many trials wait at a rung, and notes what it saw."""

    how: str
    waiting: int
    told: list[TrialRecord] = field(default_factory=list)
    stopped: bool = False

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        if self.stopped or len(loop.paused) < self.waiting:
            return
        self.stopped = True
        if self.how == "crash":
            raise Crash
        for _ in range(2 if self.how == "interrupted twice" else 1):
            signal.raise_signal(signal.SIGINT)

    def trial_finished(self, record: TrialRecord) -> None:
        self.told.append(record)


def halved(study_file: Writes, append: str = ASHA, **lines: str) -> Path:
    return study_file(append=append, **({"trials": f"trials = {TRIALS}"} | lines))


def uncut(record: TrialRecord, path: Path) -> SegmentReport:
    """What a trial of this configuration and seed gives that nobody stops."""
    assert record.configuration is not None
    assert record.seed is not None
    return run_segment(
        Segment(
            study="uncut",
            trial=record.number,
            configuration=record.configuration,
            seed=record.seed,
            rungs=RUNGS,
            hidden=(4,),
            metric="f1",
            split=str(prepare_data(read_study_file(path)).directory),
            checkpoints=str(path.parent / "uncut"),
            until=RUNGS[-1],
        )
    )


def check_laws(result: StudyReport, path: Path) -> None:
    """What holds of every finished study with promotion, however it came to its end."""
    assert [record.number for record in result.records] == list(range(TRIALS))
    assert {record.state for record in result.records} == {"complete", "pruned"}
    for record in result.records:
        reached = tuple(record.rung_scores)
        assert reached == RUNGS[: len(reached)], "scored at exactly the rungs, from the first"
        assert (record.state == "complete") == (reached == RUNGS)
        whole = uncut(record, path)
        assert record.report is not None
        assert record.report.epoch == reached[-1]
        assert record.report.curve == whole.curve[: reached[-1]]
        assert record.rung_scores == {rung: whole.curve[rung - 1].validation_score for rung in reached}
        if record.state == "complete":
            assert record.value == whole.scores["validation"].f1
            # Those on the test rows are shown of the chosen trials alone.
            for rows in ("train", "validation"):
                assert record.report.scores[rows] == whole.scores[rows]
        else:
            assert record.value is None
            assert set(record.report.scores) == {"validation"}, "test rows are for trials that end"
    for rung, following in itertools.pairwise(RUNGS):
        there = [record for record in result.records if rung in record.rung_scores]
        ranked = sorted(there, key=lambda record: (-record.rung_scores[rung], record.number))
        assert all(following in record.rung_scores for record in ranked[: len(there) // 3])


def test_every_trial_ends_and_the_best_of_each_rung_went_on(study_file: Writes) -> None:
    path = halved(study_file)
    result = launch(path, display=SilentDisplay())
    check_laws(result, path)
    assert result.ended == f"{TRIALS} trials are done"
    assert not result.interrupted
    for record in result.records:
        assert record.report is not None
        assert record.report.attempts == len(record.rung_scores), "each segment ran once"
    assert not list((path.parent / ".search" / "checkpoints").rglob("*.npz"))


def test_it_is_the_study_without_a_pruner_with_some_trials_cut_short(study_file: Writes) -> None:
    halving = launch(halved(study_file), display=SilentDisplay())
    whole = launch(halved(study_file, PLAIN), fresh=True, display=SilentDisplay())
    assert {record.state for record in whole.records} == {"complete"}
    for cut, record in zip(halving.records, whole.records, strict=True):
        assert (cut.configuration, cut.seed) == (record.configuration, record.seed)
        assert cut.rung_scores.items() <= record.rung_scores.items()
        if cut.state == "complete":
            assert cut.value == record.value


def test_optuna_sees_ordinary_trials_with_their_curves(study_file: Writes) -> None:
    path = halved(study_file)
    launch(path, display=SilentDisplay())
    trials = read_study(read_study_file(path)).study.trials
    for trial in trials:
        assert trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        assert trial.value == trial.intermediate_values[max(trial.intermediate_values)]


@pytest.mark.parametrize("how", ["interrupted", "interrupted twice", "crash"])
@pytest.mark.parametrize("waiting", [1, 3])
def test_a_search_that_stopped_goes_on_where_its_trials_wait(
    how: str, waiting: int, study_file: Writes
) -> None:
    path = halved(study_file)
    first = Stopper(how, waiting)
    if how == "crash":
        with pytest.raises(Crash):
            launch(path, display=first)
    else:
        assert launch(path, display=first).interrupted
    left = read_study(read_study_file(path)).records
    paused = {record.number: record for record in left if record.paused}
    assert len(paused) >= waiting
    second = Stopper("never", TRIALS + 1)
    result = launch(path, display=second)
    check_laws(result, path)
    told = [record.number for record in (*first.told, *second.told)]
    assert sorted(told) == list(range(TRIALS)), "each was told once, over both launches"
    for number, record in paused.items():
        found = result.records[number].rung_scores
        assert {rung: found[rung] for rung in record.rung_scores} == record.rung_scores
    if how == "interrupted":
        for record in result.records:
            assert record.report is not None
            assert record.report.attempts == len(record.rung_scores), "no segment ran twice"


def test_the_first_interrupt_leaves_no_segment_running_and_the_waiting_ones_in_storage(
    study_file: Writes,
) -> None:
    path = halved(study_file)
    result = launch(path, display=Stopper("interrupted", 3))
    running = [record for record in result.records if record.state == "running"]
    assert running
    assert all(record.paused for record in running)
    checkpoints = {file.name for file in (path.parent / ".search" / "checkpoints").rglob("*.npz")}
    expected = {f"trial-{r.number}-epoch-{max(r.rung_scores)}.npz" for r in running}
    assert checkpoints == expected, "one a trial that waits, and no other"


def test_raising_the_limit_goes_on_with_the_rungs_as_they_are(study_file: Writes) -> None:
    path = halved(study_file, trials="trials = 5")
    first = launch(path, display=SilentDisplay())
    assert len(first.records) == 5
    path.write_text(path.read_text().replace("trials = 5", f"trials = {TRIALS}"))
    second = launch(path, display=SilentDisplay())
    assert [record.completed for record in second.records[:5]] == [one.completed for one in first.records]
    assert [record.number for record in second.records] == list(range(TRIALS))
    assert {record.state for record in second.records} <= {"complete", "pruned"}


def test_a_small_study_has_a_complete_trial_too(study_file: Writes) -> None:
    result = launch(halved(study_file, trials="trials = 5"), display=SilentDisplay())
    assert result.best is not None


def test_brackets_begin_later_and_compare_their_own_trials_alone(study_file: Writes) -> None:
    path = halved(study_file, ASHA + "brackets = 2\n", trials="trials = 16")
    result = launch(path, display=SilentDisplay())
    # Of each round of four trials, the fourth is in the second bracket.
    for record in result.records:
        rungs = RUNGS[1:] if record.number % 4 == 3 else RUNGS
        reached = tuple(record.rung_scores)
        assert reached == rungs[: len(reached)]
    assert {record.state for record in result.records if record.number % 4 == 3} == {"complete", "pruned"}


def test_a_grid_ends_with_its_last_configuration_and_nobody_left_waiting(study_file: Writes) -> None:
    grid = ASHA.replace('"random"', '"grid"')
    path = halved(study_file, grid, learning_rate="learning_rate = [0.01, 0.1]")
    path.write_text(path.read_text().replace(f"trials = {TRIALS}", "trials = 99"))
    result = launch(path, display=SilentDisplay())
    assert result.ended == "every configuration of the grid was tried"
    assert len(result.records) == len({record.configuration for record in result.records}) == 16
    assert {record.state for record in result.records} == {"complete", "pruned"}


def test_trials_that_diverge_fail_at_once_and_are_compared_with_nobody(study_file: Writes) -> None:
    append = ASHA + "\n[retry]\ngive_up = 0\n"
    result = launch(halved(study_file, append, learning_rate=SOME_DIVERGE), display=SilentDisplay())
    assert len(result.records) == TRIALS
    assert {"pruned", "fail"} <= {record.state for record in result.records}
    for record in result.records:
        assert record.configuration is not None
        diverges = record.configuration.learning_rate == 20.0
        assert (record.state == "fail") == diverges
        assert bool(record.rung_scores) != diverges


def test_a_study_is_not_given_up_where_others_than_those_that_fail_wait(study_file: Writes) -> None:
    result = launch(halved(study_file, learning_rate=SOME_DIVERGE), display=SilentDisplay())
    assert any(record.rung_scores for record in result.records[:5]), "the first five didn't all fail"
    assert result.ended == f"{TRIALS} trials are done"
