from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studies.data.labelled_rows import LabelledRows
from studies.data.readers.tables import match_columns, read_table
from studies.errors import DataError
from studies.sections.study import Data

NUMBERS = "f1,f2,note,label\n1,2.5,x,a\n3,4,y,b\n"


def read(tmp_path: Path, content: str, kind: str | None = None, **settings: object) -> LabelledRows:
    path = tmp_path / "f.csv"
    path.write_text(content, encoding="utf-8", newline="")
    return read_table(path, "csv", Data.model_validate({"path": "f.csv", **settings}), kind)


def failure(tmp_path: Path, content: str, kind: str | None = None, **settings: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, kind, **settings)
    assert str(tmp_path / "f.csv") in caught.value.where
    return caught.value


def numbers_of(rows: LabelledRows) -> list[list[float]]:
    assert rows.numbers is not None
    assert rows.numbers.dtype == np.float32
    return rows.numbers.tolist()


def test_without_columns_named_all_numeric_ones_are_features_and_the_rest_is_noted(tmp_path: Path) -> None:
    rows = read(tmp_path, NUMBERS)
    assert numbers_of(rows) == [[1, 2.5], [3, 4]]
    assert rows.columns == ("f1", "f2")
    assert rows.labels == ["a", "b"]
    assert rows.notes == ("features: all 2 numeric columns; left out: 'note'",)


def test_without_columns_named_a_column_text_is_the_text(tmp_path: Path) -> None:
    content = "id,text,label\n1,hello,a\n2,bye,b\n"
    assert read(tmp_path, content).texts == ("hello", "bye")
    assert numbers_of(read(tmp_path, content, kind="none")) == [[1], [2]]


def test_numeric_labels_are_no_feature(tmp_path: Path) -> None:
    assert read(tmp_path, "f1,label\n1,0\n2,1\n").columns == ("f1",)


def test_the_nameless_index_that_pandas_writes_is_no_feature(tmp_path: Path) -> None:
    assert read(tmp_path, ",f1,label\n0,5,a\n1,6,b\n").columns == ("f1",)


def test_text_and_labels_keep_the_words_that_pandas_takes_for_missing(tmp_path: Path) -> None:
    rows = read(tmp_path, 'text,label\nNA,null\n"None, or ""nan""",NA\n')
    assert rows.texts == ("NA", 'None, or "nan"')
    assert rows.labels == ["null", "NA"]


def test_labels_keep_their_spelling_until_they_are_encoded(tmp_path: Path) -> None:
    assert read(tmp_path, "f1,label\n1,1\n2,x\n").labels == ["1", "x"]


def test_missing_texts_are_empty_and_counted(tmp_path: Path) -> None:
    rows = read(tmp_path, "text,label\nhello,a\n,b\n", text="text")
    assert rows.texts == ("hello", "")
    assert rows.notes == ("1 row without a text, taken as empty: line 3",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tsv_and_byte_order_marks_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.tsv"
    path.write_text("f1\tlabel\n1\tä\n2\tb\n", encoding=encoding)
    rows = read_table(path, "tsv", Data(path="f.tsv"), None)
    assert numbers_of(rows) == [[1], [2]]
    assert rows.labels == ["ä", "b"]


def test_parquet_is_read_without_the_index_and_with_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"f1": [1.5, 2], "f2": [True, False], "label": pd.Categorical(["a", "b"])},
        index=pd.Index([7, 8], name="key"),
    )
    frame.to_parquet(tmp_path / "f.parquet")
    rows = read_table(tmp_path / "f.parquet", "parquet", Data(path="f.parquet"), None)
    assert rows.columns == ("f1", "f2")
    assert numbers_of(rows) == [[1.5, 1], [2, 0]]
    assert rows.labels == ["a", "b"]
    assert rows.row_name(0) == "row 1"


