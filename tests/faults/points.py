"""Named points at which a driver kills itself with -9, between what it writes and what it does.

Armed in a driver's own process, before it launches: see :mod:`tests.faults.forking_driver`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import event
from sqlalchemy.engine import Engine

from search.driving.dispatch import Dispatcher
from studies.storage.memory import DRAFT, StudyMemory
from studies.storage.writers.journal_file import JournalFile
from studies.store.launch import Launch
from studies.store.results import Results
from studies.store.trials import Trials
from workers.checkpoints.checkpoints import Checkpoints
from workers.checkpoints.outcomes import Outcomes
from workers.training.analytic_trainer import AnalyticTrainer

Applies = Callable[..., bool]


@dataclass
class Hits:
    """Kills this process the ``skip + 1``-th time that a point is reached."""

    skip: int
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def __call__(self) -> None:
        if self.is_due():
            kill()

    def is_due(self) -> bool:
        return next(self._count) == self.skip


def kill() -> None:
    """As `kill -9` does: nothing of this process runs after it."""
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def arm(point: str, skip: int) -> None:
    """Let this process die the ``skip + 1``-th time that it comes to a point of :data:`POINTS` or
    :data:`FINALISTS`.
    """
    {**POINTS, **FINALISTS}[point](Hits(skip))


def _before(owner: type, name: str, applies: Applies = lambda *_: True) -> Callable[[Hits], None]:
    def patch(hits: Hits) -> None:
        method = getattr(owner, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            if applies(*arguments, *options.values()):
                hits()
            return method(*arguments, **options)

        setattr(owner, name, wrapped)

    return patch


def _after(owner: type, name: str, applies: Applies = lambda *_: True) -> Callable[[Hits], None]:
    def patch(hits: Hits) -> None:
        method = getattr(owner, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if applies(*arguments, *options.values()):
                hits()
            return result

        setattr(owner, name, wrapped)

    return patch


def _writes(key: str) -> Applies:
    return lambda _storage, trial, written, _value: bool(written == key and trial != DRAFT)


def _is_draft(_storage: Any, trial: int, *_values: Any) -> bool:
    return trial == DRAFT


def _is_stored(_storage: Any, trial: int, *_values: Any) -> bool:
    return trial != DRAFT


def _ends(_storage: Any, _trial: int, state: optuna.trial.TrialState, _values: Any = None) -> bool:
    return bool(state.is_finished())


def _begins(_storage: Any, _trial: int, state: optuna.trial.TrialState, _values: Any = None) -> bool:
    return bool(state == optuna.trial.TrialState.RUNNING)


def _half_a_checkpoint(hits: Hits) -> None:
    """Die where its bytes are written and their file has not its name yet."""
    writing = threading.local()
    write, fsync = Checkpoints.write, os.fsync

    def marked(*arguments: Any, **options: Any) -> Any:
        writing.now = True
        try:
            return write(*arguments, **options)
        finally:
            writing.now = False

    def watched(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if getattr(writing, "now", False) and stat.S_ISREG(found.st_mode) and hits.is_due():
            os.ftruncate(descriptor, found.st_size // 2)
            kill()
        fsync(descriptor)

    Checkpoints.write = marked  # type: ignore[method-assign]
    os.fsync = watched


def _half_a_write(hits: Hits) -> None:
    """Die in a transaction, or with half of a line in the journal."""
    append = JournalFile.append_logs

    def torn(backend: JournalFile, logs: list[dict[str, Any]]) -> None:
        if hits.is_due():
            *whole, torn_one = [json.dumps(log) for log in logs]
            with Path(backend._file_path).open("a") as journal:
                journal.write("".join(f"{line}\n" for line in whole) + torn_one[: len(torn_one) // 2])
            kill()
        append(backend, logs)

    JournalFile.append_logs = torn  # type: ignore[method-assign]
    event.listen(Engine, "commit", lambda _connection: hits())


POINTS: Mapping[str, Callable[[Hits], None]] = {
    "before an ask": _before(Trials, "ask"),
    "enqueued, no parameters": _after(StudyMemory, "set_trial_state_values", _begins),
    "enqueued, some parameters": _after(StudyMemory, "set_trial_param", _is_stored),
    "enqueued, all parameters, no configuration": _before(
        StudyMemory, "set_trial_user_attr", _writes("configuration")
    ),
    "some parameters, not stored": _after(StudyMemory, "set_trial_param", _is_draft),
    "drawn, not stored": _before(StudyMemory, "store", _is_draft),
    "after an ask": _after(Trials, "ask"),
    "before a segment is begun": _before(Trials, "begin_segment"),
    "begun, not submitted": _before(Dispatcher, "submit"),
    "in a segment": _after(AnalyticTrainer, "advance"),
    "half a checkpoint": _half_a_checkpoint,
    "a checkpoint, no report": _after(Checkpoints, "write"),
    "a curve, no result": _before(StudyMemory, "set_trial_user_attr", _writes("result")),
    "a result, not told": _before(StudyMemory, "set_trial_state_values", _ends),
    "told": _after(StudyMemory, "set_trial_state_values", _ends),
    "told, its checkpoint there": _before(Checkpoints, "remove"),
    "half a write": _half_a_write,
}
"""What prepares each point; its name says what there is in storage."""

FINALISTS: Mapping[str, Callable[[Hits], None]] = {
    "the search ended, no finalist": _before(Launch, "begin_replicas"),
    "an outcome, no report": _after(Outcomes, "write"),
    "a finalist kept": _after(Results, "keep_replica"),
    "all finalists kept, test rows closed": _before(Results, "open_test_rows"),
    "the test rows opened": _after(Results, "open_test_rows"),
    "compared, not kept": _before(Results, "keep_finalists"),
    "the finalists' worth kept": _after(Results, "keep_finalists"),
}
"""The same, after the search of a study with finalists."""

ENQUEUED = tuple(point for point in POINTS if point.startswith("enqueued"))
"""Points that only trials come to that the study file names; others are drawn first and then stored."""

WITH_RUNGS = frozenset({"before a segment is begun"})
"""Points that only trials come to that pause at rungs."""
