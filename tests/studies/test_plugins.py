"""A plug-in that is missing or isn't what it must be is one message: its name, file, and what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import FixedTrial

from search.driving.preflight import prepare_data
from studies.data import prepare
from studies.errors import PluginError, StudyFileError
from studies.samplers.samplers import make_sampler
from studies.study_file import read_study_file
from tests.plugins import page_files, write_page_files
from workers.contract import check_trainer
from workers.task import Segment, run_segment


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_page_files(tmp_path, monkeypatch)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "my_trainer:Centroids",
            "nosuch:One",
            r"the trainer 'nosuch:One' is not there: no module named 'nosuch'",
        ),
        ("my_trainer:Centroids", "my_trainer:Centroid", r"my_trainer has no 'Centroid'(.|\n)*'Centroids'"),
        ("my_trainer:Centroids", "my trainer:One", r"found 'my trainer:One'(.|\n)*allowed: \"module:name\""),
        (
            "my_trainer:Centroids",
            "my_trainer:nearness",
            r"has nothing that says what it is(.|\n)*framework = Frame",
        ),
        ("my_trainer:Centroids", "centroid", r"found 'centroid'(.|\n)*tensorflow, spark, analytic"),
        (
            "my_sampler:make",
            "my_sampler:dice",
            r"the sampler 'my_sampler:dice' is not there: my_sampler has no",
        ),
        (
            "my_sampler:make",
            "dice",
            r"own.toml: sampler.kind: found 'dice'(.|\n)*tpe, random, cmaes, gp, qmc, grid",
        ),
        ("my_reader:read", "my_reader:np", r"the reader 'my_reader:np' is module, which can't be called"),
        ("my_reader:read", "jsonl", r"own.toml: data.reader: found 'jsonl'"),
        ('path = "rows.jsonl"', 'source = "sms-spam"', r"found a reader without a path"),
    ],
)
def test_a_name_in_the_study_file_that_is_none(before: str, after: str, message: str, study: Path) -> None:
    edit(study, before, after)
    with pytest.raises(StudyFileError, match=message):
        read_study_file(study)


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        (
            "my_trainer.py",
            "import numpy as np",
            "import nump_y as np",
            r"No module named 'nump_y', line 4 of .*py",
        ),
        (
            "my_trainer.py",
            "def rungs(",
            "def rungs)(",
            r"SyntaxError: unmatched '\)', line \d+ of .*my_trainer.py",
        ),
        (
            "my_trainer.py",
            "class Centroids:",
            "1 / 0\nclass Centroids:",
            r"ZeroDivisionError: .*, line \d+ of",
        ),
        (
            "my_trainer.py",
            "class Centroids:",
            "exit(3)\nclass Centroids:",
            r"ends Python when it is imported",
        ),
        (
            "my_trainer.py",
            "def rungs(",
            "def rung(",
            r"has no rungs(.|\n)*allowed: rungs\(configuration, wanted\)",
        ),
        (
            "my_trainer.py",
            "predict(self, state, f",
            "predict(self, f",
            r"predict can't be called so(.|\n)*predict\(st",
        ),
        (
            "my_trainer.py",
            "split, hidden)",
            "split)",
            r"can't be called so: too many(.|\n)*trainer\(split, hidden\)",
        ),
        (
            "my_trainer.py",
            '"learning_rate", ',
            '"learning", ',
            r"the unknown hyperparameter learning(.|\n)*dropout",
        ),
        ("my_trainer.py", ', "epochs"}', "}", r"leaves out the hyperparameter epochs"),
        (
            "my_trainer.py",
            '"epochs"}',
            '"epochs", "optimizer"}',
            r"uses the hyperparameter optimizer, and says of no",
        ),
        (
            "my_trainer.py",
            'packages=("numpy",),',
            'resources=("TPU",),',
            r"slots of the kind TPU(.|\n)*TRIAL, GPU",
        ),
        (
            "my_sampler.py",
            "make(section, seed)",
            "make(seed)",
            r"can't be called so(.|\n)*make\(section, seed\)",
        ),
        ("my_reader.py", "read(path, data)", "read(path)", r"can't be called so(.|\n)*read\(path, data\)"),
    ],
)
def test_code_that_is_not_what_it_must_be(
    file: str, before: str, after: str, message: str, study: Path
) -> None:
    edit(study.parent / file, before, after)
    with pytest.raises(PluginError, match=message) as refused:
        read_study_file(study)
    kind = file.removeprefix("my_").removesuffix(".py")
    assert f"the {kind} 'my_{kind}:" in str(refused.value)
    assert str(study.parent / file) in str(refused.value)
    assert "own.toml: " in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "weights=(centroids,)",
            "weights=[centroids]",
            r"returned weights that are list .* from begin(.|\n)*a tuple",
        ),
        ("weights=(centroids,)", 'weights=("a",)', r"weights whose number 0 is str a from begin"),
        ("weights=(centroids,)", "weights=()", r"returned no weights from begin"),
        ("return State(epoch=0,", "return dict(epoch=0,", r"returned dict .* from begin(.|\n)*trainer.State"),
        (
            "epoch=state.epoch + 1",
            "epoch=state.epoch + 2",
            r"a state of epoch \d+ from advance(.|\n)*one of epoch",
        ),
        ("return tuple(wanted)", "return None", r"returned nothing from rungs(.|\n)*some of \(1, 3, 9\)"),
        (
            "return near / near.sum(axis=1, keepdims=True)",
            "return near",
            r"a row of probabilities that sum to",
        ),
        ("keepdims=True)\n\n\ndef save", "keepdims=True) - 1\n\n\ndef save", r"returned the probability -"),
        (
            "return nearness(state.weights[0], features)",
            "return features",
            r"float32 of shape \(\d+, \d\) from pred",
        ),
    ],
)
def test_what_no_trainer_may_return(before: str, after: str, message: str, study: Path) -> None:
    edit(study.parent / "my_trainer.py", before, after)
    with pytest.raises(PluginError, match=message) as refused:
        check_trainer("my_trainer:Centroids", study.parent, learning_rate=0.3)
    assert "the trainer 'my_trainer:Centroids'" in str(refused.value)
    assert str(study.parent / "my_trainer.py") in str(refused.value)


def segment_of(study: Path) -> Segment:
    file = read_study_file(study)
    prepared = prepare(file.study.data, file.study.features, 0, file.directory, file.work_directory / "data")
    configuration = file.space.sample(FixedTrial({"learning_rate": 0.3}))
    (plugin,) = [origin for origin in file.plugins if origin.what == "trainer"]
    place = str(prepared.directory)
    return Segment("own", 0, configuration, 3, (1, 3, 9), (4,), "f1", place, None, 9, plugin=plugin)


def test_a_worker_runs_the_text_that_the_driver_read(study: Path) -> None:
    segment = segment_of(study)
    (study.parent / "my_trainer.py").unlink()
    report = run_segment(segment)
    assert report.failure is None
    assert report.versions["my_trainer.py"].startswith("sha256 ")


def test_a_trial_of_a_trainer_that_breaks_a_rule_fails_with_its_cause(study: Path) -> None:
    edit(study.parent / "my_trainer.py", "weights=(centroids,)", "weights=[centroids]")
    failure = run_segment(segment_of(study)).failure
    assert failure is not None
    assert failure.cause == "plug-in"
    assert "the trainer 'my_trainer:Centroids' returned weights that are list" in failure.message


def test_an_exception_of_a_trainer_is_a_bug_with_its_traceback(study: Path) -> None:
    edit(study.parent / "my_trainer.py", "deadline.check(state.epoch)", "raise KeyError('of mine')")
    failure = run_segment(segment_of(study)).failure
    assert failure is not None
    assert (failure.cause, failure.message) == ("bug", "KeyError: 'of mine'")
    assert failure.traceback is not None
    assert "raise KeyError('of mine')" in failure.traceback


def test_a_sampler_that_makes_something_else_is_refused(study: Path) -> None:
    edit(study.parent / "my_sampler.py", "RandomSampler(seed=seed)", "seed")
    file = read_study_file(study)
    with pytest.raises(
        PluginError, match=r"the sampler 'my_sampler:make' made int(.|\n)*samplers.BaseSampler"
    ):
        make_sampler(file.study.sampler, 0, 0)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("return LabelledRows(", "return 3\n    LabelledRows(", r"returned int(.|\n)*a LabelledRows of"),
        ("numbers=numbers", "texts=()", r"returned rows of which not every one of 200 labels has a text"),
        ("numbers=numbers", "numbers=numbers[0]", r"numbers are float32 of the shape \(3,\), for 200 labels"),
        ("columns=columns)", "columns=())", r"0 columns are named, for 3 features"),
        ("numbers=numbers", "numbers=numbers, texts=labels", r"both texts and numbers are"),
        (
            "    label = ",
            "    raise ValueError('odd')\n    label = ",
            r"can't read .*: ValueError: odd, line \d+ of",
        ),
    ],
)
def test_what_no_reader_may_return(before: str, after: str, message: str, study: Path) -> None:
    edit(study.parent / "my_reader.py", before, after)
    file = read_study_file(study)
    with pytest.raises(PluginError, match=message) as refused:
        prepare_data(file)
    assert "the reader 'my_reader:read'" in str(refused.value)
    assert str(study.parent / "my_reader.py") in str(refused.value)


def test_an_edited_reader_makes_other_rows(study: Path) -> None:
    before = prepare_data(read_study_file(study))
    edit(study.parent / "my_reader.py", "import json\n", "import json  # edited\n")
    after = prepare_data(read_study_file(study))
    assert before.split.content_hash != after.split.content_hash
    assert not after.cached


def test_the_page_shows_all_of_its_files() -> None:
    names = {"my_trainer.py", "my_sampler.py", "my_reader.py", "make_rows.py", "own.toml"}
    assert set(page_files()) == names
