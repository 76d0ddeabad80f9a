"""An exported model: a folder that works without this project, and how this project reads it again.

::

    model.json      labels, threshold, layers, and where the model comes from
    weights.npz     W1, b1, W2, b2, …: the network, for NumPy alone
    model.keras     the same network for Keras, or
    spark-model/    for Spark ML, by the framework that trained it
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
from studies.data import FeatureStep, open_feature_step
from studies.data.cache import write_feature_step
from studies.errors import DataError
from studies.space.configuration import Configuration
from workers.training.network import forward
from workers.training.trainer import Weights

INDEX = "model.json"
WEIGHTS = "weights.npz"
FEATURES = "features"
KERAS_MODEL = "model.keras"
SPARK_MODEL = "spark-model"

FORMAT = 1
"""Raised whenever the files change, so that another version's are refused instead of misread."""


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

    @property
    def layers(self) -> tuple[int, ...]:
        """(features, *hidden, classes)."""
        return (len(self.weights[0]), *(len(bias) for bias in self.weights[1::2]))

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(rows, classes), each row summing to 1, in NumPy."""
        return forward(self.weights, features, self.activation)

    def said(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """(rows,) index of the class that is said of each row of (rows, classes)."""
        said: NDArray[np.int64] = probabilities.argmax(axis=1)
        if self.threshold is None:
            return said
        positive = probabilities[:, self.positive] > self.threshold
        said[:] = np.where(positive, self.positive, 1 - self.positive)
        return said


def threshold_of(classes: Sequence[str]) -> float | None:
    """The threshold as trained: that of two classes the more probable is said, the first of equal ones."""
    return AS_TRAINED if len(classes) == 2 else None


def write_model(directory: Path, model: ExportedModel) -> None:
    """Write the files that need no framework into a folder that is there."""
    origin = {
        "study": model.origin.study,
        "trial": model.origin.trial,
        "seed": model.origin.seed,
        "data": model.origin.data_hash,
        "versions": dict(model.origin.versions),
    }
    index = {
        "format": FORMAT,
        "labels": model.classes,
        "positive": model.positive,
        "threshold": model.threshold,
        "threshold_tuned": model.tuned,
        "layers": model.layers,
        "activation": model.activation,
        "features": {"kind": model.step.kind, "columns": model.step.columns, "scaled": _is_scaled(model)},
        "configuration": model.configuration.used(),
        "origin": origin,
    }
    text = json.dumps(index, indent=2, ensure_ascii=False) + "\n"
    (directory / INDEX).write_text(text, encoding="utf-8")
    names = [f"{kind}{layer}" for layer in range(1, len(model.weights) // 2 + 1) for kind in "Wb"]
    arrays: dict[str, Any] = dict(zip(names, model.weights, strict=True))
    np.savez(directory / WEIGHTS, allow_pickle=False, **arrays)
    (directory / FEATURES).mkdir()
    write_feature_step(directory / FEATURES, model.step)


def read_model(directory: Path) -> ExportedModel:
    """The model in a folder that :func:`write_model` wrote.

    Raises:
        DataError: where there is none, or it isn't whole.
    """
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise ValueError(f"its format is {index['format']}, and this version reads {FORMAT}")
        origin = index["origin"]
        # From memory: NumPy leaves a torn file open.
        content = io.BytesIO((directory / WEIGHTS).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            layers = range(1, len(index["layers"]))
            weights = tuple(arrays[f"{kind}{layer}"] for layer in layers for kind in "Wb")
        return ExportedModel(
            origin=Origin(
                origin["study"], origin["trial"], origin["seed"], origin["data"], origin["versions"]
            ),
            configuration=Configuration.from_dict(index["configuration"]),
            activation=index["activation"],
            classes=tuple(index["labels"]),
            positive=index["positive"],
            threshold=index["threshold"],
            tuned=index["threshold_tuned"],
            weights=weights,
            step=open_feature_step(directory / FEATURES),
        )
    # Whatever a torn or foreign folder leads to, in JSON, in a key or in an archive.
    except (OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, zipfile.BadZipFile) as error:
        raise DataError(
            f"found no exported model that can be read ({type(error).__name__}: {error})",
            where=str(directory),
            allowed="a folder that `search export` wrote",
            remedy="search export STUDY DIR",
        ) from error


def _is_scaled(model: ExportedModel) -> bool:
    return model.step.mean is not None
