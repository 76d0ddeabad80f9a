"""The readable attributes of a study."""

from __future__ import annotations

from typing import Any

import pytest

from search.dashboard.view import study_attributes
from studies.data.facts import DataFacts

FACTS = DataFacts(("0", "1"), "1", 3, {"train": (60, 20), "validation": (10, 5), "test": (12, 6)})


def doing(cluster: str) -> dict[str, Any]:
    return {"at": "2026-01-01T00:00:00+00:00", "cluster": cluster}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ({}, "none yet"),
        ({"status": doing("2 threads")}, "2 threads"),
        # Of several drivers each has a key of its own, and the common one is empty.
        ({"status": {}, "status.a1": doing("2 threads")}, "2 threads"),
        (
            {"status": {}, "status.a1": doing("2 threads"), "status.b2": doing("8 workers")},
            "2 threads, 8 workers",
        ),
        ({"status": {}, "status.a1": doing("2 threads"), "status.b2": doing("2 threads")}, "2 threads"),
    ],
)
def test_a_study_names_the_clusters_of_all_its_drivers(raw: dict[str, Any], shown: str) -> None:
    assert study_attributes(raw, FACTS, "f1", None)["cluster"] == shown
