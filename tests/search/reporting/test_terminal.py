from __future__ import annotations

import io
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from search.output.tables import Column, fitted_table
from search.reporting.markdown import markdown_of
from search.reporting.page.page import page
from search.reporting.report import StudyReport
from search.reporting.terminal import render_report
from search.words import configuration_text, decimals, of_limit, with_sign
from studies.data.facts import DataFacts
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration
from tests.search import fakes

WIDTHS = pytest.mark.parametrize("width", [80, 100, 120])

SPARK = Configuration("spark", "spark_uniform", "l-bfgs", 10)
SEED = Configuration(
    "tensorflow",
    "seed_uniform",
    "sgd",
    100,
    learning_rate=0.01,
    batch_size=256,
    shuffle=False,
    drop_last_batch=True,
    loss_scale=0.5,
)


def printed(report: StudyReport, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    render_report(report, console)
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def row_of(text: str, label: str) -> list[str]:
    """The cells after a label, in the first line that starts with it."""
    line = next(line for line in text.splitlines() if line.strip().startswith(label))
    return line.strip().removeprefix(label).split()


def whole_study() -> list[TrialRecord]:
    generator = random.Random(3)
    return [
        *fakes.trials(50),
        fakes.failed(50, "diverged", "loss not finite after epoch 3", fakes.draw(generator)),
        fakes.failed(51, "bug", "ValueError: [bold]shapes[/bold]\nsecond line " + "x " * 60, SPARK),
        fakes.complete(52, 0.2, SPARK, enqueued=True),
        fakes.complete(53, 0.1, SEED, enqueued=True),
        fakes.complete(54, 0.1, replace(SEED, biases=-0.25), enqueued=True),
    ]


def widest() -> list[TrialRecord]:
    """Trials with the longest value of every choice."""
    long = Configuration(
        "tensorflow",
        "truncated_normal",
        "momentum",
        1000,
        biases=-0.125,
        learning_rate=0.000123456,
        batch_size=16384,
        shuffle=False,
        drop_last_batch=True,
        loss_scale=0.5,
    )
    records = [fakes.complete(10_000 + n, -0.5, long, enqueued=n < 2) for n in range(3)]
    return [*records, fakes.complete(10_010, 0.4, replace(long, biases=1.5, shuffle=True, loss_scale=2.0))]


@WIDTHS
@pytest.mark.parametrize("records", [[], whole_study(), whole_study()[:1], widest()], ids=len)
@pytest.mark.parametrize("ended", ["", "60 trials are done"])
@pytest.mark.parametrize("metric", ["f1", "average_precision"])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(
    records: Sequence[TrialRecord], width: int, ended: str, metric: str
) -> None:
    study: dict[str, Any] = {"objective": {"metric": metric}}
    text = printed(fakes.report_of(records, ended=ended, study=study), width)
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [40, 60])
def test_no_figure_is_cut_where_there_is_no_room(width: int) -> None:
    text = printed(fakes.report_of(whole_study()), width)
    lines = text[: text.index("Kept in")].splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= width
    assert "…" not in text


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0004, "0.000"), (-0.0, "0.000"), (-0.0006, "-0.001"), (1, "1.000")]
)
def test_what_rounds_to_zero_has_no_sign(value: float, text: str) -> None:
    assert decimals(value) == text
    assert "-0.000" not in with_sign(value)
    assert float(with_sign(value)) == round(value, 3)


def test_more_trials_than_are_asked_for_are_not_so_many_of_them() -> None:
    assert of_limit(2, 1) == "2 trials finished (trials = 1)"
    assert of_limit(1, 60) == "1 of 60 trials finished"
    assert of_limit(1, 1) == "1 of 1 trial finished"
    assert of_limit(3, None) == "3 trials finished"
    report = fakes.report_of(fakes.trials(2), study={"trials": 1})
    assert "2 trials finished (trials = 1)" in printed(report)
    assert "2 trials finished (trials = 1)" in markdown_of(report)
    assert "2 trials finished (trials = 1)" in page(report, datetime(2026, 11, 24))


def test_the_headline_has_the_best_configuration_with_its_test_scores_and_the_baselines() -> None:
    text = printed(fakes.report_of([fakes.complete(7, 0.9, SPARK, test=0.75), *fakes.trials(3, first=8)]))
    assert "trial 7" in text
    assert "spark l-bfgs spark_uniform 10 iterations" in text
    assert row_of(text, "F1 of spam") == ["0.750", "0.900", "0.233", "0.000"]
    assert row_of(text, "recall of spam") == ["0.750", "0.900", "1.000", "0.000"]
    assert row_of(text, "actual ham") == ["812", "32"]
    assert row_of(text, "actual spam") == ["32", "96"]
    assert "F1 2p/(1+p) = 0.233" in text


