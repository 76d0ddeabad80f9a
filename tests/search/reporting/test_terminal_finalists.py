"""What a person reads of the finalists, in 80 columns and in 100."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace

import pytest
from rich.console import Console

from search.reporting.report import FinalistsDue, StudyReport
from search.reporting.section import Table, text_of
from search.reporting.sections.finalists import finalists
from search.reporting.terminal import render_report
from studies.records.finalists import Finalist, Finalists, Interval, PrecisionRecall, Tuned
from studies.records.openings import Opening
from studies.records.trials import TrialRecord
from tests.search import fakes

GENERATOR = random.Random(2)
RECORDS = [
    fakes.complete(0, 0.97, fakes.draw(GENERATOR, "tensorflow")),
    fakes.complete(1, 0.95, fakes.draw(GENERATOR, "spark")),
    fakes.complete(2, 0.94, fakes.draw(GENERATOR, "tensorflow")),
]
FIRST = Opening("2026-11-24T16:02:00+00:00", (0, 1), 4)


def finalist(record: TrialRecord, test: float, **more: object) -> Finalist:
    """One whose networks scored around this on the test rows."""
    assert record.configuration is not None
    assert record.value is not None
    scores = dict.fromkeys(("f1", "f1_macro", "f1_weighted", "precision", "recall", "mcc", "accuracy"), test)
    made = Finalist(
        trial=record.number,
        configuration=record.configuration,
        found=record.value,
        seeds=(11, 12),
        failed=(),
        validation=(test + 0.01, test + 0.02),
        test=(test - 0.005, test + 0.005),
        interval=Interval(test - 0.03, test + 0.02),
        verdict="best",
        difference=None,
        p_value=None,
        scores={**scores, "average_precision": 0.9, "log_loss": 0.1},
        confusion=((1680, 8), (20, 236)),
        tuned=Tuned((0.3, 0.45), {**scores, "f1": test + 0.004}, ((1680, 8), (18, 238))),
        curve=(PrecisionRecall(0.5, 0.9, 0.9),),
        train_seconds=3.25,
    )
    return replace(made, **more)  # type: ignore[arg-type]


TIED = {"verdict": "tied", "difference": Interval(-0.03, 0.02), "p_value": 0.42}


def with_finalists(*ones: Finalist, openings: tuple[Opening, ...] = (FIRST,)) -> StudyReport:
    logistic = fakes.scores(0.88)
    found = Finalists("f1", ones, {}, logistic, ("a",))
    return replace(fakes.report_of(RECORDS), finalists=found, openings=openings, finalists_due=None)


def shown(report: StudyReport, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    render_report(report, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_cut_or_wider_than_the_terminal(width: int) -> None:
    report = with_finalists(
        finalist(RECORDS[0], 0.951),
        finalist(RECORDS[1], 0.947, **TIED),
        finalist(RECORDS[2], 0.901, verdict="worse", difference=Interval(-0.08, -0.02), p_value=0.002),
    )
    text = shown(report, width)
    assert "…" not in text
    tables = [line for line in text.splitlines() if not line.startswith(("Kept in", "Dashboard"))]
    assert max(map(len, tables)) <= width
    for expected in ("0.921 to 0.971", "no significant difference", "0.42", "significantly worse", "0.002"):
        assert expected in text
    assert "840.0" in text, "the confusion matrix is that of one network on average"
    assert "0.30 to 0.45" in text


def test_the_answer_is_in_sentences() -> None:
    text = " ".join(
        shown(with_finalists(finalist(RECORDS[0], 0.951), finalist(RECORDS[1], 0.947, **TIED))).split()
    )
    assert (
        "Trial 0 had the highest validation score in the search, 0.970. Retrained with 2 new seeds, it "
        "scores 0.966 on the same validation rows and 0.951 on the test rows. The score in the search was "
        "optimistic by 0.019: +0.004 is luck with the seed, +0.015 luck with the rows."
    ) in text
    assert "Trial 1 is not significantly different from trial 0, but could be up to 0.030 worse." in text
    opened = "Test rows: opened once, 2026-11-24 16:02 UTC for the 4 retrained networks of trials 0, 1."
    assert opened in text
    assert "Opened again" not in text


def test_equal_ends_are_written_once_and_an_interval_without_width_is_none() -> None:
    others = [finalist(record, 0.947, **TIED) for record in RECORDS[1:]]
    best = finalist(RECORDS[0], 0.951, luck_of_seeds=Interval(0.004, 0.004), luck_of_rows=Interval(-0.1, 0.2))
    text = " ".join(shown(with_finalists(best, *others)).split())
    assert "are not significantly different from trial 0, but could each be up to 0.030 worse." in text
    assert "+0.004 is luck with the seed, +0.015 luck with the rows (95%: -0.100 to +0.200)." in text


def test_a_stored_difference_is_no_further_than_scores_can_differ() -> None:
    beyond = finalist(RECORDS[1], 0.947, verdict="tied", difference=Interval(-2.0, 2.0), p_value=1.0)
    report = with_finalists(finalist(RECORDS[0], 0.951), beyond)
    assert report.finalists is not None
    read = Finalists.from_dict(json.loads(json.dumps(report.finalists.to_dict())))
    assert read.finalists[1].difference == Interval(-1.0, 1.0)


def test_one_that_is_better_retrained_is_the_answer_and_the_searchs_best_is_named() -> None:
    report = with_finalists(finalist(RECORDS[1], 0.96), finalist(RECORDS[0], 0.93, **TIED))
    text = " ".join(shown(report).split())
    assert "Trial 0 had the highest score of the search, 0.970." in text
    assert "Trial 0 had the highest validation score in the search, 0.970." in text


def test_all_others_worse_is_said() -> None:
    worse = finalist(RECORDS[1], 0.8, verdict="worse", difference=Interval(-0.2, -0.1), p_value=0.001)
    text = shown(with_finalists(finalist(RECORDS[0], 0.951), worse))
    assert "Trial 1 is significantly worse." in text


def test_a_second_opening_is_shown() -> None:
    again = Opening("2026-11-25T09:00:00+00:00", (2, 0), 4)
    text = shown(with_finalists(finalist(RECORDS[0], 0.951), openings=(FIRST, again)))
    text = " ".join(text.split())
    assert (
        "Test rows: opened 2 times: 2026-11-24 16:02 UTC for the 4 retrained networks of trials 0, 1;" in text
    )
    assert "; 2026-11-25 09:00 UTC for the 4 retrained networks of trials 2, 0." in text
    assert "may rest on test scores, which are then optimistic" in text


def test_failures_of_trainings_are_shown() -> None:
    report = with_finalists(finalist(RECORDS[0], 0.951, failed=("timeout", "timeout")))
    assert report.finalists is not None
    report = replace(report, finalists=replace(report.finalists, failed={1: ("diverged",)}))
    text = shown(report)
    assert "trial 0: 2 trainings failed: timeout" in text
    assert "trial 1: every new training failed: diverged" in text


def test_what_is_left_is_shown_once_the_search_is_over() -> None:
    report = replace(fakes.report_of(RECORDS), finalists_due=FinalistsDue(10, 3))
    assert "3 of 10 trainings finished; the next launch runs the others." in shown(report)
    assert "Finalists" not in shown(replace(report, ended="", finalists_due=FinalistsDue(10, 0)))


def test_a_study_of_many_classes_has_no_cells_in_its_table() -> None:
    facts = fakes.FACTS
    three = replace(
        facts,
        classes=("a", "b", "spam"),
        counts={name: (5, *counts) for name, counts in facts.counts.items()},
    )
    counts = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    report = replace(with_finalists(finalist(RECORDS[0], 0.9, confusion=counts)), facts=three)
    section = finalists(report)
    assert section is not None
    labels = [text_of(cell) for b in section.blocks if isinstance(b, Table) for cell in b.columns[0].cells]
    assert "macro F1" in labels
    assert not any("predicted" in label for label in labels)
