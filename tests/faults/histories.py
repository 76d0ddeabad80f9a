"""What must hold of a study's storage, whatever happened to those who wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from search.driving.driver import at_rungs
from search.driving.preflight import prepare_data
from search.loop.halving import ladder_of
from studies.records.trials import TrialRecord
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.faults.programs import stored
from workers.task import Segment, run_segment

Row = tuple[Any, ...]


def told_rows(study: Path) -> dict[int, str]:
    """Everything that storage holds of each trial that ended, to the last bit, by number."""
    trials = read_study(read_study_file(study)).study.get_trials(deepcopy=False)
    return {trial.number: _bits(trial) for trial in trials if trial.state.is_finished()}


def _bits(trial: FrozenTrial) -> str:
    kept = {
        "state": trial.state.name,
        "values": trial.values,
        "params": trial.params,
        "on the way": trial.intermediate_values,
        "attributes": trial.user_attrs,
        "times": [str(trial.datetime_start), str(trial.datetime_complete)],
    }
    # repr of a float, which JSON writes, is exact.
    return json.dumps(kept, sort_keys=True)


def nothing_told_has_changed(before: Mapping[int, str], after: Mapping[int, str]) -> None:
    """Trials that had ended are as they were."""
    changed = [number for number, row in before.items() if after.get(number) != row]
    assert not changed, f"trials {changed} were told, and are not what they were"


def table(records: Iterable[TrialRecord]) -> list[Row]:
    """What must be equal in reproducible runs: configurations, seeds, states, all scores."""
    return [
        (
            record.number,
            record.configuration,
            record.seed,
            record.state,
            record.value,
            dict(record.rung_scores),
            record.report and (record.report.epoch, record.report.curve, dict(record.report.scores)),
            record.report and record.report.failure,
        )
        for record in records
    ]


def is_whole(study: Path, trials: int) -> Sequence[TrialRecord]:
    """Exactly so many trials, every one ended, none blamed for what was done to its study."""
    records = stored(study)
    assert [record.number for record in records] == list(range(trials))
    failures = {record.number: record.report.failure for record in records if record.report}
    assert {number: failure for number, failure in failures.items() if failure} == {}
    assert {record.state for record in records} <= {"complete", "pruned"}
    assert any(record.state == "complete" for record in records)
    left = study.parent / ".search" / "checkpoints"
    assert not [path for path in left.rglob("*") if path.is_file()], (
        "a checkpoint is left of a trial that ended"
    )
    return records


def every_score_is_that_of_an_undisturbed_run(study: Path, records: Iterable[TrialRecord]) -> None:
    """Each trial, trained again in one go, has the same curve and the same scores at every rung."""
    file = read_study_file(study)
    split = str(prepare_data(file).directory)
    ladder = ladder_of(file.study.pruner)
    for record in records:
        assert record.report is not None
        assert record.configuration is not None
        assert record.seed is not None
        last = record.configuration.epochs
        segment = Segment(
            study="undisturbed",
            trial=record.number,
            configuration=record.configuration,
            seed=record.seed,
            rungs=ladder.rungs(last, ladder.bracket(record.number)),
            hidden=tuple(file.study.model.hidden),
            metric=file.study.objective.metric,
            split=split,
            checkpoints=str(study.parent / "undisturbed"),
            until=record.report.epoch,
        )
        alone = run_segment(segment)
        assert alone.failure is None
        assert alone.curve == record.report.curve
        assert alone.scores == record.report.scores
        scored = {point.epoch: point.validation_score for point in alone.curve}
        assert record.rung_scores == {epoch: score for epoch, score in scored.items() if score is not None}


def every_rung_promoted_its_best(study: Path, records: Sequence[TrialRecord]) -> None:
    """With promotion: the best 1/factor of all that reached a rung have gone on from it."""
    pruner = read_study_file(study).study.pruner
    if at_rungs(pruner) != "wait":
        return
    ladder = replace(ladder_of(pruner), brackets=1)
    last = max(record.configuration.epochs for record in records if record.configuration)
    for rung in ladder.rungs(last)[:-1]:
        reached = [record for record in records if rung in record.rung_scores]
        best = sorted(reached, key=lambda record: (-record.rung_scores[rung], record.number))
        for record in best[: len(reached) // ladder.factor]:
            assert record.report is not None
            assert record.report.epoch > rung, f"trial {record.number} waited at rung {rung} in vain"
