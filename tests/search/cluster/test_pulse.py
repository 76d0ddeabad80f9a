"""Which workers a driver counts: those that were met and are used. The scheduler is a table of workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from search.cluster import pulse as pulse_module
from search.cluster.pulse import Pulse
from search.cluster.running import RunningCluster
from search.loop.slots import Slots
from workers.tenants import LOOK, Use

WORKER: Mapping[str, Any] = {"resources": {"TRIAL": 1}}


class Scheduler:
    """Says which workers it has."""

    def __init__(self, *addresses: str) -> None:
        self.workers = dict.fromkeys(addresses, WORKER)
        self.beats = 0
        self.used: list[Use] = []
        self.place = (1, 0)
        setattr(self, LOOK, self._look)

    def client(self) -> Any:
        return SimpleNamespace(scheduler=self, id="me")

    async def _look(self, client: str, kinds: Sequence[str]) -> list[Any]:
        assert (client, kinds) == ("me", ["TRIAL", "SPARK", "GPU"])
        self.beats += 1
        await asyncio.sleep(0)
        return [dict(self.workers), {}, self.used, dict.fromkeys(kinds, self.place)]


class Host:
    """Meets workers; those whose name begins with ``bad`` are refused, and ``shy`` ones answer at last."""

    def __init__(self) -> None:
        self.met: list[list[str]] = []

    async def meet(self, addresses: Sequence[str]) -> Mapping[str, bool]:
        self.met.append(list(addresses))
        answering = [one for one in addresses if not one.startswith("shy") or len(self.met) > 2]
        return {one: not one.startswith("bad") for one in answering}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse_module, "BEAT_SECONDS", 0.001)


async def until(condition: Any, pulse: Pulse) -> None:
    beats = asyncio.create_task(pulse._beat())
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)
    beats.cancel()


def test_a_worker_is_met_once_and_counted_only_where_it_is_used() -> None:
    scheduler, host = Scheduler("good-1", "bad-1"), Host()
    pulse = Pulse(scheduler.client(), meet=host.meet)
    asyncio.run(until(lambda: scheduler.beats > 5, pulse))
    assert list(pulse.workers) == ["good-1"]
    assert pulse.refused == ["bad-1"]
    assert host.met == [["good-1", "bad-1"]]


def test_one_that_does_not_answer_is_met_again_and_one_that_comes_back_too() -> None:
    scheduler, host = Scheduler("good-1", "shy"), Host()
    pulse = Pulse(scheduler.client(), meet=host.meet)
    asyncio.run(until(lambda: "shy" in pulse.workers, pulse))
    assert host.met == [["good-1", "shy"], ["shy"], ["shy"]]
    del scheduler.workers["good-1"]
    asyncio.run(until(lambda: "good-1" not in pulse.workers, pulse))
    scheduler.workers["good-1"] = WORKER
    asyncio.run(until(lambda: "good-1" in pulse.workers, pulse))
    assert host.met[-1] == ["good-1"]


def test_a_meeting_that_takes_longer_than_a_beat_counts_all_the_same() -> None:
    scheduler, met = Scheduler("slow"), []

    async def meet(addresses: Sequence[str]) -> Mapping[str, bool]:
        met.append(addresses)
        beats = scheduler.beats
        while scheduler.beats < beats + 5:
            await asyncio.sleep(0.001)
        return dict.fromkeys(addresses, True)

    pulse = Pulse(scheduler.client(), meet=meet)
    asyncio.run(until(lambda: pulse.workers, pulse))
    assert met == [["slow"]]


def test_meeting_that_takes_long_does_not_look_like_a_silent_scheduler() -> None:
    scheduler = Scheduler("slow")
    now = [0.0]

    async def meet(_addresses: Sequence[str]) -> Mapping[str, bool]:
        await asyncio.Event().wait()
        return {}

    pulse = Pulse(scheduler.client(), clock=lambda: now[0], meet=meet)

    def later() -> bool:
        now[0] = float(scheduler.beats)
        return scheduler.beats > 20

    asyncio.run(until(later, pulse))
    assert pulse.silent_seconds() <= 1.0
    assert pulse.workers == {}


def test_what_others_run_is_taken_but_not_on_workers_that_are_not_used() -> None:
    scheduler, host = Scheduler("good-1", "good-2", "bad-1"), Host()
    scheduler.used = [Use("good-1", "TRIAL", 0, 1), Use("bad-1", "TRIAL", 0, 1)]
    scheduler.place = (2, 1)
    pulse = Pulse(scheduler.client(), meet=host.meet)
    asyncio.run(until(lambda: len(pulse.workers) == 2, pulse))
    assert pulse.present(("analytic",), "prefer") == Slots(1)
    assert pulse.others == 1
    scheduler.used, scheduler.place = [], (1, 0)
    asyncio.run(until(lambda: pulse.looked.used == [], pulse))
    assert pulse.present(("analytic",), "prefer") == Slots(2)
    pulse.forget("good-1")
    assert pulse.present(("analytic",), "prefer") == Slots(1)
    assert pulse.strangers


def test_a_worker_that_is_about_to_be_replaced_is_given_nothing_more() -> None:
    scheduler = Scheduler("worn", "fresh")
    client = scheduler.client()
    client.loop = SimpleNamespace(add_callback=lambda *_: None)  # it still runs something
    pulse = Pulse(client)
    running = RunningCluster(client, Slots(2), "two workers", {}, restarts=True, pulse=pulse)
    asyncio.run(until(lambda: running.present() == Slots(2), pulse))
    assert running.where() == {}
    running.replace("worn")
    for _ in range(2):  # at once, and after the next beats
        assert running.present() == Slots(1)
        assert running.where() == {"workers": ["fresh"], "allow_other_workers": False}
        beats = scheduler.beats
        asyncio.run(until(lambda beats=beats: scheduler.beats > beats + 3, pulse))
