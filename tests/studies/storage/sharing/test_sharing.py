"""Several drivers on one study: whose a trial is, who is there, and that a turn is one driver's alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from studies.errors import StorageError, StorageLostError
from studies.processes import started as started_at
from studies.records.trials import AskedTrial, NoTrial, TrialRecord, UnfinishedTrial
from studies.storage.locations import locate
from studies.storage.sharing import sharing, turns
from studies.storage.sharing.drivers import SILENT_SECONDS, Watch, is_dead_process, this_driver
from studies.storage.sharing.shared_memory import SharedStudyMemory
from studies.storage.sharing.sharing import Shared
from studies.storage.sharing.turns import in_turn, lock_key
from studies.storage.storage import open_storage
from studies.storage.writers.patience import Patience
from studies.store.asking import Asking, Left
from studies.store.store import StudyStore
from studies.stored_study import ask_to_stop, read_study
from studies.study_file import StudyFile, read_study_file
from tests.postgres import Server
from tests.studies.storage.writers.test_patience import away
from tests.studies.test_store import good_report, opened

Opens = Callable[[], StudyStore]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=60))
def test_a_driver_that_beats_is_never_silent_and_one_that_does_not_is_after_a_while(
    steps: list[float],
) -> None:
    watch, now = Watch(silent_after=5.0, most_a_look=1.0), 0.0
    counted = 0.0
    watch.look({"beats": 0, "stands still": 7}, now)
    for beat, step in enumerate(steps, start=1):
        now += step
        counted += min(step, 1.0)
        watch.look({"beats": beat, "stands still": 7}, now)
        assert not watch.is_silent("beats")
        assert watch.is_silent("stands still") == (counted >= 5.0)


def test_a_time_in_which_nobody_could_look_makes_nobody_silent() -> None:
    watch = Watch(silent_after=20.0, most_a_look=3.0)
    watch.look({"other": 1}, 0.0)
    watch.look({"other": 1}, 500.0)
    assert not watch.is_silent("other")


def test_a_driver_that_comes_back_is_heard_again() -> None:
    watch = Watch(silent_after=2.0, most_a_look=3.0)
    for now, beat in enumerate([1, 1, 1, 1, 2]):
        watch.look({"other": beat}, float(now))
    assert not watch.is_silent("other")


def test_the_process_of_this_machine_is_known_to_be_dead_and_no_other() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = started_at(child.pid) or 0
        record = replace(this_driver(), pid=child.pid, started=started)
        assert not is_dead_process(record)
        assert is_dead_process(replace(record, started=started - 100))  # its number was used before
    assert is_dead_process(record)
    assert not is_dead_process(replace(record, kernel="another machine's"))
    assert not is_dead_process(replace(record, kernel=""))


def test_lock_keys_are_signed_numbers_of_64_bits() -> None:
    keys = {lock_key(f"study {number}") for number in range(100)}
    assert len(keys) == 100
    assert all(-(2**63) <= key < 2**63 for key in keys)


@pytest.fixture
def file(postgres: Server, study_file: Callable[..., Path]) -> StudyFile:
    return read_study_file(study_file(append=f'\n[storage]\nurl = "{postgres.database()}"\n'))


@pytest.fixture
def opens(file: StudyFile) -> Iterator[Opens]:
    """Opens the study for one more driver; all are closed in the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(opened(file))


def as_written(record: TrialRecord) -> TrialRecord:
    """Without its times: who writes a trial has them by its own clock, a moment before the database."""
    return replace(record, started=None, completed=None)


def sharing_of(store: StudyStore) -> Shared:
    assert isinstance(store.trials._sharing, Shared)
    return store.trials._sharing


def memory_of(store: StudyStore) -> SharedStudyMemory:
    memory = store.trials._memory
    assert isinstance(memory, SharedStudyMemory)
    return memory


