from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.data import open_feature_step, open_split, prepare
from studies.data.builtin import locate_sms_spam, read_sms_spam
from studies.errors import DataError
from studies.study import Data, Features

SMALL = Features(dimensions=8, iterations=1)


def write_csv(folder: Path, rows: int = 30) -> Data:
    lines = [f"{row},{row % 7},{'b' if row % 3 == 0 else 'a'}" for row in range(rows)]
    (folder / "f.csv").write_text("\n".join(["f1,f2,label", *lines]) + "\n")
    return Data(path="f.csv")


def digest(data: Data, features: Features, seed: int, tmp_path: Path) -> str:
    return prepare(data, features, seed, tmp_path, tmp_path / "cache").split.content_hash


def test_a_csv_becomes_three_parts_of_its_rows(tmp_path: Path) -> None:
    prepared = prepare(write_csv(tmp_path), Features(), 7, tmp_path, tmp_path / "cache")
    split = prepared.split
    assert not prepared.cached
    assert prepared.directory == tmp_path / "cache" / split.content_hash
    assert split.classes == ("a", "b")
    assert split.positive == 1
    assert split.class_counts() == {
        "train": {"a": 13, "b": 6},
        "validation": {"a": 3, "b": 2},
        "test": {"a": 4, "b": 2},
    }
    for rows in (split.train, split.validation, split.test):
        numbers = rows.features[:, 0]
        assert (np.diff(numbers) > 0).all()
        np.testing.assert_array_equal(rows.features[:, 1], numbers % 7)
        np.testing.assert_array_equal(rows.labels, numbers % 3 == 0)
        assert rows.features.dtype == np.float32
        assert rows.features.flags.c_contiguous
        assert isinstance(rows.features, np.memmap)
        assert not rows.features.flags.writeable


def test_a_second_call_opens_what_the_first_made(tmp_path: Path) -> None:
    data = write_csv(tmp_path)
    first = prepare(data, Features(), 7, tmp_path, tmp_path / "cache")
    second = prepare(data, Features(), 7, tmp_path, tmp_path / "cache")
    assert second.cached
    assert second.directory == first.directory
    np.testing.assert_array_equal(second.split.test.features, first.split.test.features)
    assert open_split(first.directory).notes == first.split.notes


def test_the_hash_follows_content_and_settings_and_not_names(tmp_path: Path) -> None:
    data = write_csv(tmp_path)
    base = digest(data, Features(), 7, tmp_path)
    (tmp_path / "g.csv").write_bytes((tmp_path / "f.csv").read_bytes())
    assert digest(Data(path="g.csv"), Features(), 7, tmp_path) == base
    others = [
        digest(data, Features(), 8, tmp_path),
        digest(data, Features(scale="standard"), 7, tmp_path),
        digest(data.model_copy(update={"test": 0.3}), Features(), 7, tmp_path),
        digest(data.model_copy(update={"positive": "a"}), Features(), 7, tmp_path),
        digest(write_csv(tmp_path, rows=31), Features(), 7, tmp_path),
    ]
    assert len({base, *others}) == 6


def test_the_hash_follows_the_file_of_vectors(tmp_path: Path) -> None:
    lines = [f"word{row % 4},{'b' if row % 3 == 0 else 'a'}" for row in range(30)]
    (tmp_path / "f.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    data, features = Data(path="f.csv"), Features(kind="vectors", vectors="v.txt")
    (tmp_path / "v.txt").write_text("word0 1 2\nword1 3 4\n")
    first = digest(data, features, 7, tmp_path)
    (tmp_path / "v.txt").write_text("word0 1 2\nword1 3 5\n")
    assert digest(data, features, 7, tmp_path) != first


def test_test_rows_that_repeat_training_rows_are_counted(tmp_path: Path) -> None:
    lines = [f"same,{'b' if row % 3 == 0 else 'a'}" for row in range(30)]
    (tmp_path / "f.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    split = prepare(Data(path="f.csv", text="text"), SMALL, 7, tmp_path, tmp_path / "cache").split
    assert split.notes == ("6 test rows of 6 repeat a training row exactly",)
    numbers = prepare(write_csv(tmp_path), Features(), 7, tmp_path, tmp_path / "cache").split
    assert not any("repeat" in note for note in numbers.notes)


@pytest.mark.parametrize(
    "settings",
    [{"path": "absent.csv"}, {"path": "f.csv", "features": ["x"]}, {"path": "f.csv", "positive": "c"}],
)
def test_nothing_is_written_where_the_data_cannot_be_used(tmp_path: Path, settings: dict[str, Any]) -> None:
    write_csv(tmp_path)
    with pytest.raises(DataError):
        prepare(Data(**settings), Features(), 7, tmp_path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_sms_spam_goes_from_sentences_to_features_that_its_step_gives_again(tmp_path: Path) -> None:
    prepared = prepare(Data(source="sms-spam"), SMALL, 7, tmp_path, tmp_path)
    split = prepared.split
    assert split.classes == ("ham", "spam")
    assert split.positive == 1
    assert split.class_counts()["test"] == {"ham": 844, "spam": 128}
    assert [len(rows) for rows in (split.train, split.validation, split.test)] == [3112, 778, 972]
    step = open_feature_step(prepared.directory)
    texts = read_sms_spam(locate_sms_spam()).texts or ()
    features, _ = step.of_texts(texts)
    remade = {row.tobytes() for row in features}
    assert {np.asarray(row).tobytes() for row in split.test.features} <= remade
    assert (step.kind, step.columns) == ("word2vec", ("text",))


def test_a_cached_open_imports_neither_gensim_nor_pandas(tmp_path: Path) -> None:
    prepare(Data(source="sms-spam"), SMALL, 7, tmp_path, tmp_path)
    code = (
        "import sys; from pathlib import Path; from studies.data import prepare;"
        "from studies.study import Data, Features;"
        "base = Path(sys.argv[1]);"
        "made = prepare(Data(source='sms-spam'), Features(dimensions=8, iterations=1), 7, base, base);"
        "slow = {'gensim', 'pandas', 'scipy', 'pyarrow', 'tensorflow', 'pyspark', 'dask'} & set(sys.modules);"
        "sys.exit(0 if made.cached and not slow else f'cached: {made.cached}, imported: {slow}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["split.json", "step.json", "train_features.npy"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: flip(path),
    ],
    ids=["removed", "cut", "changed"],
)
def test_a_damaged_cache_is_made_again(tmp_path: Path, where: str, damage: Callable[[Path], object]) -> None:
    data = write_csv(tmp_path)
    first = prepare(data, Features(), 7, tmp_path, tmp_path / "cache")
    whole = np.array(first.split.train.features)
    damage(first.directory / where)
    second = prepare(data, Features(), 7, tmp_path, tmp_path / "cache")
    assert not second.cached
    np.testing.assert_array_equal(second.split.train.features, whole)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.directory.name]
    assert prepare(data, Features(), 7, tmp_path, tmp_path / "cache").cached


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
