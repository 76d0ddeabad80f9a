from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from search.loop import (
    INTERRUPTED,
    STOPPED_AT_ONCE,
    Action,
    Ask,
    Asked,
    Event,
    Finish,
    Heard,
    Interrupted,
    Limits,
    Loop,
    Reported,
    Submit,
    Tell,
    Tick,
    Told,
)
from studies.configuration import Configuration
from studies.records import SegmentReport
from studies.store import AskedTrial
from studies.trial_record import TrialRecord

CONFIGURATION = Configuration("analytic", "he_normal", "sgd", 3)


def trial(number: int) -> AskedTrial:
    return AskedTrial(number, CONFIGURATION, 0)


def record(number: int, value: float | None = 0.5) -> TrialRecord:
    state = "complete" if value is not None else "fail"
    return TrialRecord(number, state, CONFIGURATION, 0, value, None, {}, None, None, False)


@dataclass
class World:
    """Does what a loop says, on a clock that the test moves, with a grid of ``supply`` configurations."""

    limits: Limits
    supply: int = 10**6
    now: float = 0.0
    asked: int = 0
    submitted: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    finish: Finish | None = None
    pending: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = Loop(self.limits, started=0.0)

    def start(self, told: list[TrialRecord], unfinished: list[AskedTrial]) -> None:
        self.asked = len(told) + len(unfinished)
        self.do(self.loop.start(told, unfinished, self.now))

    def send(self, event: Event) -> None:
        self.do(self.loop.handle(event, self.now))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.finish is None, "nothing follows the end"
            if isinstance(action, Ask):
                left = self.asked < self.supply
                self.pending.append(Asked(trial(self.asked) if left else None))
                self.asked += left
            elif isinstance(action, Submit):
                assert action.trial.number not in self.submitted, "a trial is submitted once"
                self.submitted.append(action.trial.number)
            elif isinstance(action, Tell):
                assert action.report.trial not in self.told, "a trial is told once"
                self.told.append(action.report.trial)
                self.pending.append(Told(record(action.report.trial, 0.1)))
            else:
                self.finish = action
        while self.pending:
            self.send(self.pending.pop(0))

    @property
    def in_flight(self) -> list[int]:
        return [number for number in self.submitted if number not in self.told]

    def end_one(self, index: int) -> None:
        number = self.in_flight[index % len(self.in_flight)]
        self.send(Reported(SegmentReport(trial=number, epoch=3)))


@given(
    slots=st.integers(1, 5),
    trials=st.integers(1, 20),
    before=st.integers(0, 25),
    unfinished=st.integers(0, 4),
    order=st.lists(st.integers(0, 100)),
)
def test_exactly_so_many_trials_and_no_slot_idle_while_there_is_work(
    slots: int, trials: int, before: int, unfinished: int, order: list[int]
) -> None:
    world = World(Limits(slots, trials))
    left_running = [trial(before + number) for number in range(unfinished)]
    world.start([record(number) for number in range(before)], left_running)
    turns = iter(order + [0] * 200)
    while world.finish is None:
        wanted = max(trials - before, unfinished)
        assert len(world.in_flight) == min(slots, wanted - len(world.told))
        world.end_one(next(turns))
    assert len(world.told) == max(trials - before, unfinished, 0)
    assert world.finish.abandoned == ()
    assert sorted(world.submitted) == sorted(world.told)


@given(slots=st.integers(1, 4), ended=st.integers(0, 10))
def test_the_first_interrupt_finishes_what_runs_and_asks_for_nothing_more(slots: int, ended: int) -> None:
    world = World(Limits(slots))
    world.start([], [])
    for _ in range(ended):
        world.end_one(0)
    world.send(Interrupted())
    submitted = len(world.submitted)
    while world.finish is None:
        world.end_one(0)
    assert len(world.submitted) == submitted
    assert world.finish == Finish(INTERRUPTED)


