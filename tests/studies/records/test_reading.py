"""Records are read with fields that this code doesn't know, and without those that earlier code lacked."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.commands.status import status
from search.driving.status import RunningSegment
from studies.data.facts import DataFacts
from studies.records.explanations import Change, KeptExplanation
from studies.records.finalists import Finalist, Finalists, Tuned
from studies.records.openings import OpenedTrial, Opening
from studies.records.reading import read_record
from studies.records.replicas import ReplicaRecord
from studies.records.reports import (
    OF_CONFUSION,
    SCORE_NAMES,
    Assignment,
    CurvePoint,
    Failure,
    Scores,
    SegmentReport,
    TimeLedger,
)
from studies.records.schema import (
    CONFIGURATION,
    DATA,
    EXPLANATION,
    FINALISTS,
    OPENINGS,
    REPLICA,
    RESULT,
    STATUS,
)
from studies.space.configuration import Configuration
from studies.storage.sharing.drivers import DriverRecord, this_driver
from studies.stored_study import read_study
from studies.study_file import read_study_file

SAMPLE = Path(__file__).parents[2] / "data" / "made_by_1"

Reads = Callable[[Mapping[str, Any]], Any]


@pytest.fixture(scope="module", autouse=True)
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    global _copy
    _copy = shutil.copytree(SAMPLE, tmp_path_factory.mktemp("read") / "sample")
    return _copy


_copy: Path


@cache
def kept(kind: str) -> Any:
    """What earlier code stored, as plain values."""
    study = read_study(read_study_file(_copy / "journal.toml")).study
    attributes = study.user_attrs
    trials = [trial.user_attrs for trial in study.get_trials(deepcopy=False)]
    failed = next(one[RESULT] for one in trials if one.get(RESULT, {}).get("failure"))
    found = {
        "report": max((one[RESULT] for one in trials if RESULT in one), key=lambda one: len(one["curve"])),
        "failed": failed,
        "configuration": trials[0][CONFIGURATION],
        "replica": next(value for name, value in attributes.items() if name.startswith(REPLICA)),
        "explanation": next(value for name, value in attributes.items() if name.startswith(EXPLANATION)),
        "finalists": attributes[FINALISTS],
        "opening": attributes[OPENINGS][0],
        "facts": attributes[DATA],
        "driver": asdict(this_driver()),
    }
    return json.loads(json.dumps(found[kind]))


RECORDS: dict[str, Reads] = {
    "report": SegmentReport.from_dict,
    "failed": SegmentReport.from_dict,
    "configuration": Configuration.from_dict,
    "replica": ReplicaRecord.from_dict,
    "explanation": KeptExplanation.from_dict,
    "finalists": Finalists.from_dict,
    "opening": Opening.from_dict,
    "facts": DataFacts.from_dict,
    "driver": lambda values: read_record(DriverRecord, values),
}

FREE = {"scores", "counts", "crossing", "versions", "failed"}
"""Mappings whose keys are names of rows, packages or trials, and no fields."""


def with_more(values: Any, name: str, value: Any, key: str = "") -> Any:
    """The same with another field in each record, however deep."""
    if isinstance(values, Mapping):
        inner = {each: with_more(one, name, value, each) for each, one in values.items()}
        return inner if key in FREE else {**inner, name: value}
    return [with_more(one, name, value) for one in values] if isinstance(values, list) else values


@pytest.mark.parametrize("kind", RECORDS)
@given(
    name=st.sampled_from(["added", "weights", "self", "cls", "format", "ümlaut"]),
    value=st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
)
def test_fields_of_later_code_are_ignored(kind: str, name: str, value: Any) -> None:
    plain = kept(kind)
    assert repr(RECORDS[kind](with_more(plain, name, value))) == repr(RECORDS[kind](plain))


def test_fields_within_scores_are_ignored() -> None:
    scores = kept("report")["scores"]["validation"]
    assert Scores.from_dict({**scores, "balanced_accuracy": 0.5}) == Scores.from_dict(scores)


OPTIONAL = {
    "report": (SegmentReport, "report", SegmentReport.from_dict),
    "failure": (Failure, "failed/failure", lambda values: read_record(Failure, values)),
    "curve": (CurvePoint, "report/curve/0", lambda values: read_record(CurvePoint, values)),
    "ledger": (TimeLedger, "report/ledger", lambda values: read_record(TimeLedger, values)),
    "configuration": (Configuration, "configuration", Configuration.from_dict),
    "explanation": (KeptExplanation, "explanation", KeptExplanation.from_dict),
    "change": (Change, "explanation/path/0", lambda values: read_record(Change, values)),
    "finalists": (Finalists, "finalists", Finalists.from_dict),
    "opening": (Opening, "opening", Opening.from_dict),
    "facts": (DataFacts, "facts", DataFacts.from_dict),
    "driver": (DriverRecord, "driver", lambda values: read_record(DriverRecord, values)),
}


def optional_fields() -> Iterator[tuple[str, str]]:
    for name, (kind, *_) in OPTIONAL.items():
        for field in fields(kind):
            if field.default is not MISSING or field.default_factory is not MISSING:
                yield name, field.name


@pytest.mark.parametrize(("kind", "field"), list(optional_fields()))
def test_a_field_that_earlier_code_lacked_has_its_default(kind: str, field: str) -> None:
    made, place, read = OPTIONAL[kind]
    first, *rest = place.split("/")
    values = kept(first)
    for step in rest:
        values = values[int(step) if step.isdigit() else step]
    found = getattr(read({name: value for name, value in values.items() if name != field}), field)
    default = made.__dataclass_fields__[field]
    assert found == (default.default_factory() if callable(default.default_factory) else default.default)


@pytest.mark.parametrize("field", ["prediction", "luck_of_seeds", "luck_of_rows"])
def test_so_it_is_with_a_finalist(field: str) -> None:
    values = kept("finalists")
    for one in values["finalists"]:
        one.pop(field)
    assert [getattr(one, field) for one in Finalists.from_dict(values).finalists] == [None] * len(
        values["finalists"]
    )
    assert Finalist.__dataclass_fields__[field].default is None


def test_and_with_its_tuned_thresholds() -> None:
    values = kept("finalists")
    for one in values["finalists"]:
        del one["tuned"]["metric"], one["tuned"]["difference"]
    tuned = Finalists.from_dict(values).finalists[0].tuned
    assert (tuned.metric, tuned.difference) == (Tuned.__dataclass_fields__["metric"].default, None)


def test_and_with_a_trial_that_the_test_rows_were_opened_for() -> None:
    assert OpenedTrial.from_dict({"test": None}) == OpenedTrial(None)


def test_a_report_of_the_first_code_has_no_assignment() -> None:
    assert SegmentReport.from_dict({**kept("report"), "assignment": None}).assignment is None
    extra = {**kept("report")["assignment"], "device": "cuda"}
    assert isinstance(SegmentReport.from_dict({**kept("report"), "assignment": extra}).assignment, Assignment)


@pytest.mark.parametrize("name", SCORE_NAMES)
def test_a_score_that_earlier_code_lacked_is_nan(name: str) -> None:
    scores = dict(kept("report")["scores"]["validation"])
    del scores[name]
    found = Scores.from_dict(scores)
    assert math.isnan(getattr(found, name))
    assert all(getattr(found, other) == scores[other] for other in scores if other != "confusion")
    finalists = kept("finalists")
    for one in finalists["finalists"]:
        del one["scores"][name]
        one["tuned"]["scores"].pop(name, None)
    del finalists["logistic"][name]
    read = Finalists.from_dict(finalists)
    assert math.isnan(read.finalists[0].scores[name])
    if name in OF_CONFUSION:
        assert math.isnan(read.finalists[0].tuned.scores[name])
    assert math.isnan(getattr(read.logistic, name))


def test_a_status_with_fields_of_later_code_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(SAMPLE, tmp_path / "sample")
    path = folder / "journal.toml"
    study = read_study(read_study_file(path)).study
    running = {"trial": 1, "rung": 3, "worker": "w", "seconds": 0.5, "device": "GPU"}
    now = {**study.user_attrs[STATUS], "running": [running], "load": 0.5}
    monkeypatch.setattr("search.commands.status.live_statuses", lambda *_: (now,))
    assert status(path).running == (RunningSegment(1, 3, "w", 0.5),)
