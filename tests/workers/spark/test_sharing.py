"""Two studies' Spark trials in one process: neither ends the other's session. No Spark runs here."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from workers.spark import session as spark_session
from workers.spark.settings import DEFAULTS, SparkSettings

PATIENCE = 30.0


@dataclass(eq=False)
class Session:
    """Stands in for one that runs in a JVM."""

    settings: SparkSettings
    memory_mib: int
    living: bool = True

    def alive(self, _patience: float = 0.0) -> bool:
        return self.living

    def close(self) -> None:
        self.living = False


@pytest.fixture(autouse=True)
def no_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_session, "_running", None)
    monkeypatch.setattr(spark_session, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(spark_session, "_launch", lambda memory, settings: Session(settings, memory))


def in_a_thread(memory_mib: int) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(spark_session.start(memory_mib, DEFAULTS)))
    thread.start()
    return thread, found


def test_one_that_another_study_s_trial_uses_is_not_ended_before_that_is_done() -> None:
    with spark_session.using(100, DEFAULTS) as mine:
        with spark_session.using(50, DEFAULTS) as same:
            assert same is mine
        thread, found = in_a_thread(200)
        thread.join(0.2)
        assert thread.is_alive(), "it waits"
        assert mine.alive()
    thread.join(PATIENCE)
    assert found[0].memory_mib == 200
    assert not mine.alive()


def test_one_that_died_is_replaced_while_its_trial_still_fails() -> None:
    with spark_session.using(100, DEFAULTS) as mine:
        thread, found = in_a_thread(200)
        mine.close()
        thread.join(PATIENCE)
        assert found[0] is not mine
        with spark_session.using(200, DEFAULTS) as other:
            assert other is found[0]
    assert spark_session._used == []
