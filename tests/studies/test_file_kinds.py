from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.errors import DataError
from studies.file_kinds import check_kind, kind_of, remedy_for


def archive(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, "content")

    return write


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


@pytest.mark.parametrize(
    ("write", "name", "remedy"),
    [
        (content(gzip.compress(b"f,label\n")), "a gzip file", "gunzip"),
        (content(b"BZh91AY"), "a bzip2 file", "bunzip2"),
        (content(b"\x28\xb5\x2f\xfd\x04"), "a zstd file", "unzstd"),
        (archive("f.csv"), "a zip archive", "unzip"),
        (archive("xl/workbook.xml"), "an Excel workbook", "save the sheet as csv"),
        (archive("content.xml"), "an OpenDocument file", "save the sheet as csv"),
        (archive("X.npy"), "an archive of NumPy arrays", "name it .npz"),
        (lambda path: pd.DataFrame({"f": [1]}).to_parquet(path), "a Parquet file", "name it .parquet"),
        (lambda path: np.save(path.open("wb"), np.eye(2)), "one NumPy array", "np.savez"),
        (content(b"%PDF-1.7"), "a PDF document", "as csv"),
        (content(b"\x80\x04\x95"), "a Python pickle", "convert it"),
        (content(b"SQLite format 3\x00"), "an SQLite database", "export"),
        (content(b"\n<!DOCTYPE html><html>"), "a web page", "login"),
        (content(b'{"f": 1, "label": "a"}\n'), "JSON", "read_json"),
        (content(b"\xef\xbb\xbf[\n  {"), "JSON", "read_json"),
        (content(b"version https://git-lfs.github.com/spec/v1\n"), "a pointer of Git LFS", "git lfs pull"),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_what_isnt_text_is_named_with_its_remedy(
    write: Callable[[Path], None], name: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "f.csv"
    write(path)
    with pytest.raises(DataError) as caught:
        check_kind(path, "csv")
    assert caught.value.problem == f"this is {name}, not csv"
    assert remedy in caught.value.remedy
    assert remedy in remedy_for(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_characters_are_named(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes("f,label\n1,ä\n2,b\n".encode(encoding))
    with pytest.raises(DataError, match=f"found {encoding[:6].upper()}"):
        check_kind(tmp_path / "f.csv", "csv")


@pytest.mark.parametrize("format", ["csv", "tsv", "libsvm"])
def test_a_nul_byte_is_refused_with_its_line(format: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"f,label\n" + b"1,a\n" * 400_000 + b"1\0xyz,a\n2,b\n")
    with pytest.raises(DataError) as caught:
        check_kind(tmp_path / "f", format)
    assert caught.value.where == f"{tmp_path / 'f'}, line 400002"
    assert "a NUL byte" in caught.value.problem


def test_bytes_that_are_no_text_are_not_blamed_on_an_encoding(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError, match="this is no text file: 112 of its first 1024 bytes"):
        check_kind(tmp_path / "f.csv", "csv")


@pytest.mark.parametrize(
    "text", ["f,label\n1,\x1b[31ma\n", '"{""a"": 1}",label\n', "version,label\n1,a\n", ""]
)
def test_text_is_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(text)
    check_kind(tmp_path / "f.csv", "csv")
    assert kind_of(tmp_path / "f.csv") is None