def test_a_missing_value_in_parquet_is_named_by_row(tmp_path: Path) -> None:
    pd.DataFrame({"f1": [1, None], "label": ["a", "b"]}).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match="row 2, column 'f1': found no number"):
        read_table(tmp_path / "f.parquet", "parquet", Data(path="f.parquet"), None)


def test_what_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_text("f1,label\n")
    with pytest.raises(DataError, match="can't be read as Parquet"):
        read_table(tmp_path / "f.parquet", "parquet", Data(path="f.parquet"), None)


def test_numbers_as_text_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"text": [1, 2], "label": ["a", "b"]}).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match="column 'text': found 1, which is no text"):
        read_table(tmp_path / "f.parquet", "parquet", Data(path="f.parquet", text="text"), None)


def test_a_missing_column_lists_those_there_are_and_the_nearest(tmp_path: Path) -> None:
    error = failure(tmp_path, "f1,lable\n1,a\n")
    assert error.problem == "there is no column 'label'"
    assert error.allowed == "'f1', 'lable'"
    assert error.remedy == "did you mean 'lable'?"
    assert failure(tmp_path, NUMBERS, text="nte").remedy == "did you mean 'note'?"
    assert "'f3'" in failure(tmp_path, NUMBERS, features=["f3"]).problem


@pytest.mark.parametrize(
    ("value", "found"), [("", "no number"), ("nan", "no number"), ("inf", "inf"), ("-1e300", "-1e+300")]
)
def test_what_is_not_finite_is_named_by_line_and_column(tmp_path: Path, value: str, found: str) -> None:
    error = failure(
        tmp_path, f'f1,f2,text,label\n1,2,"two\nlines",a\n\n3,{value},x,b\n4,inf,y,b\n', features=["f*"]
    )
    assert error.where.endswith("f.csv, line 5, column 'f2'")
    assert found in error.problem
    assert "2 rows of 3" in error.problem


def test_a_word_in_a_feature_is_named_by_line_and_column(tmp_path: Path) -> None:
    error = failure(tmp_path, "f1,label\n1,a\n\ntwo,b\n", features=["f1"])
    assert error.where.endswith("f.csv, line 4, column 'f1'")
    assert error.problem == "found 'two', which is no number"


def test_a_file_without_numbers_or_text_says_how_to_name_the_text(tmp_path: Path) -> None:
    error = failure(tmp_path, "sentence,label\nhello,a\n")
    assert error.problem == "found no numeric column besides the label"
    assert 'text = "' in error.remedy


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file is empty"),
        ("f1,label\n", "found column names and no row"),
        ("f1,f1,label\n1,2,a\n", "two columns have the name 'f1'"),
        ("f1,label\n1,2,a\n", "the header has 2 names, and the first row has more fields"),
        ("f1,label\n1,a\n1,2,a\n", "can't be parsed: Expected 2 fields in line 3, saw 3"),
    ],
)
def test_files_of_another_shape_say_what_is_wrong(tmp_path: Path, content: str, problem: str) -> None:
    assert failure(tmp_path, content).problem == problem


@pytest.mark.parametrize(
    ("encoding", "line", "remedy"),
    [("latin-1", 200_002, "iconv -f latin1"), ("utf-16", 1, "iconv -f utf-16")],
)
def test_other_encodings_are_refused_with_the_line(
    encoding: str, line: int, remedy: str, tmp_path: Path
) -> None:
    content = "f1,label\n" + "1,a\n" * 200_000 + "1,ä\n"  # more than pandas reads at once
    (tmp_path / "f.csv").write_bytes(content.encode(encoding))
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "f.csv", "csv", Data(path="f.csv"), None)
    assert caught.value.where == f"{tmp_path / 'f.csv'}, line {line}"
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "open_text", ['"never closed', '"' + "long " * 40_000], ids=["short", "beyond the csv module's limit"]
)
def test_a_quote_that_is_never_closed_is_named_by_the_line_where_it_opens(
    open_text: str, tmp_path: Path
) -> None:
    error = failure(tmp_path, f'text,label\n"two\nlines",a\n{open_text},b\nbye,a\n', text="text")
    assert error.where == f"{tmp_path / 'f.csv'}, line 4"
    assert "no second one before the end" in error.problem


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_fields_between_other_marks_are_seen_in_the_header(mark: str, word: str, tmp_path: Path) -> None:
    error = failure(tmp_path, f"f1{mark}label\n1{mark}a\n2{mark}b\n")
    assert error.problem == "there is no column 'label': the whole header is one name"
    assert error.remedy == f"write the file again with them instead of {word}"


