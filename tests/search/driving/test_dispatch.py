"""Which segments are with Dask, what is run again and what becomes of the rest. No Dask runs here."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from dask.utils import key_split
from distributed import KilledWorker
from distributed.client import FutureCancelledError
from distributed.scheduler import NoValidWorkerError, NoWorkerError

from search.cluster.pulse import Pulse
from search.cluster.running import NO_WORKERS_SECONDS, RunningCluster
from search.driving.dispatch import LOST_SECONDS, Dispatcher, Ended, quarantined_keys
from search.driving.runs import STRANDED_SECONDS, WATCHDOG_SECONDS
from search.loop.attempts import SPARED
from search.loop.events import Lost, Reported, Resized
from search.loop.slots import GPU, SPARK, TRIAL, Slots
from studies.records.reports import Cause, Failure, SegmentReport, TimeLedger
from studies.sections.study import Retry
from studies.space.configuration import Configuration
from workers.spark.settings import DEFAULTS
from workers.task import MESSAGE_CHARACTERS, Segment, run_segment
from workers.tenants import LOOK, SPARE, Look, Task

CONFIGURATION = Configuration("analytic", "he_normal", "adam", epochs=9, learning_rate=0.1, batch_size=16)
SEGMENT = Segment("small", 4, CONFIGURATION, 3, (1, 3, 9), (4,), "f1", "/data", "/checkpoints", 9)
FIRST, SECOND, THIRD = (replace(SEGMENT, trial=number) for number in (1, 2, 3))
ON_SPARK = replace(SEGMENT, configuration=Configuration("spark", "spark_uniform", "l-bfgs", 9))
NEVER = Retry(worker_died=0, out_of_memory=0)
NO_WORKER = (
    NoValidWorkerError(SEGMENT.key, set(), set(), {TRIAL: 1}, 1.0),
    NoWorkerError(SEGMENT.key, 1.0),
)


def good(segment: Segment = SEGMENT) -> SegmentReport:
    return SegmentReport(segment.trial, segment.until, worker="0", assignment=segment.assignment)


def failed(cause: Cause, segment: Segment = SEGMENT) -> SegmentReport:
    failure = Failure(cause, "so it was", 3)
    return SegmentReport(segment.trial, 3, failure=failure, assignment=segment.assignment)


def killed(segment: Segment = SEGMENT, address: str | None = "tcp://10.0.0.7:4000") -> KilledWorker:
    return KilledWorker(segment.key, SimpleNamespace(address=address) if address else None, 0)


@dataclass
class FakeFuture:
    """Ends when it is told to, as a ``distributed.Future`` does."""

    waits: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    outcome: Any = None

    async def result(self) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def end(self, outcome: Any) -> None:
        self.outcome = outcome
        for wait in self.waits:
            asyncio.run(wait())


class FakeClient:
    """Takes what is submitted and runs nothing."""

    status = "running"
    id = "me"

    def __init__(self) -> None:
        self.submitted: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.futures: dict[str, FakeFuture] = {}
        self.restarted: list[str] = []
        self.tasks: dict[str, Task] = {}
        self.spared: list[str] = []
        self.out_of_memory: list[str] = []
        self.scheduler = SimpleNamespace(
            **{LOOK: self._look, SPARE: self._spare, "events": self._events, "restart_workers": self._restart}
        )
        self.loop = SimpleNamespace(add_callback=self._wait)

    def sync(self, question: Callable[..., Any], *given: Any, callback_timeout: float, **options: Any) -> Any:
        assert callback_timeout < 10, "a driver that waits for its scheduler is a driver that hangs"
        answer = question(*given, **options)
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer

    def submit(self, *arguments: Any, **options: Any) -> FakeFuture:
        key = options["key"]
        assert key not in self.futures, "Dask would take it for the task of the same name"
        self.submitted.append((arguments, options))
        self.futures[key] = FakeFuture()
        return self.futures[key]

    def _wait(self, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Each future is waited for as soon as it is there."""
        next(reversed(self.futures.values())).waits.append(wait)

    async def _look(self, client: str, kinds: Sequence[str]) -> list[Any]:
        assert (client, kinds) == ("me", ["TRIAL", "SPARK", "GPU"])
        return [{}, self.tasks, [], {}]

    async def _spare(self, client: str, worker: str) -> None:
        assert client == "me"
        self.spared.append(worker)

    async def _events(self, topic: str) -> list[tuple[float, dict[str, str]]]:
        assert topic == "worker-restart-memory"
        return [(0.0, {"worker": address}) for address in self.out_of_memory]

    async def _restart(self, workers: list[str], **_options: Any) -> None:
        self.restarted += workers


