"""The example of an exported model: some twenty lines that need Keras or PySpark, and nothing of ours.

Of a plug-in it needs the code of the plug-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.exporting.model_folder import FEATURES, INDEX, ExportedModel
from studies.data.features.words import TOKEN
from studies.plugins import SEPARATOR
from workers.trainers import saved_model_of

EXAMPLE = "example.py"


def example_code(model: ExportedModel) -> str:
    """A program that scores texts or numbers given on its command line."""
    return "\n".join([*_head(model), *_load(model), *_features(model), *_score(model), *_main(model)]) + "\n"


def requirements(model: ExportedModel) -> str:
    """What the example needs, in the versions that the model was trained with."""
    names = [*saved_model_of(model.framework).packages, *_own_package(model)]
    versions = model.origin.versions
    return "".join(f"{name}=={versions[name]}\n" if name in versions else f"{name}\n" for name in names)


def usage(model: ExportedModel) -> str:
    """The command line of the example."""
    return f'python {EXAMPLE} "some text"' if model.step.takes_texts else f"python {EXAMPLE} 0.5,1.2,…"


def _own_package(model: ExportedModel) -> Sequence[str]:
    """What a plug-in's own code is in, or needs."""
    origin = model.framework.origin
    if origin is None:
        return ()
    return ("honest-search",) if origin.source else (origin.package,)


def _head(model: ExportedModel) -> Iterator[str]:
    what = "texts" if model.step.takes_texts else f"rows of {model.layers[0]} numbers"
    saved = saved_model_of(model.framework)
    yield f'"""Scores {what}: {usage(model)} …"""'
    yield ""
    regular = ("re",) if model.step.takes_texts else ()
    for name in sorted({"json", "sys", *regular, *saved.modules}):
        yield f"import {name}"
    yield "from pathlib import Path"
    yield ""
    yield from saved.imports or ("import numpy as np", *_imports_of_plugin(model))
    yield ""


def _imports_of_plugin(model: ExportedModel) -> Iterator[str]:
    module, _, name = model.framework.saved_model.partition(SEPARATOR)
    yield f"from {module} import {name}"


def _load(model: ExportedModel) -> Iterator[str]:
    saved = saved_model_of(model.framework)
    yield "here = Path(__file__).resolve().parent"
    yield f'about = json.loads((here / "{INDEX}").read_text(encoding="utf-8"))'
    name = model.framework.saved_model.partition(SEPARATOR)[2]
    yield from saved.loading or (f'predict = {name}.load(here / "{saved.file}")',)
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
    body = saved_model_of(model.framework).scoring
    for line in body or ("return predict(np.stack([features(one) for one in inputs]))",):
        yield f"    {line}"
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