def test_numbers_are_no_sentences(tmp_path: Path) -> None:
    error = failure(tmp_path, "f1,label\n1.5,a\n,b\n-2,b\n", text="f1")
    assert error.problem == "every text is a number, such as '1.5'"
    assert "features" in error.remedy
    assert read(tmp_path, "f1,label\n1.5,a\none,b\n", text="f1").texts == ("1.5", "one")


def test_one_column_and_one_row_are_spoken_of_as_one(tmp_path: Path) -> None:
    assert read(tmp_path, "f1,label\n1,a\n2,b\n").notes == ("features: the only numeric column",)
    assert "1 row of 2 holds such values" in failure(tmp_path, "f1,label\n,a\n2,b\n").problem


@pytest.mark.parametrize("text", ["", '"  "'])
def test_texts_that_are_all_empty_are_refused(tmp_path: Path, text: str) -> None:
    assert (
        failure(tmp_path, f"text,label\n{text},a\n{text},b\n", text="text").problem == "all 2 texts are empty"
    )


def test_columns_are_matched_by_name_or_pattern_each_once_without_the_label() -> None:
    names = ["f2", "f1", "a[1]", "flabel", "g"]
    assert match_columns(["f?", "f1", "a[1]"], names, "flabel", "f.csv") == ["f2", "f1", "a[1]"]
    assert match_columns(["*"], names, "flabel", "f.csv") == ["f2", "f1", "a[1]", "g"]


def test_a_pattern_without_a_match_and_the_label_itself_are_refused() -> None:
    with pytest.raises(DataError, match="pattern 'x\\*' in \\[data\\] features matches no column"):
        match_columns(["x*"], ["f1", "label"], "label", "f.csv")
    with pytest.raises(DataError, match="names the label 'label'"):
        match_columns(["label"], ["f1", "label"], "label", "f.csv")


def parquet(tmp_path: Path, columns: dict[str, object], **settings: object) -> LabelledRows:
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    data = Data.model_validate({"path": "f.parquet", **settings})
    return read_table(tmp_path / "f.parquet", "parquet", data, None)


@pytest.mark.parametrize("name", ["Unnamed: 0", "", "Unnamed: 12"])
def test_a_saved_index_is_no_feature_and_noted(name: str, tmp_path: Path) -> None:
    lines = "".join(f"{row},{row * 7 % 5},{'ab'[row % 2]}\n" for row in range(20))
    rows = read(tmp_path, f"{name},f1,label\n{lines}")
    assert rows.columns == ("f1",)
    assert (
        f"column '{name}' is left out, as a saved index" if name else "a column without a name"
    ) in "".join(rows.notes)


def test_a_feature_that_numbers_the_rows_is_noted(tmp_path: Path) -> None:
    lines = "".join(f"{row},{row * 7 % 5},{'ab'[row % 2]}\n" for row in range(20))
    for settings in ({}, {"features": ["*"]}):
        rows = read(tmp_path, f"t,f1,label\n{lines}", **settings)
        assert rows.columns == ("t", "f1")
        assert rows.notes[-1].startswith("column 't' numbers the rows")
    assert (
        read(tmp_path, f"Unnamed: 0,f1,label\n{lines}", features=["*"])
        .notes[-1]
        .startswith("column 'Unnamed: 0' numbers the rows")
    )


