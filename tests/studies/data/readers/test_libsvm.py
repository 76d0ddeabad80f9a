from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file

from studies.data.labelled_rows import LabelledRows
from studies.data.readers.libsvm import read_libsvm
from studies.errors import DataError

values = st.floats(-1e6, 1e6, width=32).map(lambda value: value + 0.0)  # no -0.0


def read(tmp_path: Path, content: str) -> LabelledRows:
    path = tmp_path / "f.libsvm"
    path.write_text(content)
    return read_libsvm(path)


def test_zeros_are_filled_in_and_comments_and_queries_skipped(tmp_path: Path) -> None:
    rows = read(tmp_path, "# a comment\n+1 qid:3 1:0.5 3:2 # end\n\n-1 2:1e1\n0\n")
    assert rows.numbers is not None
    assert rows.numbers.tolist() == [[0.5, 0, 2], [0, 10, 0], [0, 0, 0]]
    assert rows.labels == ["1", "-1", "0"]
    assert [rows.row_name(row) for row in range(3)] == ["line 2", "line 4", "line 5"]


def test_a_file_with_index_0_counts_from_0(tmp_path: Path) -> None:
    rows = read(tmp_path, "1 0:5\n2 1:6\n")
    assert rows.numbers is not None
    assert rows.numbers.tolist() == [[5, 0], [0, 6]]
    assert rows.columns == ("0", "1")


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=8), st.booleans())
def test_what_scikit_learn_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, matrix: list[list[float]], zero_based: bool
) -> None:
    X = np.array(matrix, dtype=np.float32)
    X[0] = [1, 2, 3]  # all columns occur
    path = tmp_path_factory.mktemp("libsvm") / "f.svm"
    dump_svmlight_file(X.astype(np.float64), np.arange(len(X)), str(path), zero_based=zero_based)
    rows = read_libsvm(path)
    assert rows.numbers is not None
    np.testing.assert_array_equal(rows.numbers, X)
    assert rows.labels == [str(row) for row in range(len(X))]


@pytest.mark.parametrize(
    "found", ["spam", "1:", "a:1", "2", "-1:4", "1:1 1:2", "3:1 2:1", "1:x", "1_0:2", "1:2_0", f"{2**31}:1"]
)
def test_syntax_errors_are_named_by_line(tmp_path: Path, found: str) -> None:
    line = found if found == "spam" else f"1 {found}"
    with pytest.raises(DataError) as caught:
        read(tmp_path, f"1 1:1\n{line}\n")
    assert caught.value.where == f"{tmp_path / 'f.libsvm'}, line 2"
    assert caught.value.problem == f"found '{found.split()[-1]}'"


def test_what_is_not_finite_is_named_by_line_and_index(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2, index 4: found inf"):
        read(tmp_path, "1 1:1\n0 4:inf\n")


def test_a_matrix_beyond_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 rows of 1000000000 features take 15 GiB"):
        read(tmp_path, "1 1:1\n0 1000000000:1\n")


@pytest.mark.parametrize("content", ["", "1\n0\n"])
def test_a_file_without_features_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="found no row with a feature"):
        read(tmp_path, content)


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    rows = read(tmp_path, "\ufeff+1 1:2\n-1 2:3\n")
    assert rows.labels == ["1", "-1"]


@pytest.mark.parametrize("field", ["1_0:2", "١:2", "1:١", "1:2_0"])
def test_digits_that_only_python_reads_are_refused(field: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"line 1: found '{field}'"):
        read(tmp_path, f"+1 {field}\n-1 2:3\n")
