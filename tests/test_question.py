"""The page that answers the question, written from a run of real trainings in small."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from search.driving.display import SilentDisplay
from search.explaining.explain import Effort, explain

ROOT = Path(__file__).parents[1]

SMALL = (
    ("dimensions = 300", "dimensions = 12\niterations = 2"),
    ("hidden = [600]", "hidden = [5]"),
    ("epochs = 100", "epochs = 6"),
    ("epochs.tensorflow = 100", "epochs.tensorflow = 6"),
    ("epochs = 10 ", "epochs = 4 "),
    ("epochs = 10\n", "epochs = 4\n"),
)


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("question_page", ROOT / "tools" / "question_page.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("tools/question_page.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_is_written_by_one_command_and_the_framework_changes_nothing(tmp_path: Path) -> None:
    page = tool()
    found = page.run(tmp_path, 1, SMALL)
    # The two recipes at once: six changes, of which the score's needs no training.
    one = explain(
        tmp_path / "question.toml", "spark", "tensorflow", effort=Effort(1), display=SilentDisplay()
    )
    assert (len(one.shares), one.mixtures, one.trainings) == (6, 64, 24)
    assert one.remainder == 0.0
    for compared in (one, found[page.PLAIN, "lbfgs"], found[page.SORTED, "lbfgs"]):
        framework = next(part for part in compared.shares if part.difference.name == "framework")
        # L-BFGS in TensorFlow and in Spark, from the same weights: the same network.
        assert abs(framework.value) < 0.01
    text = page.page(found)
    for problem, _, end in page.PATHS:
        assert f"{abs(found[problem, end].gap.value):.3f}" in text
    assert "rows sorted by class" in text.lower()
    # What was trained is kept: the page can be written again at once.
    assert all(one.trained == 0 for one in page.run(tmp_path, 1, SMALL).values())


def test_the_page_in_docs_has_every_part() -> None:
    text = (ROOT / "docs" / "question.md").read_text(encoding="utf-8")
    for heading in ("## On the same messages, sorted by class", "## Are the question's figures reproduced?"):
        assert heading in text
    assert text.count("remainder 0.000") >= 5
    # What was asked is answered before anything else.
    first, answer = re.findall(r"^## (.*?)\n(.*?)(?=^## )", text, flags=re.MULTILINE | re.DOTALL)[0]
    assert first == "The answer"
    for asked in ("TensorFlow isn't bad", "Spark's score is true", "accepted answer"):
        assert asked in answer
