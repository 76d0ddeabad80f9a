from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.exporting.model_folder import ExportedModel, read_model, write_model
from studies.errors import DataError
from tests.search.exporting.models import model_of_numbers, model_of_texts


@pytest.mark.parametrize("model", [model_of_texts(), model_of_texts(scaled=False), model_of_numbers()])
def test_what_is_written_is_read(tmp_path: Path, model: ExportedModel) -> None:
    write_model(tmp_path, model)
    found = read_model(tmp_path)
    for array, there in zip(model.weights, found.weights, strict=True):
        assert array.dtype == there.dtype
        np.testing.assert_array_equal(array, there)
    for name in ("vectors", "mean", "scale"):
        before, after = getattr(model.step, name), getattr(found.step, name)
        assert (before is None) == (after is None)
        if before is not None:
            np.testing.assert_array_equal(before, after)
    assert replace(found, weights=(), step=model.step) == replace(model, weights=())
    assert (found.step.kind, found.step.columns, found.step.words) == (
        model.step.kind,
        model.step.columns,
        model.step.words,
    )


def test_the_layers_are_those_of_the_weights() -> None:
    assert model_of_texts().layers == (3, 4, 2)


def test_of_two_classes_the_positive_is_said_above_the_threshold_and_not_at_it() -> None:
    model = replace(model_of_texts(), threshold=0.75)
    probabilities = np.array([[0.25, 0.75], [0.24, 0.76], [0.6, 0.4]])
    assert model.predicted(probabilities).tolist() == [0, 1, 0]


def test_a_half_is_what_the_most_probable_class_is_the_first_of_equal_ones() -> None:
    probabilities = np.array([[0.5, 0.5], [0.4, 0.6], [0.6, 0.4]])
    assert model_of_texts().predicted(probabilities).tolist() == probabilities.argmax(axis=1).tolist()


def test_of_three_classes_the_most_probable_is_said() -> None:
    assert model_of_numbers(classes=3).predicted(np.array([[0.3, 0.3, 0.4], [0.5, 0.3, 0.2]])).tolist() == [
        2,
        0,
    ]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no exported model"):
        read_model(tmp_path)


@pytest.mark.parametrize("damage", ["index", "weights", "words"])
def test_a_damaged_model_is_refused(tmp_path: Path, damage: str) -> None:
    write_model(tmp_path, model_of_texts())
    index = tmp_path / "model.json"
    if damage == "index":
        index.write_text(index.read_text()[:50])
    elif damage == "weights":
        (tmp_path / "weights.npz").write_bytes((tmp_path / "weights.npz").read_bytes()[:200])
    else:
        (tmp_path / "features" / "step.json").unlink()
    with pytest.raises(DataError, match="no exported model"):
        read_model(tmp_path)


def test_a_model_of_a_newer_format_is_refused_and_keys_of_later_code_are_ignored(tmp_path: Path) -> None:
    write_model(tmp_path, model_of_numbers())
    index = json.loads((tmp_path / "model.json").read_text())
    later = {**index, "calibration": [1], "origin": {**index["origin"], "by": "x"}}
    del later["threshold_tuned"], later["package"], later["origin"]["versions"]
    (tmp_path / "model.json").write_text(json.dumps(later))
    assert read_model(tmp_path).tuned is None
    (tmp_path / "model.json").write_text(json.dumps({"format": 2, "package": "9.1.0"}))
    with pytest.raises(DataError) as refused:
        read_model(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: the model has format 2, which version 9.1.0 of honest-search wrote\n"
        "  allowed: formats up to 1, which this version, 0.1.0, reads\n"
        "  to do:   pip install 'honest-search>=9.1.0'"
    )
