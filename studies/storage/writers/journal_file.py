"""A journal file that isn't forced to the disk at every write.

What was written outlives the death of the process, however sudden: the system has it. Forcing it to the disk
too guards against the loss of power alone, and costs 1 to 10 ms each of the four times that a trial is
written: more than a thousand slots leave for a trial. So it is done once a second, as SQLite in WAL mode with
synchronous NORMAL does it at its checkpoints; a loss of power costs the trials of the last second, and the
next launch runs them again.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from optuna.storages.journal import JournalFileBackend

from studies.optuna_internals import appending

FORCED_EVERY = 1.0
"""Seconds between two times that it is forced to the disk."""


class JournalFile(JournalFileBackend):
    """Optuna's, which writes the same lines under the same lock."""

    def __init__(self, file_path: str) -> None:
        super().__init__(file_path)
        self._path = file_path
        self._forced = 0.0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write these lines after the others."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with appending(self), open(self._path, "ab") as file:  # noqa: PTH123  Optuna's text
            file.write(lines.encode())
            file.flush()
            now = time.monotonic()
            if now - self._forced >= FORCED_EVERY:
                os.fsync(file.fileno())
                self._forced = now
