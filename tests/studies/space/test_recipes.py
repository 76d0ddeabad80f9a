"""``[recipe.NAME]`` tables: what they become, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import FixedTrial

from studies.errors import StudyFileError
from studies.space.configuration import Configuration
from studies.study_file import read_study_file

HEAD = """
[data]
source = "sms-spam"

[model]
epochs = 40
"""

TENSORFLOW = """
[recipe.one]
framework = "tensorflow"
initialisation = "glorot_uniform"
optimizer = "adam"
learning_rate = 0.001
batch_size = 128
"""


def read(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "s.toml"
    path.write_text(HEAD + text)
    return read_study_file(path).recipes["one"]


def test_what_a_recipe_leaves_out_has_the_studys_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, TENSORFLOW) == Configuration(
        "tensorflow",
        "glorot_uniform",
        "adam",
        40,
        learning_rate=0.001,
        batch_size=128,
        shuffle=True,
        drop_last_batch=False,
        loss_scale=1.0,
        activation="sigmoid",
        class_weight="none",
        weight_decay=0.0,
        dropout=0.0,
    )


def test_a_recipe_of_sparks_has_what_spark_has(tmp_path: Path) -> None:
    text = (
        '[recipe.one]\nframework = "spark"\ninitialisation = "he_normal"\noptimizer = "l-bfgs"\nbiases = 1\n'
    )
    assert read(tmp_path, text + "epochs = 7") == Configuration("spark", "he_normal", "l-bfgs", 7, biases=1.0)


@pytest.mark.parametrize(
    ("replaced", "by", "message"),
    [
        ("learning_rate = 0.001", "", "learning_rate is missing"),
        ("batch_size = 128", "", "batch_size is missing"),
        ('"adam"', '"l-bfgs"', "learning_rate is not used by tensorflow with l-bfgs"),
        ('"adam"', '"adan"', "found 'adan'"),
        ("0.001", "-1.0", "found -1.0"),
        ('"glorot_uniform"', '"glorot"', "found 'glorot'"),
        ("128", "0", "found 0"),
        ("[recipe.one]", "[recipe.best]", "a recipe can't be called 'best'"),
        ("[recipe.one]", "[recipe.7]", "a recipe can't be called '7'"),
        ("batch_size", "batches = 1\nbatch_size", "unknown key 'batches'"),
        ("batch_size", 'score = "f2"\nbatch_size', "found 'f2'"),
        ('"tensorflow"', '"analytic"', "framework = 'analytic' is not in the space"),
    ],
)
def test_what_can_not_be_trained_is_refused_by_name(
    tmp_path: Path, replaced: str, by: str, message: str
) -> None:
    with pytest.raises(StudyFileError) as caught:
        read(tmp_path, TENSORFLOW.replace(replaced, by))
    assert message in str(caught.value)
    assert "recipe." in str(caught.value)


def test_the_question_has_both_recipes_the_suggested_fix_and_what_helps() -> None:
    path = Path(__file__).parents[3] / "studies" / "examples" / "question.toml"
    file = read_study_file(path)
    assert list(file.recipes) == ["spark", "lbfgs", "tensorflow", "suggestion", "mended"]
    scores = [file.study.recipe[name].score for name in file.recipes]
    assert scores == ["f1_weighted", "f1_weighted", "f1", "f1", "f1"]
    trials = [file.space.sample(FixedTrial(params)) for params in file.enqueued]
    # The same trainings as the enqueued trials, so that nothing is trained twice.
    assert trials == [file.recipes[name] for name in ("spark", "tensorflow", "suggestion")]
