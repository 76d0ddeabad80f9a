from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.data import locate_rows, open_feature_step, open_split, prepare, source_of_parts
from studies.data.facts import DataFacts, facts_of
from studies.data.readers.builtin import locate_sms_spam, read_sms_spam
from studies.data.repeats import Repeats
from studies.errors import DataError
from studies.sections.study import Data, Features

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


def test_notes_on_labels_and_columns_are_kept_with_the_rows(tmp_path: Path) -> None:
    lines = [f"{row},{row % 7},{('A', 'a', 'b')[row % 3]}" for row in range(30)]
    (tmp_path / "f.csv").write_text("\n".join(["Unnamed: 0,f2,label", *lines]) + "\n")
    prepared = prepare(Data(path="f.csv"), Features(), 7, tmp_path, tmp_path / "cache")
    notes = "; ".join(open_split(prepared.directory).notes)
    assert "column 'Unnamed: 0' is left out, as a saved index" in notes
    assert "the labels 'A' (10 rows) and 'a' (10 rows) are classes of their own" in notes


def test_a_feature_that_is_the_label_in_other_words_is_noted(tmp_path: Path) -> None:
    lines = [f"{row % 3 == 0:d},{row % 5},{'b' if row % 3 == 0 else 'a'}" for row in range(30)]
    (tmp_path / "f.csv").write_text("\n".join(["target,f2,label", *lines]) + "\n")
    notes = prepare(Data(path="f.csv"), Features(), 7, tmp_path, tmp_path / "cache").split.notes
    assert [note for note in notes if "in other words" in note] == [
        "column 'target' is the label in other words: each of its values stands for one class; leave it out "
        "of [data] features, unless it is known before the label is"
    ]


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


def write_texts(folder: Path) -> Data:
    """Twenty texts three times each; one of them is once labelled otherwise."""
    lines = [f"text {row % 20},{'b' if row % 20 < 6 else 'a'}" for row in range(59)]
    (folder / "f.csv").write_text("\n".join(["text,label", *lines, "text 19,b"]) + "\n")
    return Data(path="f.csv", text="text")


def test_texts_that_repeat_are_in_one_part_and_the_report_says_how_many_there_are(tmp_path: Path) -> None:
    data = write_texts(tmp_path)
    rows, parts = source_of_parts(locate_rows(data, SMALL, 7, tmp_path), data, SMALL, 7)
    texts = [{(rows.texts or ())[row] for row in part} for part in parts.values()]
    assert sum(map(len, texts)) == len(set().union(*texts)) == 20
    split = prepare(data, SMALL, 7, tmp_path, tmp_path / "cache").split
    assert split.repeats == Repeats(40, 3, {"validation": 0, "test": 0})
    assert split.notes == (
        "40 rows of 60 repeat an earlier row exactly; no validation or test row repeats a training row",
        "3 rows of these have an equal with another label",
    )
    facts = facts_of(split)
    assert DataFacts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts


def test_rows_that_are_placed_by_themselves_and_repeat_training_rows_are_counted(tmp_path: Path) -> None:
    data = write_texts(tmp_path).model_copy(update={"repeats": "anywhere"})
    split = prepare(data, SMALL, 7, tmp_path, tmp_path / "cache").split
    assert split.notes[0] == (
        "40 rows of 60 repeat an earlier row exactly; "
        "7 validation rows of 10 and 12 test rows of 12 repeat a training row"
    )
    numbers = prepare(write_csv(tmp_path), Features(), 7, tmp_path, tmp_path / "cache").split
    assert numbers.repeats == Repeats(0, 0, {"validation": 0, "test": 0})
    assert not any("repeat" in note for note in numbers.notes)


def test_numbers_repeat_where_all_features_do_with_zeros_of_both_signs(tmp_path: Path) -> None:
    values = [(row % 40, -0.0 if row >= 40 else 0.0, row) for row in range(80)]
    lines = [f"{one},{two},{three},{'ab'[one % 2]}" for one, two, three in values]
    (tmp_path / "f.csv").write_text("\n".join(["f1,f2,number,label", *lines]) + "\n")
    data = Data(path="f.csv", features=["f1", "f2"])
    split = prepare(data, Features(), 7, tmp_path, tmp_path / "cache").split
    assert split.repeats == Repeats(40, 0, {"validation": 0, "test": 0})
    parts = [set(rows.features[:, 0].tolist()) for rows in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 40
    whole = prepare(Data(path="f.csv"), Features(), 7, tmp_path, tmp_path / "cache").split
    assert whole.repeats == Repeats(0, 0, {"validation": 0, "test": 0})


def test_rows_placed_by_themselves_are_those_of_earlier_code_under_its_hash(tmp_path: Path) -> None:
    # As the code before `repeats` made them.
    earlier = "b5a3a9af90f4502e57530b09e689cbed29b4762d6a0b98fe2bfb6a3bf074cf3a"
    data = write_csv(tmp_path).model_copy(update={"repeats": "anywhere"})
    split = prepare(data, Features(), 7, tmp_path, tmp_path / "cache").split
    assert split.content_hash == earlier
    assert split.test.features[:, 0].tolist() == [3, 4, 14, 17, 24, 26]
    assert digest(write_csv(tmp_path), Features(), 7, tmp_path) != earlier


def test_a_share_that_repeats_cost_a_part_is_said(tmp_path: Path) -> None:
    lines = [f"{row % 8},{'b' if row % 3 == 0 else 'a'}" for row in range(240)]
    (tmp_path / "f.csv").write_text("\n".join(["f1,label", *lines]) + "\n")
    split = prepare(Data(path="f.csv"), Features(), 7, tmp_path, tmp_path / "cache").split
    assert split.notes[-1] == (
        "rows that repeat each other stay together, so that there are 40 test rows of class 'a' instead of "
        '32; with repeats = "anywhere" in [data] each row is placed by itself'
    )


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
        "from studies.sections.study import Data, Features;"
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
