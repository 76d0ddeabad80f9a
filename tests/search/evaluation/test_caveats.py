from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from search.commands.check import check, render_plan
from search.evaluation.caveats import caveats, enough_positives, half_width, too_few, undecided
from search.reporting.markdown import markdown_of
from search.reporting.page.page import page
from search.reporting.report import StudyReport
from search.reporting.terminal import render_report
from studies.data.facts import DataFacts
from studies.space.configuration import Configuration
from tests.search import fakes

RARE = DataFacts(("well", "sick"), "sick", 7, {"train": (2650, 21), "validation": (663, 5), "test": (829, 6)})
"""A table like KEEL's abalone19: 32 positive rows in all."""

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def network(learning_rate: float) -> Configuration:
    return Configuration("tensorflow", "he_normal", "sgd", 27, learning_rate=learning_rate, batch_size=32)


def report_of(values: list[float], facts: DataFacts = fakes.FACTS) -> StudyReport:
    trials = [fakes.complete(number, value, network(0.1 + number)) for number, value in enumerate(values)]
    return replace(fakes.report_of(trials), facts=facts)


def printed(report: StudyReport) -> str:
    console = Console(file=StringIO(), width=100, highlight=False)
    render_report(report, console)
    output = console.file
    assert isinstance(output, StringIO)
    return " ".join(output.getvalue().split())


@pytest.mark.parametrize("true_f1", [0.5, 0.6, 0.8, 0.9])
@pytest.mark.parametrize("positives", [9, 20, 35, 100])
def test_the_stated_width_is_that_of_simulated_scores(true_f1: float, positives: int) -> None:
    draw = np.random.default_rng(1)
    hits = draw.binomial(positives, true_f1, 100_000)
    false = draw.poisson((1 - true_f1) * positives, 100_000)
    low, high = np.quantile(2 * hits / (positives + hits + false), [0.025, 0.975])
    assert half_width(positives, true_f1) == pytest.approx((high - low) / 2, rel=0.1)


def test_what_would_do_is_the_fewest_rows_that_do() -> None:
    assert enough_positives() == 35
    assert half_width(35) <= 0.1 < half_width(34)


def test_few_positives_are_said_with_how_many_would_do_and_what_to_do() -> None:
    first, second = too_few(RARE, "f1")
    assert first == (
        "Too few rows to compare networks by: 5 of 668 validation rows and 6 of 835 test rows are “sick”. "
        "A network with a true F1 of 0.80 scores anything from 0.54 to 1.00 on 5 such rows."
    )
    assert second.startswith("At 35 in each part, F1 is known to ±0.1. Label more rows: 224 that are “sick”")


def test_larger_parts_are_advised_where_they_would_do() -> None:
    counts = {"train": (9000, 190), "validation": (500, 5), "test": (500, 5)}
    _, second = too_few(replace(RARE, counts=counts), "f1")
    assert "Raise data.validation and data.test to 0.18 or more" in second


def test_the_rarest_class_limits_a_mean_over_classes() -> None:
    rare_negative = replace(RARE, positive="well")
    assert not list(too_few(rare_negative, "f1"))
    assert "“sick”" in next(too_few(rare_negative, "f1_macro"))


@given(st.integers(1, 500), st.integers(1, 500))
def test_more_positives_never_bring_a_caveat(validation: int, more: int) -> None:
    def facts(count: int) -> DataFacts:
        return replace(RARE, counts=dict.fromkeys(("train", "validation", "test"), (1000, count)))

    if not list(too_few(facts(validation), "f1")):
        assert not list(too_few(facts(validation + more), "f1"))


def test_enough_rows_and_a_winner_need_no_caveat() -> None:
    assert caveats(fakes.FACTS, "f1", [0.9, 0.8]) == ()


def test_one_configuration_is_not_undecided() -> None:
    assert not undecided([0.5])
    assert not undecided([])
    assert undecided([0.5, 0.5])


def test_equal_scores_are_said_before_all_else() -> None:
    text = printed(report_of([0.0] * 4))
    assert text.index("No configuration is better than another: all 4 have F1 of spam 0.000") < text.index(
        "Rows:"
    )
    assert "No network predicted “spam”" in text
    assert "Best configuration" not in text
    assert "One of 4 equal configurations" in text


def test_a_best_that_does_not_beat_a_constant_is_no_answer() -> None:
    (words,) = caveats(fakes.FACTS, "f1", [0.2, 0.1])
    assert "No configuration beats a program that always predicts “spam”: its F1 is 0.234" in words
    assert not caveats(fakes.FACTS, "average_precision", [0.2, 0.1])


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.9, 0.8]])
def test_every_rendering_says_the_same(values: list[float]) -> None:
    report = report_of(values, RARE)
    assert report.caveats
    html, markdown, terminal = page(report, NOW), markdown_of(report), printed(report)
    for words in report.caveats:
        assert words in terminal
        assert words in html.replace("&quot;", '"')
        assert words in markdown.replace("\\", "")
    assert report.to_dict()["caveats"] == list(report.caveats)
    assert ("Best configuration" in terminal) == ("Best configuration" in html) == (values[0] > 0)


def test_check_says_it_first(study_file: Callable[..., Path]) -> None:
    plan = replace(check(study_file()), facts=RARE)
    output = StringIO()
    render_plan(plan, Console(file=output, width=100, highlight=False))
    assert output.getvalue().startswith("Too few rows to compare networks by")
    assert plan.to_dict()["caveats"] == plan.caveats
