"""The command line in processes of its own: exit codes, what goes to stdout and stderr, what is imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from search.cli import main
from tests.faults.programs import PATIENCE, ROOT, contents, environment, search
from tests.search import fakes

Writes = Callable[..., Path]

HEAVY = ("optuna", "dask", "distributed", "tensorflow", "pyspark", "pydantic", "numpy", "pandas", "rich")


@pytest.mark.parametrize("command", ["", *main.commands])
def test_help_imports_nothing_that_costs_time(command: str) -> None:
    script = (
        "import sys\n"
        "from search.cli import main\n"
        f"main({[*command.split(), '--help']!r}, standalone_mode=False)\n"
        f"print(*sorted(set(sys.modules) & {set(HEAVY)!r}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr.strip() == ""
    assert done.stdout.startswith("Usage:")


def test_no_command_has_more_than_six_options() -> None:
    names = (
        "check dashboard explain export finalists init launch parity predict repair report status stop worker"
    )
    assert sorted(main.commands) == names.split()
    for command in main.commands.values():
        assert len([option for option in command.params if option.param_type_name == "option"]) <= 6


def test_ctrl_c_before_the_search_began_is_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("search.reporting.report.report", interrupted)
    done = CliRunner().invoke(main, ["report", "small.toml"])
    assert done.exit_code == 130
    assert done.stdout == ""
    assert done.stderr == "search: interrupted\n"


def test_a_report_goes_to_files_or_is_printed_as_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("search.reporting.report.report", lambda _path: fakes.report_of(fakes.trials(12)))
    page, table = tmp_path / "r.html", tmp_path / "t.csv"
    done = CliRunner().invoke(main, ["report", "s.toml", "--html", str(page), "--csv", str(table)])
    assert (done.exit_code, done.stdout) == (0, "")
    assert re.fullmatch(rf"wrote {page} \([\d.]+ kB\)\nwrote {table} \([\d.]+ kB\)\n", done.stderr)
    assert len(table.read_text().splitlines()) == 13
    assert page.read_text().startswith("<!doctype html>")
    both = CliRunner().invoke(main, ["report", "s.toml", "--html", str(page), "--markdown"])
    assert both.stdout.startswith("# sms-spam\n")
    refused = CliRunner().invoke(main, ["report", "s.toml", "--html", str(tmp_path)])
    assert refused.exit_code == 2
    assert "can't be written: this is a folder" in refused.stderr


def test_a_directory_that_cannot_be_written_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def refused(path: Path, mode: str = "r", **more: Any) -> Any:
        if "x" in mode:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, **more)

    monkeypatch.setattr(Path, "open", refused)
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 2
    assert "sms-spam.toml: can't be written: Permission denied" in done.stderr


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.reporting.report.report", lambda _path: 1 / 0)
    assert isinstance(CliRunner().invoke(main, ["report", "small.toml"]).exception, ZeroDivisionError)


@pytest.mark.slow
def test_init_then_check_then_launch_then_report(study_file: Writes) -> None:
    directory = study_file().parent
    checked = search(directory, "check", "small.toml")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "ready to launch" in checked.stdout
    launched = search(directory, "launch", "small.toml")
    assert launched.returncode == 0
    assert "small  6 of 6 trials finished" in launched.stdout
    lines = launched.stderr.splitlines()
    assert lines[0] == "small"
    assert {int(match[1]) for match in re.finditer(r"^trial (\d+) ", launched.stderr, re.MULTILINE)} == set(
        range(6)
    )
    logged = (directory / ".search" / "launch.log").read_text().splitlines()
    assert all(re.match(r"[\d-]+ [\d:,]+ (DEBUG|INFO) search\.", line) for line in logged), "nothing else"
    reported = search(directory, "report", "small.toml")
    assert (reported.returncode, reported.stderr) == (0, "")
    assert reported.stdout == launched.stdout
    quiet = search(directory, "launch", "--quiet", "small.toml")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    # Each launch adds to the time that the study was searched for, in the report's first line.
    assert quiet.stdout.lstrip().splitlines()[1:] == launched.stdout.lstrip().splitlines()[1:]


@pytest.mark.slow
def test_json_is_all_that_stdout_gets(study_file: Writes) -> None:
    directory = study_file().parent
    plan = search(directory, "check", "--json", "small.toml")
    assert json.loads(plan.stdout)["trials_stored"] == 0
    launched = search(directory, "launch", "--json", "small.toml")
    assert launched.returncode == 0
    found = json.loads(launched.stdout)
    assert [trial["number"] for trial in found["trials"]] == list(range(6))
    assert found["best"] == found["ranked"][0]["trial"]
    assert "trial 5" in launched.stderr
    assert json.loads(search(directory, "report", "--json", "small.toml").stdout) == found


@pytest.mark.slow
def test_a_study_without_a_finished_trial_is_exit_code_1_with_the_causes(study_file: Writes) -> None:
    directory = study_file(learning_rate="learning_rate = 20.0").parent
    done = search(directory, "launch", "--quiet", "small.toml")
    assert done.returncode == 1
    assert done.stderr == "search: not one of 6 trials finished; the causes are above\n"
    assert "diverged" in done.stdout
    plain = search(directory, "launch", "--quiet", "--json", "small.toml")
    assert plain.returncode == 1
    assert json.loads(plain.stdout)["best"] is None


def _rows(directory: Path, **arrays: object) -> None:
    draw = np.random.default_rng(1)
    given = {"X": draw.normal(size=(60, 3)).astype(np.float32), "y": np.arange(60) % 2} | arrays
    np.savez(directory / "rows.npz", **given)  # type: ignore[arg-type]


def _table(directory: Path, header: str, *rows: str) -> None:
    (directory / "rows.csv").write_text("\n".join([header, *rows]) + "\n")


def _nothing(_directory: Path) -> None:
    """The study file alone is bad."""


CSV = 'path = "rows.csv"\nlabel = "kind"'

BAD: dict[str, tuple[dict[str, str], Callable[[Path], None], tuple[str, ...]]] = {
    "unknown key": ({"slots": "slotz = 2"}, _nothing, ("small.toml: cluster.slotz", "did you mean 'slots'?")),
    "not TOML": ({"seed": "seed = = 3"}, _nothing, ("small.toml", "not TOML")),
    "enqueued outside": (
        {"slots": "slots = 2\n[[enqueue]]\nbatch_size = 7"}, _nothing,
        ("[[enqueue]] number 1", "batch_size")),
    "storage": (
        {"slots": 'slots = 2\n[storage]\nurl = "mysql://x"'}, _nothing,
        ("small.toml: storage.url", "'mysql://x'")),
    "storage is another file": (
        {"slots": 'slots = 2\n[storage]\nurl = "journal:rows.npz"'}, _nothing,
        ("rows.npz", "no journal of Optuna's", "name another file")),
    "storage is a directory": (
        {"slots": 'slots = 2\n[storage]\nurl = "sqlite:///sub"'}, lambda at: (at / "sub").mkdir(),
        ("sub", "this is a directory")),
    "no such data": ({"path": 'path = "other.npz"'}, _nothing, ("other.npz",)),
    "missing column": (
        {"path": CSV}, lambda at: _table(at, "a,b,kin", "1,2,x", "2,3,y"),
        ("rows.csv", "there is no column 'kind'", "did you mean 'kin'?")),
    "one class": (
        {"path": CSV}, lambda at: _table(at, "a,kind", *["1,x"] * 30),
        ("rows.csv, column 'kind'", "all 30 rows have the label 'x'")),
    "not a number": (
        {"path": CSV}, lambda at: _table(at, "a,b,kind", *["1,2,x", "2,nan,y"] * 15),
        ("rows.csv", "column 'b'")),
    "NaN in an array": (
        {}, lambda at: _rows(at, X=np.full((60, 3), np.nan, np.float32)), ("rows.npz", "X[:, 0]")),
    "positive is no label": (
        {"path": 'path = "rows.npz"\npositive = 7'}, _rows, ("rows.npz, column 'y'", "'7'", "'0', '1'")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_exit_code_2_says_where_and_writes_nothing(
    name: str, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, spoil, said = BAD[name]
    directory = study_file(**lines).parent
    spoil(directory)
    before = contents(directory)
    monkeypatch.chdir(directory)
    done = CliRunner().invoke(main, ["launch", "--quiet", "small.toml"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("search: ")
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr
    assert contents(directory) == before


@pytest.mark.slow
def test_a_report_of_nothing_is_exit_code_2_and_writes_nothing(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = study_file().parent
    before = contents(directory)
    monkeypatch.chdir(directory)
    for command in (["report", "small.toml"], ["report", "smal.toml"], ["launch", "nowhere/small.toml"]):
        assert CliRunner().invoke(main, command).exit_code == 2
    done = search(directory, *command)
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(directory) == before


@pytest.mark.slow
def test_without_java_a_space_with_spark_is_refused_and_others_are_not(
    study_file: Writes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    without_java = environment() | {"PATH": str(tmp_path_factory.mktemp("bin"))}
    without_java.pop("JAVA_HOME", None)
    directory = study_file(
        framework='framework = ["analytic", "spark"]', batch_size="batch_size.analytic = 16"
    ).parent
    before = contents(directory)
    refused = search(directory, "launch", "--quiet", "small.toml", environ=without_java)
    assert refused.returncode == 2
    assert refused.stderr.startswith("search: found no Java, which Spark needs")
    assert "Traceback" not in refused.stderr
    assert contents(directory) == before
    study_file()
    launched = search(directory, "launch", "--quiet", "small.toml", environ=without_java)
    assert (launched.returncode, launched.stderr) == (0, "")
    study_file(framework='framework = "tensorflow"')
    (directory / "small.db").unlink()
    checked = search(directory, "check", "small.toml", environ=without_java)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("example", ["sms-spam", "question", "question-sorted"])
def test_init_writes_an_example_and_never_over_a_file(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(main, ["init", example])
    assert first.exit_code == 0
    assert f"search launch {example}.toml" in first.stdout
    written = contents(tmp_path)
    assert list(written) == [f"{example}.toml"]
    again = CliRunner().invoke(main, ["init", example])
    assert again.exit_code == 2
    assert again.stdout == ""
    assert f"{example}.toml: this file is there already" in again.stderr
    assert contents(tmp_path) == written


def test_init_names_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["init", "questions"])
    assert done.exit_code == 2
    assert "question, question-sorted, sms-spam" in done.stderr
    assert "did you mean 'question'?" in done.stderr
    assert contents(tmp_path) == {}


BOTH = """
name = "both"
seed = 3
trials = 4
[data]
path = "rows.npz"
[model]
hidden = [4]
epochs = 3
[space]
framework = ["tensorflow", "spark"]
initialisation = "spark_uniform"
learning_rate = { low = 1e-9, high = 1.0, log = true }
batch_size = 32
optimizer.tensorflow = ["sgd", "adam"]
optimizer.spark = ["gd", "l-bfgs"]
[report]
finalists = 2
seeds = 2
[cluster]
slots = 2
[[enqueue]]
framework = "tensorflow"
optimizer = "sgd"
learning_rate = 1e-9
[[enqueue]]
framework = "spark"
optimizer = "gd"
learning_rate = 1e-9
[[enqueue]]
framework = "tensorflow"
optimizer = "adam"
learning_rate = 0.05
[[enqueue]]
framework = "spark"
optimizer = "l-bfgs"
"""


@pytest.mark.slow
def test_tensorflow_and_spark_train_in_one_launch_from_the_same_weights(study_file: Writes) -> None:
    directory = study_file().parent
    (directory / "both.toml").write_text(BOTH)
    done = search(directory, "launch", "--quiet", "--json", "both.toml")
    assert (done.returncode, done.stderr) == (0, "")
    trials = {
        (trial["configuration"]["framework"], trial["configuration"]["optimizer"]): trial
        for trial in json.loads(done.stdout)["trials"]
    }
    assert {name: trial["state"] for name, trial in trials.items()} == {
        ("tensorflow", "sgd"): "complete",
        ("spark", "gd"): "complete",
        ("tensorflow", "adam"): "complete",
        ("spark", "l-bfgs"): "complete",
    }
    assert {trial["seed"] for trial in trials.values()} == {3}
    finalists = json.loads(done.stdout)["finalists"]["finalists"]
    assert {one["configuration"]["framework"] for one in finalists} == {"tensorflow", "spark"}
    assert [len(one["test"]) for one in finalists] == [2, 2]
    # A step of 1e-9 goes nowhere: both frameworks still score the weights that they began with.
    stood, too = trials["tensorflow", "sgd"]["scores"], trials["spark", "gd"]["scores"]
    for rows in ("train", "validation", "test"):
        assert stood[rows]["log_loss"] == pytest.approx(too[rows]["log_loss"], rel=1e-5)
        assert stood[rows]["confusion"] == too[rows]["confusion"]
    for moved in (("tensorflow", "adam"), ("spark", "l-bfgs")):
        assert trials[moved]["scores"]["train"]["log_loss"] < 0.99 * stood["train"]["log_loss"]
