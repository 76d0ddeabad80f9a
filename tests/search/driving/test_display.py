from __future__ import annotations

import random
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from search.driving.display import (
    Display,
    LineDisplay,
    LiveDisplay,
    SilentDisplay,
    make_display,
    progress_text,
    trial_line,
)
from search.driving.live_view import live_view, seconds_left
from search.loop.events import Asked, Interrupted, Reported, Told
from search.loop.loop import Loop
from search.loop.slots import Slots
from search.loop.stopping import Limits
from search.words import duration_text
from studies.records.reports import SegmentReport
from studies.records.trials import AskedTrial, TrialRecord
from studies.space.configuration import Configuration
from tests.search import fakes

ADAM = Configuration("tensorflow", "glorot_uniform", "adam", 27, learning_rate=0.00123, batch_size=64)


def loop_of(
    told: list[TrialRecord],
    running: int = 0,
    limits: Limits | None = None,
    started: float = 0.0,
    configuration: Configuration | None = None,
) -> Loop:
    """A loop after these trials; the first of those that run began with it, and each a second later."""
    loop = Loop(limits or Limits(trials=60), Slots(max(1, running)), started)
    loop.start(told, [], started)
    generator = random.Random(0)
    for index in range(running):
        trial = AskedTrial(100 + index, configuration or fakes.draw(generator), 7)
        loop.handle(Asked(trial), started + index)
    assert len(loop.running) == running
    return loop


def shown(
    loop: Loop, now: float, *, finished_here: int = 0, width: int = 80, height: int = 24, cluster: str = ""
) -> str:
    console = Console(file=StringIO(), width=width, height=height, highlight=False)
    console.print(
        live_view(loop, now, "sms-spam", finished_here=finished_here, height=height, cluster=cluster)
    )
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


FAILURES = [
    fakes.failed(40, "diverged", "loss not finite after epoch 3", ADAM),
    fakes.failed(41, "bug", "ValueError: [b]a long\nmessage[/b] " + "x" * 200, ADAM),
]


@pytest.mark.parametrize("told", [[], fakes.trials(30), [*fakes.trials(30), *FAILURES]], ids=len)
@pytest.mark.parametrize("running", [0, 1, 4, 64])
@pytest.mark.parametrize(
    "limits",
    [Limits(trials=60), Limits(60, 1200.0, 0.99), Limits(timeout=60.0), Limits(target=0.99)],
    ids=["trials", "all", "time", "target"],
)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 16), (60, 12)])
def test_the_view_fits_the_terminal(
    told: list[TrialRecord], running: int, limits: Limits, width: int, height: int
) -> None:
    text = shown(loop_of(told, running, limits), 245.0, finished_here=len(told), width=width, height=height)
    lines = text.splitlines()
    assert len(lines) <= height
    assert max(cell_len(line) for line in lines) <= width
    assert "Ctrl-C" in lines[-1]


def test_two_bars_are_equally_long_and_nothing_leaves_two_blank_lines() -> None:
    view = shown(loop_of(fakes.trials(20), 1, Limits(60, 1200.0)), 120.0, finished_here=10)
    ends = {
        line.index(word) + len(word)
        for line in view.splitlines()
        for word in ("60 trials", "20 min 00 s")
        if word in line
    }
    assert len(ends) == 1
    assert "\n\n\n" not in shown(loop_of([], 2), 1.0)


def test_the_view_has_the_count_the_pace_and_the_time_left() -> None:
    text = shown(loop_of(fakes.trials(20)), 120.0, finished_here=10)
    assert "20/60 trials" in text
    assert "5.0 trials/min" in text
    assert "about 8 min 00 s left" in text
    assert "2 min 00 s so far" in text


def test_the_view_has_the_best_trial_with_score_and_configuration() -> None:
    best = fakes.complete(31, 0.987, ADAM)
    text = shown(loop_of([*fakes.trials(10), best]), 10.0)
    assert "0.987  trial 31" in text
    assert ADAM.describe() in text


