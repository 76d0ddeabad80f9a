"""Everything that is stored, as earlier code stored it, is read by every command of today's.

``tests/data/made_by_N`` holds samples of each format, which ``tools/stored_samples.py`` made with the code of
that time. Their bytes never change: every test reads a copy.
"""

from __future__ import annotations

import csv
import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from search.cli import main
from search.dashboard.dashboard import dashboard
from search.exporting.model_folder import read_model
from studies.stored_study import read_study
from studies.study_file import read_study_file
from workers.checkpoints.checkpoints import checkpoints_of
from workers.checkpoints.format import from_bytes
from workers.training.analytic_trainer import AnalyticTrainer

SAMPLES = sorted((Path(__file__).parent / "data").glob("made_by_*"), key=lambda path: path.name)
STUDIES = ("database", "journal")


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name)
def samples(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A copy of the samples of one format; the samples themselves stay as they are."""
    before = _bytes_of(request.param)
    copy = tmp_path / "samples"
    shutil.copytree(request.param, copy)
    yield copy
    assert _bytes_of(request.param) == before


@pytest.fixture(params=STUDIES)
def study(request: pytest.FixtureRequest, samples: Path) -> Path:
    """The study file of a search that was killed."""
    return samples / f"{request.param}.toml"


def _bytes_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ran(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    return done


def test_there_are_samples() -> None:
    assert SAMPLES


def test_a_report_in_every_form(study: Path) -> None:
    terminal = ran("report", study).stdout
    for words in ("Best configuration", "Finalists", "Test rows: opened once", "What mattered", "diverged"):
        assert words in terminal
    assert "## Finalists" in ran("report", study, "--markdown").stdout
    plain = json.loads(ran("report", study, "--json").stdout)
    states = {trial["state"] for trial in plain["trials"]}
    assert states == {"complete", "fail", "pruned", "running"}
    assert plain["finalists"]["finalists"]
    page, table = study.with_suffix(".html"), study.with_suffix(".csv")
    ran("report", study, "--html", page, "--csv", table)
    assert "Finalists" in page.read_text()
    assert len(list(csv.reader(table.read_text().splitlines()))) == 1 + len(plain["trials"])


def test_all_that_is_kept_of_a_study_is_read(study: Path) -> None:
    stored = read_study(read_study_file(study))
    assert stored.differences == ()
    assert stored.finalists is not None
    assert stored.finalists.over_logistic is not None
    assert len(stored.openings) == 1
    assert stored.openings[0].scores
    assert len(stored.explanations) == 1
    assert stored.explanations[0].path
    assert len(stored.replicas) >= 10
    assert stored.seconds > 0
    assert stored.facts.repeats is not None
    assert any(record.paused for record in stored.records)
    assert any(record.rung is not None for record in stored.records), "none was in a segment"
    assert all(record.report.assignment for record in stored.records if record.report)


def test_status_check_and_repair(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its driver ran on another machine, whose silence is listened to for 20 s.
    monkeypatch.setattr("search.commands.status._patience", lambda _: 0.0)
    status = json.loads(ran("status", study, "--json").stdout)
    assert status["state"] == "dead"
    assert status["states"]["paused"] >= 1
    assert status["states"]["running"] >= 1
    assert str(len(read_study(read_study_file(study)).records)) in ran("check", study).stdout
    assert "14" in ran("repair", study).stdout, "trial 14 waits at a rung"


def test_a_launch_finishes_what_was_begun_from_its_checkpoints(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.write_text(study.read_text().replace("finalists = 2", "finalists = 0"))  # they train trials again
    file = read_study_file(study)
    stored = read_study(file)
    kept = checkpoints_of(file, stored.folder).trials()
    unfinished = [one for one in stored.records if one.state == "running" and one.number in kept]
    began: set[tuple[str, int, int]] = set()
    advance = AnalyticTrainer.advance

    def watched(self: Any, configuration: Any, seed: int, state: Any, *more: Any) -> Any:
        began.add((configuration.key(), seed, state.epoch))
        return advance(self, configuration, seed, state, *more)

    monkeypatch.setattr(AnalyticTrainer, "advance", watched)
    done = json.loads(ran("launch", study, "--quiet", "--json").stdout)
    assert len(done["trials"]) == file.study.trial_limit
    assert {trial["state"] for trial in done["trials"]} == {"complete", "fail", "pruned"}
    assert unfinished
    for trial in unfinished:
        assert trial.configuration is not None
        assert trial.seed is not None
        assert (trial.configuration.key(), trial.seed, 0) not in began, "it has a checkpoint, and began again"


def test_an_explanation_goes_on_from_what_was_trained(study: Path) -> None:
    found = ran("explain", study, "--from", "slow", "--to", "1", "--seeds", "2", "--quiet").stdout
    assert "learning rate 0.001 → 0.1" in found
    assert len(read_study(read_study_file(study)).explanations) == 2


def test_the_dashboard_shows_it(study: Path) -> None:
    with dashboard(study) as (server, address):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        *_, number = address.split("/")
        base = address.split("/dashboard")[0]
        with urllib.request.urlopen(f"{base}/api/studies/{number}", timeout=30) as answer:
            shown = json.load(answer)
        server.shutdown()
    assert shown["best_trials"]
    assert {trial["state"] for trial in shown["trials"]} >= {"Complete", "Fail", "Pruned", "Running"}
    assert shown["note"]["body"]
    assert shown["artifacts"], "the explanation's charts"


def test_a_checkpoint_is_read(samples: Path) -> None:
    file = read_study_file(samples / "database.toml")
    stored = read_study(file)
    read = 0
    for path in sorted((samples / ".search" / "checkpoints" / stored.folder).glob("*.npz")):
        _, number, _, epoch = path.stem.split("-")
        with np.load(path) as arrays:
            identity = json.loads(arrays["header"].tobytes())["identity"]
        state = from_bytes(path.read_bytes(), int(number), identity, int(epoch))
        assert state is not None
        assert len(state.losses) == int(epoch)
        read += 1
    assert read == checkpoints_of(file, stored.folder).size().files > 0


def test_an_exported_model_is_read_and_predicts(samples: Path) -> None:
    model = read_model(samples / "model")
    with np.load(samples / "rows.npz") as rows:
        features = rows["X"]
    table = samples / "rows.csv"
    lines = [",".join(f'"{name}"' for name in model.step.columns)]
    table.write_text("\n".join([*lines, *(",".join(map(str, row)) for row in features.tolist())]) + "\n")
    predicted = list(csv.DictReader(ran("predict", samples / "model", table).stdout.splitlines()))
    assert len(predicted) == len(features)
    shares = [float(row["probability_1"]) for row in predicted]
    assert shares == pytest.approx(model.probabilities(features)[:, 1])


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.slow
def test_a_trial_is_exported_from_what_was_kept_of_it(samples: Path) -> None:
    """Its weights are the kept ones: nothing is trained again."""
    ran("export", samples / "network.toml", samples / "again", "--quiet")
    before, again = read_model(samples / "model"), read_model(samples / "again")
    assert again.origin == before.origin
    for one, other in zip(before.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def _without(values: Any, name: str) -> Any:
    """The same without one score, wherever scores are, as it is before that score is added."""
    if isinstance(values, dict):
        return {key: _without(one, name) for key, one in values.items() if key != name}
    return [_without(one, name) for one in values] if isinstance(values, list) else values


@pytest.mark.parametrize("name", ["mcc", "average_precision"])
def test_a_score_that_was_added_later_is_shown_as_a_dash(samples: Path, name: str) -> None:
    study, journal = samples / "journal.toml", samples / "journal.log"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(_without(line, name)) + "\n" for line in lines))
    assert name not in journal.read_text()
    label = {"mcc": "Matthews corr.", "average_precision": "average precision"}[name]
    row = next(line for line in ran("report", study).stdout.splitlines() if label in line)
    assert row.replace(label, "").split()[0] in ("–", "-")
    assert "nan" not in ran("report", study, "--markdown").stdout.lower()
    plain = json.loads(ran("report", study, "--json").stdout)
    best = next(trial for trial in plain["trials"] if trial["number"] == plain["best"])
    assert best["scores"]["validation"][name] is None
    page = study.with_suffix(".html")
    ran("report", study, "--html", page)
    assert ">nan<" not in page.read_text()
    done = json.loads(ran("launch", study, "--quiet", "--json").stdout)
    scored = [trial["scores"]["validation"][name] for trial in done["trials"] if trial["scores"]]
    assert None in scored
    assert any(one is not None for one in scored)
