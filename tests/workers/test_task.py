"""A segment ends in a report, whatever happens; and run twice it gives the same one."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.data import prepare
from studies.errors import MachineError
from studies.plugins import Origin
from studies.records.reports import SCORED, Failure, SegmentReport, TimeLedger
from studies.space.configuration import Configuration
from studies.study_file import read_study_file
from workers import process, task
from workers.checkpoints.checkpoints import Checkpoints
from workers.task import Segment, run_segment
from workers.training.analytic_trainer import AnalyticTrainer
from workers.training.trainer import State, TrainingFailed

CONFIGURATION = Configuration("analytic", "he_normal", "adam", epochs=9, learning_rate=0.1, batch_size=16)


@pytest.fixture
def segment(study_file: Callable[..., Path], tmp_path: Path) -> Iterator[Segment]:
    file = read_study_file(study_file())
    study = file.study
    prepared = prepare(study.data, study.features, study.seed, file.directory, file.work_directory / "data")
    yield Segment(
        study="small",
        trial=4,
        configuration=CONFIGURATION,
        seed=3,
        rungs=(1, 3, 9),
        hidden=(4,),
        metric="f1",
        split=str(prepared.directory),
        checkpoints=str(tmp_path / "checkpoints"),
        until=9,
    )
    process.go_on()


def without_seconds(report: SegmentReport) -> SegmentReport:
    return replace(report, ledger=TimeLedger())


def trainer_raises(error: BaseException, monkeypatch: pytest.MonkeyPatch, *, at_rung: int = 1) -> None:
    advance = AnalyticTrainer.advance

    def broken(self: Any, configuration: Any, seed: int, state: State, epoch: int, deadline: Any) -> State:
        if epoch >= at_rung:
            raise error
        return advance(self, configuration, seed, state, epoch, deadline)

    monkeypatch.setattr(AnalyticTrainer, "advance", broken)


def test_a_good_segment_reports_curve_scores_and_where_the_seconds_went(segment: Segment) -> None:
    report = run_segment(segment)
    assert report.failure is None
    assert report.trial == 4
    assert report.epoch == 9
    assert [point.epoch for point in report.curve] == list(range(1, 10))
    assert [point.epoch for point in report.curve if point.validation_score is not None] == [1, 3, 9]
    assert set(report.scores) == set(SCORED)
    assert report.curve[-1].validation_score == report.scores["validation"].f1
    assert report.worker == "no cluster"
    assert report.device == "CPU"
    assert set(report.versions) == {"python", "numpy"}
    assert report.ledger.setup > 0
    assert report.ledger.train > 0
    assert report.ledger.score > 0
    assert SegmentReport.from_dict(report.to_dict()) == report


def test_scores_count_every_row_of_their_set(segment: Segment) -> None:
    split = process.split_at(segment.split)
    report = run_segment(segment)
    for name in SCORED:
        confusion = report.scores[name].confusion
        assert sum(map(sum, confusion)) == len(getattr(split, name))


def test_another_metric_fills_the_curve(segment: Segment) -> None:
    report = run_segment(replace(segment, metric="mcc"))
    assert report.curve[-1].validation_score == report.scores["validation"].mcc


def test_a_training_that_leaves_the_finite_numbers_is_diverged(segment: Segment) -> None:
    wild = replace(segment, configuration=replace(CONFIGURATION, learning_rate=11.0))
    report = run_segment(wild)
    assert report.failure is not None
    assert report.failure.cause == "diverged"
    assert report.failure.epoch == report.epoch == 1
    assert report.failure.traceback is None
    assert report.scores == {}
    assert report.ledger.train > 0


def test_probabilities_that_are_not_finite_are_diverged_after_the_epoch_that_they_were_seen_at(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(_self: Any, state: State, features: Any) -> Any:
        return np.full((len(features), 2), np.nan if state.epoch >= 3 else 0.5)

    monkeypatch.setattr(AnalyticTrainer, "predict", predict)
    failure = run_segment(segment).failure
    assert failure is not None
    assert (failure.cause, failure.epoch) == ("diverged", 3)
    assert "probabilities not finite" in failure.message


def test_rows_that_the_trainer_refuses_are_a_failure_of_data(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Failure("data", "class 3 has no training rows", 2)
    trainer_raises(TrainingFailed(refused), monkeypatch)
    report = run_segment(segment)
    assert report.failure == refused
    assert report.epoch == 2


def test_an_exception_that_nobody_foresaw_is_a_bug_with_its_traceback(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_raises(IndexError("the 17th weight"), monkeypatch, at_rung=9)
    report = run_segment(segment)
    assert report.failure is not None
    assert report.failure.cause == "bug"
    assert report.failure.message == "IndexError: the 17th weight"
    assert report.failure.traceback is not None
    assert report.failure.traceback.endswith("IndexError: the 17th weight\n")
    assert "in broken" in report.failure.traceback
    assert report.ledger.train > 0


def test_what_is_kept_of_a_huge_error_is_small_and_says_what_it_was(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_raises(RuntimeError("shapes don't match: " + "a node of the graph; " * 50_000), monkeypatch)
    report = run_segment(segment)
    assert report.failure is not None
    assert report.failure.message.startswith("RuntimeError: shapes don't match")
    assert report.failure.traceback is not None
    assert len(report.failure.traceback) <= task.TRACEBACK_CHARACTERS
    assert "in broken" in report.failure.traceback
    assert len(pickle.dumps(report)) < 10_000


@pytest.mark.parametrize(("message", "kept"), [("", "MemoryError"), ("8 GiB asked for", "8 GiB asked for")])
def test_a_lack_of_memory_is_called_so(
    message: str, kept: str, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_raises(MemoryError(message) if message else MemoryError(), monkeypatch)
    assert run_segment(segment).failure == Failure("out of memory", kept)


def test_a_trainer_that_can_not_be_made_is_a_report_too(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "make_trainer", lambda *_: 1 / 0)
    failure = run_segment(replace(segment, hidden=(9,))).failure
    assert failure is not None
    assert failure.cause == "bug"
    assert "ZeroDivisionError" in failure.message


def test_a_machine_that_can_not_start_spark_is_a_cause_of_its_own_and_no_bug(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_raises(MachineError("found no Java", remedy="install one"), monkeypatch)
    failure = run_segment(segment).failure
    assert failure == Failure("spark died", "found no Java\n  to do:   install one")


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise TypeError("it has no words")


@pytest.mark.parametrize(
    ("error", "kept"), [(SpeechlessError(), "SpeechlessError"), (SystemExit(3), "SystemExit: 3")]
)
def test_whatever_is_raised_is_a_report(
    error: BaseException, kept: str, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_raises(error, monkeypatch)
    failure = run_segment(segment).failure
    assert failure is not None
    assert (failure.cause, failure.message) == ("bug", kept)


def test_a_framework_that_the_worker_does_not_know_is_a_report_too(segment: Segment) -> None:
    report = run_segment(replace(segment, configuration=replace(CONFIGURATION, framework="nosuch")))
    assert report.failure is not None
    assert "found the unknown framework 'nosuch'" in report.failure.message
    assert set(report.versions) == {"python"}


def test_a_plug_in_that_the_worker_can_not_import_says_so_with_its_name(segment: Segment) -> None:
    origin = Origin("trainer", "nosuch:One", "nosuch_module:One", "entry point of nosuch", "nosuch", "1.0")
    report = run_segment(replace(segment, plugin=origin))
    assert report.failure is not None
    assert report.failure.cause == "plug-in"
    assert "the trainer 'nosuch:One' is not there: no module named 'nosuch_module'" in report.failure.message
    assert report.versions["nosuch"] == "1.0"


def test_rows_that_are_gone_are_a_report_too(segment: Segment, tmp_path: Path) -> None:
    failure = run_segment(replace(segment, split=str(tmp_path / "nowhere"))).failure
    assert failure is not None
    assert "nowhere" in failure.message


def test_when_everything_shall_stop_a_segment_ends_after_its_epoch(segment: Segment) -> None:
    process.stop_all()
    assert run_segment(segment).failure == Failure("timeout", "stopped by the driver", 0)
    process.go_on()
    assert run_segment(segment).failure is None


def test_run_again_it_gives_the_same_report_without_training(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_segment(segment)
    trainer_raises(RuntimeError("trained again"), monkeypatch)
    assert without_seconds(run_segment(segment)) == without_seconds(first)


def test_without_its_checkpoint_it_starts_over_and_gives_the_same_report(segment: Segment) -> None:
    first = run_segment(segment)
    Checkpoints(segment.checkpoints).clear()
    assert without_seconds(run_segment(segment)) == without_seconds(first)


def test_it_goes_on_from_an_earlier_rung_and_arrives_where_an_uncut_one_does(
    segment: Segment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncut = run_segment(replace(segment, checkpoints=str(tmp_path / "others")))
    run_segment(replace(segment, until=3))
    begun = AnalyticTrainer.begin
    monkeypatch.setattr(AnalyticTrainer, "begin", lambda *_: pytest.fail("started over"))
    assert without_seconds(run_segment(segment)) == without_seconds(uncut)
    monkeypatch.setattr(AnalyticTrainer, "begin", begun)


def test_cut_at_every_rung_it_gives_the_report_of_an_uncut_one(segment: Segment, tmp_path: Path) -> None:
    uncut = run_segment(replace(segment, checkpoints=str(tmp_path / "others")))
    for rung in segment.rungs:
        report = run_segment(replace(segment, until=rung))
        assert (report.epoch, report.finished) == (rung, rung == 9)
        assert report.curve == uncut.curve[:rung]
        assert report.curve[-1].validation_score == report.scores["validation"].f1
    assert without_seconds(report) == without_seconds(uncut)


def test_before_the_last_rung_the_validation_rows_alone_are_scored(segment: Segment) -> None:
    report = run_segment(replace(segment, until=3))
    assert set(report.scores) == {"validation"}
    assert not report.finished
    assert [file.name for file in Path(segment.checkpoints).iterdir()] == ["trial-4-epoch-3.npz"]


def test_a_segment_ends_at_its_rung_also_where_an_earlier_one_did_not_run(
    segment: Segment, tmp_path: Path
) -> None:
    run_segment(replace(segment, until=1))
    cut = run_segment(replace(segment, until=3))
    alone = run_segment(replace(segment, until=3, checkpoints=str(tmp_path / "others")))
    assert without_seconds(cut) == without_seconds(alone)


def test_a_segment_that_is_run_again_after_a_later_one_gives_the_same_report(segment: Segment) -> None:
    first = run_segment(replace(segment, until=3))
    last = run_segment(segment)
    assert without_seconds(run_segment(replace(segment, until=3))) == without_seconds(first)
    assert without_seconds(run_segment(segment)) == without_seconds(last)


@pytest.mark.parametrize("until", [1, 3, 9])
def test_a_trainer_that_can_stop_nowhere_runs_on_and_says_that_it_finished(
    until: int, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnalyticTrainer, "rungs", lambda _self, _configuration, wanted: tuple(wanted[-1:]))
    report = run_segment(replace(segment, until=until))
    assert (report.epoch, report.finished) == (9, True)
    assert set(report.scores) == set(SCORED)
    assert [point.epoch for point in report.curve if point.validation_score is not None] == [9]


def test_a_trainer_that_can_not_stop_at_the_rung_stops_at_the_next_where_it_can(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnalyticTrainer, "rungs", lambda *_: (3, 9))
    report = run_segment(replace(segment, until=1))
    assert (report.epoch, report.finished) == (3, False)


def test_a_later_segment_of_a_trial_that_fails_says_so_and_leaves_the_checkpoint_before(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_segment(replace(segment, until=3))
    with monkeypatch.context() as patch:
        trainer_raises(MemoryError(), patch, at_rung=9)
        report = run_segment(segment)
    assert report.failure == Failure("out of memory", "MemoryError")
    assert report.finished
    assert [file.name for file in Path(segment.checkpoints).iterdir()] == ["trial-4-epoch-3.npz"]
    assert run_segment(segment).failure is None


@pytest.mark.parametrize(
    "change",
    [
        {"configuration": replace(CONFIGURATION, learning_rate=0.2)},
        {"configuration": replace(CONFIGURATION, initialisation="glorot_uniform")},
        {"seed": 4},
        {"hidden": (5,)},
    ],
    ids=["learning rate", "initialisation", "seed", "layers"],
)
def test_a_checkpoint_of_another_training_is_not_used(
    change: dict[str, Any], segment: Segment, tmp_path: Path
) -> None:
    changed = replace(segment, **change)
    alone = run_segment(replace(changed, checkpoints=str(tmp_path / "others")))
    other = run_segment(segment)
    after = run_segment(changed)
    assert without_seconds(after) == without_seconds(alone)
    assert without_seconds(after) != without_seconds(other)


def test_a_torn_checkpoint_costs_the_time_and_nothing_else(segment: Segment) -> None:
    first = run_segment(segment)
    (checkpoint,) = Path(segment.checkpoints).glob("*.npz")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert without_seconds(run_segment(segment)) == without_seconds(first)


def test_what_travels_is_small_and_holds_no_rows_and_no_storage(segment: Segment) -> None:
    sent, returned = pickle.dumps(segment), pickle.dumps(run_segment(segment))
    for message in (sent, returned):
        assert len(message) < 10_000
        assert b"numpy._core" not in message
        assert b"sqlite" not in message
        assert b".db" not in message


def test_a_task_is_named_by_study_trial_rung_and_attempt(segment: Segment) -> None:
    assert segment.key == "small/trial-4/rung-9"
    assert replace(segment, attempt=1).key == "small/trial-4/rung-9/attempt-2"
