from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.features.vectors import read_vectors
from studies.errors import DataError

TEXT = "the 0.5 -1e-2 3\nParis 1 2 3\nparis 4 5 6\n. . . 7 8 9\n"


def write(tmp_path: Path, content: bytes | str, name: str = "v.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def binary(vectors: dict[str, list[float]], newline: bytes = b"\n") -> bytes:
    width = len(next(iter(vectors.values())))
    records = [word.encode() + b" " + np.array(vector, "<f4").tobytes() for word, vector in vectors.items()]
    return f"{len(vectors)} {width}\n".encode() + b"".join(record + newline for record in records)


@pytest.mark.parametrize("header", ["", "4 3\n"])
def test_text_is_read_with_and_without_a_header(tmp_path: Path, header: str) -> None:
    found = read_vectors(write(tmp_path, header + TEXT), {"the", "paris", "absent"})
    assert set(found) == {"the", "paris"}
    np.testing.assert_allclose(found["the"], [0.5, -0.01, 3])
    assert found["the"].dtype == np.float32


def test_the_exact_word_goes_before_another_case_which_stands_in_for_it(tmp_path: Path) -> None:
    assert read_vectors(write(tmp_path, TEXT), {"paris"})["paris"].tolist() == [4, 5, 6]
    assert read_vectors(write(tmp_path, "PARIS 1 2\nParis 3 4\n"), {"paris"})["paris"].tolist() == [1, 2]


def test_words_with_spaces_are_read_over(tmp_path: Path) -> None:
    path = write(tmp_path, "a 1 2\n. . 3 4\nb 5 6\n")
    assert read_vectors(path, {"b"})["b"].tolist() == [5, 6]


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_binary_is_read_as_word2vec_and_gensim_write_it(tmp_path: Path, newline: bytes) -> None:
    path = write(tmp_path, binary({"the": [1, 2], "é": [3, 4]}, newline), "v.bin")
    found = read_vectors(path, {"é"})
    assert found.keys() == {"é"}
    assert found["é"].tolist() == [3, 4]


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=6), st.booleans())
def test_what_gensim_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, vector: list[float], as_binary: bool
) -> None:
    from gensim.models import KeyedVectors

    kept = KeyedVectors(len(vector))
    kept.add_vectors(["the", "5"], np.array([vector, vector[::-1]], dtype=np.float32))
    path = tmp_path_factory.mktemp("vectors") / "v"
    kept.save_word2vec_format(str(path), binary=as_binary)
    found = read_vectors(path, {"the", "5"})
    np.testing.assert_array_equal(found["the"], kept["the"])
    np.testing.assert_array_equal(found["5"], kept["5"])


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    text = write(tmp_path, gzip.compress(TEXT.encode()), "v.txt.gz")
    assert read_vectors(text, {"the"})["the"].shape == (3,)
    packed = write(tmp_path, gzip.compress(binary({"the": [1.5, 2]})), "v.bin.gz")
    assert read_vectors(packed, {"the"})["the"].tolist() == [1.5, 2]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("a 1 2\nb 1\n", 2, "found 1 numbers where the others have 2"),
        ("a 1 2\nb 1 2 3\n", 2, "found 3 numbers where the others have 2"),
        ("2 3\na 1 2 3\nb 1 2\n", 3, "found 2 numbers where the others have 3"),
        ("a 1 2\nthe 1 x\n", 2, "found 'x', which is no number"),
        ("a 1 2\nthe 1 nan\n", 2, "found a number that isn't finite"),
        ("a\n", 1, "found a word without numbers"),
    ],
)
def test_ragged_and_broken_lines_are_named(tmp_path: Path, content: str, line: int, problem: str) -> None:
    with pytest.raises(DataError, match=re.escape(problem)) as caught:
        read_vectors(write(tmp_path, content), {"the"})
    assert caught.value.where == f"{tmp_path / 'v.txt'}, line {line}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "found no vector"),
        ("3 2\nthe 1 2\n", "ends after 1 vector of the 3 that its header announces"),
        (binary({"the": [1.5, 2.5], "a": [3.5, 4.5]})[:-6], "ends within vector 2 of 2"),
    ],
)
def test_cut_files_are_refused(tmp_path: Path, content: bytes | str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_vectors(write(tmp_path, content), {"the"})


def test_a_torn_packed_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(TEXT.encode())[:-20], "v.gz")
    with pytest.raises(DataError, match="can't be read"):
        read_vectors(path, {"the"})


@pytest.mark.parametrize("field", ["1_0", "one", "١"])
def test_what_is_no_number_is_named(field: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(f"a 1 2\nb 3 {field}\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"line 2: found '{field}', which is no number"):
        read_vectors(tmp_path / "v.txt", {"a", "b"})