class Desk:
    """A dispatcher on a cluster that runs nothing, and a clock that the test moves."""

    def __init__(
        self,
        slots: Slots = Slots(2),  # noqa: B008  frozen
        rules: Retry = Retry(),  # noqa: B008  frozen
        *,
        together: bool = False,
        restarts: bool = True,
        quarantined: set[str] | None = None,
    ) -> None:
        self.now = 1000.0
        self.client = FakeClient()
        self.delivered: list[Ended] = []
        a_worker = slots.by_kind if together else dict.fromkeys(slots.by_kind, 1)
        cluster = RunningCluster(self.client, slots, "no cluster", a_worker, restarts)
        self.dispatcher = Dispatcher(
            cluster,
            rules,
            self.delivered.append,
            quarantined or set(),
            clock=lambda: self.now,
            launch="",
        )

    def submit(self, *segments: Segment) -> None:
        for segment in segments:
            assert self.dispatcher.submit(segment) is None

    @property
    def with_dask(self) -> list[str]:
        """Keys of all that was given to Dask, in order."""
        return [options["key"] for _, options in self.client.submitted]

    def resources(self, key: str) -> Mapping[str, int]:
        (found,) = [options["resources"] for _, options in self.client.submitted if options["key"] == key]
        return dict(found)

    def end(self, key: str, result: Any) -> Reported | Lost | None:
        """End a task, and pass on what that delivers."""
        self.client.futures[key].end(result)
        return self.dispatcher.ended(self.delivered.pop())

    def report(self, key: str, result: Any) -> SegmentReport:
        outcome = self.end(key, result)
        assert isinstance(outcome, Reported)
        return outcome.report

    def watch(self) -> list[Reported | Lost | Resized]:
        return list(self.dispatcher.watch())


def attempt(segment: Segment, number: int) -> str:
    return replace(segment, attempt=number - 1).key


# What is with Dask


def test_a_segment_is_submitted_under_its_own_key_and_never_taken_for_another() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    ((arguments, options),) = desk.client.submitted
    assert arguments == (run_segment, SEGMENT)
    assert options == {
        "key": "small/trial-4/rung-9",
        "pure": False,
        "retries": 0,
        "resources": {TRIAL: 1},
    }


def test_its_key_names_study_and_trial_for_a_person_and_is_nobody_else_s() -> None:
    mine = replace(SEGMENT, study="sms-spam", token="3f9c2a1b04de", launch="6e0f51c2")
    assert mine.key == "sms-spam-3f9c2a1b04de/trial-4/rung-9/6e0f51c2"
    assert key_split(mine.key) == "sms-spam", "Dask's dashboard groups by it"
    others = [replace(mine, token="other"), replace(mine, launch="other"), replace(mine, attempt=1)]
    assert len({segment.key for segment in (mine, *others)}) == 4


def test_each_dispatcher_submits_under_keys_of_its_own() -> None:
    keys = []
    for _ in range(2):
        desk = Desk()
        cluster = desk.dispatcher.cluster
        dispatcher = Dispatcher(cluster, NEVER, desk.delivered.append)
        dispatcher.warm_spark("small", "3f9c2a1b04de", "/data", (4,), DEFAULTS)
        dispatcher.submit(replace(SEGMENT, token="3f9c2a1b04de"))
        keys += desk.with_dask
    assert len(set(keys)) == 4
    assert all(key.startswith("small-3f9c2a1b04de/") for key in keys)


@pytest.mark.parametrize(
    "other",
    [
        replace(SEGMENT, token="another"),
        replace(SEGMENT, configuration=replace(CONFIGURATION, learning_rate=0.2)),
        replace(SEGMENT, seed=4),
        replace(SEGMENT, until=3),
        FIRST,
    ],
    ids=["study", "configuration", "seed", "rung", "trial"],
)
def test_a_result_of_another_task_is_a_bug_and_never_counted(other: Segment) -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    report = desk.report(SEGMENT.key, good(other))
    assert report.trial == SEGMENT.trial
    assert report.failure is not None
    assert report.failure.cause == "bug"
    assert "that of another task" in report.failure.message


def test_a_result_that_names_no_task_is_refused_too() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    assert desk.report(SEGMENT.key, replace(good(), assignment=None)).failure is not None