def on_another_machine(store: StudyStore) -> None:
    """From its next beat on, its process can't be looked for."""
    sharing = sharing_of(store)
    sharing.me = replace(sharing.me, kernel="another machine's")
    sharing._beat()


def on_a_clock(store: StudyStore) -> Clock:
    clock = Clock()
    sharing_of(store)._clock = clock
    sharing_of(store)._next_beat = 0.0
    return clock


def until_silent(store: StudyStore, clock: Clock) -> None:
    for _ in range(int(SILENT_SECONDS) + 2):
        clock.now += 1.0
        assert store.trials.news() == []


def ask(store: StudyStore) -> AskedTrial:
    """Draw a trial, or take up one that another driver left."""
    trial = store.trials.ask()
    assert not isinstance(trial, NoTrial)
    return plain(trial)


def plain(trial: AskedTrial | UnfinishedTrial) -> AskedTrial:
    return trial.asked if isinstance(trial, UnfinishedTrial) else trial


def taken_up(store: StudyStore) -> list[AskedTrial]:
    return [left.asked for left in store.trials.unfinished()]


@pytest.mark.slow
def test_no_more_trials_are_asked_than_the_study_has(opens: Opens) -> None:
    one, other = opens(), opens()
    asked = [ask(store).number for store in (one, other, one, one, other, one)]
    assert asked == list(range(6))
    assert one.trials.ask() == other.trials.ask() == NoTrial(waits_for_others=True)


@pytest.mark.slow
def test_drivers_that_begin_together_draw_different_configurations(opens: Opens) -> None:
    one, other = opens(), opens()
    drawn = {ask(store).configuration.learning_rate for store in (one, other, one, other)}
    assert len(drawn) == 4


@pytest.mark.slow
def test_a_living_drivers_trials_are_left_alone_and_those_of_one_that_ended_are_taken_up(
    file: StudyFile, opens: Opens
) -> None:
    other = opens()
    with opened(file) as one:
        first, second = ask(one), ask(one)
        assert taken_up(other) == []
    assert taken_up(other) == [first, second]
    assert taken_up(other) == []


@pytest.mark.slow
def test_a_gone_drivers_trials_are_taken_up_by_one_of_those_that_were_there_before(
    file: StudyFile, opens: Opens
) -> None:
    """Who looks later remembers them as the gone driver's, which they are not any more."""
    with opened(file) as gone:
        left = [ask(gone) for _ in range(4)]
        one, other, third = opens(), opens(), opens()
        assert taken_up(one) == taken_up(other) == taken_up(third) == []
    assert ask(one) == left[0]
    assert ask(other) == left[1]
    assert taken_up(third) == left[2:]
    assert taken_up(one) == taken_up(other) == []
    assert [ask(one).number, ask(other).number] == [4, 5]


