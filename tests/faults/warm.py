"""The test's side of :mod:`tests.faults.forking_driver`: drivers that start in milliseconds."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.programs import PATIENCE, ROOT, environment


@dataclass
class WarmDriver:
    """Launches studies, one at a time, and hears what their drivers say.

    Attributes:
        told: how often each trial was said to be told.
    """

    process: subprocess.Popen[str]
    told: Counter[int] = field(default_factory=Counter)
    _lines: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def launch(self, study: Path, point: str | None = None, skip: int = 0) -> int:
        """Start a driver; its process id."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"study": str(study), "point": point, "skip": skip}) + "\n")
        self.process.stdin.flush()
        return int(self._line().removeprefix("driver "))

    def hear(self, trials: int) -> None:
        """Wait until it has told so many more."""
        for _ in range(trials):
            line = self._line()
            assert line.startswith("told "), line
            self.told[int(line.removeprefix("told "))] += 1

    def end(self) -> int:
        """Its exit status, once it has ended; what it told until then is counted."""
        while not (line := self._line()).startswith("ended "):
            self.told[int(line.removeprefix("told "))] += 1
        return int(line.removeprefix("ended "))

    def run(self, study: Path) -> None:
        """A launch from its beginning to its good end."""
        self.launch(study)
        assert self.end() == 0

    def die_at(self, study: Path, point: str, skip: int = 0) -> None:
        """A launch that comes to a point of :mod:`tests.faults.points`, and no further."""
        self.launch(study, point, skip)
        assert self.end() == -signal.SIGKILL, f"it never came to the point '{point}', {skip} times skipped"

    def die_after(self, study: Path, trials: int, seconds: float) -> None:
        """A launch that is killed so many seconds after it told so many trials."""
        pid = self.launch(study)
        self.hear(trials)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        assert self.end() == -signal.SIGKILL

    def _line(self) -> str:
        return self._lines.get(timeout=PATIENCE)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())


@contextmanager
def warm_driver() -> Iterator[WarmDriver]:
    """A driver's process that has imported everything and waits."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.forking_driver"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield WarmDriver(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)