def test_no_more_is_with_dask_than_there_are_slots_and_the_next_follows_in_order() -> None:
    desk = Desk(Slots(2))
    desk.submit(SEGMENT, FIRST, SECOND, THIRD)
    assert desk.with_dask == [SEGMENT.key, FIRST.key]
    desk.report(FIRST.key, good(FIRST))
    assert desk.with_dask == [SEGMENT.key, FIRST.key, SECOND.key]
    desk.report(SECOND.key, good(SECOND))
    desk.report(SEGMENT.key, good())
    assert desk.with_dask == [SEGMENT.key, FIRST.key, SECOND.key, THIRD.key]


def test_spark_waits_for_its_own_slot_and_keeps_nobody_from_the_others() -> None:
    desk = Desk(Slots(2, spark=1))
    more_spark = replace(ON_SPARK, trial=5)
    desk.submit(ON_SPARK, more_spark, FIRST, SECOND, THIRD)
    assert desk.with_dask == [ON_SPARK.key, FIRST.key, SECOND.key]
    assert [desk.resources(key) for key in desk.with_dask] == [{SPARK: 1}, {TRIAL: 1}, {TRIAL: 1}]
    desk.report(ON_SPARK.key, good(ON_SPARK))
    assert desk.with_dask[3:] == [more_spark.key]
    desk.report(FIRST.key, good(FIRST))
    assert desk.with_dask[4:] == [THIRD.key]


def test_a_segment_of_a_trial_follows_the_one_before() -> None:
    desk = Desk(Slots(1))
    desk.submit(replace(SEGMENT, until=1))
    assert desk.report("small/trial-4/rung-1", good()).attempts == 1
    desk.submit(replace(SEGMENT, until=3))
    assert desk.with_dask == ["small/trial-4/rung-1", "small/trial-4/rung-3"]


# What comes back


def test_nothing_is_delivered_before_the_end_and_then_the_report_as_it_came() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    assert desk.delivered == []
    report = desk.report(SEGMENT.key, good())
    assert replace(report, ledger=TimeLedger()) == good()


def test_what_the_driver_waited_beyond_the_work_is_booked_as_queued() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    desk.now += 10.0
    work = TimeLedger(setup=1.0, train=4.0, score=2.0)
    assert desk.report(SEGMENT.key, replace(good(), ledger=work)).ledger == replace(work, queued=3.0)


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        (killed(), "worker died", "tcp://10.0.0.7:4000"),
        (killed(address=None), "worker died", "unknown"),
        (OSError("Timed out"), "bug", "OSError: Timed out"),
        (TypeError("can't pickle this"), "bug", "TypeError: can't pickle this"),
    ],
    ids=["killed", "killed unknown", "OSError", "TypeError"],
)
def test_an_error_of_the_cluster_is_a_failure_of_the_trial(error: Exception, cause: str, said: str) -> None:
    desk = Desk(rules=NEVER)
    desk.submit(SEGMENT)
    report = desk.report(SEGMENT.key, error)
    assert report.trial == 4
    assert report.failure is not None
    assert report.failure.cause == cause
    assert said in report.failure.message


def test_the_message_of_a_huge_error_is_cut() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    failure = desk.report(SEGMENT.key, RuntimeError("x" * 1_000_000)).failure
    assert failure is not None
    assert len(failure.message) <= MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    "error", [CancelledError(), FutureCancelledError(SEGMENT.key, "scheduler-connection-lost")]
)
def test_a_task_that_its_scheduler_forgot_is_the_end_of_the_cluster_and_not_of_the_trial(
    error: Exception,
) -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    assert desk.end(SEGMENT.key, error) == Lost("the cluster's scheduler went away")
    assert desk.dispatcher.quarantined == set()


@pytest.mark.parametrize("error", NO_WORKER, ids=lambda error: type(error).__name__)
def test_a_cluster_that_lost_all_its_workers_says_so(error: Exception) -> None:
    desk = Desk(rules=NEVER)
    desk.submit(SEGMENT)
    outcome = desk.end(SEGMENT.key, error)
    assert "lost all its workers" in str(outcome)
    assert "none came back" in str(outcome)


def test_a_cluster_that_lost_all_its_workers_blames_no_configuration() -> None:
    desk = Desk(rules=NEVER)
    desk.submit(SEGMENT)
    desk.end(SEGMENT.key, NO_WORKER[0])
    assert desk.dispatcher.quarantined == set()


# What is run again


