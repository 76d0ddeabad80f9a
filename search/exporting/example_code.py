"""The example of an exported model: some twenty lines that need Keras or PySpark, and nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator

from search.exporting.model_folder import FEATURES, INDEX, KERAS_MODEL, SPARK_MODEL, ExportedModel
from studies.data.features.words import TOKEN

EXAMPLE = "example.py"


def example_code(model: ExportedModel) -> str:
    """A program that scores texts or numbers given on its command line."""
    return "\n".join([*_head(model), *_load(model), *_features(model), *_score(model), *_main(model)]) + "\n"


def requirements(model: ExportedModel) -> str:
    """What the example needs, in the versions that the model was trained with."""
    names = ("tensorflow", "keras", "numpy") if _is_keras(model) else ("pyspark", "numpy")
    found = model.origin.versions
    return "".join(f"{name}=={found[name]}\n" if name in found else f"{name}\n" for name in names)


def usage(model: ExportedModel) -> str:
    """The command line of the example."""
    return f'python {EXAMPLE} "some text"' if model.step.takes_texts else f"python {EXAMPLE} 0.5,1.2,…"


def _is_keras(model: ExportedModel) -> bool:
    return model.configuration.framework == "tensorflow"


def _head(model: ExportedModel) -> Iterator[str]:
    what = "texts" if model.step.takes_texts else f"rows of {model.layers[0]} numbers"
    yield f'"""Scores {what}: {usage(model)} …"""'
    yield ""
    yield "import json"
    if model.step.takes_texts:
        yield "import re"
    if not _is_keras(model):
        yield "import shutil"
    yield "import sys"
    if not _is_keras(model):
        yield "import tempfile"
    yield "from pathlib import Path"
    yield ""
    if _is_keras(model):
        yield "import keras"
        yield "import numpy as np"
    else:
        yield "import numpy as np"
        yield "from pyspark.ml.classification import MultilayerPerceptronClassificationModel as Network"
        yield "from pyspark.ml.linalg import Vectors"
        yield "from pyspark.sql import SparkSession"
    yield ""


def _load(model: ExportedModel) -> Iterator[str]:
    yield "here = Path(__file__).resolve().parent"
    yield f'about = json.loads((here / "{INDEX}").read_text(encoding="utf-8"))'
    if _is_keras(model):
        yield f'model = keras.models.load_model(here / "{KERAS_MODEL}")'
    else:
        yield 'spark = SparkSession.builder.master("local[1]").getOrCreate()'
        yield "with tempfile.TemporaryDirectory() as plain:  # Spark takes some folders' names for patterns"
        copy = f'shutil.copytree(here / "{SPARK_MODEL}", f"{{plain}}/model")'
        yield f'    model = Network.load("file:" + {copy})'
    if model.step.takes_texts:
        yield f'words = (here / "{FEATURES}" / "words.txt").read_text(encoding="utf-8").splitlines()'
        yield "rows_of = {word: row for row, word in enumerate(words)}"
        yield f'vectors = np.load(here / "{FEATURES}" / "vectors.npy")'
    if model.step.mean is not None:
        yield f'mean, scale = (np.load(here / "{FEATURES}" / f"{{name}}.npy") for name in ("mean", "scale"))'
    yield ""
    yield ""


def _features(model: ExportedModel) -> Iterator[str]:
    scaled = "((row - mean) / scale).astype(np.float32)" if model.step.mean is not None else "row"
    if not model.step.takes_texts:
        yield "def features(numbers):"
        yield "    row = np.asarray(numbers, dtype=np.float32)"
        yield f"    return {scaled}"
    else:
        yield "def features(text):"
        yield f'    tokens = re.findall(r"{TOKEN.pattern}", text.lower().replace("’", "\'"))'
        if model.step.kind == "word2vec":
            yield '    tokens = [re.sub(r"\\d", "0", token) for token in tokens]'
        yield "    known = [rows_of[token] for token in tokens if token in rows_of]"
        yield "    row = vectors[known].mean(axis=0) if known else np.zeros(vectors.shape[1], np.float32)"
        yield f"    return {scaled}"
    yield ""
    yield ""


def _score(model: ExportedModel) -> Iterator[str]:
    yield "def probabilities(inputs):"
    if _is_keras(model):
        yield "    return model.predict(np.stack([features(one) for one in inputs]), verbose=0)"
    else:
        yield "    rows = [(Vectors.dense(features(one)),) for one in inputs]"
        yield '    scored = model.transform(spark.createDataFrame(rows, ["features"]))'
        yield "    return np.array([row.probability.toArray() for row in scored.collect()])"
    yield ""
    yield ""


def _main(model: ExportedModel) -> Iterator[str]:
    yield 'if __name__ == "__main__":'
    if model.step.takes_texts:
        yield '    inputs = sys.argv[1:] or ["some text"]'
    else:
        yield f'    rows = sys.argv[1:] or [",".join(["0"] * {model.layers[0]})]'
        yield '    inputs = [[float(number) for number in row.split(",")] for row in rows]'
    yield "    for one, row in zip(inputs, probabilities(inputs)):"
    if model.threshold is None:
        yield '        label = about["labels"][row.argmax()]'
    else:
        yield '        positive = row[about["positive"]] > about["threshold"]'
        yield '        label = about["labels"][about["positive"] if positive else 1 - about["positive"]]'
    yield '        print(label, dict(zip(about["labels"], row.round(4).tolist())), one, sep="\\t")'
