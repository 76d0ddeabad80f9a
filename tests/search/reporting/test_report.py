from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import search
from search.reporting.report import baselines_of, report
from studies.data.facts import DataFacts
from studies.errors import StorageError
from studies.opening import open_store
from studies.records.reports import SegmentReport
from studies.records.trials import AskedTrial, TrialRecord
from studies.space.configuration import Configuration
from studies.study_file import read_study_file
from tests.search import fakes

SPARK = Configuration("spark", "spark_uniform", "l-bfgs", 10)
ADAM = Configuration("tensorflow", "glorot_uniform", "adam", 27, learning_rate=0.001, batch_size=64)

STUDY = """
[data]
source = "sms-spam"

[space]
optimizer.tensorflow = ["adam"]

[[enqueue]]
framework = "spark"
optimizer = "l-bfgs"
"""


def mixed() -> list[TrialRecord]:
    return [
        fakes.complete(0, 0.80, SPARK),
        fakes.complete(1, 0.90, ADAM),
        fakes.failed(2, "diverged", "loss not finite after epoch 3", ADAM),
        fakes.complete(3, 0.90, replace(SPARK, initialisation="he_normal")),
        fakes.failed(4, "bug", "ValueError: shapes", SPARK),
        fakes.failed(5, "diverged", "weights not finite after epoch 1", ADAM),
        fakes.running(6, ADAM),
    ]


def test_the_best_has_the_highest_validation_score_and_of_equal_ones_the_earlier_wins() -> None:
    found = fakes.report_of(mixed())
    assert found.best is not None
    assert found.best.number == 1
    assert [record.number for record in found.ranked] == [1, 3, 0]
    assert {name: r.number for name, r in found.best_by_framework.items()} == {"tensorflow": 1, "spark": 3}


def test_a_configuration_that_ran_more_than_once_is_ranked_by_the_mean_of_its_runs() -> None:
    lucky = [fakes.complete(0, 0.99, SPARK), fakes.complete(1, 0.90, ADAM), fakes.complete(2, 0.0, SPARK)]
    found = fakes.report_of([*lucky, fakes.failed(3, "diverged", "loss not finite", SPARK)])
    assert [record.number for record in found.ranked] == [1, 0]
    assert found.runs == {0: (0.99, 0.0), 1: (0.90,)}
    assert found.score(found.ranked[1]) == pytest.approx(0.495)
    assert len(found.complete) == 3


def test_failures_are_grouped_by_cause_commonest_first_with_the_first_message() -> None:
    found = fakes.report_of(mixed()).failures
    assert [(group.cause, group.trials) for group in found] == [("diverged", (2, 5)), ("bug", (4,))]
    assert found[0].message == "loss not finite after epoch 3"


def test_a_failed_trial_without_a_result_in_storage_is_still_counted() -> None:
    record = replace(fakes.failed(0, "bug", "", ADAM), report=None)
    assert fakes.report_of([record]).failures[0].trials == (0,)


def test_a_trial_without_an_end_is_running() -> None:
    assert fakes.report_of(mixed()).running == 1


def test_the_test_rows_are_opened_for_the_best_the_best_of_each_framework_and_the_enqueued_alone() -> None:
    other = replace(ADAM, batch_size=32)
    records = [*mixed(), fakes.complete(7, 0.1, other, enqueued=True), fakes.complete(8, 0.2, other)]
    found = fakes.report_of(records)
    with_test = {record.number for record in found.records if found.test_scores(record)}
    assert with_test == {1, 3, 7} == set(found.chosen) == set(found.opened)
    assert [record.number for record in found.enqueued] == [7]


def test_nothing_but_validation_scores_chooses_whose_test_scores_are_shown() -> None:
    plain = fakes.report_of([fakes.complete(0, 0.9, ADAM, test=0.1), fakes.complete(1, 0.8, ADAM, test=0.9)])
    assert plain.chosen == {0}


def marked(number: int) -> float:
    """A score whose digits are in no other number."""
    return (1234511 + 10 * number) / 1e7


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=12))
def test_no_test_score_of_another_trial_leaves_the_report(trials: list[tuple[float, bool, bool]]) -> None:
    records = [
        fakes.complete(number, value, SPARK if spark else ADAM, test=marked(number), enqueued=enqueued)
        for number, (value, spark, enqueued) in enumerate(trials)
    ]
    found = fakes.report_of(records)
    printed = json.dumps(found.to_dict()) + found.trials.to_csv() + repr(found.records) + repr(found.ranked)
    for number in range(len(records)):
        assert (repr(marked(number)) in printed) == (number in found.chosen)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=12))
def test_no_test_score_is_in_a_report_before_the_test_rows_are_opened(
    trials: list[tuple[float, bool, bool]],
) -> None:
    records = [
        fakes.complete(number, value, SPARK if spark else ADAM, test=marked(number), enqueued=enqueued)
        for number, (value, spark, enqueued) in enumerate(trials)
    ]
    found = fakes.report_of(records, opened=False)
    printed = json.dumps(found.to_dict()) + found.trials.to_csv() + repr(found.records) + repr(found.ranked)
    assert not any(repr(marked(number)) in printed for number in range(len(records)))
    assert "f1_test" not in found.trials.columns