def test_the_view_has_what_runs_and_for_how_long_the_longest_first() -> None:
    text = shown(loop_of([], running=3), 75.0)
    assert "Running: 3" in text
    lines = [line.split() for line in text.splitlines()]
    rows = [line[:5] for line in lines if line and line[0] in ("100", "101", "102")]
    assert rows == [
        ["100", "1", "min", "15", "s"],
        ["101", "1", "min", "14", "s"],
        ["102", "1", "min", "13", "s"],
    ]


def test_more_trials_than_fit_are_counted() -> None:
    text = shown(loop_of(fakes.trials(5), running=64), 75.0)
    assert "Running: 64 of 64 slots, the 6 longest" in text


def test_the_view_has_what_the_cluster_is_where_somebody_said_it() -> None:
    said = "3 workers at tcp://10.0.0.7:8786, 1.2 GB of memory"
    assert said in shown(loop_of([], running=3), 75.0, cluster=said)
    assert "worker" not in shown(loop_of([], running=3), 75.0)


def test_the_view_has_failures_by_cause_and_the_latest_message_as_it_is() -> None:
    text = shown(loop_of([*fakes.trials(3), *FAILURES]), 10.0)
    assert "Failed: 1 bug, 1 diverged" in text
    assert "bug: ValueError: [b]a long message[/b]" in text


def test_the_hint_follows_what_is_going_on() -> None:
    loop = loop_of([], running=2)
    assert "Ctrl-C: finish what runs; twice: stop now." in shown(loop, 1.0)
    loop.handle(Interrupted(), 1.0)
    assert "Stopping: 2 trials to finish. Ctrl-C again: stop now." in shown(loop, 2.0)
    done = loop_of(fakes.trials(5), running=0, limits=Limits(trials=5))
    assert "5 trials are done: finishing what runs." in shown(done, 2.0)


def test_the_view_does_not_change_the_loop() -> None:
    loop = loop_of(fakes.trials(5), running=2)
    first = shown(loop, 9.0, finished_here=5)
    assert shown(loop, 9.0, finished_here=5) == first


