"""With ``reproducible`` a study file gives one table, whatever ends first and however often it is stopped."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from search import launch
from search.driving.display import SilentDisplay
from search.reporting.report import StudyReport
from studies.storage.memory import StudyMemory
from tests.conftest import SMALL, write_rows
from workers.training.analytic_trainer import AnalyticTrainer

Table = list[tuple[Any, ...]]

TRIALS = 16

PRUNERS = ["none", "asha", "median", "hyperband"]

DRAWS = ("create_new_trial", "set_trial_param")
"""Writes in the middle of a draw."""

OTHERS = ("set_trial_state_values", "set_trial_intermediate_value", "set_trial_user_attr")


class Killed(BaseException):
    """The driver dies at a write, as with ``kill -9``: nothing is cleaned up in storage."""


def written(directory: Path, pruner: str, slots: int = 2) -> Path:
    directory.mkdir(exist_ok=True)
    write_rows(directory)
    path = directory / "small.toml"
    text = SMALL.replace("trials = 6", f"trials = {TRIALS}\nreproducible = true\nwidth = 3")
    text = text.replace("slots = 2", f"slots = {slots}")
    path.write_text(
        f'{text}\n[sampler]\nstartup_trials = 3\n[pruner]\nkind = "{pruner}"\nstartup_trials = 2\n'
    )
    return path


def table(result: StudyReport) -> Table:
    return [
        (r.number, r.state, r.configuration, r.seed, r.value, dict(r.rung_scores)) for r in result.records
    ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Table]:
    """The table of a study with one slot, that nobody stops; made once a pruner."""
    made: dict[str, Table] = {}

    def of(pruner: str) -> Table:
        if pruner not in made:
            path = written(tmp_path_factory.mktemp(pruner), pruner, slots=1)
            made[pruner] = table(launch(path, display=SilentDisplay()))
        return made[pruner]

    return of


@pytest.fixture
def any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments take unequal milliseconds, so that they end in another order than they began."""
    advance, draw = AnalyticTrainer.advance, random.Random(1)

    def delayed(self: Any, *arguments: Any) -> Any:
        time.sleep(draw.choice([0.0, 0.0, 0.05]))
        return advance(self, *arguments)

    monkeypatch.setattr(AnalyticTrainer, "advance", delayed)


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_number_of_workers_and_who_ends_first_change_nothing(
    pruner: str, undisturbed: Callable[[str], Table], tmp_path: Path
) -> None:
    expected = undisturbed(pruner)
    assert len(expected) == TRIALS
    if pruner != "none":
        assert any(state == "pruned" for _, state, *_ in expected)
    found = table(launch(written(tmp_path / "four", pruner, slots=4), display=SilentDisplay()))
    assert found == expected


@dataclass
class Interrupting(SilentDisplay):
    """Presses Ctrl-C when so many segments were handed out."""

    after: int
    presses: int
    pressed: bool = False

    def update(self, loop: Any, now: float) -> None:  # noqa: ARG002  the display's own signature
        if not self.pressed and len(loop.finished) + len(loop.paused) >= self.after:
            self.pressed = True
            for _ in range(self.presses):
                signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_stopped_and_launched_again_it_gives_the_same_table(
    pruner: str, presses: int, undisturbed: Callable[[str], Table], tmp_path: Path
) -> None:
    path = written(tmp_path / "stopped", pruner)
    for after in (4, 9):
        launch(path, display=Interrupting(after, presses))
    assert table(launch(path, display=SilentDisplay())) == undisturbed(pruner)


def dying(patch: pytest.MonkeyPatch, at: int, *writes: str, before: bool = False) -> None:
    """Let the ``at``-th of these writes to a trial kill the driver, ahead of it or right after it."""
    done = count(1)

    def wrapped(write: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
            fatal = next(done) == at
            if fatal and before:
                raise Killed
            answer = write(self, *arguments, **options)
            if fatal:
                raise Killed
            return answer

        return guarded

    for name in writes:
        patch.setattr(StudyMemory, name, wrapped(getattr(StudyMemory, name)))


def kill(path: Path, at: int, *writes: str, before: bool = False) -> None:
    """Launch a study whose driver dies at that write."""
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, at, *writes, before=before)
        with pytest.raises(Killed):
            launch(path, display=SilentDisplay())


@pytest.mark.slow
@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("pruner", ["none", "asha", "median"])
def test_killed_five_times_it_gives_the_same_table(
    pruner: str, undisturbed: Callable[[str], Table], tmp_path: Path
) -> None:
    path = written(tmp_path / "killed", pruner)
    draw = random.Random(3)
    for number in range(5):
        kill(path, draw.randint(5, 18), *OTHERS, before=number % 2 == 0)
    assert table(launch(path, display=SilentDisplay())) == undisturbed(pruner)


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("at", [26, 27])
def test_killed_in_the_middle_of_a_draw_it_draws_the_same(
    at: int, undisturbed: Callable[[str], Table], tmp_path: Path
) -> None:
    path = written(tmp_path / "killed", "none")
    kill(path, at, *DRAWS)
    assert table(launch(path, display=SilentDisplay())) == undisturbed("none")