@pytest.mark.parametrize(
    ("cause", "key"),
    [
        ("worker died", "worker_died"),
        ("out of memory", "out_of_memory"),
        ("timeout", "timeout"),
        ("bug", "bug"),
    ],
)
@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_failure_is_run_again_as_often_as_the_study_file_says(cause: Cause, key: str, allowed: int) -> None:
    desk = Desk(rules=Retry(**{key: allowed}))
    desk.submit(SEGMENT)
    for number in range(1, allowed + 1):
        assert desk.end(attempt(SEGMENT, number), failed(cause)) is None
    report = desk.report(attempt(SEGMENT, allowed + 1), failed(cause))
    assert desk.with_dask == [attempt(SEGMENT, number) for number in range(1, allowed + 2)]
    assert report.attempts == allowed + 1
    assert report.failure is not None
    times = f" ({allowed + 1} times)" if allowed else ""
    assert report.failure.message == f"so it was{times}"


@pytest.mark.parametrize("cause", ["diverged", "data"])
def test_what_would_fail_again_is_not_run_again(cause: Cause) -> None:
    desk = Desk(rules=Retry(worker_died=9, spark_died=9, out_of_memory=9, timeout=9, bug=9))
    desk.submit(SEGMENT)
    assert desk.report(SEGMENT.key, failed(cause)).failure is not None
    assert desk.with_dask == [SEGMENT.key]


def test_a_segment_that_is_run_again_tells_the_worker_so_and_counts_its_attempts() -> None:
    desk = Desk(rules=Retry(out_of_memory=1))
    desk.submit(SEGMENT)
    desk.end(SEGMENT.key, failed("out of memory"))
    (_, again), options = desk.client.submitted[1]
    assert again == replace(SEGMENT, attempt=1)
    assert options["key"] == "small/trial-4/rung-9/attempt-2"
    report = desk.report(again.key, good())
    assert (report.failure, report.attempts) == (None, 2)


def test_causes_are_counted_apart() -> None:
    desk = Desk(rules=Retry(worker_died=1, out_of_memory=1))
    desk.submit(SEGMENT)
    assert desk.end(attempt(SEGMENT, 1), killed()) is None
    assert desk.end(attempt(SEGMENT, 2), failed("out of memory")) is None
    report = desk.report(attempt(SEGMENT, 3), killed())
    assert report.failure is not None
    assert report.failure.message.endswith("(2 times)")


def test_what_is_run_again_goes_ahead_of_what_waits() -> None:
    desk = Desk(Slots(1))
    desk.submit(SEGMENT, FIRST)
    desk.end(SEGMENT.key, killed())
    assert desk.with_dask == [SEGMENT.key, attempt(SEGMENT, 2)]
    desk.report(attempt(SEGMENT, 2), good())
    assert desk.with_dask[2:] == [FIRST.key]


# Who is blamed for a death


def test_a_death_beside_others_is_nobodys_until_it_happens_alone() -> None:
    desk = Desk(Slots(3), Retry(worker_died=0), together=True)
    desk.submit(SEGMENT, FIRST)
    assert desk.resources(SEGMENT.key) == {TRIAL: 1}
    assert desk.end(SEGMENT.key, killed()) is None
    assert attempt(SEGMENT, 2) not in desk.with_dask, "it waits for what runs beside it"
    assert desk.end(FIRST.key, killed(FIRST)) is None
    assert desk.resources(attempt(FIRST, 2)) == {TRIAL: 3}, "it shall have the process for itself"
    assert attempt(SEGMENT, 2) not in desk.with_dask, (
        "a worker's death is the failure of all that it was given"
    )
    innocent = desk.report(attempt(FIRST, 2), good(FIRST))
    assert innocent.failure is None
    guilty = desk.report(attempt(SEGMENT, 2), killed())
    assert guilty.failure is not None
    assert guilty.failure.cause == "worker died"
    assert guilty.attempts == 2
    assert desk.dispatcher.quarantined == {CONFIGURATION.key()}


def test_a_death_where_nothing_else_ran_is_the_trial_s_own() -> None:
    desk = Desk(Slots(3), Retry(worker_died=1))
    desk.submit(SEGMENT)
    desk.end(SEGMENT.key, killed())
    assert desk.resources(attempt(SEGMENT, 2)) == {TRIAL: 1}
    assert desk.report(attempt(SEGMENT, 2), killed()).failure is not None


def test_other_failures_beside_others_are_the_trial_s_own() -> None:
    desk = Desk(Slots(3), Retry(out_of_memory=0), together=True)
    desk.submit(SEGMENT)
    assert desk.report(SEGMENT.key, failed("out of memory")).failure is not None


# Quarantine


