from __future__ import annotations

import hashlib
import os
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.data.readers import builtin
from studies.data.sources import Source, locate, read
from studies.errors import DataError, MachineError
from studies.sections.study import Data


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("f.csv", "csv"),
        ("f.TSV", "tsv"),
        ("f.parquet", "parquet"),
        ("f.npz", "npz"),
        ("f.libsvm", "libsvm"),
        ("f.svm", "libsvm"),
        ("f.svmlight", "libsvm"),
    ],
)
def test_the_ending_tells_the_format(tmp_path: Path, name: str, format: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    assert locate(Data(path=name), tmp_path) == Source(
        tmp_path / name, format, hashlib.sha256(b"abc").hexdigest()
    )


def test_a_missing_file_names_the_nearest_beside_it(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").touch()
    with pytest.raises(DataError) as caught:
        locate(Data(path="review.csv"), tmp_path)
    assert caught.value.problem == "there is no such file"
    assert str(tmp_path / "review.csv") in caught.value.where
    assert caught.value.remedy == "did you mean 'reviews.csv'?"
    with pytest.raises(DataError, match="relative paths start at"):
        locate(Data(path="nowhere/else.csv"), tmp_path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "f.csv").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        locate(Data(path="f.csv"), tmp_path)


@pytest.mark.parametrize(
    ("name", "problem"), [("f.xlsx", "the file ends in '.xlsx'"), ("f", "the file has no ending")]
)
def test_an_unknown_ending_lists_the_known(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError) as caught:
        locate(Data(path=name), tmp_path)
    assert caught.value.problem == problem
    assert ".parquet" in caught.value.allowed


@pytest.mark.parametrize(
    ("ending", "settings", "key"),
    [
        ("npz", {"text": "text"}, "text"),
        ("libsvm", {"text": "text"}, "text"),
        ("libsvm", {"features": ["f*"]}, "features"),
        ("libsvm", {"label": "label"}, "label"),
    ],
)
def test_keys_without_meaning_for_a_format_are_refused(
    tmp_path: Path, ending: str, settings: dict[str, Any], key: str
) -> None:
    (tmp_path / f"f.{ending}").write_text("1 1:1\n")
    data = Data(path=f"f.{ending}", **settings)
    with pytest.raises(DataError, match=f"\\[data\\] {key} = .* has no meaning for a {ending} file"):
        read(locate(data, tmp_path), data, None)


def test_each_format_has_its_reader(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("f1,label\n1,0\n2,1\n")
    (tmp_path / "f.tsv").write_text("f1\tlabel\n1\t0\n2\t1\n")
    (tmp_path / "f.svm").write_text("0 1:1\n1 1:2\n")
    np.savez(tmp_path / "f.npz", X=[[1], [2]], y=["0", "1"])
    for name in ("f.csv", "f.tsv", "f.svm", "f.npz"):
        data = Data(path=name)
        rows = read(locate(data, tmp_path), data, None)
        assert rows.numbers is not None
        assert rows.numbers.tolist() == [[1], [2]]
        assert rows.labels == ["0", "1"]


def test_sms_spam_is_the_known_file() -> None:
    source = locate(Data(source="sms-spam"), Path())
    rows = read(source, Data(source="sms-spam", text="text", label="label"), None)
    assert source.digest == builtin.SHA256
    assert len(rows) == 4862
    assert sorted(set(rows.labels)) == ["ham", "spam"]
    assert rows.labels.count("spam") == 642
    assert rows.texts is not None
    assert sum('"' in text for text in rows.texts) > 50  # quotes are part of the texts


@pytest.mark.parametrize("settings", [{"label": "class"}, {"text": "sms"}, {"features": ["f*"]}])
def test_sms_spam_has_no_other_columns(settings: dict[str, Any]) -> None:
    data = Data(source="sms-spam", **settings)
    with pytest.raises(DataError) as caught:
        read(locate(data, Path()), data, None)
    assert "sms-spam" in caught.value.where


def test_a_package_that_is_not_installed_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(builtin, "distribution", missing)
    with pytest.raises(MachineError) as caught:
        locate(Data(source="sms-spam"), Path())
    assert caught.value.remedy == "pip install 'honest-search[sms-spam]'"


def test_another_file_in_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.data.sources.locate_sms_spam", lambda: tmp_path / "f.csv")
    (tmp_path / "f.csv").write_text("ham\thello\n")
    with pytest.raises(DataError, match="found a file with SHA-256"):
        locate(Data(source="sms-spam"), tmp_path)


def test_names_that_cant_be_looked_for_and_what_is_no_file_say_so(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name, problem in (
        ("a" * 5000, "can't be looked for: File name too long"),
        ("~nobody-of-that-name/f.csv", "can't be looked for: there is no such home"),
        ("loop.csv", "this is a pipe, a device or a broken link"),
        ("pipe.csv", "this is a pipe, a device or a broken link"),
        ("a\0b.csv", "there is no such file"),
    ):
        with pytest.raises(DataError) as caught:
            locate(Data(path=name), tmp_path)
        assert caught.value.problem == problem
        assert len(caught.value.where) < 200
