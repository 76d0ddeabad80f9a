"""An exported model: a folder that works without this project, and how this project reads it again.

::

    model.json      labels, threshold, layers, and where the model comes from
    weights.npz     W1, b1, W2, b2, …: the network, for NumPy alone; array1, … where it is no perceptron
    model.keras     the same network for Keras, or
    spark-model/    for Spark ML, or what a plug-in writes, with its code, by the framework that trained it
    features/       the fitted step from texts or numbers to features, in plain files
    example.py      some twenty lines that load it and score something
    README.md       the model card
    requirements.txt
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.evaluation.thresholds import AS_TRAINED
from studies import plugins
from studies.data import FeatureStep, open_feature_step
from studies.data.cache import write_feature_step
from studies.errors import DataError
from studies.frameworks import Framework, framework_of
from studies.records.schema import formats_read, newer_words, reader_of, this_version
from studies.space.configuration import Configuration
from workers.trainers import checked_saved_model, saved_model_of
from workers.training.network import forward
from workers.training.saved_model import Predict
from workers.training.trainer import Weights

INDEX = "model.json"
WEIGHTS = "weights.npz"
FEATURES = "features"

FORMAT = 1
"""Raised whenever earlier code would misread the files, so that it refuses them instead. A key that is added
to ``model.json`` needs a default, and raises nothing.
"""


@dataclass(frozen=True)
class Origin:
    """Where a model comes from: its study, trial, seed and data, and the versions that trained it."""

    study: str
    trial: int
    seed: int
    data_hash: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class ExportedModel:
    """What the plain files of the folder hold.

    Attributes:
        origin: where it comes from.
        configuration: what was trained.
        activation: what its hidden layers apply.
        classes: label names, in the order of the network's outputs.
        positive: index of the positive class.
        threshold: of two classes, the positive one is predicted where its probability is above this; ``None``
            for more classes, of which the most probable is predicted.
        tuned: the threshold that the validation rows like best, for who wants it; ``None`` as above.
        weights: of the network.
        step: from texts or numbers to features.
        features: how many there are; where the weights are no multilayer perceptron's.
        predict: what computes the probabilities then.
    """

    origin: Origin
    configuration: Configuration
    activation: str
    classes: tuple[str, ...]
    positive: int
    threshold: float | None
    tuned: float | None
    weights: Weights
    step: FeatureStep
    features: int = 0
    predict: Predict | None = None

    @property
    def framework(self) -> Framework:
        """That trained it; only where the study file was read."""
        return framework_of(self.configuration.framework)

    @property
    def layers(self) -> tuple[int, ...]:
        """(features, *hidden, classes); without those between for what is no multilayer perceptron."""
        if self.predict is not None or not _is_perceptron(self):
            return (self.features, len(self.classes))
        return (len(self.weights[0]), *(len(bias) for bias in self.weights[1::2]))

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(rows, classes), each row summing to 1; in NumPy for a multilayer perceptron."""
        if self.predict is not None:
            return self.predict(features)
        return forward(self.weights, features, self.activation)

    def predicted(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """(rows,) index of the class that is predicted for each row of (rows, classes)."""
        predicted: NDArray[np.int64] = probabilities.argmax(axis=1)
        if self.threshold is None:
            return predicted
        positive = probabilities[:, self.positive] > self.threshold
        predicted[:] = np.where(positive, self.positive, 1 - self.positive)
        return predicted


def threshold_of(classes: Sequence[str]) -> float | None:
    """The threshold as trained: of two classes the more probable is predicted, the first of equal ones."""
    return AS_TRAINED if len(classes) == 2 else None


def write_model(directory: Path, model: ExportedModel) -> None:
    """Write the files that need no framework into a folder that is there."""
    comes_from = {
        "study": model.origin.study,
        "trial": model.origin.trial,
        "seed": model.origin.seed,
        "data": model.origin.data_hash,
        "versions": dict(model.origin.versions),
    }
    index: dict[str, Any] = {
        "format": FORMAT,
        "package": this_version(),
        "labels": model.classes,
        "positive": model.positive,
        "threshold": model.threshold,
        "threshold_tuned": model.tuned,
        "layers": model.layers,
        "activation": model.activation,
        "features": {"kind": model.step.kind, "columns": model.step.columns, "scaled": _is_scaled(model)},
        "configuration": model.configuration.used(),
        "origin": comes_from,
    }
    origin = None if _is_perceptron(model) else model.framework.origin
    if origin is not None:
        saved = saved_model_of(model.framework)
        index["plugin"] = {"saved_model": model.framework.saved_model, "file": saved.file}
        if origin.source:
            (directory / origin.package).write_text(origin.source, encoding="utf-8")
    text = json.dumps(index, indent=2, ensure_ascii=False) + "\n"
    (directory / INDEX).write_text(text, encoding="utf-8")
    arrays: dict[str, Any] = dict(zip(_names(model), model.weights, strict=True))
    np.savez(directory / WEIGHTS, allow_pickle=False, **arrays)
    (directory / FEATURES).mkdir()
    write_feature_step(directory / FEATURES, model.step)


def read_model(directory: Path) -> ExportedModel:
    """The model in a folder that :func:`write_model` wrote.

    Raises:
        DataError: where there is none, it isn't whole, or its format is newer than this code reads.
    """
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        _check_format(index, directory)
        origin = index["origin"]
        # From memory: NumPy leaves a torn file open.
        content = io.BytesIO((directory / WEIGHTS).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            weights = tuple(arrays[name] for name in arrays)
        return ExportedModel(
            origin=Origin(
                origin["study"],
                origin["trial"],
                origin["seed"],
                origin["data"],
                origin.get("versions", {}),
            ),
            configuration=Configuration.from_dict(index["configuration"]),
            activation=index["activation"],
            classes=tuple(index["labels"]),
            positive=index["positive"],
            threshold=index["threshold"],
            tuned=index.get("threshold_tuned"),
            weights=weights,
            step=open_feature_step(directory / FEATURES),
            features=index["layers"][0] if "plugin" in index else 0,
            predict=_plugin_in(directory, index["plugin"]) if "plugin" in index else None,
        )
    # Whatever a torn or foreign folder leads to, in JSON, in a key or in an archive.
    except (OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, zipfile.BadZipFile) as error:
        raise DataError(
            f"found no exported model that can be read ({type(error).__name__}: {error})",
            where=str(directory),
            allowed="a folder that `search export` wrote",
            remedy="search export STUDY DIR",
        ) from error


def _plugin_in(directory: Path, plugin: Mapping[str, str]) -> Predict:
    """What reads the file of a plug-in; its code may lie in the folder."""
    found = plugins.find(plugins.TRAINERS, plugin["saved_model"], directory, str(directory / INDEX))
    load = checked_saved_model(found.origin, found.value).load
    assert load is not None
    return load(directory / plugin["file"])


def _is_perceptron(model: ExportedModel) -> bool:
    return model.framework.perceptron


def _names(model: ExportedModel) -> list[str]:
    """Of the weights in their file, in their order."""
    if not _is_perceptron(model):
        return [f"array{number}" for number in range(1, len(model.weights) + 1)]
    return [f"{kind}{layer}" for layer in range(1, len(model.weights) // 2 + 1) for kind in "Wb"]


def _check_format(index: Mapping[str, Any], directory: Path) -> None:
    written = index["format"]
    if written > FORMAT:
        package = str(index.get("package", ""))
        raise DataError(
            f"the model {newer_words(written, package)}",
            where=str(directory),
            allowed=formats_read(FORMAT),
            remedy=reader_of(package),
        )


def _is_scaled(model: ExportedModel) -> bool:
    return model.step.mean is not None
