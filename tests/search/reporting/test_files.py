"""Reports as files, and as Markdown."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.importance.sentences import beneath, label_of
from search.output.files import output_file
from search.output.markdown_text import plain
from search.reporting.files import targets, write_csv, write_html
from search.reporting.markdown import markdown_of
from search.reporting.words import in_words
from studies.data.facts import DataFacts
from studies.errors import OutputError
from tests.search import fakes
from tests.search.reporting.finalist_fakes import with_finalists


def test_a_page_is_written_whole_and_over_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    said = write_html(fakes.report_of(fakes.trials(12)), output_file(str(path), "--html"))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    assert re.fullmatch(rf"{re.escape(str(path))} \([\d.]+ kB\)", said)
    assert [each.name for each in tmp_path.iterdir()] == ["r.html"]


def test_no_result_takes_the_place_of_what_the_study_is_made_of(study_file: Callable[..., Path]) -> None:
    study = study_file()
    database = study.parent / "small.db"
    database.touch()
    for name in ("small.toml", "small.db", "rows.npz"):
        named = str(study.parent / name)
        with pytest.raises(OutputError, match="would destroy it"):
            targets(study, None, named)
        with pytest.raises(OutputError, match="would destroy it"):
            targets(study, named, None)
    same = str(study.parent / "r")
    with pytest.raises(OutputError, match="--html and --csv name the same file"):
        targets(study, same, f"{study.parent}/./r")
    assert targets(study, "-", None) == (output_file("-", "--html"), None)


def test_a_table_with_a_loss_that_is_infinite_is_written_without_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = fakes.trials(3)
    report = records[0].report
    assert report is not None
    scores = {name: replace(one, log_loss=float("inf")) for name, one in report.scores.items()}
    records[0] = replace(records[0], report=replace(report, scores=scores))
    write_csv(fakes.report_of(records), output_file("-", "--csv"))
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0]["log_loss_validation"] == "inf"
    assert rows[0]["number"] == "0"


def test_the_table_has_a_row_a_trial_and_whole_numbers_where_some_have_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = fakes.trials(30)
    write_csv(fakes.report_of(records), output_file("-", "--csv"))
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["number"]) for row in rows] == list(range(30))
    assert {row["batch_size"] for row in rows} == {"", "32", "64", "128", "256", "512"}
    assert [float(row["value"]) for row in rows] == [record.value for record in records]


def test_markdown_has_the_answer_the_ranking_and_what_mattered() -> None:
    report = fakes.report_of(fakes.trials(60))
    text = markdown_of(report)
    assert report.best is not None
    assert report.best.configuration is not None
    assert re.findall(r"^##? .*", text, re.MULTILINE) == [
        "# sms-spam",
        f"## Best configuration: {plain(in_words(report.best.configuration))}",
        "## Finalists",
        f"## The best 10 of {len(report.ranked)} configurations",
        f"## What mattered most: {plain(label_of(report.importance.overall.most))}",
        "## TensorFlow 0.942 and Spark 0.934 on the test rows",
        "## The best misses 7 of 128 spam, and predicts spam for 7 others",
    ]
    assert f"`trial {report.best.number}: {report.best.configuration.describe()}`" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1
    assert "| learning\\_rate |" in text
    for words in beneath(report.importance.overall):
        assert f"- {plain(words)}" in text


def test_markdown_has_the_finalists() -> None:
    report = with_finalists(fakes.report_of(fakes.trials(20)))
    assert report.finalists is not None
    text = markdown_of(report)
    assert "## Finalists: 3 of 4 others differ significantly from the best" in text
    assert "retrained with 5 new seeds" in text
    for one in report.finalists.finalists:
        assert (
            f"| {one.trial} | {one.test_mean:.3f} | {one.interval.low:.3f} to {one.interval.high:.3f} |"
            in text
        )


def test_markdown_escapes_what_comes_from_the_data_and_says_what_is_missing() -> None:
    facts = DataFacts(("ham", "a|b*<i>"), "a|b*<i>", 300, fakes.FACTS.counts)
    generator = random.Random(1)
    broken = [fakes.failed(0, "bug", "it | broke\nhere", fakes.draw(generator))]
    text = markdown_of(fakes.report_of(broken, facts=facts, ended=""))
    assert "a\\|b\\*\\<i\\>" in text
    assert "it \\| broke here" in text
    assert "**Still running, or killed: 0 unfinished trials.**" in text
    assert "## No best configuration" in text
