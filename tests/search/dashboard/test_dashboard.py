"""The dashboard as a person has it: in a real browser, with clicks, on a study that runs on meanwhile."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from search import launch
from search.dashboard.artefacts import ValidationRows
from search.dashboard.dashboard import dashboard, validation_rows
from search.driving.display import SilentDisplay
from studies.errors import MachineError, NotStoredError
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.browser import browser
from tests.faults.programs import PATIENCE, wait_until

Writes = Callable[..., Path]


@contextmanager
def served(path: Path) -> Iterator[str]:
    """A dashboard that serves in a thread; its address."""
    with dashboard(path) as (server, address):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


def asked(address: str, path: str, method: str = "GET") -> Any:
    """What the dashboard's own interface answers, as JSON."""
    root = address[: address.index("/dashboard/")]
    request = urllib.request.Request(f"{root}{path}", method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def numbers(address: str) -> list[int]:
    return [trial["number"] for trial in asked(address, "/api/studies/1")["trials"]]


@pytest.fixture
def study(study_file: Writes) -> Path:
    path = study_file()
    launch(path, display=SilentDisplay())
    return path


@pytest.mark.slow
def test_a_person_clicks_from_the_history_to_a_trials_artefacts(study: Path) -> None:
    with served(study) as address, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        failed: list[str] = []
        page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
        page.goto(address)
        parameters = len(asked(address, "/api/studies/1")["union_search_space"])
        wait_until(lambda: 6 in plotted(page, "History"), "a point a trial")
        wait_until(lambda: parameters in plotted(page, "Hyperparameter Importance"), "a bar a parameter")
        expect(page.get_by_text("F1 of 1, validation rows")).to_be_visible()
        page.locator('a[href$="/note"]').first.click()
        expect(page.get_by_text("6 of 6 trials finished")).to_be_visible()
        page.locator('a[href$="/trials"]').first.click()
        page.get_by_text("Trial 3", exact=True).click()
        expect(page.get_by_text("Trial 3 (trial_id=4)")).to_be_visible()
        for name in ("learning-curve", "confusion-matrix", "precision-recall"):
            picture = page.get_by_alt_text(f"{name}.svg")
            picture.scroll_into_view_if_needed()
            wait_until(lambda shown=picture: shown.evaluate("image => image.naturalWidth") == 640, name)
        page.get_by_label("show artifact table").click()
        rows = rows_of(study)
        assert rows is not None
        expect(page.get_by_text(f"1–10 of {len(rows.labels)}")).to_be_visible()
        assert not failed


def rows_of(study: Path) -> ValidationRows | None:
    file = read_study_file(study)
    return validation_rows(file, read_study(file).study.user_attrs["identity"]["data set"])


def plotted(page: Page, title: str) -> list[int]:
    """How many points each trace of the plot has that Plotly drew under a title."""
    card = page.locator(".MuiCard-root", has=page.get_by_text(title, exact=True)).last
    lengths: list[int] = card.locator(".js-plotly-plot").evaluate(
        "plot => plot.data.map(trace => (trace.x || []).length)"
    )
    return lengths


@pytest.mark.slow
def test_trials_that_run_meanwhile_appear_and_only_notes_can_be_changed(study: Path) -> None:
    with served(study) as address:
        assert numbers(address) == list(range(6))
        study.write_text(study.read_text().replace("trials = 6", "trials = 8"))
        launch(study, display=SilentDisplay())
        wait_until(lambda: numbers(address) == list(range(8)), "the new trials are shown")
        for method, path in (("DELETE", "/api/studies/1"), ("POST", "/api/trials/1/tell")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                asked(address, path, method)
            assert refused.value.code == 403
            refused.value.close()
        assert "trial_id" in asked(address, "/api/studies/1")["trials"][0]
    assert len(read_study(read_study_file(study)).records) == 8


@pytest.mark.slow
def test_optunas_own_command_opens_the_storage_with_the_note(study: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), "--host", "127.0.0.1"]
    storage = f"sqlite:///{study.parent / 'small.db'}"
    process = subprocess.Popen([*command, "--port", str(port), storage], stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/dashboard/studies/1"
        wait_until(lambda: answers(address), "optuna-dashboard answers")
        assert numbers(address) == list(range(6))
        assert "6 of 6 trials finished" in asked(address, "/api/studies/1")["note"]["body"]
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(address: str) -> bool:
    try:
        asked(address, "/api/meta")
    except urllib.error.URLError:
        return False
    return True


def test_attributes_are_readable_and_have_no_test_scores(study: Path) -> None:
    with served(study) as address:
        detail = asked(address, "/api/studies/1")
    trial = {attribute["key"]: attribute["value"] for attribute in detail["trials"][0]["user_attrs"]}
    assert trial["configuration"].startswith("analytic ")
    assert float(trial["validation F1 of 1"]) == pytest.approx(detail["trials"][0]["values"][0], abs=1e-4)
    assert not [name for name in trial if "test" in name or name in ("result", "segment")]
    study_names = {attribute["key"]: attribute["value"] for attribute in detail["user_attrs"]}
    assert study_names["state"] == "ended: 6 trials are done"
    assert "best so far" in detail["note"]["body"].lower()
    named = [artefact["filename"] for artefact in detail["trials"][0]["artifacts"]]
    assert sorted(named) == [
        "confusion-matrix.svg",
        "learning-curve.svg",
        "precision-recall.svg",
        "validation-predictions.csv",
    ]


def test_without_what_trials_left_there_are_the_plots_of_their_reports(study: Path) -> None:
    for file in (study.parent / ".search" / "outcomes").rglob("*.npz"):
        file.unlink()
    with served(study) as address:
        artefacts = asked(address, "/api/studies/1")["trials"][0]["artifacts"]
    assert sorted(one["filename"] for one in artefacts) == ["confusion-matrix.svg", "learning-curve.svg"]


def test_the_rows_beside_predictions_are_the_validation_rows_of_the_source(study: Path) -> None:
    rows = rows_of(study)
    assert rows is not None
    with np.load(study.parent / "rows.npz") as source:
        assert source["y"][rows.numbers - 1].tolist() == rows.labels.tolist()
    file = read_study_file(study)
    assert validation_rows(file, "another hash") is None
    (study.parent / "rows.npz").unlink()
    assert rows_of(study) is None


def test_a_study_that_was_not_launched_and_a_port_that_is_taken_are_refused(study_file: Writes) -> None:
    path = study_file()
    with pytest.raises(NotStoredError), dashboard(path):
        pass
    launch(path, display=SilentDisplay())
    with (
        dashboard(path) as (server, _),
        pytest.raises(MachineError, match="can't listen on port"),
        dashboard(path, server.server_port),
    ):
        pass
