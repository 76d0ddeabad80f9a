from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from search.exporting.example_code import example_code, requirements, usage
from search.exporting.model_folder import ExportedModel
from tests.search.exporting.models import SPARK, TENSORFLOW, model_of_numbers, model_of_texts

MODELS = [
    replace(model, configuration=configuration)
    for configuration in (TENSORFLOW, SPARK)
    for model in (
        model_of_texts(),
        model_of_texts(scaled=False),
        replace(model_of_texts(), step=replace(model_of_texts().step, kind="vectors")),
        model_of_numbers(),
        model_of_numbers(classes=3),
    )
]


def names_of(imported: ast.Import) -> list[str]:
    return [name.name for name in imported.names]


@pytest.mark.parametrize("model", MODELS)
def test_an_example_is_short_and_imports_nothing_of_ours(model: ExportedModel) -> None:
    code = example_code(model)
    tree = ast.parse(code)
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    framework = "keras" if model.configuration == TENSORFLOW else "pyspark"
    assert imported <= {"json", "re", "shutil", "sys", "tempfile", "pathlib", "numpy", framework}
    assert framework in imported
    assert all(len(line) <= 110 for line in code.splitlines())
    # Lines that do something, which the issue of a reader's patience is about.
    assert len([line for line in code.splitlines() if line and not line.startswith(("import", "from"))]) <= 26


def test_an_example_takes_apart_and_scales_as_the_model_was_trained() -> None:
    scaled = example_code(model_of_texts())
    assert "(row - mean) / scale" in scaled
    assert 're.sub(r"\\d", "0", token)' in scaled
    plain = replace(
        model_of_texts(scaled=False), step=replace(model_of_texts(scaled=False).step, kind="vectors")
    )
    assert "mean, scale" not in example_code(plain)
    assert "re.sub" not in example_code(plain)


def test_requirements_are_the_versions_that_trained_it() -> None:
    assert requirements(model_of_texts()) == "tensorflow\nkeras==3.15.1\nnumpy==2.4.6\n"
    assert requirements(model_of_texts(SPARK)) == "pyspark\nnumpy==2.4.6\n"


def test_usage_says_what_is_scored() -> None:
    assert usage(model_of_texts()) == 'python example.py "some text"'
    assert usage(model_of_numbers()) == "python example.py 0.5,1.2,…"
