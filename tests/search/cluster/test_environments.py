"""Workers that are not like the driver: what is refused, what is warned about, and the table that says it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from search.cluster.environments import differences, table, without_the_project
from search.cluster.joining import Reception
from search.cluster.shipping import Shipment
from studies.frameworks import Framework
from tests.frameworks import know
from workers.machine.environment import Environment

HERE = Environment(
    "laptop",
    {
        "python": "3.11.7",
        "honest-search": "0.1.0",
        "dask": "2026.8.0",
        "distributed": "2026.8.0",
        "numpy": "2.3.1",
        "tensorflow": "2.21.0",
        "keras": "3.15.0",
        "pyspark": "4.3.0",
        "java": "17.0.15",
        "BLAS kernels": "SkylakeX",
    },
)
BOTH = ("tensorflow", "spark")


def other(host: str = "node7", **versions: str | None) -> Environment:
    changed = {name.replace("_", "-"): version for name, version in versions.items()}
    merged = {**HERE.versions, **changed}
    return Environment(host, {name: version for name, version in merged.items() if version is not None})


def test_a_worker_like_the_driver_has_nothing_to_say() -> None:
    assert differences("tcp://a", other(), HERE, BOTH) == ()
    assert table(()) == ""


@pytest.mark.parametrize(
    ("versions", "frameworks", "refused"),
    [
        ({"honest_search": "0.2.0"}, (), [True]),
        ({"distributed": "2026.7.1"}, (), [True]),
        ({"python": "3.12.1"}, (), [True]),
        ({"python": "3.11.9"}, (), [False]),
        ({"numpy": "2.2.0"}, (), [False]),
        ({"BLAS kernels": "Haswell"}, (), [False]),
        ({"BLAS kernels": None}, BOTH, []),
        ({"tensorflow": "2.20.0"}, BOTH, [False]),
        ({"tensorflow": "2.20.0"}, ("spark",), []),
        ({"tensorflow": None}, BOTH, [True]),
        ({"java": None}, BOTH, [True]),
        ({"java": None}, ("tensorflow",), []),
        ({"pyspark": "4.2.0", "java": "21.0.1"}, BOTH, [False, False]),
    ],
)
def test_what_would_break_a_trial_is_refused_and_what_changes_digits_is_a_warning(
    versions: dict[str, str | None], frameworks: tuple[str, ...], refused: list[bool]
) -> None:
    found = differences("tcp://a", other(**versions), HERE, frameworks)
    assert [one.refused for one in found] == refused


def test_the_table_has_a_line_for_what_differs_alike() -> None:
    found = [
        *differences("tcp://a", other("node1", numpy="2.2.0"), HERE, BOTH),
        *differences("tcp://b", other("node2", numpy="2.2.0", java=None), HERE, BOTH),
        without_the_project("tcp://c", HERE, "ModuleNotFoundError"),
    ]
    assert table(found).splitlines() == [
        "  what           there                       here              workers",
        "  numpy          2.2.0                       2.3.1    warning  2: node1, node2",
        "  java           none                        17.0.15  refused  node2",
        "  honest-search  none (ModuleNotFoundError)  0.1.0    refused  tcp://c",
    ]


class FakeClient:
    """Answers for its workers; notes what was run where."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.ran: list[tuple[str, list[str]]] = []

    async def _run(self, function: Any, *_given: Any, workers: list[str], on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        self.ran.append((function.__name__, workers))
        return {address: self.answers[address] for address in workers}


async def meet(client: FakeClient, shipment: Any = None) -> tuple[Any, Reception]:
    reception = Reception(client, HERE, BOTH, shipment)
    return await reception.meet(list(client.answers)), reception


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_workers_are_used_refused_or_asked_again() -> None:
    gone = OSError("gone")
    unlike, missing = other(dask="2026.1.0"), ModuleNotFoundError("workers")
    client = FakeClient(like=other(), unlike=unlike, none=missing, gone=gone)
    used, reception = run(meet(client))
    assert used == {"like": True, "unlike": False, "none": False}
    # Refused here alone: others on that scheduler keep their slots.
    assert [name for name, _ in client.ran] == ["greet"]
    (news,) = reception.news()
    assert "honest-search" in news
    assert "2026.1.0" in news
    assert reception.news() == []


class FakeShipment(Shipment):
    """Counts how often it was asked to send."""

    sent = 0

    async def send(self) -> bool:
        self.sent += 1
        self.bytes = 3_500_000
        return self.sent == 1


def test_rows_are_sent_when_the_first_worker_that_does_not_see_them_comes(tmp_path: Any) -> None:
    shipment = FakeShipment(None, tmp_path)
    sees, blind = other(), Environment("node8", HERE.versions, sees_rows=False)
    _, reception = run(meet(FakeClient(a=sees), shipment))
    assert (shipment.sent, reception.news()) == (0, [])
    _, reception = run(meet(FakeClient(a=sees, b=blind), shipment))
    (news,) = reception.news()
    assert (shipment.sent, "3.5 MB" in news) == (1, True)
    _, reception = run(meet(FakeClient(c=blind), shipment))
    assert reception.news() == []


def test_a_plug_in_must_be_there_in_the_drivers_version(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, "ours", Framework(title="Ours", packages=("numpy",)))
    here = replace(HERE, versions={**HERE.versions, "ours": "1.2"})
    assert differences("tcp://a", other(ours="1.2"), here, ("ours",)) == ()
    for there in (None, "1.3"):
        (found,) = differences("tcp://a", other(ours=there), here, ("ours",))
        assert (found.what, found.there, found.here, found.refused) == ("ours", there or "none", "1.2", True)
