"""Whether a task waits, runs or hangs, for all that its scheduler knows."""

from __future__ import annotations

from dataclasses import replace

from search.driving.runs import STRANDED_SECONDS, WATCHDOG_SECONDS, Run
from search.loop.attempts import Attempt
from studies.space.configuration import Configuration
from workers.task import Segment
from workers.tenants import Task

CONFIGURATION = Configuration("analytic", "he_normal", "adam", epochs=9, learning_rate=0.1, batch_size=16)
SEGMENT = Segment("small", 4, CONFIGURATION, 3, (9,), (4,), "f1", "/data", None, 9, trial_timeout=60.0)
PATIENCE = 60.0 + WATCHDOG_SECONDS


def run() -> Run:
    return Run(SEGMENT, Attempt(), 1000.0, "TRIAL", waited=1000.0)


def test_the_time_of_one_that_waits_has_not_begun() -> None:
    one = run()
    for now in range(1000, 9000, 50):
        one.note(Task("tcp://a", None, 0.5), now, has_workers=True)
        assert not one.is_overdue(now)
    one.note(Task("tcp://a", 10.0, 0.5), 9000.0, has_workers=True)
    assert not one.is_overdue(8990.0 + PATIENCE)
    assert one.is_overdue(8990.0 + PATIENCE + 0.1)
    assert one.begun


def test_its_time_is_counted_from_its_beginning_however_late_that_is_heard_of() -> None:
    one = run()
    one.note(Task("tcp://a", PATIENCE + 1.0, 0.5), 1000.0 + PATIENCE + 1.0, has_workers=True)
    assert one.is_overdue(1000.0 + PATIENCE + 1.0)


def test_one_of_which_nothing_is_heard_is_not_waited_for_for_ever() -> None:
    one = run()
    assert not one.is_overdue(1000.0 + PATIENCE)
    one.note(Task("tcp://a", None, WATCHDOG_SECONDS + 1.0), 1000.0 + PATIENCE, has_workers=True)
    assert one.is_overdue(1000.0 + PATIENCE + 0.1)
    assert one.silent


def test_without_a_limit_nothing_is_overdue() -> None:
    one = run()
    one.segment = replace(SEGMENT, trial_timeout=None)
    assert not one.is_overdue(1e9)


def test_one_that_no_worker_takes_though_there_are_some_is_stranded() -> None:
    one = run()
    one.note(Task("", None, 0.0), 1000.0, has_workers=False)
    assert not one.is_stranded(2000.0)
    one.note(Task("", None, 0.0), 2000.0, has_workers=True)
    one.note(Task("", None, 0.0), 2001.0, has_workers=True)
    assert not one.is_stranded(2000.0 + STRANDED_SECONDS)
    assert one.is_stranded(2000.0 + STRANDED_SECONDS + 0.1)
    one.note(Task("tcp://b", None, 0.0), 2011.0, has_workers=True)
    assert not one.is_stranded(9000.0)


def test_only_one_that_is_not_known_to_have_begun_may_have_waited() -> None:
    one = run()
    assert not one.may_have_waited(shared=False)
    assert one.may_have_waited(shared=True)
    one.note(Task("tcp://a", 1.0, 0.0), 1001.0, has_workers=True)
    assert not one.may_have_waited(shared=True)