def test_a_configuration_that_killed_its_workers_is_not_run_again_under_another_number() -> None:
    desk = Desk(rules=NEVER)
    desk.submit(SEGMENT)
    desk.report(SEGMENT.key, killed())
    refused = desk.dispatcher.submit(replace(SEGMENT, trial=9, seed=4))
    assert refused is not None
    assert refused.trial == 9
    assert refused.failure is not None
    assert refused.failure.cause == "worker died"
    assert "not run" in refused.failure.message
    assert desk.with_dask == [SEGMENT.key]
    desk.submit(replace(SEGMENT, trial=10, configuration=replace(CONFIGURATION, learning_rate=0.2)))
    assert len(desk.with_dask) == 2


def test_a_configuration_that_failed_otherwise_is_not_quarantined() -> None:
    desk = Desk(rules=NEVER)
    desk.submit(SEGMENT)
    desk.report(SEGMENT.key, failed("out of memory"))
    desk.submit(FIRST)
    assert desk.with_dask == [SEGMENT.key, FIRST.key]


def test_what_an_earlier_launch_found_is_not_found_again() -> None:
    other = replace(CONFIGURATION, batch_size=32)
    keys = quarantined_keys(
        [
            (CONFIGURATION.key(), Failure("worker died", "")),
            (other.key(), Failure("bug", "")),
            (replace(other, epochs=3).key(), None),
        ]
    )
    assert keys == {CONFIGURATION.key()}
    assert Desk(quarantined=keys).dispatcher.submit(SEGMENT) is not None
    assert Desk(quarantined=keys).dispatcher.submit(replace(SEGMENT, configuration=other)) is None


# The watchdog

TIMED = replace(SEGMENT, trial_timeout=60.0)


def hanging(desk: Desk, *segments: Segment) -> None:
    """Submit them, and let their time and the watchdog's be over."""
    desk.submit(*segments)
    began = Task("tcp://a", 60.1 + WATCHDOG_SECONDS, 0.0)
    desk.client.tasks = {segment.key: began for segment in segments}
    desk.now += 60.0 + WATCHDOG_SECONDS
    assert desk.watch() == [], "not yet"
    desk.now += 0.1


def test_a_segment_that_does_not_come_back_costs_its_process() -> None:
    desk = Desk()
    hanging(desk, TIMED)
    (reported,) = desk.watch()
    assert isinstance(reported, Reported)
    assert reported.report.failure is not None
    assert reported.report.failure.cause == "timeout"
    assert "did not answer for 90 s" in reported.report.failure.message
    assert desk.client.restarted == ["tcp://a"]
    assert desk.watch() == []


def test_other_drivers_tasks_are_not_blamed_where_a_process_is_ended() -> None:
    desk = Desk()
    hanging(desk, TIMED)
    desk.watch()
    assert desk.client.spared == ["tcp://a"]


def test_a_segment_that_waits_behind_another_driver_s_is_not_hanging() -> None:
    desk = Desk()
    desk.submit(TIMED)
    desk.client.tasks = {TIMED.key: Task("tcp://a", None, 0.5)}
    for _ in range(5):
        desk.now += 61.0 + WATCHDOG_SECONDS
        assert desk.watch() == []
    desk.client.tasks = {TIMED.key: Task("tcp://a", 60.0, 0.5)}
    desk.now += 61.0 + WATCHDOG_SECONDS
    assert desk.watch() == [], "it began a minute ago"
    desk.now += WATCHDOG_SECONDS + 0.1
    desk.client.tasks = {TIMED.key: Task("tcp://a", 60.1 + WATCHDOG_SECONDS, 0.5)}
    (reported,) = desk.watch()
    assert isinstance(reported, Reported)
    assert desk.client.restarted == ["tcp://a"]


def test_a_segment_that_holds_the_lock_before_it_is_heard_of_hangs() -> None:
    desk = Desk()
    desk.submit(TIMED)
    desk.client.tasks = {TIMED.key: Task("tcp://a", None, WATCHDOG_SECONDS + 1.0)}
    desk.now += 61.0 + WATCHDOG_SECONDS
    (reported,) = desk.watch()
    assert isinstance(reported, Reported)
    assert reported.report.failure is not None
    assert reported.report.failure.cause == "timeout"
    assert desk.client.restarted == ["tcp://a"]


def test_a_segment_of_which_nothing_is_known_is_not_waited_for_for_ever() -> None:
    desk = Desk()
    desk.submit(TIMED)
    desk.now += 61.0 + WATCHDOG_SECONDS
    assert len(desk.watch()) == 1