def test_the_best_of_many_is_called_optimistic_and_a_single_enqueued_trial_is_not() -> None:
    assert "the best of 4 and therefore optimistic" in printed(fakes.report_of(fakes.trials(4)))
    assert "optimistic" not in printed(fakes.report_of([fakes.complete(0, 0.9, SPARK, enqueued=True)]))


def test_the_table_of_the_best_is_as_long_as_the_study_says_and_in_order() -> None:
    report = fakes.report_of(fakes.trials(20), study={"report": {"best": 3}})
    lines = printed(report).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("The best 3 of "))
    numbers = [int(line.split()[0]) for line in lines[start + 3 : start + 6]]
    assert numbers == [record.number for record in report.ranked[:3]]
    assert lines[start + 6] == ""


def test_repeats_of_a_configuration_are_shown_with_their_scores_and_their_mean() -> None:
    runs = [fakes.complete(n, value, SPARK) for n, value in enumerate((0.95, 0.85, 0.90))]
    text = printed(fakes.report_of([*runs, fakes.complete(3, 0.5, SEED)]))
    assert "Sampled 3 times, with different seeds: validation 0.950, 0.850, 0.900" in text
    table = text[text.index("by F1 of spam") :]
    assert row_of(table, "0 ")[:4] == ["0.900", "0.940", "3", "Spark"]
    assert not re.search(
        r"runs +framework", printed(fakes.report_of([runs[0], fakes.complete(3, 0.5, SEED)]))
    )


def test_each_framework_is_shown_with_its_best_trial_and_the_test_score_of_it() -> None:
    records = [
        fakes.complete(0, 0.9, SPARK, test=0.81),
        fakes.complete(1, 0.8, SEED, test=0.72),
        fakes.complete(2, 0.7, replace(SPARK, initialisation="he_normal"), test=0.63),
    ]
    text = printed(fakes.report_of(records))
    text = text[text.index("Spark 0.810 and TensorFlow 0.720 on the test rows") :]
    text = text[text.index("best of") :]
    assert row_of(text, "Spark ")[:3] == ["2", "0", "0.900"]
    assert row_of(text, "TensorFlow ")[:3] == ["1", "1", "0.800"]
    assert "0.630" not in text


def test_the_enqueued_recipes_are_shown_under_every_score() -> None:
    records = [fakes.complete(0, 0.92, SPARK, enqueued=True), fakes.complete(1, 0.0, SEED, enqueued=True)]
    text = printed(fakes.report_of(records))
    assert "no shuffling, last batch dropped, loss scale 0.5" in flat(text)
    section = text[text.index("under every score") :]
    assert row_of(section, "F1 of spam")[:4] == ["0.910", "0.920", "0.000", "0.000"]
    for label in ("macro F1", "weighted F1", "average precision", "Matthews", "accuracy", "log loss"):
        assert row_of(section, label)
    assert "best of" not in text


def test_recipes_that_do_not_fit_beside_each_other_are_shown_below() -> None:
    records = [fakes.complete(n, n / 10, SPARK, enqueued=True) for n in range(5)]
    text = printed(fakes.report_of(records))
    assert text.count("  macro F1") > 2
    for number in range(5):
        assert f"trial {number}: spark" in text


def test_importance_says_on_how_many_trials_it_rests() -> None:
    report = fakes.report_of(fakes.trials(60))
    text = printed(report)
    assert "all trials: the best 20 of 60" in text
    for group in report.importance.frameworks:
        assert f"within {group.framework}: the best {group.best} of {group.trials}" in text
    share = report.importance.overall.shares[0]
    assert row_of(text, "learning_rate")[0].rstrip("?") == f"{share.share:.0%}"
    assert "█" in text


def test_too_few_trials_have_no_importance_and_the_reason() -> None:
    assert "No importance: needs 10 complete trials, there are 3." in printed(
        fakes.report_of(fakes.trials(3))
    )


def test_failures_are_shown_by_cause_and_their_messages_are_not_read_as_markup() -> None:
    text = printed(fakes.report_of(whole_study()))
    assert row_of(text, "diverged") == ["1", "50"]
    assert "diverged: loss not finite after epoch 3" in text
    assert "bug: ValueError: [bold]shapes[/bold] second line" in text


def test_many_failures_of_one_cause_are_counted_and_not_all_named() -> None:
    records = [fakes.failed(n, "timeout", "the trial's time was up", SPARK) for n in range(40)]
    text = printed(fakes.report_of(records))
    assert row_of(text, "timeout")[:4] == ["40", "0,", "1,", "2,"]
    assert "and 28 more" in text


def test_a_study_without_a_complete_trial_says_so_and_why() -> None:
    text = printed(fakes.report_of([fakes.failed(0, "diverged", "weights not finite", SPARK)]))
    assert "No best configuration\n  Every trial so far failed" in text
    assert "weights not finite" in text
    assert "No best configuration\n  No trial is complete yet." in printed(fakes.report_of([], ended=""))