def test_the_second_interrupt_leaves_what_runs_for_the_next_launch() -> None:
    world = World(Limits(slots=3))
    world.start([], [])
    world.end_one(1)
    world.send(Interrupted())
    world.send(Interrupted())
    assert world.finish == Finish(STOPPED_AT_ONCE, tuple(sorted(world.in_flight)))
    assert len(world.in_flight) == 3


def test_an_interrupt_leaves_recovered_trials_that_had_no_slot_for_the_next_launch() -> None:
    world = World(Limits(slots=1))
    world.start([], [trial(0), trial(1)])
    world.send(Interrupted())
    world.end_one(0)
    assert world.finish == Finish(INTERRUPTED, (1,))


def test_a_timeout_stops_asking_but_not_what_runs() -> None:
    world = World(Limits(slots=2, timeout=10.0))
    world.start([], [])
    world.now = 9.9
    world.send(Tick())
    world.end_one(0)
    assert len(world.in_flight) == 2
    world.now = 10.0
    world.send(Tick())
    assert world.finish is None
    world.end_one(0)
    world.end_one(0)
    assert world.finish == Finish("10 s are over")


def test_a_reached_target_stops_the_search() -> None:
    world = World(Limits(slots=1, target=0.9))
    world.start([record(0, 0.89)], [])
    assert world.finish is None
    reached = World(Limits(slots=1, target=0.9))
    reached.start([record(0, 0.9)], [])
    assert reached.finish == Finish("the target 0.9 is reached")
    assert reached.submitted == []


def test_a_grid_that_is_used_up_ends_the_search() -> None:
    world = World(Limits(slots=3), supply=4)
    world.start([], [])
    while world.finish is None:
        world.end_one(0)
    assert sorted(world.told) == [0, 1, 2, 3]
    assert world.finish.reason == "every configuration of the grid was tried"


def test_failed_trials_count_but_are_never_best() -> None:
    world = World(Limits(slots=1, trials=3))
    world.start([record(0, None), record(1, 0.2), record(2, None)], [])
    assert world.finish is not None
    assert world.loop.best is not None
    assert world.loop.best.number == 1


def test_the_first_of_equals_is_best() -> None:
    loop = Loop(Limits(slots=1, trials=2), started=0.0)
    loop.start([record(0, 0.7), record(1, 0.7)], [], 0.0)
    assert loop.best is not None
    assert loop.best.number == 0


def test_a_report_of_a_trial_that_does_not_run_changes_nothing() -> None:
    world = World(Limits(slots=1))
    world.start([], [])
    world.send(Reported(SegmentReport(trial=99, epoch=1)))
    assert world.told == []
    assert world.in_flight == [0]


def test_while_others_run_what_is_left_it_waits_and_ends_with_their_last_trial() -> None:
    loop = Loop(Limits(slots=2, trials=4), started=0.0)
    asks = loop.start([record(0)], [], 0.0)
    assert asks == [Ask(), Ask()]
    assert loop.handle(Asked(trial(1)), 0.0) == [Submit(trial(1))]
    assert loop.handle(Asked(None, wait=True), 0.0) == []
    assert loop.handle(Tick(), 1.0) == []
    assert loop.handle(Reported(SegmentReport(trial=1, epoch=3)), 2.0) == [Tell(SegmentReport(1, 3))]
    assert loop.handle(Told(record(1)), 2.0) == []
    assert loop.handle(Heard((record(2),)), 3.0) == [Ask()], "another may have left a trial behind"
    assert loop.handle(Asked(None, wait=True), 3.0) == []
    assert loop.handle(Heard((record(2), record(3))), 4.0) == [Finish("4 trials are done")]


def test_a_trial_that_a_dead_driver_left_is_run_when_it_is_heard_of() -> None:
    loop = Loop(Limits(slots=1, trials=2), started=0.0)
    loop.start([record(0)], [], 0.0)
    assert loop.handle(Asked(None, wait=True), 0.0) == []
    assert loop.handle(Heard(()), 1.0) == [Ask()]
    assert loop.handle(Asked(trial(1)), 1.0) == [Submit(trial(1))]