def test_the_table_has_one_row_a_trial_and_every_choice_and_score() -> None:
    table = fakes.report_of(mixed()).trials.set_index("number")
    assert list(table.index) == [0, 1, 2, 3, 4, 5, 6]
    assert table.loc[1, "optimizer"] == "adam"
    assert table.loc[1, "learning_rate"] == 0.001
    assert table.loc[1, "value"] == table.loc[1, "f1_validation"] == 0.90
    assert table.loc[1, "f1_test"] == pytest.approx(0.89)
    assert table["f1_test"].notna().sum() == 2
    assert table["log_loss_validation"].notna().sum() == 3
    assert table.loc[0, "seconds"] == pytest.approx(3.2)
    assert table.loc[4, "cause"] == "bug"
    assert list(table["state"]) == ["complete", "complete", "fail", "complete", "fail", "fail", "running"]


def test_the_table_of_an_empty_study_has_its_columns() -> None:
    table = fakes.report_of([]).trials
    assert len(table) == 0
    assert {"number", "state", "framework", "f1_validation", "cause"} <= set(table.columns)


def test_the_dictionary_is_json_also_with_scores_that_are_not_finite() -> None:
    record = fakes.complete(0, 0.5, ADAM)
    assert record.report is not None
    broken = replace(record.report.scores["train"], log_loss=float("inf"), mcc=float("nan"))
    scores = {**record.report.scores, "train": broken}
    found = fakes.report_of([replace(record, report=replace(record.report, scores=scores))]).to_dict()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["trials"][0]["scores"]["train"]["log_loss"] is None
    assert again["trials"][0]["configuration"]["framework"] == "tensorflow"
    assert again["best"] == 0


def test_always_the_positive_class_scores_2p_over_1_plus_p() -> None:
    positive, commonest = baselines_of(fakes.FACTS)
    assert (positive.says, commonest.says) == ("spam", "ham")
    assert positive.test.f1 == pytest.approx(fakes.FACTS.all_positive_f1("test"))
    assert positive.test.recall == 1.0
    assert commonest.test.f1 == 0.0
    share = 844 / 972
    assert commonest.test.f1_weighted == pytest.approx(share * 2 * share / (1 + share))


def test_where_the_positive_class_is_the_commonest_there_is_one_baseline() -> None:
    facts = DataFacts(("a", "b"), "a", 2, {"train": (9, 1), "validation": (3, 1), "test": (3, 1)})
    assert [baseline.says for baseline in baselines_of(facts)] == ["a"]


@pytest.mark.parametrize(
    ("ended", "interrupted"), [("", False), ("60 trials are done", False), ("interrupted", True)]
)
def test_an_interrupted_launch_is_told_from_one_that_ended(ended: str, interrupted: bool) -> None:
    assert fakes.report_of([], ended=ended).interrupted is interrupted


def test_no_password_is_in_the_report() -> None:
    study = {"storage": {"url": "postgresql://ann:secret@db/studies"}}
    found = fakes.report_of(mixed(), study=study)
    assert "secret" not in repr(found) + json.dumps(found.to_dict())
    assert "ann" in found.storage


def test_the_dashboard_command_survives_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "my study.toml"
    path.write_text('name = "mine"\n' + STUDY, encoding="utf-8")
    with open_store(read_study_file(path), "hash", fakes.FACTS, {}):
        assert report(path).dashboard == "search dashboard 'my study.toml'"


def test_a_study_is_read_back_from_its_storage(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(STUDY, encoding="utf-8")
    file = read_study_file(path)
    with open_store(file, "hash", fakes.FACTS, {}) as store:
        store.launch.begin()
        for value in (0.7, 0.9):
            trial = store.trials.ask()
            assert isinstance(trial, AskedTrial)
            found = {rows: fakes.scores(value, row_set=rows) for rows in ("train", "validation", "test")}
            store.trials.tell(SegmentReport(trial.number, trial.configuration.epochs, scores=found))
        store.trials.ask()
        during = report(path)
        store.launch.end("2 trials are done")
    assert (during.ended, during.running) == ("", 1)
    after = search.report(str(path))
    assert after.ended == "2 trials are done"
    assert after.best is not None
    assert (after.best.number, after.best.value) == (1, 0.9)
    assert [record.number for record in after.enqueued] == [0]
    assert after.facts == fakes.FACTS


def test_a_study_that_was_never_launched_is_a_storage_error_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(STUDY, encoding="utf-8")
    with pytest.raises(StorageError) as raised:
        report(path)
    assert "search launch small.toml" in raised.value.remedy


def test_scores_of_a_random_study_are_ranked_downward() -> None:
    records = fakes.trials(30)
    random.Random(0).shuffle(records)
    values = [record.value or 0.0 for record in fakes.report_of(records).ranked]
    assert values == sorted(values, reverse=True)
