from __future__ import annotations

import math
from dataclasses import replace

import pytest

from search.reporting.readings import only_class_predicted, readings, shares_loss
from search.reporting.report import baselines_of
from studies.records.reports import Scores
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration
from tests.search import fakes
from tests.search.reporting.test_terminal import printed

SGD = Configuration("tensorflow", "seed_uniform", "sgd", 100, learning_rate=0.01, batch_size=256)
SPARK = Configuration("spark", "spark_uniform", "l-bfgs", 10)


def saying(said: int, *, precision: float, loss: float) -> Scores:
    """What a network scores that says one class to every test row, and orders them as well as this."""
    (constant,) = (b.test for b in baselines_of(fakes.FACTS) if b.says == fakes.FACTS.classes[said])
    return replace(constant, average_precision=precision, log_loss=loss)


def trial(number: int, scores: Scores) -> TrialRecord:
    record = fakes.complete(number, 0.0, replace(SGD, epochs=100 + number), enqueued=True)
    assert record.report is not None
    found = {**record.report.scores, "test": scores}
    return replace(record, report=replace(record.report, scores=found))


def test_what_says_one_class_alone_is_named_with_what_its_scores_are_worth() -> None:
    never = [trial(n, saying(0, precision=0.97, loss=0.37)) for n in (1, 2)]
    report = fakes.report_of([fakes.complete(0, 0.9, SPARK, enqueued=True), *never])
    assert readings(report) == (
        "Trials 1 and 2 predict “ham” for every test row: their weighted F1 of 0.807 is that of a program "
        "that always predicts “ham”.",
        "They still rank the rows well: average precision 0.970 and 0.970, by chance 0.132. They have hardly "
        "begun to learn: log loss 0.370 and 0.370; predicting the classes' shares has 0.390.",
    )


def test_a_network_that_learnt_but_does_not_say_so_is_not_called_a_beginner() -> None:
    (_, order) = readings(fakes.report_of([trial(4, saying(0, precision=0.9, loss=0.2))]))
    assert order == "It still ranks the rows well: average precision 0.900, by chance 0.132."


@pytest.mark.parametrize(("said", "precision"), [(0, 0.2), (1, 0.97)])
def test_a_network_without_order_or_that_always_says_positive_gets_one_sentence(
    said: int, precision: float
) -> None:
    (sentence,) = readings(fakes.report_of([trial(4, saying(said, precision=precision, loss=0.4))]))
    assert f"Trial 4 predicts “{fakes.FACTS.classes[said]}” for every test row" in sentence


def test_networks_that_say_both_and_trials_that_were_not_chosen_are_passed_over() -> None:
    assert readings(fakes.report_of([fakes.complete(0, 0.9, SPARK)])) == ()
    hidden = replace(trial(1, saying(0, precision=0.9, loss=0.4)), enqueued=False)
    assert readings(fakes.report_of([fakes.complete(0, 0.9, SGD), hidden])) == ()


def test_the_report_prints_them_in_80_columns() -> None:
    text = printed(fakes.report_of([trial(n, saying(0, precision=0.97, loss=0.37)) for n in range(12)]))
    assert "Trials 0, 1, 2" in text
    assert "average precision 0.970 to 0.970" in text


def test_the_loss_of_the_shares_is_their_entropy() -> None:
    share = 128 / 972
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert math.isclose(shares_loss(fakes.FACTS, "test"), entropy)


def test_a_class_said_once_is_enough_to_be_said() -> None:
    assert only_class_predicted(replace(fakes.scores(0.0), confusion=((844, 0), (127, 1)))) is None
    assert only_class_predicted(replace(fakes.scores(0.0), confusion=((0, 844), (0, 128)))) == 1
