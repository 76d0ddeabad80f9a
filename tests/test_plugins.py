"""A trainer, a sampler and a reader from outside the packages run whole studies, by public seams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score

from search.cli import main
from search.dashboard.dashboard import dashboard
from search.driving.preflight import prepare_data
from studies.errors import PluginError
from studies.study_file import read_study_file
from tests.plugins import PACKAGE, VERSION, install_package, page_files, write_page_files
from workers.contract import check_trainer


def run(*arguments: str) -> str:
    """What a command prints, as JSON where it is asked for."""
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def assert_scores_are_right(path: Path, trials: list[dict[str, Any]]) -> None:
    """Every score is that of centroids moved by the learning rate, as scikit-learn has it."""
    split = prepare_data(read_study_file(path)).split
    features, labels = split.train.features, split.train.labels
    means = np.stack([features[labels == label].mean(axis=0) for label in range(2)])
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert len(complete) >= 2
    for trial in complete:
        begun = np.random.default_rng(trial["seed"]).normal(size=means.shape)
        # After n steps of a share r of what is missing, (1 - r)^n of it is still missing.
        missing = (1 - trial["configuration"]["learning_rate"]) ** trial["configuration"]["epochs"]
        centroids = means + missing * (begun - means)
        rows = split.validation.features[:, np.newaxis, :]
        nearest = ((rows - centroids) ** 2).sum(axis=2).argmin(axis=1)
        expected = f1_score(split.validation.labels == split.positive, nearest == split.positive)
        assert trial["value"] == pytest.approx(expected, abs=1e-12)
        assert set(trial["configuration"]) == {"framework", "learning_rate", "epochs"}


def test_the_example_of_the_page_runs_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_page_files(tmp_path, monkeypatch)
    checked = run("check", "own.toml")
    assert "learning_rate: 0.01 to 1, log" in checked
    assert "trainer my_trainer:Centroids, of my_trainer.py sha256 " in checked
    found = json.loads(run("launch", "own.toml", "--quiet", "--json"))
    assert len(found["trials"]) == 8
    assert {trial["configuration"]["framework"] for trial in found["trials"]} == {"my_trainer:Centroids"}
    assert {trial["state"] for trial in found["trials"]} <= {"complete", "pruned"}
    assert_scores_are_right(path, found["trials"])
    assert len(found["finalists"]["finalists"]) == 2
    # Enough of them come to their end: launched again, nothing is left to do.
    assert json.loads(run("launch", "own.toml", "--quiet", "--json"))["trials"] == found["trials"]

    run("report", "own.toml", "--html", "own.html")
    assert "Nearest centroids" in Path("own.html").read_text(encoding="utf-8")
    best, other = [trial["number"] for trial in found["trials"] if trial["state"] == "complete"][:2]
    explained = run("explain", "own.toml", "--from", str(best), "--to", str(other), "--seeds", "1", "--quiet")
    assert "learning rate" in explained
    with dashboard(path, 0) as (_, address):
        assert address.startswith("http://127.0.0.1")

    assert "centroids.npy" in run("export", "own.toml", "model", "--quiet")
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    lines = [",".join(str(row[name]) for name in "abc") for row in rows]
    Path("rows.csv").write_text("\n".join(["a,b,c", *lines]))
    said = [line.split(",")[0] for line in run("predict", "model", "rows.csv").splitlines()[1:]]
    assert np.mean([label == row["label"] for label, row in zip(said, rows, strict=True)]) > 0.9
    arguments = [sys.executable, "example.py", lines[0]]
    shown = subprocess.run(arguments, cwd="model", capture_output=True, text=True, check=True, timeout=120)
    assert shown.stdout.split("\t")[0] == said[0]


@pytest.mark.slow
def test_entry_points_of_an_installed_package_run_in_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_page_files(tmp_path, monkeypatch)
    install_package(tmp_path / "site", monkeypatch)
    text = page_files()["own.toml"].replace("my_reader:read", "jsonl").replace("my_sampler:make", "dice")
    text = text.replace("my_trainer:Centroids", "centroids").replace("finalists = 2", "finalists = 0")
    path.write_text(f'{text}\n[cluster]\nkind = "processes"\nslots = 2\n')
    for name in page_files():
        if name.startswith("my_"):
            Path(name).unlink()
    found = json.loads(run("launch", "own.toml", "--quiet", "--json"))
    assert_scores_are_right(path, found["trials"])
    versions = json.loads(run("report", "own.toml", "--json"))["provenance"]["versions"]
    assert versions[PACKAGE] == VERSION


@pytest.mark.slow
def test_a_file_beside_the_study_file_reaches_processes_that_can_not_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_page_files(tmp_path, monkeypatch)
    path.write_text(page_files()["own.toml"].replace("finalists = 2", "finalists = 0"))
    with path.open("a") as file:
        file.write('\n[cluster]\nkind = "processes"\nslots = 2\n')
    read_study_file(path)
    found = json.loads(run("launch", "own.toml", "--quiet", "--json"))
    assert_scores_are_right(path, found["trials"])


def test_reading_a_study_with_plug_ins_imports_no_framework(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_page_files(tmp_path, monkeypatch)
    heavy = ["tensorflow", "keras", "pyspark", "distributed"]
    program = (
        "import sys; from studies.study_file import read_study_file; "
        f"read_study_file({str(path)!r}); print(sorted(set(sys.modules) & set({heavy!r})))"
    )
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_an_edited_trainer_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_page_files(tmp_path, monkeypatch)
    before = {origin.name: origin for origin in read_study_file(path).plugins}
    file = tmp_path / "my_trainer.py"
    file.write_text(file.read_text().replace("Nearest centroids", "Centroids, edited"))
    after = {origin.name: origin for origin in read_study_file(path).plugins}
    assert before["my_trainer:Centroids"].id != after["my_trainer:Centroids"].id
    assert before["my_sampler:make"] == after["my_sampler:make"]
    from studies.frameworks import framework_of

    assert framework_of("my_trainer:Centroids").title == "Centroids, edited"


def test_the_trainer_of_the_page_keeps_every_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page_files(tmp_path, monkeypatch)
    check_trainer("my_trainer:Centroids", tmp_path, learning_rate=0.3)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("deadline.check(state.epoch)", "pass", "asks ``deadline.check.*it trained on after its deadline"),
        ("default_rng(seed)", "default_rng()", "same bits from another trainer. But the losses differ"),
        (
            "state.weights[0] + step,",
            "np.add(*[state.weights[0]] * 2, out=state.weights[0]),",
            "changes no array",
        ),
    ],
)
def test_a_promise_that_is_broken_is_named(
    before: str, after: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_page_files(tmp_path, monkeypatch)
    file = tmp_path / "my_trainer.py"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    with pytest.raises(AssertionError, match=f"my_trainer:Centroids breaks a promise: .*{message}"):
        check_trainer("my_trainer:Centroids", tmp_path, learning_rate=0.3)


def test_what_a_trainer_does_not_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_page_files(tmp_path, monkeypatch)
    for line, message in (
        ("batch_size = [16, 32]", "own.toml: space.batch_size: not used by my_trainer:Centroids"),
        ('shuffle."my_trainer:Centroids" = true', "space.shuffle.my_trainer:Centroids: not used by"),
    ):
        path.write_text(page_files()["own.toml"].replace("[sampler]", f"{line}\n\n[sampler]"))
        with pytest.raises(Exception, match=message) as refused:
            read_study_file(path)
        assert not isinstance(refused.value, PluginError)
        assert "framework, learning_rate, epochs" in str(refused.value)