def test_without_a_complete_trial_the_best_of_those_that_came_furthest_is_named() -> None:
    stopped = [
        replace(fakes.running(number, SPARK), state="pruned", rung_scores=scores)
        for number, scores in enumerate([{1: 0.9}, {1: 0.5, 3: 0.61}, {1: 0.6, 3: 0.72}, {1: 0.7, 3: 0.72}])
    ]
    report = fakes.report_of([*stopped, fakes.failed(4, "timeout", "too slow", SPARK)], ended="20 s are over")
    text = " ".join(printed(report).split())
    assert "No best configuration No trial reached its last epoch." in text
    assert "trial 2: F1 of spam 0.720 on the validation rows after 3 of" in text
    assert report.to_dict()["furthest"] == 2
    complete = fakes.report_of([*stopped, *fakes.trials(1, first=4)])
    assert complete.furthest is None
    assert "came furthest" not in printed(complete)


def test_a_study_that_has_not_ended_says_that_it_still_runs() -> None:
    records = [*fakes.trials(3), fakes.running(3, SPARK), fakes.running(4, SPARK)]
    assert "Still running, or killed: 2 unfinished trials." in printed(fakes.report_of(records, ended=""))
    stopped = printed(fakes.report_of(records, ended="stopped at once"))
    assert "Ended: stopped at once. 2 unfinished trials: the next launch resumes them." in stopped


def test_the_report_ends_with_where_the_study_is_and_how_to_open_it() -> None:
    lines = printed(fakes.report_of(fakes.trials(2))).splitlines()
    assert lines[-2] == "Kept in    sqlite:////studies/sms-spam.db"
    assert lines[-1] == "Dashboard  search dashboard sms-spam.toml"


def test_an_address_longer_than_the_line_is_not_cut_into_lines() -> None:
    url = f"sqlite:////srv/{'deep/' * 30}study.db"
    text = printed(fakes.report_of([], study={"storage": {"url": url}}))
    assert f"Kept in    {url}\n" in text


def test_long_and_strange_class_names_keep_the_width() -> None:
    names = ("not spam at all, and " * 5, "[red]spam[/red]\nsecond line", "第三個類別第三個類別第三個類別")
    counts = {"train": (50, 20, 30), "validation": (10, 10, 10), "test": (10, 10, 10)}
    facts = DataFacts(names, names[1], 3, counts)
    record = fakes.complete(0, 0.9, SPARK, enqueued=True)
    assert record.report is not None
    confusion = ((8, 1, 1), (0, 10, 0), (1, 1, 8))
    test = replace(record.report.scores["test"], confusion=confusion)
    record = replace(record, report=replace(record.report, scores={**record.report.scores, "test": test}))
    text = printed(fakes.report_of([record], facts=facts))
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "[red]spam[" in text


def test_a_terminal_that_knows_ascii_alone_gets_ascii_alone() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", errors="honest-search-marks")
    render_report(fakes.report_of(whole_study()), Console(file=file, width=80))
    file.flush()
    assert b"###" in raw.getvalue()


def laid_out(columns: list[Column], width: int) -> str:
    file = StringIO()
    Console(file=file, width=width).print(fitted_table(columns, width))
    return file.getvalue()


def test_names_are_cut_before_a_table_is_set_in_parts() -> None:
    names = ["  initial weights glorot_uniform → truncated_normal", "  the gap"]
    columns = [
        Column("  change", names, right=False, shortest=20),
        Column("value", ["+0.001", "+0.002"]),
        Column("verdict", ["no significant difference"] * 2, right=False),
    ]
    lines = laid_out(columns, 62).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("  initial weights glorot")
    assert ".." in lines[1]
    assert lines[2].startswith("  the gap")
    assert max(len(line.rstrip()) for line in lines) <= 60
    assert "truncated_normal" in laid_out(columns, 100)
    assert laid_out(columns, 40).count("the gap") == 2  # cut as far as may be, and still too wide


def test_optional_columns_are_left_out_from_the_last_where_the_width_is_short() -> None:
    columns = [
        Column("keep", ["1"]),
        Column("first", ["x" * 10], optional=True),
        Column("second", ["y" * 10], optional=True),
    ]
    headings = [str(column.header) for column in fitted_table(columns, 20).columns]
    assert headings == ["keep", "first"]
    assert len(fitted_table(columns, 80).columns) == 3


def test_a_configuration_is_told_from_one_that_differs_in_a_rare_choice() -> None:
    base = Configuration("tensorflow", "glorot_uniform", "sgd", 9, None, 0.1, 32, True, False, 1.0)
    others = [
        base,
        replace(base, shuffle=False),
        replace(base, drop_last_batch=True),
        replace(base, loss_scale=0.5),
    ]
    assert len({configuration_text(one) for one in others}) == 4
    assert configuration_text(base) == base.describe()