def test_a_segment_that_does_not_come_back_is_run_again_where_timeouts_are() -> None:
    desk = Desk(rules=Retry(timeout=1))
    hanging(desk, TIMED)
    assert desk.watch() == []
    assert desk.with_dask == [TIMED.key, attempt(TIMED, 2)]
    desk.now += 60.0 + WATCHDOG_SECONDS
    assert desk.watch() == [], "its time begins anew"
    assert desk.report(attempt(TIMED, 2), good()).attempts == 2


def test_what_a_run_says_that_was_given_up_is_not_heard() -> None:
    desk = Desk(rules=Retry(timeout=1))
    hanging(desk, TIMED)
    desk.watch()
    assert desk.end(TIMED.key, killed()) is None
    assert desk.end(TIMED.key, good()) is None
    assert desk.report(attempt(TIMED, 2), good()).attempts == 2
    assert desk.end(attempt(TIMED, 2), good()) is None


def test_without_a_trial_timeout_nothing_counts_as_hanging() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    desk.now += 1e6
    assert desk.watch() == []
    assert desk.client.restarted == []


def test_a_thread_that_does_not_come_back_is_a_slot_less() -> None:
    desk = Desk(Slots(2), together=True, restarts=False)
    hanging(desk, TIMED)
    desk.submit(FIRST, SECOND)
    resized, reported = desk.watch()
    assert resized == Resized(Slots(1))
    assert isinstance(reported, Reported)
    assert reported.report.failure is not None
    assert "a slot is lost" in reported.report.failure.message
    assert desk.with_dask == [TIMED.key, FIRST.key]
    desk.report(FIRST.key, good(FIRST))
    assert desk.with_dask[2:] == [SECOND.key]


def test_the_last_thread_that_does_not_come_back_is_the_end() -> None:
    desk = Desk(Slots(1), restarts=False)
    hanging(desk, TIMED)
    resized, lost, reported = desk.watch()
    assert resized == Resized(Slots(0))
    assert lost == Lost("every slot is held by a trial that doesn't return")
    assert isinstance(reported, Reported)


def test_the_last_slot_of_a_kind_is_the_end_where_trials_of_it_wait() -> None:
    desk = Desk(Slots(1, spark=1), together=True, restarts=False)
    hanging(desk, TIMED)
    desk.submit(FIRST)
    assert any(isinstance(outcome, Lost) for outcome in desk.watch())


# The scheduler


def test_a_connection_that_stays_away_is_lost_and_one_that_comes_back_is_not() -> None:
    desk = Desk()
    desk.submit(SEGMENT)
    desk.client.status = "connecting"
    assert desk.watch() == []
    desk.now += LOST_SECONDS - 1.0
    assert desk.watch() == []
    desk.client.status = "running"
    assert desk.watch() == []
    desk.client.status = "connecting"
    desk.now += 2.0
    assert desk.watch() == [], "this is another time"
    desk.now += LOST_SECONDS + 0.1
    assert desk.watch() == [Lost("the connection to the cluster's scheduler is lost")]


def test_within_half_a_minute_a_lost_scheduler_is_said() -> None:
    assert LOST_SECONDS < 30.0


# What its worker died of


def test_a_worker_that_took_too_much_memory_is_a_lack_of_memory() -> None:
    desk = Desk(rules=NEVER)
    desk.client.out_of_memory = ["tcp://10.0.0.6:4000", "tcp://10.0.0.7:4000"]
    desk.submit(SEGMENT)
    failure = desk.report(SEGMENT.key, killed(address="tcp://10.0.0.7:4000")).failure
    assert failure is not None
    assert failure.cause == "out of memory"
    assert "tcp://10.0.0.7:4000 took more memory" in failure.message
    desk.submit(FIRST)
    failure = desk.report(FIRST.key, killed(address="tcp://10.0.0.8:4000")).failure
    assert failure is not None
    assert failure.cause == "worker died"


def test_who_took_the_memory_is_known_only_of_a_trial_that_ran_alone() -> None:
    desk = Desk(rules=NEVER, together=True)
    desk.client.out_of_memory = ["tcp://10.0.0.7:4000"]
    desk.submit(SEGMENT)
    assert desk.end(SEGMENT.key, killed(address="tcp://10.0.0.7:4000")) is None
    failure = desk.report(attempt(SEGMENT, 2), killed(address="tcp://10.0.0.7:4000")).failure
    assert failure is not None
    assert failure.cause == "out of memory"


