from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from search.cli import main
from search.exporting.model_folder import write_model
from search.exporting.predict import predict
from studies.errors import DataError
from tests.search.exporting.models import model_of_numbers, model_of_texts

TEXTS = ["Free call!", "12:30, “don’t”", "nothing known", ""]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    write_model(folder, model_of_texts())
    return folder


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    folder = tmp_path / "numbers"
    folder.mkdir()
    write_model(folder, model_of_numbers())
    return folder


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_every_text_of_a_file_gets_the_networks_probabilities(texts: Path, ending: str) -> None:
    file = texts.parent / f"rows.{ending}"
    frame = pd.DataFrame({"id": range(4), "text": TEXTS})
    if ending == "parquet":
        frame.to_parquet(file)
    else:
        frame.to_csv(file, sep="," if ending == "csv" else "\t", index=False)
    found = predict(texts, file)
    model = model_of_texts()
    expected = model.probabilities(model.step.of_texts(TEXTS)[0])
    np.testing.assert_array_equal(found.probabilities, expected)
    assert [row[0] for row in found.rows()] == [("ham", "spam")[row.argmax()] for row in expected]
    assert "2 of 4 texts have no word that the model knows" in found.notes


def test_numbers_are_taken_by_name_in_any_order(numbers: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    file = numbers.parent / "rows.parquet"
    pd.DataFrame({"c": rows[:, 2], "label": "x", "a": rows[:, 0], "b": rows[:, 1]}).to_parquet(file)
    np.testing.assert_array_equal(
        predict(numbers, file).probabilities, model_of_numbers().probabilities(rows)
    )


def test_a_text_that_is_a_number_and_a_file_without_rows_are_fine(texts: Path) -> None:
    one, none = texts.parent / "one.csv", texts.parent / "none.csv"
    one.write_text("text\n12345\n")
    none.write_text("text\n")
    assert len(predict(texts, one).rows()) == 1
    assert predict(texts, none).rows() == []


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("a,b\n1,2\n", "rows.csv", "no column 'c'"),
        ("a,b,c\n1,2,x\n", "rows.csv", "found 'x', which is no number"),
        ("a,b,c\n1,2,\n", "rows.csv", "found no number"),
        ("a,b,c\n1,2,3\n", "rows.txt", "the file ends in '.txt'"),
    ],
)
def test_a_file_that_the_model_can_not_take_is_refused(
    numbers: Path, content: str, name: str, message: str
) -> None:
    file = numbers.parent / name
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        predict(numbers, file)


def test_the_command_prints_csv_or_json_and_notes_elsewhere(texts: Path) -> None:
    file = texts.parent / "rows.csv"
    pd.DataFrame({"text": TEXTS}).to_csv(file, index=False)
    done = CliRunner().invoke(main, ["predict", str(texts), str(file)])
    assert done.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    as_json = json.loads(CliRunner().invoke(main, ["predict", str(texts), str(file), "--json"]).stdout)
    assert [row["label"] for row in rows] == [row["label"] for row in as_json]
    for row, other in zip(rows, as_json, strict=True):
        assert float(row["probability_spam"]) == other["probability_spam"]
        assert float(row["probability_spam"]) + float(row["probability_ham"]) == pytest.approx(1)
    assert "no word that the model knows" in done.stderr


def test_another_threshold_says_the_class_more_often_or_less(texts: Path) -> None:
    file = texts.parent / "rows.csv"
    pd.DataFrame({"text": TEXTS}).to_csv(file, index=False)
    assert set(predict(texts, file, 0.0).predicted.tolist()) == {1}
    assert set(predict(texts, file, 1.0).predicted.tolist()) == {0}
    several = texts.parent / "several"
    several.mkdir()
    write_model(several, model_of_numbers(classes=3))
    with pytest.raises(DataError, match="3 classes, and predicts the most probable one"):
        predict(several, file, 0.5)


def test_a_folder_without_a_model_is_bad_input(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["predict", str(tmp_path), str(tmp_path / "rows.csv")])
    assert done.exit_code == 2
    assert "search export" in done.stderr
