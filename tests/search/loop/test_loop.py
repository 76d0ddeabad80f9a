"""The loop's laws, in a world without Dask, storage, clock or model, which can be killed at any action."""

from __future__ import annotations

import random
import zlib
from collections import deque
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.loop.active_trials import Phase
from search.loop.events import (
    Action,
    Ask,
    Asked,
    Event,
    Finish,
    Interrupted,
    Lost,
    OthersFinished,
    Record,
    Recorded,
    Reported,
    Resized,
    Submit,
    Tell,
    Tick,
    Told,
)
from search.loop.halving import Ladder
from search.loop.loop import READY_A_SLOT, AtRungs, Loop
from search.loop.ordering import InOrder
from search.loop.slots import Slots
from search.loop.stopping import INTERRUPTED, NO_CHECKPOINTS, STOPPED_AT_ONCE, Limits
from studies.records.reports import Failure, SegmentReport
from studies.records.trials import AskedTrial, NoTrial, TrialRecord, UnfinishedTrial
from studies.space.configuration import Configuration

EPOCHS = 27


class Killed(Exception):  # noqa: N818  it is no error of the loop's
    """The world was killed before an action."""


@dataclass
class Stored:
    """A trial in the world's storage; ``quality`` is what its configuration is worth."""

    quality: float
    place: int
    framework: str = "analytic"
    rung: int | None = None
    report: SegmentReport | None = None
    scores: dict[int, float] = field(default_factory=dict)
    state: str = "running"
    end: int | None = None

    def asked(self, number: int) -> AskedTrial:
        return AskedTrial(number, Configuration(self.framework, "he_normal", "sgd", EPOCHS), 0)


