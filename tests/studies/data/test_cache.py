from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from studies.data import cache
from studies.data.cache import is_whole, open_feature_step, open_split, store
from studies.data.features.features import FeatureStep
from studies.data.split import Rows, Split
from studies.errors import DataError, MachineError


def split_of(value: float = 0.0) -> Split:
    rows = [Rows(np.full((n, 3), value, dtype=np.float32), np.arange(n) % 2) for n in (6, 2, 4)]
    return Split(*rows, classes=("a", "ä"), positive=1, content_hash="abc", notes=("a note",))


STEP = FeatureStep(
    kind="word2vec",
    columns=("text",),
    words=("the", "é", "!"),
    vectors=np.arange(9, dtype=np.float32).reshape(3, 3),
    mean=np.array([0.1, 0.2, 0.3]),
    scale=np.array([1.0, 2.0, 3.0]),
)


def test_a_split_and_its_step_come_back_as_they_were(tmp_path: Path) -> None:
    split = split_of(2.5)
    store(tmp_path / "abc", split, STEP)
    opened = open_split(tmp_path / "abc")
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(opened, name).features, getattr(split, name).features)
        np.testing.assert_array_equal(getattr(opened, name).labels, getattr(split, name).labels)
    assert (opened.classes, opened.positive, opened.notes) == (split.classes, 1, ("a note",))
    step = open_feature_step(tmp_path / "abc")
    assert (step.kind, step.columns, step.words) == (STEP.kind, STEP.columns, STEP.words)
    for name in ("vectors", "mean", "scale"):
        np.testing.assert_array_equal(getattr(step, name), getattr(STEP, name))


def test_a_step_without_words_and_scale_comes_back_without_them(tmp_path: Path) -> None:
    store(tmp_path / "abc", split_of(), FeatureStep("none", ("x", "y")))
    assert open_feature_step(tmp_path / "abc") == FeatureStep("none", ("x", "y"))


def test_whole_means_this_hash_and_every_byte(tmp_path: Path) -> None:
    directory = tmp_path / "abc"
    store(directory, split_of(), STEP)
    assert is_whole(directory, "abc")
    assert not is_whole(directory, "abd")
    (directory / "words.txt").write_text("other\n")
    assert not is_whole(directory, "abc")
    assert not is_whole(tmp_path / "absent", "abc")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": 3}', '{"content_hash": "abc", "files": []}'])
def test_an_index_of_another_shape_is_an_error_to_open_and_not_whole(tmp_path: Path, content: str) -> None:
    store(tmp_path / "abc", split_of(), STEP)
    (tmp_path / "abc" / "split.json").write_text(content)
    assert not is_whole(tmp_path / "abc", "abc")
    with pytest.raises(DataError, match="missing or damaged"):
        open_split(tmp_path / "abc")


def test_arrays_of_another_shape_or_type_are_an_error_to_open(tmp_path: Path) -> None:
    for array in (np.zeros((5, 3), np.float32), np.zeros((6, 3)), np.zeros(6, np.float32)):
        store(tmp_path / "abc", split_of(), STEP)
        np.save(tmp_path / "abc" / "train_features.npy", array)
        with pytest.raises(DataError, match="missing or damaged"):
            open_split(tmp_path / "abc")


def test_of_two_that_race_the_first_to_finish_stays_and_nothing_is_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2)
    move = cache._move

    def at_once(*arguments: object) -> None:
        together.wait(timeout=60)
        move(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "_move", at_once)
    errors: list[BaseException] = []

    def build() -> None:
        try:
            store(tmp_path / "abc", split_of(), STEP)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert is_whole(tmp_path / "abc", "abc")
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_a_whole_folder_is_not_replaced(tmp_path: Path) -> None:
    store(tmp_path / "abc", split_of(1), STEP)
    opened = open_split(tmp_path / "abc")
    store(tmp_path / "abc", split_of(2), STEP)
    assert open_split(tmp_path / "abc").train.features[0, 0] == opened.train.features[0, 0] == 1


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_write_json", full)
    with pytest.raises(MachineError, match="can't be written: No space left on device"):
        store(tmp_path / "abc", split_of(), STEP)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_a_file_is_an_error_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(MachineError, match="can't be written"):
        store(tmp_path / "cache" / "abc", split_of(), STEP)
