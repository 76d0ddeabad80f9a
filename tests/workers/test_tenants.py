"""What a real scheduler says of the drivers that share it, whose tasks really wait, run and are ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Scheduler, SpecCluster, Worker

from search.cluster.running import RunningCluster
from search.cluster.starting import start_cluster
from search.loop.slots import TRIAL, Slots
from studies.sections.cluster import Cluster
from tests.faults.programs import PATIENCE, wait_until

LOOPBACK = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}


@contextmanager
def cluster_of(*names: str) -> Iterator[SpecCluster]:
    """A scheduler and workers of two slots, in this process."""
    worker = {"cls": Worker, "options": {"nthreads": 4, "resources": {TRIAL: 2}, **LOOPBACK}}
    scheduler = {"cls": Scheduler, "options": {"port": 0, **LOOPBACK}}
    with SpecCluster(workers=dict.fromkeys(names, worker), scheduler=scheduler) as found:
        yield found


@contextmanager
def driver(cluster: SpecCluster) -> Iterator[RunningCluster]:
    with start_cluster(Cluster(kind="address", address=cluster.scheduler_address)) as running:
        yield running


EVENTS = {name: threading.Event() for name in ("first", "second", "third", "never", "soon")}
"""What tasks wait for; workers are in this process."""


def waiting_for(event: str) -> None:
    EVENTS[event].wait(PATIENCE)


def submitted(running: RunningCluster, event: str, *keys: str, **where: Any) -> list[Any]:
    """Tasks that take a slot each until an event is set."""
    options = {"pure": False, "resources": {TRIAL: 1}, **where}
    return [running.client.submit(waiting_for, event, key=key, **options) for key in keys]


def test_what_another_driver_runs_is_taken_and_each_keeps_a_task_with_dask() -> None:
    with cluster_of("one") as cluster, driver(cluster) as mine, driver(cluster) as other:
        wait_until(lambda: mine.present() == other.present() == Slots(1), "each knows of the other")
        assert "shared with 1 other driver" in mine.describe()
        futures = submitted(mine, "first", "mine-1", "mine-2")
        wait_until(lambda: len(mine.tasks()) == 2 and _began(mine), "they run")
        assert other.pulse is not None
        pulse = other.pulse
        wait_until(lambda: sum(use.others for use in pulse.looked.used) == 2, "the other sees them")
        assert other.present() == Slots(1), "one may wait"
        waits = submitted(other, "second", "other-1")
        wait_until(lambda: mine.present() == Slots(1), "more than its share is given back")
        wait_until(other.tasks, "it is there")
        (state,) = other.tasks().values()
        assert state.worker
        assert state.seconds is None, "it waits, and its time has not begun"
        assert mine.tasks().keys() == {"mine-1", "mine-2"}, "nobody else's"
        EVENTS["first"].set()
        mine.client.gather(futures)
        wait_until(lambda: other.tasks()["other-1"].seconds is not None, "it runs")
        EVENTS["second"].set()
        other.client.gather(waits)
        mine.client.close()
        wait_until(lambda: other.present() == Slots(2), "one that has gone takes nothing")


def test_a_driver_that_is_killed_leaves_no_rows_with_the_scheduler() -> None:
    with cluster_of("one") as cluster, driver(cluster) as mine, driver(cluster) as other:
        kept = cluster.scheduler.task_metadata
        for running in (mine, other):
            name = running.client.id
            running.client.set_metadata(["honest-search-rows", "hash", "index", name], {"parts": {"a": 1}})
            running.client.set_metadata(["honest-search-rows", "hash", name, "a", 0], b"rows")
        mine.client.close()
        wait_until(lambda: mine.client.id not in kept["honest-search-rows"]["hash"], "its rows are gone")
        assert list(kept["honest-search-rows"]["hash"]) == ["index", other.client.id]
        assert list(kept["honest-search-rows"]["hash"]["index"]) == [other.client.id]


def test_a_driver_that_ends_a_worker_has_others_tasks_run_again_and_not_blamed() -> None:
    with cluster_of("one", "two") as cluster, driver(cluster) as mine, driver(cluster) as other:
        cluster.scheduler.allowed_failures = 0
        where = {"workers": "one", "allow_other_workers": True}
        (hanging,) = submitted(mine, "never", "mine-1", **where)
        (innocent,) = submitted(other, "soon", "other-1", **where)
        wait_until(lambda: all(one.tasks() and _began(one) for one in (mine, other)), "both run")
        ended = mine.tasks()["mine-1"].worker
        assert other.tasks()["other-1"].worker == ended
        assert mine.end_worker_of("mine-1")
        wait_until(lambda: other.tasks() and _began(other), "it runs again")
        assert other.tasks()["other-1"].worker != ended
        wait_until(lambda: hanging.status == "error", "its own is blamed")
        EVENTS["soon"].set()
        assert innocent.result(timeout=PATIENCE) is None
        EVENTS["never"].set()


def _began(running: RunningCluster) -> bool:
    return all(task.seconds is not None for task in running.tasks().values())


def test_the_threads_of_this_machine_answer_too() -> None:
    with start_cluster(Cluster(kind="threads", slots=1)) as running:
        future = running.client.submit(waiting_for, "third", key="one", resources={TRIAL: 1})
        wait_until(lambda: running.tasks() and _began(running), "it runs")
        begun = time.monotonic()
        wait_until(lambda: (running.tasks()["one"].seconds or 0) > 0.5, "its time passes")
        assert time.monotonic() - begun < PATIENCE
        EVENTS["third"].set()
        assert future.result(timeout=PATIENCE) is None
        assert running.tasks() == {}
