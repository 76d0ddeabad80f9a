"""A network's plain weights as a model of a framework's own, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from studies.errors import StudyFailedError
from workers.solvers.mllib import BLOCK_SIZE
from workers.spark import session as spark_session
from workers.spark.paths import plain_link, spark_path
from workers.spark.settings import DEFAULTS
from workers.training.network import flatten
from workers.training.trainer import Weights


def save_keras(path: Path, weights: Weights, activation: str) -> None:
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


def save_spark(path: Path, weights: Weights) -> None:
    """Write the folder of a ``MultilayerPerceptronClassificationModel``, whose hidden layers are sigmoid.

    Spark has no public way to make such a model from weights but to train one: no iteration of l-bfgs,
    beginning at these weights, on one made-up row a class. In a session of this machine, also where the study
    has a cluster: that would write on a machine of its own.

    Raises:
        MachineError: where Spark can't be started.
        StudyFailedError: where it doesn't write the model, or doesn't read it back as it is.
    """
    # Late: importing PySpark takes two seconds.
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.ml.classification import (
        MultilayerPerceptronClassificationModel,
        MultilayerPerceptronClassifier,
    )
    from pyspark.ml.linalg import Vectors

    layers = [len(weights[0]), *(len(bias) for bias in weights[1::2])]
    flat = flatten(weights)
    session = spark_session.start(settings=DEFAULTS).session
    rows = session.createDataFrame(
        [(float(label), Vectors.sparse(layers[0], [], [])) for label in range(layers[-1])],
        ["label", "features"],
    )
    trainer = MultilayerPerceptronClassifier(
        layers=layers, solver="l-bfgs", maxIter=0, blockSize=BLOCK_SIZE, initialWeights=Vectors.dense(flat)
    )
    model = trainer.fit(rows)
    if not np.array_equal(model.weights.toArray(), flat):
        raise StudyFailedError("Spark changed the weights of a model that it didn't train")
    try:
        model.write().overwrite().save(spark_path(path))
        with plain_link(path) as link:
            loaded = MultilayerPerceptronClassificationModel.load(link)
    except (PySparkException, Py4JError) as error:
        raise StudyFailedError(
            f"Spark can't write the model: {str(error).strip().splitlines()[0]}"
        ) from error
    if not path.is_dir() or not np.array_equal(loaded.weights.toArray(), flat):
        raise StudyFailedError(f"Spark wrote no model to {path}, or another one")
