from __future__ import annotations

import random
from dataclasses import replace

from search.exporting.card import model_card
from studies.records.finalists import Difference, Finalist, Finalists, Interval, Tuned
from studies.records.trials import TrialRecord
from tests.search.exporting.models import SPARK, model_of_numbers, model_of_texts
from tests.search.fakes import FACTS, complete, draw, report_of, scores
from tests.search.reporting.renderings import from_markdown


def complete_trials() -> list[TrialRecord]:
    generator = random.Random(0)
    return [complete(number, 0.8 + number / 100, draw(generator, "tensorflow")) for number in range(5)]


def test_the_winners_card_has_its_test_scores_beside_the_validation_score_and_the_baselines() -> None:
    report = report_of(complete_trials())
    card = model_card(report, report.records[4], model_of_texts(), ())
    assert "the best of 5 configurations by f1" in card
    assert "|  | test | validation | always “spam” | always “ham” |" in card
    assert "| F1 of spam | 0.830 | 0.840 | 0.233 | 0.000 |" in card
    assert "| actual spam | 22 | 106 |" in card
    assert "spam is predicted where its probability is above 0.5" in card
    assert (
        "Tuned on the validation rows, the threshold is 0.375, which is not tested on the test rows" in card
    )


def test_another_trials_card_says_that_the_test_rows_were_not_opened_for_it() -> None:
    report = report_of(complete_trials())
    card = model_card(report, report.records[2], model_of_texts(), ())
    assert "number 3 of 5 configurations" in card
    assert "The test rows were not opened for this trial" in card
    assert "|  | validation |" in card
    assert "always" not in card


def test_a_card_says_what_was_trained_on_how_to_use_it_and_what_to_know() -> None:
    report = report_of(complete_trials(), facts=replace(FACTS, notes=("96 test rows repeat a training row",)))
    card = model_card(report, report.records[4], model_of_texts(), ("it scored 0.1 less",))
    for words in (
        "(3 → 4 → 2, tanh hidden layers, softmax output, 26 parameters)",
        "| train | 2,701 | 411 | 3,112 | 13.2% |",
        "5 words are known",
        "- Scaled: less the mean",
        "- 96 test rows repeat a training row",
        "model.keras",
        'python example.py "some text"',
        "- it scored 0.1 less",
        "trial 7, seed 3",
        "keras 3.15.1",
    ):
        assert words in card, words


def test_a_card_of_sparks_says_what_its_prediction_is() -> None:
    report = report_of(complete_trials())
    card = model_card(report, report.records[4], model_of_numbers(SPARK), ())
    assert "- spark-model: a MultilayerPerceptronClassificationModel" in card
    assert "Java 17" in card
    assert "without a known word" not in card


def test_only_the_best_is_called_the_best_of_many() -> None:
    report = report_of(complete_trials())
    assert report.best is not None
    other = next(record for record in report.ranked if record is not report.best)
    of_best = model_card(report, report.best, model_of_numbers(), ())
    of_other = model_card(report, other, model_of_numbers(SPARK), ())
    assert f"is the best of {len(report.ranked)} and therefore optimistic" in of_best
    assert "is the best of" not in of_other
    assert f"chose among {len(report.ranked)} configurations by the validation score" in of_other


def test_a_card_of_more_than_two_classes_has_no_threshold() -> None:
    report = report_of(complete_trials())
    card = model_card(report, report.records[4], model_of_numbers(classes=3), ())
    assert "the most probable class is predicted" in card
    assert "--threshold" not in card


def test_a_finalists_card_has_its_worth_over_seeds_and_how_optimistic_the_search_was() -> None:
    report = report_of(complete_trials())
    best = report.records[4]
    assert best.configuration is not None
    one = Finalist(
        trial=4,
        configuration=best.configuration,
        found=0.84,
        seeds=(11, 12, 13),
        failed=(),
        validation=(0.82, 0.83, 0.81),
        test=(0.80, 0.82, 0.81),
        interval=Interval(0.77, 0.85),
        verdict="best",
        difference=None,
        p_value=None,
        scores={"f1": 0.81},
        confusion=((1, 0), (0, 1)),
        tuned=Tuned(
            (0.4, 0.5, 0.6), {"f1": 0.816}, ((1, 0), (0, 1)), "f1", Difference(0.006, -0.01, 0.022, 0.4)
        ),
        curve=(),
        train_seconds=2.0,
        prediction=Interval(0.7, 0.9),
    )
    tied = replace(one, trial=3, configuration=SPARK, verdict="tied", difference=Interval(-0.02, 0.03))
    found = Finalists("f1", (one, tied), {}, scores(0.6), (), Difference(0.21, 0.15, 0.27, 1e-6))
    card = from_markdown(model_card(replace(report, finalists=found), best, model_of_texts(), ()))
    for words in (
        "Retrained with 3 other seeds",
        "mean F1 of spam of 0.810 on the test rows. 95% confidence interval of the mean, over seeds and "
        "test rows: 0.770 to 0.850.",
        "Trial 3 is one of 2 with the highest validation score in the search, 0.840.",
        "The score in the search was optimistic by 0.030",
        "Trial 3 is not significantly different from trial 4, but could be up to 0.020 worse.",
        "A logistic regression on the same features scores 0.600. Trial 4 is significantly better: "
        "+0.210 (95%: +0.150 to +0.270, p <0.001).",
        "Tuned thresholds are not recommended for trial 4: on the test rows they change F1 by "
        "+0.006 (95%: -0.010 to +0.022, p 0.4), which is not significant.",
        "One new network of trial 4, scored on 972 other rows, is expected between 0.700 and 0.900",
    ):
        assert words in card, words
    assert "Retrained" not in model_card(report, best, model_of_texts(), ())
