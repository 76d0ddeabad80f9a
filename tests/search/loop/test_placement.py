"""Which kind of slot a trial takes: no cluster runs here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from search.cluster import local
from search.cluster.pulse import offered
from search.loop.placement import KEPT, Speeds, pays, place
from search.loop.slots import GPU, SPARK, TRIAL, Slots
from studies.sections.cluster import Cluster
from workers.machine.gpus import Gpu

MIXED = Slots(trial=2, spark=1, gpu=2)
BOTH = ("tensorflow", "spark")


def speeds(cpu: float, gpu: float) -> Speeds:
    found = Speeds()
    found.measured(TRIAL, cpu * 10, 10)
    found.measured(GPU, gpu * 10, 10)
    return found


def test_a_free_gpu_comes_first_then_a_cpu_and_then_the_queue() -> None:
    free = {GPU: 1, TRIAL: 1, SPARK: 0}
    assert place("tensorflow", MIXED, free, Speeds()) == GPU
    assert place("tensorflow", MIXED, {**free, GPU: 0}, Speeds()) == TRIAL
    assert place("tensorflow", MIXED, {**free, GPU: 0, TRIAL: 0}, Speeds()) is None


@pytest.mark.parametrize("slots", [MIXED, Slots(2, 0, 2), Slots(0, 1, 2, gpu_only=True)])
def test_spark_never_takes_a_gpu(slots: Slots) -> None:
    assert GPU not in slots.kinds("spark")
    assert place("spark", slots, {GPU: 2, TRIAL: 0, SPARK: 0}, Speeds()) is None


def test_without_slots_of_its_own_spark_takes_those_on_cpus() -> None:
    assert place("spark", Slots(2, 0, 2), {GPU: 2, TRIAL: 1}, Speeds()) == TRIAL


def test_where_gpus_are_required_tensorflow_waits_for_one() -> None:
    required = offered([{"resources": {TRIAL: 4}}, {"resources": {GPU: 1}}], ["tensorflow"], "require")
    assert required == Slots(0, 0, 1, gpu_only=True)
    assert place("tensorflow", required, {GPU: 0, TRIAL: 4}, Speeds()) is None


def test_gpus_stay_idle_where_they_are_not_wanted() -> None:
    workers = [{"resources": {TRIAL: 4}}, {"resources": {GPU: 2, SPARK: 1}}]
    assert offered(workers, BOTH, "never") == Slots(4, 1)
    assert offered(workers, BOTH, "prefer") == Slots(4, 1, 2)
    assert offered(workers, ["spark"], "require") == Slots(0, 1)
    assert offered([workers[0], {"resources": {GPU: 2}}], BOTH, "require") == Slots(4, 0, 2, gpu_only=True)


def test_a_cpu_pays_when_it_is_done_before_a_gpu_that_one_has_to_wait_for() -> None:
    # Two GPUs, nobody ahead: a mean wait of half a trial and the trial itself, 1.5 times a GPU's seconds.
    assert pays(MIXED, speeds(cpu=1.5, gpu=1.0))
    assert not pays(MIXED, speeds(cpu=1.6, gpu=1.0))
    assert pays(MIXED, speeds(cpu=1.6, gpu=1.0), ahead=1)
    assert not pays(MIXED, speeds(cpu=30.0, gpu=1.0), ahead=9)


def test_what_is_not_known_is_tried() -> None:
    assert pays(MIXED, Speeds())
    only_gpus = Speeds()
    only_gpus.measured(GPU, 1.0, 10)
    assert pays(MIXED, only_gpus)


def test_speeds_are_the_median_of_the_last_ones() -> None:
    found = Speeds()
    for seconds in (100.0, *[1.0] * KEPT):
        found.measured(TRIAL, seconds, 1)
    assert found.of(TRIAL) == 1.0
    found.measured(TRIAL, 50.0, 0)  # no epoch, no speed
    assert found.of(TRIAL) == 1.0
    assert found.of(GPU) is None


@pytest.mark.parametrize(
    ("section", "frameworks", "slots"),
    [
        (Cluster(kind="processes", slots=2), BOTH, Slots(2, 1, 2)),
        (Cluster(kind="processes", slots=2, trials_per_gpu=3), ["tensorflow"], Slots(2, 0, 6)),
        (Cluster(kind="processes", slots=2, gpu="require"), BOTH, Slots(0, 1, 2, gpu_only=True)),
        (Cluster(kind="cuda", trials_per_gpu=2), ["tensorflow"], Slots(0, 0, 4, gpu_only=True)),
        (Cluster(kind="processes", slots=2), ["spark"], Slots(0, 1)),
        (Cluster(kind="threads", slots=2), ["tensorflow"], Slots(2)),
    ],
)
def test_processes_of_a_machine_with_gpus_use_them(
    section: Cluster, frameworks: list[str], slots: Slots
) -> None:
    plan = local.plan(section, frameworks, [Gpu("0", 1000), Gpu("1", 1000)])
    assert plan.slots == slots
    offered_by = [offer.resources for offer in plan.offers]
    if section.kind != "threads":
        gpu = "require" if slots.gpu_only else section.gpu
        assert offered([{"resources": one} for one in offered_by], frameworks, gpu) == slots


counts = some.integers(0, 5)


@given(counts, counts, counts, counts, counts, some.booleans())
def test_free_slots_are_those_left_when_all_run_that_were_placed_greedily(
    trial: int, spark: int, gpu: int, others: int, sparks: int, only: bool
) -> None:
    slots = Slots(trial, spark, gpu, gpu_only=only)
    free = {TRIAL: trial, SPARK: spark, GPU: gpu}
    for framework in ["tensorflow"] * others + ["spark"] * sparks:
        free[slots.takes(framework, free)] -= 1
    assert slots.free({"tensorflow": others, "spark": sparks}) == free
    assert sum(free.values()) == slots.total - others - sparks


@given(counts, counts, counts, some.sampled_from(["tensorflow", "spark"]))
def test_what_is_placed_is_free_and_allowed(trial: int, spark: int, gpu: int, framework: str) -> None:
    slots = MIXED
    kind = place(framework, slots, {TRIAL: trial, SPARK: spark, GPU: gpu}, Speeds())
    if kind is not None:
        assert kind in slots.kinds(framework)
        assert {TRIAL: trial, SPARK: spark, GPU: gpu}[kind] > 0
