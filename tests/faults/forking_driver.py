"""Launches a study for each line that it reads, in a child forked from a process that is warm.

A line is JSON: ``study``, the study file's path, and where the child shall die, ``point`` and ``skip`` of
:func:`tests.faults.points.arm`. What it prints, line by line, is the child's process id, a line a trial that
is in storage, and the child's exit status. Killing the child is killing the driver; starting the next costs
milliseconds instead of seconds.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from search.commands.launch import launch
from search.driving.display import SilentDisplay
from studies.records.trials import TrialRecord
from tests.faults.points import arm


class _Told(SilentDisplay):
    def trial_finished(self, record: TrialRecord) -> None:
        os.write(1, f"told {record.number}\n".encode())


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            _launch(asked["study"], asked.get("point"), asked.get("skip", 0))
        os.write(1, f"driver {pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())


def _launch(path: str, point: str | None, skip: int) -> None:
    try:
        if point is not None:
            arm(point, skip)
        launch(path, display=_Told())
    except BaseException:
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


if __name__ == "__main__":
    main()