@dataclass
class World:
    """Does what a loop says. What it draws depends on all that it has stored, as a sampler's draws do.

    With ``waits``, others have what is left to be drawn. After ``kill_after`` actions it dies; :meth:`launch`
    then begins again from what is stored.
    """

    limits: Limits
    slots: Slots = field(default_factory=lambda: Slots(2))
    at_rungs: AtRungs = "wait"
    ladder: Ladder = field(default_factory=Ladder)
    ordered: bool = False
    supply: int = 10**6
    fails: frozenset[int] = frozenset()
    frameworks: tuple[str, ...] = ("analytic",)
    kill_after: int | None = None
    waits: bool = False
    trials: dict[int, Stored] = field(default_factory=dict)
    clock: float = 0.0
    done: int = 0

    def launch(self) -> None:
        self.loop = Loop(self.limits, self.slots, self.clock, self.ladder, self.at_rungs, self.ordered)
        self.order = InOrder() if self.ordered else None
        self.running: dict[int, int] = {}
        self.finish: Finish | None = None
        self.actions: deque[Action] = deque(self.loop.start(self.told(), self.unfinished(), self.clock))
        self.work()

    def told(self) -> list[TrialRecord]:
        ended = [number for number, trial in self.trials.items() if trial.end is not None]
        return [self.record(number) for number in sorted(ended, key=lambda n: self.trials[n].end or 0)]

    def record(self, number: int) -> TrialRecord:
        trial = self.trials[number]
        value = trial.scores.get(EPOCHS) if trial.state == "complete" else None
        configuration = trial.asked(number).configuration
        return TrialRecord(
            number,
            trial.state,
            configuration,
            0,
            value,
            trial.report,
            {},
            None,
            None,
            False,
            dict(trial.scores),
        )

    def unfinished(self) -> list[UnfinishedTrial]:
        left = [
            UnfinishedTrial(trial.asked(number), trial.place, trial.rung, trial.report, dict(trial.scores))
            for number, trial in self.trials.items()
            if trial.state == "running"
        ]
        return sorted(left, key=lambda trial: (trial.place, trial.asked.number))

    def send(self, event: Event) -> None:
        # As the driver does it: what comes after an interrupt is left to the next launch, in any order.
        in_turn = self.order is not None and self.loop.stopping != INTERRUPTED
        if isinstance(event, Reported) and self.order is not None and in_turn:
            for report in self.order.arrived(event.report):
                self.actions.extend(self.loop.handle(Reported(report), self.clock))
                self.work()
        else:
            self.actions.extend(self.loop.handle(event, self.clock))
            self.work()

    def interrupt(self) -> None:
        """As the driver does it: what was held back for its turn is left to the next launch too."""
        self.send(Interrupted())
        for report in self.order.let_go() if self.order is not None else []:
            self.send(Reported(report))

    def work(self) -> None:
        while self.actions:
            assert self.finish is None, "nothing follows the end"
            if self.kill_after is not None and self.done >= self.kill_after:
                raise Killed
            self.done += 1
            self.do(self.actions.popleft())

    def do(self, action: Action) -> None:
        match action:
            case Ask(place):
                self.actions.extend(self.loop.handle(Asked(self.ask(place)), self.clock))
            case Submit(trial, rung, place, new):
                assert trial.number not in self.running, "a trial has one segment at a time"
                stored = self.trials[trial.number]
                assert stored.state == "running", "a trial that ended is not run"
                if new:
                    stored.rung, stored.place = rung, place
                self.running[trial.number] = rung
                if self.order is not None:
                    self.order.submitted(trial.number)
            case Record(report):
                stored = self.trials[report.trial]
                stored.scores[report.epoch] = self.score(report.trial, report.epoch)
                stored.report, stored.rung = report, None
                stop = self.at_rungs == "asked" and stored.quality < 0.5
                recorded = Recorded(report.trial, stored.scores[report.epoch], stop)
                self.actions.extend(self.loop.handle(recorded, self.clock))
            case Tell(report, pruned):
                self.tell(report, pruned)
                self.actions.extend(self.loop.handle(Told(self.record(report.trial)), self.clock))
            case Finish():
                self.finish = action

    def ask(self, place: int) -> AskedTrial | NoTrial:
        number = len(self.trials)
        if number >= self.supply:
            return NoTrial(waits_for_others=self.waits)
        known = [(n, t.state, *t.scores.items()) for n, t in sorted(self.trials.items())]
        draw = random.Random(zlib.crc32(repr(known).encode()))
        self.trials[number] = Stored(draw.random(), place, draw.choice(self.frameworks))
        return self.trials[number].asked(number)

    def tell(self, report: SegmentReport, pruned: bool) -> None:
        stored = self.trials[report.trial]
        assert stored.state == "running", "a trial is told once"
        stored.report, stored.rung = report, None
        stored.state = "fail" if report.failure else "pruned" if pruned else "complete"
        stored.end = sum(trial.end is not None for trial in self.trials.values())
        if report.failure is None:
            stored.scores.setdefault(report.epoch, self.score(report.trial, report.epoch))

    def score(self, number: int, epoch: int) -> float:
        return self.trials[number].quality * (1 - 0.5**epoch)

    def end_one(self, index: int) -> None:
        """The ``index``-th running segment reports."""
        numbers = sorted(self.running)
        number = numbers[index % len(numbers)]
        rung = self.running.pop(number)
        failure = Failure("diverged", "it did", rung) if number in self.fails else None
        self.send(Reported(SegmentReport(number, rung, finished=rung == EPOCHS, failure=failure)))

    def refuse_one(self, index: int) -> None:
        """The ``index``-th running segment can't keep its checkpoint."""
        numbers = sorted(self.running)
        number = numbers[index % len(numbers)]
        del self.running[number]
        failure = Failure("disk", "no room")
        self.send(Reported(SegmentReport(number, 0, failure=failure)))

    def run(self, order: random.Random) -> None:
        while self.finish is None:
            self.clock += 1.0
            self.end_one(order.randrange(1000))

    @property
    def table(self) -> list[tuple[float, str, tuple[tuple[int, float], ...]]]:
        return [
            (trial.quality, trial.state, tuple(sorted(trial.scores.items())))
            for trial in self.trials.values()
        ]

    def may_be_promoted(self) -> list[int]:
        """What waits among the best of its rung, from what is stored alone."""
        paused = {trial.number: trial.rung for trial in self.loop.paused}
        found = []
        for rung in set(paused.values()):
            reached = [n for n, t in self.trials.items() if rung in t.scores and rung < EPOCHS]
            best = sorted(reached, key=lambda n: (-self.trials[n].scores[rung], n))
            found += [n for n in best[: len(reached) // self.ladder.factor] if paused.get(n) == rung]
        return found


@given(
    slots=st.integers(1, 5),
    trials=st.integers(1, 25),
    at_rungs=st.sampled_from(["pass", "wait", "asked"]),
    fails=st.frozensets(st.integers(0, 24), max_size=4),
    seed=st.integers(0, 1000),
)
def test_exactly_so_many_trials_and_no_slot_idle_while_there_is_work(
    slots: int, trials: int, at_rungs: AtRungs, fails: frozenset[int], seed: int
) -> None:
    world = World(Limits(trials), Slots(slots), at_rungs, fails=fails)
    world.launch()
    order = random.Random(seed)
    while world.finish is None:
        if len(world.running) < slots:
            assert len(world.trials) == trials, "a new trial could have been asked for"
            assert world.may_be_promoted() == [], "a trial could have been promoted"
        assert len(world.running) <= slots
        world.end_one(order.randrange(1000))
    assert len(world.trials) == trials
    assert all(trial.end is not None for trial in world.trials.values())
    assert world.finish == Finish(f"{trials} trials are done")
    states = {number for number, trial in world.trials.items() if trial.state == "fail"}
    assert states == {number for number in fails if number < trials}


@given(slots=st.integers(1, 4), trials=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_promoted_trial_was_among_the_best_third_of_its_rung(slots: int, trials: int, seed: int) -> None:
    world = World(Limits(trials), Slots(slots))
    world.launch()
    order = random.Random(seed)
    while world.finish is None:
        before = dict(world.running)
        world.end_one(order.randrange(1000))
        for number, rung in world.running.items():
            if rung > 1 and before.get(number) != rung:
                reached = [t.scores[rung // 3] for t in world.trials.values() if rung // 3 in t.scores]
                better = sum(score > world.trials[number].scores[rung // 3] for score in reached)
                # The very best goes on where nobody else does, so that one trial comes to its end.
                assert better < max(1, len(reached) // 3)
    first = [trial for trial in world.trials.values() if 1 in trial.scores]
    assert len(first) == trials
    if trials >= 27:
        assert any(trial.state == "complete" for trial in world.trials.values())


@given(trials=st.integers(27, 60), slots=st.integers(1, 6), seed=st.integers(0, 1000))
def test_the_best_trial_of_all_is_never_stopped_where_scores_keep_their_order(
    trials: int, slots: int, seed: int
) -> None:
    world = World(Limits(trials), Slots(slots))
    world.launch()
    world.run(random.Random(seed))
    best = max(world.trials.values(), key=lambda trial: trial.quality)
    assert best.state == "complete"


@given(
    at_rungs=st.sampled_from(["pass", "wait", "asked"]),
    ordered=st.booleans(),
    kills=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
def test_killed_before_any_action_it_loses_and_doubles_nothing(
    at_rungs: AtRungs, ordered: bool, kills: list[int], seed: int
) -> None:
    trials = 20
    world = World(Limits(trials), Slots(3), at_rungs, ordered=ordered)
    order = random.Random(seed)
    for actions in kills:
        world.kill_after = world.done + actions
        told = {number: trial.end for number, trial in world.trials.items() if trial.end is not None}
        try:
            world.launch()
            world.run(order)
        except Killed:
            pass
        assert told.items() <= {n: t.end for n, t in world.trials.items()}.items()
    world.kill_after = None
    world.launch()
    if world.finish is None:
        world.run(order)
    assert len(world.trials) == trials
    assert sorted(trial.end or 0 for trial in world.trials.values()) == list(range(trials))


@settings(max_examples=200)
@given(
    at_rungs=st.sampled_from(["pass", "wait", "asked"]),
    kills=st.lists(st.integers(1, 60), max_size=5),
    width=st.integers(1, 5),
    fails=st.frozensets(st.integers(0, 24), max_size=3),
    seed=st.integers(0, 1000),
)
def test_in_order_the_table_is_the_same_whatever_ends_first_and_however_often_it_is_killed(
    at_rungs: AtRungs, kills: list[int], width: int, fails: frozenset[int], seed: int
) -> None:
    undisturbed = World(Limits(25), Slots(width), at_rungs, ordered=True, fails=fails)
    undisturbed.launch()
    undisturbed.run(random.Random(0))
    world = World(Limits(25), Slots(width), at_rungs, ordered=True, fails=fails)
    order = random.Random(seed)
    for actions in [*kills, None]:
        world.kill_after = None if actions is None else world.done + actions
        try:
            world.launch()
            if world.finish is None:
                world.run(order)
        except Killed:
            pass
    assert world.table == undisturbed.table


@given(
    at_rungs=st.sampled_from(["pass", "wait", "asked"]),
    presses=st.lists(st.integers(0, 12), max_size=4),
    width=st.integers(1, 5),
    fails=st.frozensets(st.integers(0, 24), max_size=3),
    seed=st.integers(0, 1000),
)
def test_in_order_the_table_is_the_same_however_often_it_is_interrupted(
    at_rungs: AtRungs, presses: list[int], width: int, fails: frozenset[int], seed: int
) -> None:
    limits = Limits(25, target=0.97)
    undisturbed = World(limits, Slots(width), at_rungs, ordered=True, fails=fails)
    undisturbed.launch()
    undisturbed.run(random.Random(0))
    world = World(limits, Slots(width), at_rungs, ordered=True, fails=fails)
    order = random.Random(seed)
    for ended in presses:
        world.launch()
        for _ in range(ended):
            if world.finish is None:
                world.end_one(order.randrange(1000))
        if world.finish is None:
            running = set(world.running)
            world.interrupt()
            assert set(world.running) <= running, "nothing is begun after Ctrl-C"
        if world.finish is None:
            world.run(order)
    world.launch()
    if world.finish is None:
        world.run(order)
    assert world.table == undisturbed.table


@given(
    at_rungs=st.sampled_from(["pass", "wait", "asked"]),
    ordered=st.booleans(),
    refusals=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_a_disk_that_refuses_a_checkpoint_ends_the_launch_and_costs_no_trial(
    at_rungs: AtRungs, ordered: bool, refusals: list[int], seed: int
) -> None:
    undisturbed = World(Limits(25), Slots(3), at_rungs, ordered=True)
    undisturbed.launch()
    undisturbed.run(random.Random(0))
    world = World(Limits(25), Slots(3), at_rungs, ordered=ordered)
    order = random.Random(seed)
    for ended in refusals:
        world.launch()
        for _ in range(ended):
            world.end_one(order.randrange(1000))
        running = set(world.running)
        while world.finish is None:
            world.refuse_one(order.randrange(1000))
            assert set(world.running) <= running, "nothing is begun on a disk that is full"
        assert world.loop.refused == "no room"
        assert world.finish.reason == NO_CHECKPOINTS
    world.launch()
    world.run(order)
    assert len(world.trials) == 25
    assert {trial.state for trial in world.trials.values()} <= {"complete", "pruned"}
    if ordered:
        assert world.table == undisturbed.table


def test_an_interrupt_on_a_full_disk_is_one_all_the_same() -> None:
    world = World(Limits(25), Slots(3), "pass")
    world.launch()
    world.refuse_one(0)
    assert world.loop.stopping == NO_CHECKPOINTS
    world.send(Interrupted())
    assert world.loop.stopping == INTERRUPTED
    world.refuse_one(0)
    world.send(Interrupted())
    assert world.finish == Finish(STOPPED_AT_ONCE, (0, 1, 2))


@given(ended=st.integers(0, 10), at_rungs=st.sampled_from(["pass", "wait"]))
def test_the_first_interrupt_finishes_what_runs_and_begins_nothing(ended: int, at_rungs: AtRungs) -> None:
    world = World(Limits(), Slots(3), at_rungs)
    world.launch()
    for _ in range(ended):
        world.end_one(0)
    world.send(Interrupted())
    running = set(world.running)
    while world.finish is None:
        world.end_one(0)
        assert set(world.running) <= running
    waiting = tuple(n for n, trial in world.trials.items() if trial.state == "running")
    assert world.finish == Finish(INTERRUPTED, waiting)
    assert (at_rungs == "wait") == bool(waiting)


def test_the_second_interrupt_leaves_what_runs_for_the_next_launch() -> None:
    world = World(Limits(), Slots(3), "pass")
    world.launch()
    world.end_one(1)
    world.send(Interrupted())
    world.send(Interrupted())
    assert world.finish == Finish(STOPPED_AT_ONCE, tuple(sorted(world.running)))
    assert len(world.running) == 3


def test_trials_that_wait_for_promotion_go_on_with_the_next_launch() -> None:
    world = World(Limits(30), Slots(2))
    world.launch()
    for _ in range(12):
        world.end_one(0)
    world.send(Interrupted())
    while world.finish is None:
        world.end_one(0)
    paused = {trial.number: trial.rung for trial in world.loop.paused}
    assert paused
    world.launch()
    again = {trial.number: trial.rung for trial in world.loop.paused} | world.running
    assert set(paused) <= set(again)
    world.run(random.Random(1))
    assert len(world.trials) == 30


def test_a_timeout_counts_every_launch_and_stops_asking_but_not_what_runs() -> None:
    world = World(Limits(timeout=10.0), Slots(2), "pass")
    world.launch()
    world.loop.searched = 4.0
    world.clock = 5.9
    world.send(Tick())
    world.end_one(0)
    assert len(world.running) == 2
    world.clock = 6.0
    world.send(Tick())
    assert world.finish is None
    world.end_one(0)
    world.end_one(0)
    assert world.finish == Finish("10 s are over")


def test_what_waits_when_time_is_up_is_pruned() -> None:
    world = World(Limits(timeout=10.0), Slots(2))
    world.launch()
    for _ in range(5):
        world.end_one(0)
    world.clock = 10.0
    while world.finish is None:
        world.end_one(0)
    assert {trial.state for trial in world.trials.values()} <= {"pruned", "complete"}
    assert world.finish.abandoned == ()


def test_a_study_that_gave_up_tries_as_many_again_when_it_is_launched_all_the_same() -> None:
    world = World(Limits(trials=20, give_up=4), Slots(1), "pass", fails=frozenset(range(6)))
    world.launch()
    world.run(random.Random(0))
    assert world.finish == Finish("the first 4 trials all failed: diverged")
    world.launch()
    world.run(random.Random(0))
    assert world.finish == Finish("20 trials are done")
    assert [number for number, trial in world.trials.items() if trial.state == "fail"] == list(range(6))


def test_a_reached_target_stops_the_search() -> None:
    world = World(Limits(target=0.0), Slots(1), "pass")
    world.launch()
    world.end_one(0)
    assert world.finish == Finish("the target 0 is reached")
    assert len(world.trials) == 1


def test_a_grid_that_is_used_up_still_promotes_and_then_ends_the_search() -> None:
    world = World(Limits(), Slots(3), supply=12)
    world.launch()
    world.run(random.Random(2))
    assert world.finish is not None
    assert world.finish.reason == "every configuration of the grid was tried"
    assert len(world.trials) == 12
    assert sum(3 in trial.scores for trial in world.trials.values()) >= 4


@given(seed=st.integers(0, 500), trials=st.integers(5, 40))
def test_spark_trials_have_slots_of_their_own_and_keep_nobody_from_another(seed: int, trials: int) -> None:
    slots = Slots(2, spark=1)
    world = World(Limits(trials), slots, "pass", frameworks=("tensorflow", "spark"))
    world.launch()
    order = random.Random(seed)
    while world.finish is None:
        kinds = [world.trials[number].framework for number in world.running]
        assert kinds.count("spark") <= 1
        assert kinds.count("tensorflow") <= 2
        ready = [t.asked.configuration.framework for t in world.loop._active.of(Phase.READY)]
        assert len(ready) <= READY_A_SLOT * slots.total
        if kinds.count("tensorflow") < 2:
            full = len(ready) == READY_A_SLOT * slots.total
            assert "tensorflow" not in ready
            assert full or len(world.trials) == trials
        if kinds.count("spark") < 1:
            assert "spark" not in ready
        world.end_one(order.randrange(1000))
    assert len(world.trials) == trials


def test_fewer_slots_take_no_more_and_new_ones_are_filled() -> None:
    world = World(Limits(), Slots(3), "pass")
    world.launch()
    world.send(Resized(Slots(1)))
    world.end_one(0)
    world.end_one(0)
    assert len(world.running) == 1
    world.send(Resized(Slots(4)))
    assert len(world.running) == 4


def test_a_lost_cluster_ends_the_search_and_leaves_its_trials_for_the_next_launch() -> None:
    world = World(Limits(), Slots(2))
    world.launch()
    world.send(Lost("the scheduler went away"))
    assert world.finish == Finish("the scheduler went away", (0, 1))
    assert world.loop.lost


def test_a_trial_whose_end_was_stored_but_not_told_is_told_and_not_run_again() -> None:
    world = World(Limits(2), Slots(1), "pass")
    world.trials[0] = Stored(0.5, 0, report=SegmentReport(0, EPOCHS, finished=True))
    world.launch()
    assert world.trials[0].state == "complete"
    assert world.running == {1: EPOCHS}


def test_a_report_of_a_trial_that_does_not_run_changes_nothing() -> None:
    world = World(Limits(), Slots(1))
    world.launch()
    world.send(Reported(SegmentReport(trial=99, epoch=1)))
    assert set(world.running) == {0}


def test_a_trainer_that_can_not_stop_at_rungs_ends_with_its_first_segment() -> None:
    world = World(Limits(1), Slots(1))
    world.launch()
    world.running.pop(0)
    world.send(Reported(replace(SegmentReport(0, EPOCHS), finished=True)))
    assert world.trials[0].state == "complete"
    assert world.finish is not None


def test_the_first_of_equals_is_best() -> None:
    loop = Loop(Limits(2), Slots(1), 0.0)
    records = [TrialRecord(n, "complete", None, 0, 0.7, None, {}, None, None) for n in range(2)]
    loop.start(records, [], 0.0)
    assert loop.best is records[0]


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_is_its_own(phase: Phase) -> None:
    world = World(Limits(), Slots(2))
    world.launch()
    for _ in range(7):
        world.end_one(0)
    here = {trial.number for trial in world.loop._active.of(phase)}
    others = [
        {trial.number for trial in world.loop._active.of(other)} for other in Phase if other is not phase
    ]
    assert all(not here & other for other in others)


def told(number: int) -> TrialRecord:
    return TrialRecord(number, "complete", None, 0, 0.5, None, {}, None, None)


def asked(number: int) -> AskedTrial:
    return Stored(0.5, 0).asked(number)


def test_while_others_run_what_is_left_it_waits_and_ends_with_their_last_trial() -> None:
    loop = Loop(Limits(4), Slots(2), 0.0)
    assert loop.start([told(0)], [], 0.0) == [Ask(0)]
    assert loop.handle(Asked(asked(1)), 0.0) == [Submit(asked(1), EPOCHS, 0), Ask(1)]
    assert loop.handle(Asked(NoTrial(waits_for_others=True)), 0.0) == []
    assert loop.handle(Tick(), 1.0) == []
    assert loop.handle(Reported(SegmentReport(1, EPOCHS)), 2.0) == [Tell(SegmentReport(1, EPOCHS))]
    assert loop.handle(Told(told(1)), 2.0) == []
    assert loop.handle(OthersFinished((told(2),)), 3.0) == [Ask(1)], "another may have left a trial behind"
    assert loop.handle(Asked(NoTrial(waits_for_others=True)), 3.0) == []
    assert loop.handle(OthersFinished((told(2), told(3))), 4.0) == [Finish("4 trials are done")]


def test_a_trial_that_a_dead_driver_left_goes_on_when_it_is_heard_of() -> None:
    loop = Loop(Limits(2), Slots(1), 0.0)
    loop.start([told(0)], [], 0.0)
    assert loop.handle(Asked(NoTrial(waits_for_others=True)), 0.0) == []
    assert loop.handle(OthersFinished(()), 1.0) == [Ask(0)]
    left = UnfinishedTrial(asked(1), 7, rung=9, report=SegmentReport(1, 3, finished=False))
    assert loop.handle(Asked(left), 1.0) == [Submit(asked(1), 9, 7)]


def test_what_waits_for_promotion_is_pruned_where_only_others_have_trials_left() -> None:
    world = World(Limits(30), Slots(1))
    world.launch()
    for _ in range(4):
        world.end_one(0)
    world.supply = len(world.trials)
    world.waits = True
    while world.running:
        world.end_one(0)
    assert world.loop.paused == []
    assert all(trial.end is not None for trial in world.trials.values())