@pytest.mark.slow
def test_what_waits_at_a_rung_is_taken_up_by_a_turn_that_is_done_again(
    file: StudyFile, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(file) as gone:
        left = [ask(gone) for _ in range(2)]
        gone.trials.record(replace(good_report(left[0].number, 0.25), epoch=3, finished=False))
    store = opens()
    take_up_all = Asking.take_up_all
    turns_taken = []

    def lost_at_the_end(asking: Asking) -> list[Left]:
        found = take_up_all(asking)
        turns_taken.append(len(found))
        if len(turns_taken) == 1:
            raise away()
        return found

    monkeypatch.setattr(Asking, "take_up_all", lost_at_the_end)
    assert taken_up(store) == left
    assert turns_taken == [2, 2]
    assert store.trials.news() in (None, [])


@pytest.mark.slow
def test_trials_that_could_not_be_read_in_a_turn_are_read_in_the_next(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = opens(), opens()
    asked = [ask(one).number for _ in range(3)]
    writer = memory_of(other)._shared
    read, lost = writer.read, []

    def lost_once(trial_ids: Collection[int] | None = None) -> list[FrozenTrial]:
        if not lost:
            lost.append(trial_ids)
            raise away()
        return read(trial_ids)

    monkeypatch.setattr(writer, "read", lost_once)
    assert [ask(other).number for _ in range(3)] == [3, 4, 5]
    assert lost
    assert isinstance(other.trials.ask(), NoTrial)
    assert [record.number for record in other.trials.records()] == [*asked, 3, 4, 5]


@pytest.mark.slow
def test_a_trial_whose_turn_was_lost_after_a_person_made_one_is_asked_once_under_its_own_number(
    opens: Opens, monkeypatch: pytest.MonkeyPatch, file: StudyFile, tmp_path: Path
) -> None:
    store = opens()
    memory = memory_of(store)
    person = open_storage(locate(file.study.storage.url, "small", tmp_path))
    drafting, store_draft, lost = memory.drafting, memory.store, []

    def made_by_a_person_meanwhile() -> Any:
        if not lost:
            person.optuna.create_new_trial(memory._writer.study_id, create_trial(state=TrialState.FAIL))
        return drafting()

    def lost_once(trial_id: int) -> int:
        stored = store_draft(trial_id)
        if not lost:
            lost.append(memory.get_trial(stored).number)
            raise away()
        return stored

    monkeypatch.setattr(memory, "store", lost_once)
    monkeypatch.setattr(memory, "drafting", made_by_a_person_meanwhile)
    assert ask(store).number == 1
    assert lost == [1]
    assert ask(store).number == 2
    assert [record.state for record in store.trials.records()] == ["fail", "running", "running"]
    person.close()


@pytest.mark.slow
def test_a_trial_that_is_told_while_it_is_taken_over_is_left_alone(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, other = opens(), opens()
    on_another_machine(stalled)
    first, second = ask(stalled), ask(stalled)
    clock = on_a_clock(other)
    until_silent(other, clock)
    take = SharedStudyMemory.take
    told: list[TrialRecord] = []

    def told_before(memory: SharedStudyMemory, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        if not told:
            told.append(stalled.trials.tell(good_report(first.number, 0.75)))
        return take(memory, *arguments, **options)

    monkeypatch.setattr(SharedStudyMemory, "take", told_before)
    assert ask(other) == second
    assert [record.state for record in other.trials.records()] == ["complete", "running"]


@pytest.mark.slow
def test_a_silent_drivers_trials_are_taken_up_and_the_first_to_tell_wins(opens: Opens) -> None:
    stalled, other = opens(), opens()
    on_another_machine(stalled)
    trial = ask(stalled)
    clock = on_a_clock(other)
    assert other.trials.news() == []
    assert ask(other).number == 1
    until_silent(other, clock)
    assert ask(other) == trial
    told = other.trials.tell(good_report(trial.number, 0.75))
    assert as_written(stalled.trials.tell(good_report(trial.number, 0.5))) == as_written(told)
    assert told.value == 0.75


@pytest.mark.slow
def test_a_driver_hears_of_what_the_others_told_and_not_of_its_own(opens: Opens) -> None:
    one, other = opens(), opens()
    clock = on_a_clock(one)
    mine, theirs = ask(one), ask(other)
    one.trials.tell(good_report(mine.number))
    told = other.trials.tell(good_report(theirs.number))
    clock.now += 1.0
    (heard,) = one.trials.news() or ()
    assert as_written(heard) == as_written(told)
    assert one.trials.news() is None, "it is not time to look again"
    clock.now += 1.0
    assert one.trials.news() == []


@pytest.mark.slow
def test_what_several_drivers_say_of_themselves_stands_side_by_side(opens: Opens, file: StudyFile) -> None:
    one, other = opens(), opens()
    for store, seconds in ((one, 7.0), (other, 5.0)):
        store.launch.begin()
        store.launch.keep_status(seconds, {"at": f"2026-01-01T00:00:0{seconds:.0f}+00:00", "pid": seconds})
    found = read_study(file)
    assert [said["pid"] for said in found.statuses] == [5.0, 7.0]
    assert found.seconds == 7.0, "the study's time went back"
    ask_to_stop(found, now=False)
    third = opens()
    third.launch.begin()
    assert one.launch.stops_asked_for() == 1, "a driver that joins has taken back a wish to stop"
    leads = [one.launch.end("interrupted"), third.launch.end("interrupted")]
    found = read_study(file)
    assert (found.ended, [said["pid"] for said in found.statuses]) == ("", [5.0])
    leads.append(other.launch.end("6 trials are done"))
    assert leads == [False, False, True]
    found = read_study(file)
    assert (found.ended, [said["pid"] for said in found.statuses]) == ("6 trials are done", [5.0])
    again = opens()
    again.launch.begin()
    assert read_study(file).statuses == ()


@pytest.mark.slow
def test_the_seeds_of_repeats_are_counted_over_all_drivers(
    postgres: Server, study_file: Callable[..., Path]
) -> None:
    url = postgres.database()
    path = study_file(learning_rate="learning_rate = 0.1", batch_size="batch_size = 16",
                      initialisation='initialisation = "he_normal"',
                      append=f'\n[storage]\nurl = "{url}"\n\n[sampler]\nkind = "random"\n')  # fmt: skip
    file = read_study_file(path)
    seeds: dict[str, list[int]] = {}
    with opened(file) as one, opened(file) as other:
        for store in (one, other, other, one, other, one):
            trial = ask(store)
            seeds.setdefault(trial.configuration.key(), []).append(trial.seed)
    assert sum(map(len, seeds.values())) == 6
    for drawn in seeds.values():
        assert drawn == list(range(3, 3 + len(drawn)))


@pytest.mark.slow
def test_a_grid_and_what_is_enqueued_are_drawn_once_by_all_drivers_together(
    postgres: Server, study_file: Callable[..., Path]
) -> None:
    storage = f'\n[storage]\nurl = "{postgres.database()}"\n'
    enqueued = "\n[[enqueue]]\nbatch_size = 32\nlearning_rate = 0.1\n"
    path = study_file(
        learning_rate="learning_rate = [0.1, 0.01]",
        trials="trials = 100",
        append=f'{storage}\n[sampler]\nkind = "grid"\n{enqueued}',
    )
    file = read_study_file(path)
    with opened(file) as one, opened(file) as other:
        asked = [ask(store) for _ in range(8) for store in (one, other)]
        assert one.trials.ask() == NoTrial(waits_for_others=True), "the other may leave its trials behind"
        for trial in asked[1::2]:
            other.trials.tell(good_report(trial.number))
        assert one.trials.ask() == NoTrial()
    assert len({trial.configuration for trial in asked}) == 16
    assert asked[0].configuration.batch_size == 32


@pytest.mark.slow
def test_fresh_is_refused_while_another_driver_beats_and_not_when_it_is_gone(
    file: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "BEAT_SECONDS", 0.05)
    with opened(file) as one:
        on_another_machine(one)
        ended = threading.Event()
        beating = threading.Thread(
            target=lambda: [one.trials.news() for _ in iter(lambda: ended.wait(0.02), True)]
        )
        beating.start()
        try:
            with (
                pytest.raises(StorageError, match=f"process {sharing_of(one).me.pid} on "),
                opened(file, fresh=True),
            ):
                pass
        finally:
            ended.set()
            beating.join()
        ask(one)
        monkeypatch.setattr(Watch, "is_silent", lambda _watch, _driver: True)
        with opened(file, fresh=True) as other:
            assert other.trials.records() == []


@pytest.mark.slow
def test_a_turn_is_one_drivers_alone(postgres: Server, tmp_path: Path) -> None:
    url = postgres.database()
    inside: list[int] = []
    most = []

    def work(_connection: object) -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.002)  # long enough for the others to come in, if they could
        inside.pop()

    def take_turns() -> None:
        storage = open_storage(locate(url, "small", tmp_path))
        for _ in range(15):
            in_turn(storage, "study small", work)
        storage.close()

    with turns.opening(locate(url, "small", tmp_path)):
        open_storage(locate(url, "small", tmp_path)).close()
    threads = [threading.Thread(target=take_turns) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 45


@pytest.mark.slow
def test_the_server_ends_the_turn_of_a_driver_that_was_stopped_in_it(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 1)
    url = postgres.database()
    stopped, going_on = threading.Event(), threading.Event()
    taken: list[int] = []

    def stop(_connection: object) -> None:
        taken.append(1)
        stopped.set()
        assert going_on.wait(60)

    def take_turn() -> None:
        storage = open_storage(locate(url, "small", tmp_path))
        in_turn(storage, "study small", stop)
        storage.close()

    thread = threading.Thread(target=take_turn)
    thread.start()
    assert stopped.wait(60)
    storage = open_storage(locate(url, "small", tmp_path))
    assert in_turn(storage, "study small", lambda _: "mine") == "mine"
    storage.close()
    going_on.set()
    thread.join()
    assert taken == [1, 1], "what was done without the turn is done again"


@pytest.mark.slow
def test_an_ask_whose_server_is_restarted_before_its_end_is_done_once(
    postgres: Server, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opens()
    settle = Asking._settle
    restarts = []

    def restarted(asking: Asking, trial: Trial, place: int) -> tuple[AskedTrial, Trial]:
        if not restarts:
            restarts.append(postgres.stop())
            postgres.start()
        return settle(asking, trial, place)

    monkeypatch.setattr(Asking, "_settle", restarted)
    assert ask(store).number == 0
    assert [record.state for record in store.trials.records()] == ["running"]
    assert ask(store).number == 1


@pytest.mark.slow
def test_a_server_that_does_not_come_back_is_one_error_with_what_to_do(
    postgres: Server, opens: Opens
) -> None:
    store = opens()
    trial = ask(store)
    guard = sharing_of(store)._storage.guard
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    guard.patience = Patience(60.0, clock, sleep)
    postgres.stop()
    try:
        with pytest.raises(StorageLostError, match="bring the server back and launch again") as raised:
            store.trials.tell(good_report(trial.number))
        assert raised.value.exit_code == 1
        assert "postgres@" in raised.value.where
        with pytest.raises(StorageLostError):
            store.trials.ask()
        assert clock.now >= 120.0
    finally:
        postgres.start()
    guard.patience = Patience()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of", "hangs", "left"), [(Shared, "has_room", 6), (Shared, "own", 6), (SharedStudyMemory, "store", 6)]
)
def test_a_driver_that_hung_in_its_turn_asks_for_none_too_many(
    opens: Opens, monkeypatch: pytest.MonkeyPatch, of: type, hangs: str, left: int
) -> None:
    """Before its turn's end a trial is none, also where it was created: the next turn draws it anew."""
    one, other = opens(), opens()
    monkeypatch.setattr(turns, "TURN_SECONDS", 1)
    hung, going_on = threading.Event(), threading.Event()
    method = getattr(of, hangs)

    def hang(hanging: object, *arguments: object) -> object:
        result = method(hanging, *arguments)
        if hanging in (sharing_of(one), one.trials._memory) and not hung.is_set():
            hung.set()
            assert going_on.wait(60)
        return result

    monkeypatch.setattr(of, hangs, hang)
    asked: list[AskedTrial | UnfinishedTrial | NoTrial] = []
    thread = threading.Thread(target=lambda: asked.append(one.trials.ask()))
    thread.start()
    assert hung.wait(60)
    numbers = [ask(other).number for _ in range(left)]
    assert isinstance(other.trials.ask(), NoTrial)
    going_on.set()
    thread.join()
    numbers += [plain(trial).number for trial in asked if not isinstance(trial, NoTrial)]
    assert sorted(numbers) == list(range(6))
    assert len(one.trials.records()) == 6