def test_the_label_is_no_text(tmp_path: Path) -> None:
    error = failure(tmp_path, "text,label\nhi,a\nbye,b\n", text="label")
    assert error.problem == "[data] text and label are both the column 'label'"
    assert error.allowed == "'text'"


@pytest.mark.parametrize(
    ("cells", "line", "found"),
    [
        (["True", "", "False"], 3, "found no number (an empty cell or NaN)"),
        (["1", "2", "1_000"], 4, "found '1_000', which is no number"),
        (["1", "2", "1\xa0000"], 4, r"found '1\xa0000', which is no number"),
        (["1", "١", "3"], 3, "found '١', which is no number"),
        (["1", "2", "1e400"], 4, "found '1e400', which no float can hold"),
        (["1", "True", "3"], 3, "found 'True', which is no number"),
    ],
)
def test_a_cell_that_is_no_number_is_the_one_that_is_named(
    cells: list[str], line: int, found: str, tmp_path: Path
) -> None:
    content = "f1,label\n" + "".join(f"{cell},{'ab'[row % 2]}\n" for row, cell in enumerate(cells))
    error = failure(tmp_path, content, features=["f1"])
    assert error.where.endswith(f"f.csv, line {line}, column 'f1'")
    assert found in error.problem


def test_numbers_of_thirty_digits_and_decimals_are_numbers(tmp_path: Path) -> None:
    rows = read(tmp_path, "f1,label\n123456789012345678901234567890,a\n3,b\n")
    assert numbers_of(rows) == [[np.float32(1.2345678901234568e29)], [3]]
    rows = parquet(tmp_path, {"f1": pa.array([Decimal("1.5"), Decimal("2.25")]), "label": ["a", "b"]})
    assert numbers_of(rows) == [[1.5], [2.25]]


def test_a_column_that_a_slip_keeps_from_being_a_feature_is_noted_with_the_row(tmp_path: Path) -> None:
    rows = read(tmp_path, "f1,f2,label\n" + "1,1,a\n" * 20 + "2,1_000,b\n")
    assert rows.columns == ("f1",)
    assert rows.notes[-1] == "column 'f2' is left out for '1_000', no number, at line 22"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)], "the date 2024-05-01"),
        ([datetime.datetime(2024, 5, 1), datetime.datetime(2024, 5, 2)], "the date 2024-05-01T00:00:00"),
        ([[1, 2], [3]], "a list of 2 values"),
        ([{"x": 1}, {"x": 2}], "a record of 'x'"),
    ],
)
def test_parquet_values_that_are_no_numbers_are_named_in_words(
    values: list[object], found: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"row 1, column 'f1': found {found}, which is no number"):
        parquet(tmp_path, {"f1": values, "label": ["a", "b"]}, features=["f1"])


def test_codes_of_digits_in_a_text_column_are_features_only_by_name(tmp_path: Path) -> None:
    columns = {"zip": ["01234", "02345"], "f1": [1, 2], "label": ["a", "b"]}
    assert parquet(tmp_path, columns).columns == ("f1",)
    assert numbers_of(parquet(tmp_path, columns, features=["zip"])) == [[1234], [2345]]


def test_two_columns_without_a_name_say_so(tmp_path: Path) -> None:
    assert failure(tmp_path, "f1,label,,\n1,a,,\n").problem == "two columns have no name"


def test_a_folder_of_a_data_set_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "year=2024"
    folder.mkdir()
    assert parquet(folder, {"f1": [1, 2], "label": ["a", "b"]}).columns == ("f1",)


def test_two_parquet_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array(["a"])], names=["f", "f", "label"])
    pq.write_table(table, tmp_path / "f.parquet")
    with pytest.raises(DataError, match="two columns have the name 'f'"):
        read_table(tmp_path / "f.parquet", "parquet", Data(path="f.parquet"), None)
