from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.data.readers.arrays import read_arrays
from studies.errors import DataError
from studies.sections.study import Data

X = np.array([[1, 2], [3, 4], [5, 6]])
Y = np.array(["a", "b", "a"])


def failure(tmp_path: Path, arrays: dict[str, Any], **settings: Any) -> DataError:
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read_arrays(tmp_path / "f.npz", Data(path="f.npz", **settings))
    assert str(tmp_path / "f.npz") in caught.value.where
    return caught.value


def test_arrays_are_read_by_their_default_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", X=X, y=Y, other=np.zeros(9))
    rows = read_arrays(tmp_path / "f.npz", Data(path="f.npz"))
    assert rows.numbers is not None
    assert rows.numbers.dtype == np.float32
    assert rows.numbers.tolist() == X.tolist()
    assert rows.labels == ["a", "b", "a"]


def test_arrays_are_read_by_the_names_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", points=X, classes=np.array([1, 0, 1]))
    rows = read_arrays(tmp_path / "f.npz", Data(path="f.npz", features=["points"], label="classes"))
    assert rows.labels == [1, 0, 1]
    assert rows.columns == ("points[:, 0]", "points[:, 1]")


def test_a_missing_array_lists_those_there_are(tmp_path: Path) -> None:
    error = failure(tmp_path, {"X": X, "labels": Y}, label="label")
    assert error.problem == "there is no array 'label'"
    assert error.allowed == "'X', 'labels'"
    assert error.remedy == "did you mean 'labels'?"


@pytest.mark.parametrize(
    ("arrays", "problem", "allowed"),
    [
        ({"X": X[0], "y": Y}, "array 'X' has the shape (2,)", "(rows, features)"),
        ({"X": X[:0], "y": Y[:0]}, "array 'X' has the shape (0, 2)", "(rows, features)"),
        ({"X": X.astype(str), "y": Y}, "array 'X' has the shape (3, 2) and the type <U21", "of numbers"),
        ({"X": X, "y": Y[:2]}, "array 'y' has the shape (2,)", "(3,)"),
        ({"X": X, "y": np.eye(3)}, "array 'y' has the shape (3, 3)", "(3,)"),
    ],
)
def test_wrong_shapes_and_types_say_found_and_allowed(
    tmp_path: Path, arrays: dict[str, Any], problem: str, allowed: str
) -> None:
    error = failure(tmp_path, arrays)
    assert error.problem.startswith(problem)
    assert allowed in error.allowed


def test_two_feature_arrays_are_refused(tmp_path: Path) -> None:
    assert failure(tmp_path, {"X": X, "y": Y}, features=["X", "Z"]).problem == "[data] features has 2 entries"


def test_what_is_not_finite_is_named_by_row_and_column(tmp_path: Path) -> None:
    error = failure(tmp_path, {"X": np.where(X == 4, np.nan, X), "y": Y})
    assert error.where.endswith("row 2, X[:, 1]")


def test_python_objects_are_not_unpacked(tmp_path: Path) -> None:
    error = failure(tmp_path, {"X": X, "y": Y.astype(object)})
    assert error.problem == "holds Python objects"
    assert error.remedy == "save the labels with dtype=str"


def test_torn_archives_and_other_files_say_what_they_are_not(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", X=X, y=Y)
    whole = (tmp_path / "f.npz").read_bytes()
    flipped = whole.replace(Y.tobytes(), Y[::-1].tobytes().swapcase())
    for content in (b"X,y\n", b"PK\x03\x04 torn", whole[:-40], flipped):
        (tmp_path / "f.npz").write_bytes(content)
        with pytest.raises(DataError, match="can't be read as npz"):
            read_arrays(tmp_path / "f.npz", Data(path="f.npz"))


def test_one_array_cant_be_features_and_label(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", X=X, y=Y)
    with pytest.raises(DataError, match="features and label are both the array 'y'"):
        read_arrays(tmp_path / "f.npz", Data(path="f.npz", features=["y"]))


def test_an_array_that_says_it_is_larger_than_memory_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as file:
        file.writestr("X.npy", b"\x93NUMPY\x01\x00v\x00" + header)
        file.writestr("y.npy", b"")
    with pytest.raises(DataError, match="takes more memory than there is"):
        read_arrays(tmp_path / "f.npz", Data(path="f.npz"))
