"""A small model of texts and one of numbers, as an export holds them."""

from __future__ import annotations

import numpy as np

from search.exporting.model_folder import ExportedModel, Origin
from studies.data import FeatureStep
from studies.space.configuration import Configuration

TENSORFLOW = Configuration(
    "tensorflow", "glorot_uniform", "adam", epochs=27, learning_rate=0.01, batch_size=32, activation="tanh"
)
SPARK = Configuration("spark", "spark_uniform", "l-bfgs", epochs=20)

WORDS = ("free", "call", "0000", "don't", "!")


def model_of_texts(configuration: Configuration = TENSORFLOW, *, scaled: bool = True) -> ExportedModel:
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(len(WORDS), 3)).astype(np.float32)
    mean, scale = (draw.normal(size=3), draw.uniform(0.5, 2, size=3)) if scaled else (None, None)
    step = FeatureStep("word2vec", ("text",), WORDS, vectors, mean, scale)
    return _model(configuration, step)


def model_of_numbers(configuration: Configuration = TENSORFLOW, classes: int = 2) -> ExportedModel:
    return _model(configuration, FeatureStep("none", ("a", "b", "c")), classes)


def _model(configuration: Configuration, step: FeatureStep, classes: int = 2) -> ExportedModel:
    draw = np.random.default_rng(2)
    shapes = ((3, 4), (4,), (4, classes), (classes,))
    return ExportedModel(
        origin=Origin("small", 7, 3, "0123abcd", {"python": "3.11.9", "keras": "3.15.1", "numpy": "2.4.6"}),
        configuration=configuration,
        activation=configuration.activation or "sigmoid",
        classes=("ham", "spam", "other")[:classes],
        positive=1,
        threshold=0.5 if classes == 2 else None,
        tuned=0.375 if classes == 2 else None,
        weights=tuple(draw.normal(size=shape).astype(np.float32) for shape in shapes),
        step=step,
    )