@pytest.mark.parametrize(
    ("limits", "finished_here", "expected"),
    [
        (Limits(trials=60), 0, None),
        (Limits(trials=60), 10, 400.0),
        (Limits(timeout=130.0), 0, 30.0),
        (Limits(trials=60, timeout=130.0), 10, 30.0),
        (Limits(timeout=50.0), 0, 0.0),
        (Limits(target=0.9), 10, None),
    ],
)
def test_the_time_left_is_that_of_the_first_limit_at_this_launch_s_pace(
    limits: Limits, finished_here: int, expected: float | None
) -> None:
    loop = loop_of(fakes.trials(20), limits=limits, started=1000.0)
    assert seconds_left(loop, 1100.0, finished_here) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (245, "4 min 05 s"), (4320, "1 h 12 min")],
)
def test_durations_are_short_and_exact_enough(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_told_trial_is_one_line_with_score_configuration_and_seconds() -> None:
    record = fakes.complete(12, 0.934, ADAM)
    assert trial_line(record) == (
        "trial 12  0.934  tensorflow adam lr 0.00123 batch 64 glorot_uniform 27 epochs  3.2 s"
    )


def test_a_failed_trial_is_one_line_with_its_cause() -> None:
    line = trial_line(FAILURES[1])
    assert line.startswith("trial 41  failed  tensorflow adam")
    assert "bug: ValueError: [b]a long message[/b]" in line
    assert "\n" not in line


def test_lines_count_each_trial_once_whether_the_loop_knows_it_already_or_not() -> None:
    record = fakes.complete(7, 0.99, ADAM)
    earlier = fakes.trials(3)
    assert progress_text(loop_of(earlier), [record]) == "best 0.990, 4/60"
    assert progress_text(loop_of([*earlier, record]), [record]) == "best 0.990, 4/60"
    assert progress_text(None, []) == "none complete, 0"
    unlimited = loop_of([FAILURES[0]], limits=Limits(target=1.0))
    assert progress_text(unlimited, []) == "none complete, 1"


def test_the_line_display_prints_title_notes_and_one_line_a_trial_however_long() -> None:
    console = Console(file=StringIO(), width=40, highlight=False)
    display = LineDisplay(console)
    display.start("sms-spam")
    display.note("reading [the] data")
    loop = loop_of([])
    display.update(loop, 0.0)
    display.trial_finished(fakes.complete(0, 0.5, ADAM))
    display.trial_finished(FAILURES[1])
    display.stop()
    output = console.file
    assert isinstance(output, StringIO)
    lines = output.getvalue().splitlines()
    assert lines[:2] == ["sms-spam", "reading [the] data"]
    assert lines[2].endswith("27 epochs  3.2 s  (best 0.500, 1/60)")
    assert lines[3].endswith("(best 0.500, 2/60)")
    assert len(lines) == 4


def live(height: int = 24) -> tuple[LiveDisplay, StringIO]:
    file = StringIO()
    return LiveDisplay(Console(file=file, force_terminal=True, width=80, height=height)), file


def test_the_live_display_shows_the_state_and_keeps_notes() -> None:
    display, file = live()
    loop = loop_of(fakes.trials(20), running=2)
    display.start("sms-spam")
    display.note("reading the data")
    for record in fakes.trials(6, first=20):
        display.trial_finished(record)
    display.update(loop, 60.0)
    display.stop()
    assert "reading the data" in file.getvalue()
    assert "20/60 trials" in file.getvalue()
    assert "6.0 trials/min" in file.getvalue()


def test_the_live_display_draws_no_oftener_than_a_person_sees() -> None:
    display, file = live()
    loop = loop_of(fakes.trials(20))
    display.start("sms-spam")
    display.update(loop, 60.0)
    once = len(file.getvalue())
    for step in range(9):
        display.update(loop, 60.0 + step / 100)
    assert len(file.getvalue()) == once
    display.update(loop, 60.2)
    assert len(file.getvalue()) > once
    display.stop()


def test_what_comes_after_the_search_takes_the_place_of_the_view() -> None:
    display, file = live()
    display.start("sms-spam")
    display.update(loop_of(fakes.trials(20)), 60.0)
    before = len(file.getvalue())
    display.progress("finalists: 3 of 9 trained")
    assert "finalists: 3 of 9 trained" in file.getvalue()[before:]
    assert "trials/min" not in file.getvalue()[before:]
    display.stop()


def test_a_live_display_can_be_stopped_twice_and_before_it_starts() -> None:
    display, file = live()
    display.stop()
    display.start("sms-spam")
    display.stop()
    shown = file.getvalue()
    display.stop()
    display.update(loop_of([]), 1.0)
    assert file.getvalue() == shown


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_the_live_view_and_everything_else_gets_lines(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert isinstance(make_display(), LiveDisplay if terminal else LineDisplay)


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display(), LineDisplay)


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    display: Display = make_display(quiet=True)
    assert isinstance(display, SilentDisplay)
    display.start("sms-spam")
    display.note("reading the data")
    display.update(loop_of([]), 0.0)
    display.trial_finished(FAILURES[0])
    display.progress("finalists: 3 of 9 trained")
    display.stop()
    assert capsys.readouterr() == ("", "")


def test_the_view_follows_a_loop_through_a_whole_trial() -> None:
    loop = loop_of([], limits=Limits(trials=1))
    loop.handle(Asked(AskedTrial(0, ADAM, 7)), 0.0)
    assert "Running: 1" in shown(loop, 1.0)
    loop.handle(Reported(SegmentReport(0, 27)), 2.0)
    loop.handle(Told(fakes.complete(0, 0.9, ADAM)), 2.0)
    text = shown(loop, 3.0, finished_here=1)
    assert "Running: 0" in text
    assert "1/1 trials" in text
    assert "0.900  trial 0" in text


def test_a_long_configuration_leaves_the_numbers_their_room() -> None:
    long = Configuration(
        "tensorflow",
        "truncated_normal",
        "sgd",
        100,
        0.5,
        0.01,
        256,
        False,
        drop_last_batch=True,
        loss_scale=0.5,
    )
    told = [fakes.complete(1234, 0.875, long)]
    text = shown(loop_of(told, running=1, configuration=long), 65.0)
    assert "100  1 min 05 s  tensorflow sgd" in text
    assert "1234  0.875  tensorflow sgd" in text
