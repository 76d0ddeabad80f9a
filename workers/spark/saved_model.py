"""A network's plain weights as a model of Spark ML on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studies.errors import StudyFailedError
from workers.solvers.mllib import BLOCK_SIZE
from workers.spark import session as spark_session
from workers.spark.paths import plain_link, spark_path
from workers.spark.settings import DEFAULTS
from workers.training.network import flatten
from workers.training.saved_model import SavedModel
from workers.training.trainer import Weights


def save(path: Path, weights: Weights, _activation: str) -> None:
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
    # Here and not when the process ends: PySpark complains of a JVM that leaves, on a person's terminal.
    spark_session.stop()


SPARK_ML = SavedModel(
    file="spark-model",
    save=save,
    sentence="a MultilayerPerceptronClassificationModel of Spark ML: features in, probability of "
    "{outputs} out. Its own prediction is the index of the most probable class, and knows no other "
    "threshold.",
    packages=("pyspark", "numpy"),
    needs="and a Java 17 or later",
    modules=("shutil", "tempfile"),
    imports=(
        "import numpy as np",
        "from pyspark.ml.classification import MultilayerPerceptronClassificationModel as Network",
        "from pyspark.ml.linalg import Vectors",
        "from pyspark.sql import SparkSession",
    ),
    loading=(
        'spark = SparkSession.builder.master("local[1]").getOrCreate()',
        "with tempfile.TemporaryDirectory() as plain:  # Spark takes some folders' names for patterns",
        '    model = Network.load("file:" + shutil.copytree(here / "spark-model", f"{plain}/model"))',
    ),
    scoring=(
        "rows = [(Vectors.dense(features(one)),) for one in inputs]",
        'scored = model.transform(spark.createDataFrame(rows, ["features"]))',
        "return np.array([row.probability.toArray() for row in scored.collect()])",
    ),
)
