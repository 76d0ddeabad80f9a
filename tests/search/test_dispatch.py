"""Whatever a future ends with becomes one report; Dask's own errors become failures. No Dask runs here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import KilledWorker
from distributed.client import FutureCancelledError
from distributed.scheduler import NoWorkerError

from search.dispatch import Dispatcher
from search.loop import Reported
from studies.configuration import Configuration
from studies.records import SegmentReport, TimeLedger
from workers.task import MESSAGE_CHARACTERS, Segment, run_segment

CONFIGURATION = Configuration("analytic", "he_normal", "adam", epochs=9, learning_rate=0.1, batch_size=16)
SEGMENT = Segment("small", 4, CONFIGURATION, 3, (1, 3, 9), (4,), "f1", "/data", "/checkpoints")
GOOD = SegmentReport(4, 9, ledger=TimeLedger(setup=0.0, train=0.0), worker="0")


@dataclass
class FakeFuture:
    """Ends when it is told to, as a ``distributed.Future`` does."""

    result: Callable[[], Any] = lambda: None
    callbacks: list[Callable[[Any], None]] = field(default_factory=list)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    def end(self, result: Any) -> None:
        def give() -> Any:
            if isinstance(result, BaseException):
                raise result
            return result

        self.result = give
        for callback in self.callbacks:
            callback(self)


class FakeClient:
    """Takes what is submitted and runs nothing."""

    def __init__(self) -> None:
        self.submitted: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.futures: list[FakeFuture] = []

    def submit(self, *arguments: Any, **options: Any) -> FakeFuture:
        self.submitted.append((arguments, options))
        self.futures.append(FakeFuture())
        return self.futures[-1]


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def delivered() -> list[Reported]:
    return []


@pytest.fixture
def dispatcher(client: FakeClient, delivered: list[Reported]) -> Dispatcher:
    return Dispatcher(client, delivered.append)


def killed(worker: Any) -> KilledWorker:
    return KilledWorker(SEGMENT.key, worker, 3)


def test_a_segment_is_submitted_under_its_own_key_and_never_taken_for_another(
    dispatcher: Dispatcher, client: FakeClient
) -> None:
    dispatcher.submit(SEGMENT)
    ((arguments, options),) = client.submitted
    assert arguments == (run_segment, SEGMENT)
    assert options == {"key": "small/trial-4/rung-9", "pure": False, "retries": 0}


def test_nothing_is_delivered_before_the_end_and_then_the_report_as_it_came(
    dispatcher: Dispatcher, client: FakeClient, delivered: list[Reported]
) -> None:
    dispatcher.submit(SEGMENT)
    assert delivered == []
    client.futures[0].end(GOOD)
    (event,) = delivered
    assert replace(event.report, ledger=GOOD.ledger) == GOOD


def test_what_the_driver_waited_beyond_the_work_is_booked_as_queued(
    dispatcher: Dispatcher, client: FakeClient, delivered: list[Reported], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([100.0, 110.0])
    monkeypatch.setattr("search.dispatch.time", SimpleNamespace(monotonic=lambda: next(readings)))
    dispatcher.submit(SEGMENT)
    client.futures[0].end(replace(GOOD, ledger=TimeLedger(setup=1.0, train=4.0, score=2.0)))
    assert delivered[0].report.ledger == TimeLedger(queued=3.0, setup=1.0, train=4.0, score=2.0)


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        (killed(SimpleNamespace(address="tcp://10.0.0.7:4000")), "worker died", "tcp://10.0.0.7:4000"),
        (killed(None), "worker died", "unknown"),
        (CancelledError(), "worker died", "scheduler went away"),
        (FutureCancelledError(SEGMENT.key, "lost dependencies"), "worker died", "scheduler went away"),
        (NoWorkerError(SEGMENT.key, 1.0), "worker died", "none came back"),
        (OSError("Timed out"), "bug", "OSError: Timed out"),
        (TypeError("can't pickle this"), "bug", "TypeError: can't pickle this"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_of_the_cluster_is_a_failure_of_the_trial(
    error: Exception,
    cause: str,
    said: str,
    dispatcher: Dispatcher,
    client: FakeClient,
    delivered: list[Reported],
) -> None:
    dispatcher.submit(SEGMENT)
    client.futures[0].end(error)
    ((report,),) = [(event.report,) for event in delivered]
    assert report.trial == 4
    assert report.failure is not None
    assert report.failure.cause == cause
    assert said in report.failure.message


def test_the_message_of_a_huge_error_is_cut(
    dispatcher: Dispatcher, client: FakeClient, delivered: list[Reported]
) -> None:
    dispatcher.submit(SEGMENT)
    client.futures[0].end(RuntimeError("x" * 1_000_000))
    assert delivered[0].report.failure is not None
    assert len(delivered[0].report.failure.message) <= MESSAGE_CHARACTERS


def test_a_future_is_held_until_its_trial_is_told(dispatcher: Dispatcher, client: FakeClient) -> None:
    dispatcher.submit(SEGMENT)
    dispatcher.submit(replace(SEGMENT, trial=5))
    client.futures[0].end(GOOD)
    assert set(dispatcher._futures) == {4, 5}
    dispatcher.release(4)
    assert set(dispatcher._futures) == {5}
    dispatcher.release(4)
