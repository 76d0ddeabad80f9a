"""A network's plain weights as a Keras model on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workers.training.saved_model import SavedModel
from workers.training.trainer import Weights


def save(path: Path, weights: Weights, activation: str) -> None:
    """Write a ``.keras`` file: dense layers and a softmax, in the precision of the weights.

    Not to be called from several threads at once: building a Keras model is not safe there.
    """
    # Late: importing TensorFlow costs 4 to 25 seconds.
    from workers.tensorflow.setup import keras

    precision = np.asarray(weights[0]).dtype.name
    layers: list[Any] = [keras.Input((len(weights[0]),), name="features", dtype=precision)]
    for number, bias in enumerate(weights[1:-1:2], start=1):
        name = f"hidden_{number}"
        layers.append(keras.layers.Dense(len(bias), activation=activation, name=name, dtype=precision))
    layers.append(
        keras.layers.Dense(len(weights[-1]), activation="softmax", name="probabilities", dtype=precision)
    )
    model = keras.Sequential(layers, name="network")
    model.set_weights([np.asarray(array) for array in weights])
    model.save(path)


KERAS = SavedModel(
    file="model.keras",
    save=save,
    sentence="a plain Keras model: features in, probabilities out, of {outputs}.",
    packages=("tensorflow", "keras", "numpy"),
    imports=("import keras", "import numpy as np"),
    loading=('model = keras.models.load_model(here / "model.keras")',),
    scoring=("return model.predict(np.stack([features(one) for one in inputs]), verbose=0)",),
)
