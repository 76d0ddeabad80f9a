"""The winner, used: exported, and loaded by plain Keras and plain PySpark in processes of their own."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from search import launch
from search.cli import main
from search.driving.display import SilentDisplay
from search.exporting.export import Exported, export
from search.exporting.predict import predict
from studies.data import locate_rows, source_of_parts
from studies.errors import StudyFailedError, StudyFileError
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from tests.faults.programs import PATIENCE, environment
from tests.hostile import FOLDER
from workers.checkpoints.outcomes import outcome_key, predictions_of

Writes = Callable[..., Path]

TEXTS = """
name = "texts"
seed = 3
trials = 2

[data]
path = "texts.csv"

[features]
dimensions = 8
iterations = 3
scale = "standard"

[model]
hidden = [6, 5]
epochs = 4

[space]
framework = ["tensorflow", "spark"]
initialisation = "glorot_uniform"
optimizer.tensorflow = "adam"
optimizer.spark = "l-bfgs"
learning_rate = 0.05
batch_size = 16

[cluster]
slots = 1

[[enqueue]]
framework = "tensorflow"

[[enqueue]]
framework = "spark"
"""

SPAM, HAM = ("win", "free", "call", "08712", "£100!"), ("see", "you", "don’t", "at", "5?")

PROBE = """
import json, runpy, sys
example = runpy.run_path("example.py")
texts = json.load(sys.stdin)
print(json.dumps(example["probabilities"](texts).tolist()))
ours = {"search", "studies", "workers"} & {name.split(".")[0] for name in sys.modules}
sys.exit(f"it imported {ours}" if ours else 0)
"""
"""Runs in the exported folder, away from this project: what the example says of texts on its input."""


def write_texts(directory: Path) -> None:
    draw = np.random.default_rng(4)
    lines = ["label,text"]
    for row in range(90):
        spam = row % 3 == 0
        usual, other = (SPAM, HAM) if spam else (HAM, SPAM)
        words = [*draw.choice(usual, 4), *draw.choice(other, 2), f"only{row}"]
        lines.append(f'{"spam" if spam else "ham"},"{" ".join(words)}"')
    (directory / "texts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def left_by(file: StudyFile, exported: Exported) -> NDArray[np.float64]:
    """(rows, classes) that the trial had for the validation rows, when the search scored it."""
    model = exported.model
    key = outcome_key(model.configuration, model.origin.seed, model.layers, model.origin.data_hash)
    outcome = predictions_of(file, read_study(file).folder).read(key)
    assert outcome is not None
    return outcome.probabilities["validation"]


def validation_texts(file: StudyFile) -> list[str]:
    study = file.study
    source, parts = source_of_parts(
        locate_rows(study.data, study.features, study.seed, file.directory),
        study.data,
        study.features,
        study.seed,
    )
    assert source.texts is not None
    return [source.texts[row] for row in parts["validation"]]


def said_by_the_example(folder: Path, texts: list[str]) -> NDArray[np.float64]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=folder,
        env=environment(),
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1]))


# Keras writes TensorFlow's variables in a way that NumPy 2 is going to drop.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.slow
def test_plain_keras_and_plain_pyspark_give_the_probabilities_of_the_trials(tmp_path: Path) -> None:
    # Of any name: what Spark and Hadoop take for patterns and escapes is a folder's name.
    place = tmp_path / FOLDER
    place.mkdir()
    write_texts(place)
    path = place / "texts.toml"
    path.write_text(TEXTS)
    launch(path, display=SilentDisplay())
    file = read_study_file(path)
    texts = validation_texts(file)
    scored = place / "validation.csv"
    scored.write_text("text\n" + "".join(f'"{text}"\n' for text in texts), encoding="utf-8")
    # TensorFlow computes logits in float32; Spark's and NumPy's differ in the order of their sums.
    for trial, framework, bound in ((0, "tensorflow", 1e-5), (1, "spark", 1e-12)):
        folder = place / f"{framework}'s [model]"
        exported = export(path, folder, trial=trial, display=SilentDisplay())
        assert exported.model.configuration.framework == framework
        assert exported.notes == (), "trained again, it scored what the trial had"
        expected = left_by(file, exported)
        assert len(np.unique(expected[:, 1])) > 5, "probabilities that tell rows apart"
        assert exported.model.tuned is not None
        assert 0 < exported.model.tuned < 1
        np.testing.assert_allclose(said_by_the_example(folder, texts), expected, rtol=0, atol=bound)
        np.testing.assert_allclose(predict(folder, scored).probabilities, expected, rtol=0, atol=bound)
        assert framework in (folder / "README.md").read_text()
        command = next(line for line in exported.lines() if line.startswith("next: cd "))
        assert shlex.split(command)[2] == str(folder)
    assert [each.name for each in tmp_path.iterdir()] == [FOLDER]


def test_a_folder_that_holds_something_is_left_alone(study_file: Writes, tmp_path: Path) -> None:
    path = study_file()
    launch(path, display=SilentDisplay())
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    for trial, target, message in (
        (None, tmp_path / "new", "is analytic, whose trainer has no saved_model"),
        (99, tmp_path / "new", "the study has no trial 99"),
    ):
        with pytest.raises(StudyFileError, match=message):
            export(path, target, trial=trial, display=SilentDisplay())
    assert not (tmp_path / "new").exists()
    done = CliRunner().invoke(main, ["export", str(path), str(taken), "--quiet"])
    assert done.exit_code == 2
    assert "this folder is not empty" in done.stderr
    assert (taken / "mine.txt").read_text() == "mine"


def test_a_study_without_a_complete_trial_has_nothing_to_export(study_file: Writes, tmp_path: Path) -> None:
    path = study_file(learning_rate="learning_rate = 100.0")
    launch(path, display=SilentDisplay())
    with pytest.raises(StudyFailedError, match="no trial is complete yet"):
        export(path, tmp_path / "new", display=SilentDisplay())
    with pytest.raises(StudyFileError, match="not complete but fail"):
        export(path, tmp_path / "new", trial=0, display=SilentDisplay())
