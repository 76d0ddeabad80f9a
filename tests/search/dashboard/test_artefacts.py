from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace

import numpy as np
import pytest
from optuna.artifacts.exceptions import ArtifactNotFound

from search.dashboard.artefacts import DrawnArtefacts, Known, ValidationRows, artefacts_of, artefacts_of_study
from studies.records.explanations import Change, KeptExplanation
from studies.records.reports import CurvePoint
from studies.records.trials import TrialRecord
from tests.search.fakes import FACTS, complete, draw, running

ROWS = ValidationRows(
    labels=np.array([0, 0, 1, 1]), numbers=np.array([3, 5, 8, 9]), texts=("hi", "so, “it”", "free", "win")
)
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.55, 0.45]])


def trial() -> TrialRecord:
    record = complete(4, 0.9, draw(random.Random(0)))
    assert record.report is not None
    return replace(
        record, report=replace(record.report, curve=(CurvePoint(1, 0.7, 0.2), CurvePoint(2, 0.5, 0.9)))
    )


def drawn(identity: str, *, known: Known | None = None) -> str:
    found = known or Known(trial(), FACTS, "f1", PROBABILITIES, ROWS)
    return DrawnArtefacts(lambda _number, _with_rows: found).open_reader(identity).read().decode()


def names(record: TrialRecord, *, has_probabilities: bool) -> set[str]:
    there = artefacts_of(record, has_probabilities=has_probabilities)
    return {json.loads(value)["filename"] for value in there.values()}


def test_a_trial_has_what_can_be_drawn_of_it() -> None:
    plots = {"learning-curve.svg", "confusion-matrix.svg"}
    assert names(trial(), has_probabilities=False) == plots
    more = {"precision-recall.svg", "validation-predictions.csv"}
    assert names(trial(), has_probabilities=True) == plots | more
    assert names(running(4, draw(random.Random(0))), has_probabilities=False) == set()


def test_every_artefact_that_is_named_can_be_opened() -> None:
    for value in artefacts_of(trial(), has_probabilities=True).values():
        meta = json.loads(value)
        content = drawn(meta["artifact_id"])
        assert content.startswith("<svg" if meta["mimetype"] == "image/svg+xml" else "right,")


EXPLANATION = KeptExplanation(
    start="spark",
    end="tensorflow",
    scores=("weighted F1", "F1 of spam"),
    values=(0.915, 0.0),
    seeds=3,
    path=(
        Change("score weighted F1 → F1 of spam", -0.331, -0.75, -0.29, "less", 0.915, 0.584),
        Change("biases <as drawn> → 1", 0.015, -0.1, 0.1, "within noise", 0.584, 0.599),
        Change("optimizer l-bfgs → sgd", -0.599, -0.62, -0.33, "less", 0.599, 0.0),
    ),
    shares=(),
    sentences=("The definition of the score lowers it.",),
    traps=(),
)


def test_an_explanation_is_an_artefact_of_the_study() -> None:
    store = DrawnArtefacts(lambda _number, _with_rows: Known(trial(), FACTS, "f1"), lambda: (EXPLANATION,))
    [(_, value)] = artefacts_of_study((EXPLANATION,)).items()
    meta = json.loads(value)
    assert meta["filename"] == "from spark to tensorflow.svg"
    picture = store.open_reader(meta["artifact_id"]).read().decode()
    assert picture.startswith("<svg")
    expected = ("From spark to tensorflow", "-0.331", "+0.015", "no significant difference")
    for words in (*expected, "biases &lt;as drawn&gt;"):
        assert words in picture
    with pytest.raises(ArtifactNotFound):
        store.open_reader("e" * 64)


def test_predictions_begin_with_the_surest_mistakes() -> None:
    rows = list(csv.DictReader(io.StringIO(drawn("4-4"))))
    assert [row["row"] for row in rows] == ["5", "9", "3", "8"]
    assert rows[0] == {
        "right": "no",
        "label": "ham",
        "predicted": "spam",
        "probability_ham": "0.200000",
        "probability_spam": "0.800000",
        "row": "5",
        "text": "so, “it”",
    }


def test_rows_of_numbers_have_no_text() -> None:
    known = Known(trial(), FACTS, "f1", PROBABILITIES, replace(ROWS, texts=()))
    assert "text" not in drawn("4-4", known=known).splitlines()[0]


@pytest.mark.parametrize("identity", ["4-9", "4", "x-1", "4-1-1", ""])
def test_what_there_is_not_is_not_found(identity: str) -> None:
    with pytest.raises(ArtifactNotFound):
        drawn(identity)


def test_what_needs_rows_that_are_not_here_is_not_found() -> None:
    with pytest.raises(ArtifactNotFound):
        drawn("4-3", known=Known(trial(), FACTS, "f1", PROBABILITIES, None))
    assert drawn("4-2", known=Known(trial(), FACTS, "f1")).startswith("<svg")


def test_nothing_is_written_or_removed() -> None:
    store = DrawnArtefacts(lambda _number, _with_rows: Known(trial(), FACTS, "f1"))
    with pytest.raises(PermissionError):
        store.write("4-1", io.BytesIO())
    with pytest.raises(PermissionError):
        store.remove("4-1")
