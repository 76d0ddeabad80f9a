"""What a driver may fill on a scheduler that it shares. Several drivers are simulated, with their tasks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.cluster.local import plan
from search.cluster.pulse import kinds_of, offered
from search.loop.slots import GPU, SPARK, TRIAL, Slots, allowance
from studies.frameworks import Framework
from studies.sections.cluster import Cluster
from tests.frameworks import know
from workers.machine.gpus import Gpu


@st.composite
def looks(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    drivers = draw(st.integers(1, 6))
    total, mine, others = (draw(st.integers(0, 20)) for _ in range(3))
    return total, mine, others if drivers > 1 else 0, drivers, draw(st.integers(0, drivers - 1))


@given(looks())
def test_who_has_work_may_always_have_one_task_with_dask_where_there_are_slots(
    look: tuple[int, int, int, int, int],
) -> None:
    total, *_ = look
    assert (allowance(*look) >= 1) == (total > 0)


@given(looks())
def test_what_others_run_is_taken_but_for_one_that_waits(look: tuple[int, int, int, int, int]) -> None:
    total, mine, others, drivers, _ = look
    allowed = allowance(*look)
    if mine >= max(1, total // drivers):
        assert allowed <= max(total - others, total // drivers, 1)
    else:
        assert allowed <= max(total - others, mine + 1)


@given(st.integers(0, 20), st.integers(0, 20))
def test_alone_all_slots_are_the_driver_s(total: int, mine: int) -> None:
    assert allowance(total, mine, 0, 1, 0) == total


@given(st.integers(1, 20), st.integers(1, 6), st.data())
def test_of_free_slots_no_two_drivers_take_the_same(total: int, drivers: int, data: st.DataObject) -> None:
    held = data.draw(st.lists(st.integers(0, total), min_size=drivers, max_size=drivers))
    free = total - sum(held)
    if free <= 0:
        return
    more = [
        allowance(total, mine, sum(held) - mine, drivers, place) - mine for place, mine in enumerate(held)
    ]
    waiting = sum(mine < max(1, total // drivers) for mine in held)
    assert sum(more) <= free + waiting


@dataclass
class Sharing:
    """Drivers on a scheduler whose tasks run in the order in which they came."""

    total: int
    seconds: Sequence[Callable[[], float]]
    clock: float = 0.0
    queue: list[int] = field(default_factory=list)
    running: list[tuple[float, int]] = field(default_factory=list)
    done: dict[int, int] = field(default_factory=dict)
    busy: float = 0.0

    def run(self, until: float, step: float = 0.05) -> None:
        drivers = len(self.seconds)
        allowed = [1] * drivers
        looked = [place * 0.37 % 1.0 for place in range(drivers)]
        while self.clock < until:
            for driver in range(drivers):
                if self.clock >= looked[driver]:
                    looked[driver] += 1.0
                    mine, all_of_them = self.held(driver), len(self.queue) + len(self.running)
                    place = (driver + int(self.clock // 2)) % drivers
                    allowed[driver] = allowance(self.total, mine, all_of_them - mine, drivers, place)
                self.queue += [driver] * (allowed[driver] - self.held(driver))
            while self.queue and len(self.running) < self.total:
                driver = self.queue.pop(0)
                self.running.append((self.clock + self.seconds[driver](), driver))
            self.busy += step * len(self.running)
            self.clock += step
            for _, driver in [one for one in self.running if one[0] <= self.clock]:
                self.done[driver] = self.done.get(driver, 0) + 1
            self.running = [one for one in self.running if one[0] > self.clock]

    def held(self, driver: int) -> int:
        return self.queue.count(driver) + sum(one == driver for _, one in self.running)


@pytest.mark.parametrize(("total", "drivers"), [(4, 2), (2, 2), (7, 3), (2, 5), (1, 3), (64, 5)])
def test_drivers_that_all_have_work_share_equally_and_no_slot_idles(total: int, drivers: int) -> None:
    draw = random.Random(total)
    sharing = Sharing(total, [lambda: draw.uniform(0.5, 3.0)] * drivers)
    sharing.run(300.0)
    done = sorted(sharing.done.values())
    assert len(done) == drivers
    assert done[0] >= 0.7 * done[-1], done
    assert sharing.busy >= 0.9 * total * 300.0


def test_who_comes_late_gets_a_share_as_soon_as_tasks_end() -> None:
    sharing = Sharing(4, [lambda: 10.0, lambda: 10.0])
    sharing.running = [(10.0 + place, 0) for place in range(4)]
    sharing.run(27.3)
    assert {driver: sharing.held(driver) for driver in (0, 1)} == {0: 2, 1: 2}


def test_no_more_of_a_kind_than_the_limits_say() -> None:
    slots = Slots(4, 2, 3, gpu_only=True)
    assert slots.within({}) == slots
    assert slots.within({TRIAL: 1, SPARK: 5, GPU: 2}) == Slots(1, 2, 2, gpu_only=True)


CPUS_ALONE = Framework(title="Ours")
ON_GPUS = Framework(title="Theirs", resources=(GPU, TRIAL))


@pytest.fixture
def _two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, "ours", CPUS_ALONE)
    know(monkeypatch, "theirs", ON_GPUS)


@pytest.mark.usefixtures("_two_more")
def test_a_framework_takes_the_kinds_of_slots_that_its_record_names() -> None:
    slots = Slots(trial=2, spark=1, gpu=1)
    assert slots.kinds("ours") == (TRIAL,)
    assert slots.kinds("theirs") == slots.kinds("tensorflow") == (GPU, TRIAL)
    assert slots.kinds("spark") == (SPARK,)
    only = replace(slots, gpu_only=True)
    assert (only.kinds("ours"), only.kinds("theirs")) == ((TRIAL,), (GPU,))
    assert slots.free({"ours": 1, "theirs": 2, "spark": 1}) == {TRIAL: 0, SPARK: 0, GPU: 0}
    assert only.free({"ours": 1, "theirs": 2}) == {TRIAL: 1, SPARK: 1, GPU: -1}


@pytest.mark.usefixtures("_two_more")
def test_workers_with_and_without_gpus_offer_what_a_study_can_use() -> None:
    workers = [{"resources": {GPU: 1}}, {"resources": {TRIAL: 3, SPARK: 1}}]
    assert offered(workers, ["ours"]) == Slots(3)
    assert offered(workers, ["theirs"], "require") == Slots(0, 0, 1, gpu_only=True)
    assert offered(workers, ["ours", "theirs"], "require") == Slots(3, 0, 1, gpu_only=True)
    assert offered(workers, ["ours", "spark"]) == Slots(3, 1)
    assert list(kinds_of(["ours"])) == [TRIAL]
    assert list(kinds_of(["theirs", "spark"])) == [TRIAL, SPARK, GPU]
    section = Cluster(kind="processes", slots=2, gpu="require")
    gpu = Gpu("0", 0)
    assert plan(section, ["ours", "theirs"], [gpu]).slots == Slots(2, 0, 1, gpu_only=True)
    assert plan(section, ["theirs"], [gpu]).slots == Slots(0, 0, 1, gpu_only=True)
    assert plan(Cluster(kind="processes", slots=2), ["ours"], [gpu]).slots == Slots(2)
