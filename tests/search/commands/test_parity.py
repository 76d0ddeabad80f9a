"""The command `search parity`: what it reads, what it prints, how it ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

import search.commands.parity as module
from search.cli import main
from search.commands.parity import MOST_ROWS, Parity, parity, render_parity, thinned
from studies.data.split import Rows
from studies.errors import MachineError, StudyFailedError
from studies.records.reports import Failure
from tests.faults.programs import SEARCH, environment
from workers.contract import drawn_split
from workers.parity.comparisons import Comparison, Section
from workers.training.trainer import TrainingFailed

Writes = Callable[..., Path]

GOOD = Comparison("weights, blocks of 128", 3e-16, 1e-8)
SHOWN = Comparison("10 objectives, one bit away", 2e-3, None, relative=True, note="they part at iteration 9")
BAD = Comparison("f1, Spark's fMeasureByLabel", 0.25, 1e-12)

BUILT_IN_SMALL = """
seed = 7

[data]
source = "sms-spam"

[features]
dimensions = 30
iterations = 2

[model]
hidden = [12]
"""


def found(*comparisons: Comparison) -> Parity:
    return Parity("drawn: 300 training rows", (Section("gd, 20 steps", comparisons),))


def printed(parity: Parity, width: int = 100) -> str:
    out = StringIO()
    render_parity(parity, Console(file=out, width=width))
    return out.getvalue()


def say_nothing(_text: str) -> None:
    pass


def test_prints_what_was_compared_the_difference_its_bound_and_the_verdict() -> None:
    lines = [line.rstrip() for line in printed(found(GOOD, SHOWN)).splitlines()]
    assert lines[0] == "drawn: 300 training rows"
    assert "gd, 20 steps" in lines
    (good,) = [line for line in lines if "weights" in line]
    assert good.split()[-3:] == ["3.0e-16", "1e-08", "same"]
    (shown,) = [line for line in lines if line.strip().startswith("10 objectives")]
    assert shown.split()[-2:] == ["relative", "2.0e-03"]
    assert "  they part at iteration 9" in lines
    assert lines[-1] == "1 comparisons, all within their bounds"


def test_says_which_comparison_fails() -> None:
    text = printed(found(GOOD, BAD))
    (bad,) = [line for line in text.splitlines() if "fMeasureByLabel" in line]
    assert bad.split()[-3:] == ["2.5e-01", "1e-12", "differs"]
    assert text.splitlines()[-1] == "1 of 2 comparisons miss their bounds"


def test_fits_a_terminal_of_80_columns() -> None:
    wide = Comparison("10 objectives, TensorFlow, one bit away", 1e-3, 1e-6, relative=True)
    assert all(len(line) <= 80 for line in printed(found(wide), 80).splitlines())
    assert "differs" in printed(found(wide), 80)


@pytest.mark.parametrize(("comparisons", "code"), [((GOOD, SHOWN), 0), ((GOOD, BAD), 1)])
def test_the_exit_code_is_1_where_one_fails(
    comparisons: tuple[Comparison, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "parity", lambda _path, _say: found(*comparisons))
    plain = CliRunner().invoke(main, ["parity"])
    assert plain.exit_code == code
    assert "verdict" in plain.stdout
    done = CliRunner().invoke(main, ["parity", "--json"])
    assert done.exit_code == code
    told = json.loads(done.stdout)
    assert told["same"] is (code == 0)
    assert [one["what"] for one in told["sections"][0]["comparisons"]] == [one.what for one in comparisons]
    assert ("1 comparison misses its bound" in done.stderr) == (code == 1)


def test_a_study_that_is_none_is_bad_input(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["parity", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert "there is no such file" in done.stderr


def test_without_java_it_is_said_before_anything_is_computed(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> NoReturn:
        raise MachineError("there is no Java")

    monkeypatch.setattr(module, "find_java", missing)
    path = study_file()
    with pytest.raises(MachineError, match="no Java"):
        parity(path, say_nothing)
    assert not (path.parent / ".search").exists()


def test_rows_that_can_not_be_trained_on_are_the_studys_failure(
    study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> NoReturn:
        raise TrainingFailed(Failure("out of memory", "Spark's JVM ran out of memory"))

    monkeypatch.setattr("workers.parity.runs.compare", refused)
    with pytest.raises(StudyFailedError, match="out of memory: Spark's JVM ran out of memory"):
        parity(study_file(), say_nothing)


def test_of_many_rows_some_at_equal_distances_are_compared() -> None:
    split = drawn_split(rows=2 * MOST_ROWS)
    few = thinned(split)
    assert len(few.train) == MOST_ROWS
    assert few.validation is split.validation
    assert np.array_equal(few.train.features[0], split.train.features[0])
    assert np.array_equal(few.train.features[-1], split.train.features[-1])
    sorted_labels = Rows(split.train.features, np.sort(split.train.labels))
    shares = [
        np.bincount(rows.labels) / len(rows) for rows in (sorted_labels, module._thinned(sorted_labels))
    ]
    np.testing.assert_allclose(shares[1], shares[0], atol=1e-3)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_on_the_built_in_data_both_frameworks_train_the_same_network(tmp_path: Path) -> None:
    (tmp_path / "mails.toml").write_text(BUILT_IN_SMALL)
    done = subprocess.run(
        [SEARCH, "parity", "--json", "mails.toml"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=540,  # it takes half a minute of a core or two
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["same"]
    assert told["data"] == "mails: 3,112 training and 778 validation rows, layers [30, 12, 2], seed 7"
    verdicts = [one["verdict"] for section in told["sections"] for one in section["comparisons"]]
    assert verdicts.count("same") == 19
    assert set(verdicts) == {"same", ""}
    assert done.stderr.splitlines()[0] == "preparing the data ..."
    assert "WARN" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".search", "mails.toml"]
    assert [path.name for path in (tmp_path / ".search").iterdir()] == ["data"]
