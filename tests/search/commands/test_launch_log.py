"""What a launch logs, where to, and that it never breaks anything."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from search.cli import main
from search.commands.launch_log import LogFile, OnDisplay, launch_log
from search.driving.display import SilentDisplay
from search.driving.logs import CLUSTER, Waiting, WorkersSeen, decided, happened
from search.loop.events import Ask, Asked, Finish, Recorded, Resized, Submit, Tell, Withdrawn
from search.loop.slots import Slots
from studies.records.reports import Failure, SegmentReport
from studies.records.trials import AskedTrial, NoTrial, UnfinishedTrial
from studies.space.configuration import Configuration
from workers.training.analytic_trainer import AnalyticTrainer

Writes = Callable[..., Path]

CONFIGURATION = Configuration("analytic", "he_normal", "adam", 9, learning_rate=0.1, batch_size=32)
ASKED = AskedTrial(4, CONFIGURATION, 3)


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch, study_file: Writes) -> Path:
    """A study in which the first attempt at trial 0 fails."""
    fails, lock = [True], threading.Lock()
    advance = AnalyticTrainer.advance

    def flaky_advance(self: Any, *given: Any) -> Any:
        with lock:
            first = fails.pop() if fails else False
        if first:
            raise ZeroDivisionError("a mistake in the trainer")
        return advance(self, *given)

    monkeypatch.setattr(AnalyticTrainer, "advance", flaky_advance)
    return study_file(slots="slots = 1", trials="trials = 2", append="\n[retry]\nbug = 1\n")


def test_a_retried_failure_leaves_its_cause_its_message_and_its_traceback(flaky: Path) -> None:
    done = CliRunner().invoke(main, ["launch", str(flaky)])
    assert done.exit_code == 0, done.output
    assert "mistake" not in done.output, "it succeeded in the end: a person needn't see it"
    text = (flaky.parent / ".search" / "launch.log").read_text()
    line = re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING search.driving: trial 0: attempt 1 failed, and is "
        r"run again: bug: ZeroDivisionError: a mistake in the trainer$",
        text,
        re.MULTILINE,
    )
    assert line, text
    assert text[line.end() :].startswith("\nTraceback (most recent call last):")
    assert "in flaky_advance" in text
    for words in (
        "trial 0: sampled, analytic",
        "trial 1: train to epoch 9",
        "trial 1: store its end, complete",
    ):
        assert f"DEBUG search.loop: {words}" in text
    assert "INFO search.loop: the search ends: 2 trials are done" in text


@pytest.mark.parametrize("options", [["--verbose"], ["--verbose", "--quiet"]])
def test_verbose_shows_it_on_stderr(
    flaky: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["launch", str(flaky), *options])
    assert not ended.value.code
    shown = capfd.readouterr()
    assert re.search(
        r"^\d\d:\d\d:\d\d trial 0: attempt 1 failed, and is run again: bug", shown.err, re.MULTILINE
    )
    assert "sampled" not in shown.err, "decisions are for the file"
    assert "attempt 1" not in shown.out


def test_above_a_live_view_it_is_printed_whole() -> None:
    program = (
        "import logging, sys\n"
        "from rich.console import Console\n"
        "from search.commands.launch_log import OnDisplay\n"
        "from search.driving.display import LiveDisplay\n"
        "display = LiveDisplay(Console(file=sys.stderr, force_terminal=True, width=60))\n"
        "log = logging.getLogger('search.driving'); log.setLevel('DEBUG')\n"
        "log.addHandler(OnDisplay(display))\n"
        "display.start('a study')\n"
        "log.info('trial %d: %s', 3, 'x' * 100)\n"
        "display.progress('going on')\n"
        "display.stop()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"trial 3: {'x' * 100}\n" in done.stderr.replace("\r\n", "\n")
    assert done.stderr.index("trial 3") < done.stderr.index("going on")


def test_importing_the_packages_installs_no_handler() -> None:
    program = (
        "import logging, search.commands.launch, studies.opening\n"
        "handlers = logging.getLogger('search').handlers\n"
        "assert [type(one).__name__ for one in handlers] == ['NullHandler'], handlers\n"
        "assert not logging.getLogger().handlers\n"
        "logging.getLogger('search.storage').error('nobody asked for it')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_handlers_are_gone_once_the_command_is_over(tmp_path: Path) -> None:
    before = list(logging.getLogger("search").handlers), logging.getLogger("search").level
    with pytest.raises(ZeroDivisionError), launch_log(tmp_path / "small.toml", quiet=True, verbose=True):
        raise ZeroDivisionError
    assert (list(logging.getLogger("search").handlers), logging.getLogger("search").level) == before
    assert list(tmp_path.iterdir()) == [], "nothing was logged"


def test_lines_of_many_threads_and_of_libraries_are_never_torn(tmp_path: Path) -> None:
    path = tmp_path / "launch.log"
    handler = LogFile(path)
    logger = logging.Logger("search.test")
    logger.addHandler(handler)
    other = os.open(path, os.O_WRONLY | os.O_APPEND)

    def write(number: int) -> None:
        for place in range(200):
            logger.info("trial %d: %d %s", number, place, "x" * 300)
            os.write(other, b"from a library\n")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    os.close(other)
    lines = path.read_text().splitlines()
    assert len(lines) == 1600
    form = re.compile(r"from a library|\d{4}-[\d: ,-]+ INFO search.test: trial \d: \d+ x{300}")
    assert all(form.fullmatch(line) for line in lines)


def test_the_log_begins_again_once_it_is_long_and_who_appends_goes_on_there(tmp_path: Path) -> None:
    path = tmp_path / "launch.log"
    handler = LogFile(path, most=10_000)
    library = os.open(path, os.O_WRONLY | os.O_APPEND)
    logger = logging.Logger("search.test")
    logger.addHandler(handler)
    for number in range(1000):
        logger.info("record %d", number)
        os.write(library, b"from a library\n")
        assert path.stat().st_size <= 10_100
    handler.close()
    os.close(library)
    before, now = path.with_name("launch.log.1").read_text(), path.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["launch.log", "launch.log.1"]
    assert "record 999" in now
    assert "from a library" in now
    last, first = re.findall(r"record (\d+)", before)[-1], re.findall(r"record (\d+)", now)[0]
    assert int(first) == int(last) + 1, "none was lost on the way"


def test_a_full_disk_loses_records_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "launch.log").symlink_to("/dev/full")
    handler = LogFile(tmp_path / "launch.log")
    logger = logging.Logger("search.test")
    logger.addHandler(handler)
    logger.error("nobody will read this")
    handler.close()
    logger.error("nor this: it is closed")


def test_a_display_that_is_gone_loses_records_and_nothing_else() -> None:
    class Gone(SilentDisplay):
        def note(self, text: str) -> None:
            raise ValueError(f"I/O operation on closed file: {text}")

    logger = logging.Logger("search.test")
    logger.addHandler(OnDisplay(Gone()))
    logger.error("nobody will read this")


def test_a_message_that_can_not_be_made_breaks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = LogFile(tmp_path / "launch.log")
    logger = logging.Logger("search.test")
    logger.addHandler(handler)
    logger.error("%d", "no number")
    logger.error("after it: \udcff")
    handler.close()
    assert (tmp_path / "launch.log").read_text().endswith("after it: \\udcff\n")
    assert capsys.readouterr().err == ""


def test_workers_that_come_and_go_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", CLUSTER.name)
    seen = WorkersSeen()
    for there in (["a", "b"], ["a", "b"], ["b", "c"], []):
        seen.look(there)
    assert [record.getMessage() for record in caplog.records] == [
        "the worker a has come; there are 2",
        "the worker b has come; there are 2",
        "the worker a is gone; there are 2",
        "the worker c has come; there are 2",
        "the worker b is gone; there are 0",
        "the worker c is gone; there are 0",
    ]


def test_a_wait_is_logged_as_it_begins_and_as_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", CLUSTER.name)
    wait = Waiting("the scheduler")
    for now, waits in enumerate([False, True, True, True, False, False]):
        wait.see(waits, float(now))
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for the scheduler",
        "waited 3.0 s for the scheduler",
    ]


FAILED = SegmentReport(4, 1, failure=Failure("diverged", "so it was"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (decided(Ask(7)), "segment 7: sample a trial"),
        (decided(Submit(ASKED, 9, 7)), "trial 4: train to epoch 9, segment 7"),
        (decided(Tell(FAILED)), "trial 4: store its end, failed: diverged"),
        (decided(Tell(SegmentReport(4, 3), pruned=True)), "trial 4: store its end, pruned after epoch 3"),
        (decided(Finish("60 trials are done")), "the search ends: 60 trials are done"),
        (happened(Asked(ASKED)), f"trial 4: sampled, {CONFIGURATION.describe()}, seed 3"),
        (happened(Asked(UnfinishedTrial(ASKED, 2))), f"trial 4: taken over, {CONFIGURATION.describe()}"),
        (happened(Asked(NoTrial(waits_for_others=False))), "no trial to sample"),
        (happened(Recorded(4, 0.5, stop=True)), "trial 4: scored 0.5000, and the pruner stops it"),
        (happened(Withdrawn((3, 4))), "withdrawn before they began: trials 3, 4"),
        (happened(Withdrawn(())), ""),
        (happened(Resized(Slots(2))), "slots: 2 TRIAL"),
    ],
)
def test_decisions_name_the_trial(words: str, said: str) -> None:
    assert words == said