# A scheduler in another process


def elsewhere(**resources: int) -> tuple[Desk, Pulse]:
    """A desk on a cluster with one worker, that somebody else started."""
    desk = Desk(Slots(2))
    pulse = Pulse(desk.client, clock=lambda: desk.now)
    pulse.workers = {"tcp://10.0.0.7:4000": {"resources": resources}}
    desk.dispatcher.cluster = replace(desk.dispatcher.cluster, pulse=pulse, frameworks=("analytic",))
    return desk, pulse


def looks(pulse: Pulse, drivers: int = 1, **tasks: Task) -> None:
    """What the scheduler of a pulse answers next."""
    place = (drivers, 0)
    pulse.looked = Look(dict(pulse.workers), tasks, (), {TRIAL: place, SPARK: place, GPU: place})


def heard(desk: Desk, pulse: Pulse, seconds: float) -> list[Any]:
    """What a look says after a time in which the scheduler answered."""
    desk.now += seconds
    pulse.answered_at = desk.now
    return list(desk.dispatcher.watch())


def test_a_scheduler_that_is_silent_too_long_is_lost_though_its_connection_is_there() -> None:
    desk, pulse = elsewhere(TRIAL=2)
    desk.submit(SEGMENT)
    assert heard(desk, pulse, LOST_SECONDS + 1) == []
    desk.now += LOST_SECONDS - 1
    assert list(desk.dispatcher.watch()) == []
    desk.now += 2
    assert list(desk.dispatcher.watch()) == [Lost("the connection to the cluster's scheduler is lost")]


def test_a_dead_worker_gets_nothing_before_the_scheduler_has_said_that_it_is_back() -> None:
    desk, pulse = elsewhere(TRIAL=1)
    pulse.workers = {**pulse.workers, "tcp://10.0.0.8:4000": {"resources": {TRIAL: 1}}}
    there = pulse.workers
    for segment in (FIRST, SECOND, THIRD):
        desk.submit(segment)
    assert desk.with_dask == [FIRST.key, SECOND.key]
    assert desk.end(FIRST.key, killed(FIRST, "tcp://10.0.0.8:4000")) is None
    assert desk.with_dask == [FIRST.key, SECOND.key], "the other worker is busy, and may die too"
    pulse.workers = there
    heard(desk, pulse, 1)
    assert desk.with_dask == [FIRST.key, SECOND.key, attempt(FIRST, 2)]


def test_slots_follow_the_workers_that_come_and_go() -> None:
    desk, pulse = elsewhere(TRIAL=2)
    for segment in (FIRST, SECOND, THIRD):
        desk.submit(segment)
    assert desk.with_dask == [FIRST.key, SECOND.key]
    pulse.workers = {**pulse.workers, "tcp://10.0.0.8:4000": {"resources": {TRIAL: 1}}}
    assert heard(desk, pulse, 1) == [Resized(Slots(3))]
    assert desk.with_dask == [FIRST.key, SECOND.key, THIRD.key]
    assert heard(desk, pulse, 1) == []


def test_a_cluster_whose_workers_stay_away_is_lost_and_one_whose_come_back_is_not() -> None:
    desk, pulse = elsewhere(TRIAL=2)
    there, pulse.workers = pulse.workers, {}
    assert heard(desk, pulse, 1) == [Resized(Slots(0))]
    assert heard(desk, pulse, NO_WORKERS_SECONDS - 1) == []
    pulse.workers = there
    assert heard(desk, pulse, 0.5) == [Resized(Slots(2))]
    pulse.workers = {}
    assert heard(desk, pulse, 1) == [Resized(Slots(0))]
    (lost,) = heard(desk, pulse, NO_WORKERS_SECONDS + 1)
    assert isinstance(lost, Lost)
    assert f"lost all its workers, and none came back for {NO_WORKERS_SECONDS:g} s" in lost.reason


GPU_SLOTS = Slots(1, 0, 1)
ON_TENSORFLOW = replace(
    SEGMENT,
    configuration=Configuration("tensorflow", "he_normal", "adam", 9, learning_rate=0.1, batch_size=16),
)


def on_tensorflow(trial: int) -> Segment:
    return replace(ON_TENSORFLOW, trial=trial)


def test_a_gpu_is_taken_first_and_spark_goes_past_to_a_cpu() -> None:
    desk = Desk(GPU_SLOTS)
    desk.submit(on_tensorflow(1), on_tensorflow(2), on_tensorflow(3), replace(ON_SPARK, trial=5))
    first, second = (on_tensorflow(number).key for number in (1, 2))
    assert desk.with_dask == [first, second]
    assert desk.resources(first) == {GPU: 1}
    assert desk.resources(second) == {TRIAL: 1}
    desk.end(second, good(on_tensorflow(2)))
    assert desk.with_dask[2:] == [on_tensorflow(3).key], "in order, as far as a slot fits"
    desk.end(on_tensorflow(3).key, good(on_tensorflow(3)))
    assert desk.resources(desk.with_dask[-1]) == {TRIAL: 1}, "Spark's, with the GPU's trial still running"
    desk.end(first, good(on_tensorflow(1)))
    assert len(desk.with_dask) == 4


def test_a_slow_cpu_is_left_alone_once_that_is_known() -> None:
    desk = Desk(GPU_SLOTS)
    desk.submit(on_tensorflow(1), on_tensorflow(2))
    for number, seconds in ((1, 1.0), (2, 90.0)):
        segment = on_tensorflow(number)
        desk.end(segment.key, replace(good(segment), ledger=TimeLedger(train=seconds)))
    desk.submit(on_tensorflow(3), on_tensorflow(4))
    assert desk.with_dask[2:] == [on_tensorflow(3).key]
    desk.end(on_tensorflow(3).key, good(on_tensorflow(3)))
    assert desk.resources(on_tensorflow(4).key) == {GPU: 1}


# A scheduler that others share


def test_a_death_before_it_began_is_another_driver_s_but_not_for_ever() -> None:
    desk, pulse = elsewhere(TRIAL=1)
    desk.dispatcher.rules = NEVER
    looks(pulse, drivers=2)
    desk.submit(SEGMENT)
    for number in range(1, SPARED + 1):
        assert desk.end(attempt(SEGMENT, number), killed()) is None
        pulse.workers = {"tcp://10.0.0.7:4000": {"resources": {"TRIAL": 1}}}
        looks(pulse, drivers=2)
        heard(desk, pulse, 1.0)
    assert desk.report(attempt(SEGMENT, SPARED + 1), killed()).failure is not None


def test_a_death_after_it_began_is_its_own() -> None:
    desk, pulse = elsewhere(TRIAL=1)
    desk.dispatcher.rules = NEVER
    desk.submit(SEGMENT)
    looks(pulse, drivers=2, **{SEGMENT.key: Task("tcp://10.0.0.7:4000", 0.5, 0.1)})
    heard(desk, pulse, 1.0)
    assert desk.report(SEGMENT.key, killed()).failure is not None


def test_a_segment_that_waits_on_a_silent_worker_of_several_drivers_is_run_again_and_not_blamed() -> None:
    desk, pulse = elsewhere(TRIAL=1)
    desk.dispatcher.rules = NEVER
    desk.submit(TIMED)
    silent = Task("tcp://10.0.0.7:4000", None, WATCHDOG_SECONDS + 1.0)
    looks(pulse, drivers=2, **{TIMED.key: silent})
    desk.client.tasks = {TIMED.key: silent}
    heard(desk, pulse, 61.0 + WATCHDOG_SECONDS)
    assert desk.client.restarted == ["tcp://10.0.0.7:4000"]
    assert desk.with_dask == [TIMED.key, attempt(TIMED, 2)]


def test_workers_that_are_not_used_get_nothing_and_the_others_all() -> None:
    desk, pulse = elsewhere(TRIAL=2)
    looks(pulse)
    desk.submit(SEGMENT)
    pulse.looked = replace_workers(pulse.looked, "tcp://10.0.0.8:4000")
    desk.submit(FIRST)
    _, restricted = (options for _, options in desk.client.submitted)
    assert "workers" not in desk.client.submitted[0][1]
    assert restricted["workers"] == ["tcp://10.0.0.7:4000"]
    assert restricted["allow_other_workers"] is False


def replace_workers(looked: Look, address: str) -> Look:
    return looked._replace(workers={**looked.workers, address: {"resources": {"TRIAL": 1}}})


def test_a_segment_that_no_worker_takes_though_there_are_some_is_run_again() -> None:
    desk, pulse = elsewhere(TRIAL=2)
    desk.dispatcher.rules = NEVER
    desk.submit(SEGMENT)
    for _ in range(2):
        looks(pulse, **{SEGMENT.key: Task("", None, 0.0)})
        assert heard(desk, pulse, STRANDED_SECONDS + 1.0) == []
    assert desk.with_dask == [SEGMENT.key, attempt(SEGMENT, 2)]
