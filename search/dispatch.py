"""Sends segments to the cluster, and turns whatever comes back into an event for the loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from distributed import KilledWorker
from distributed.scheduler import NoWorkerError

from search.loop import Reported
from studies.records import Failure, SegmentReport
from workers.task import MESSAGE_CHARACTERS, Segment, run_segment


class Dispatcher:
    """One a launch.

    Args:
        client: a connected ``distributed.Client``.
        deliver: takes each event; called from the client's own threads.
    """

    def __init__(self, client: Any, deliver: Callable[[Reported], None]) -> None:
        self._client = client
        self._deliver = deliver
        # A future that nobody holds is released by Dask, and its task with it.
        self._futures: dict[int, Any] = {}

    def submit(self, segment: Segment) -> None:
        """Start a segment; its :class:`search.loop.Reported` is delivered when it ends, however it ends."""
        submitted = time.monotonic()
        # pure=False and an own key: Dask would take a repeated configuration for the same work.
        future = self._client.submit(run_segment, segment, key=segment.key, pure=False, retries=0)
        self._futures[segment.trial] = future

        def done(ended: Any) -> None:
            elapsed = time.monotonic() - submitted
            self._deliver(Reported(_report(segment, ended).with_elapsed(elapsed)))

        future.add_done_callback(done)

    def release(self, trial: int) -> None:
        """Forget a trial's future, so that the cluster can forget its result."""
        self._futures.pop(trial, None)


def _report(segment: Segment, future: Any) -> SegmentReport:
    """What a future holds, as a report; Dask's own errors become failures."""
    try:
        report: SegmentReport = future.result()
        return report
    except KilledWorker as error:
        workers = error.last_worker.address if error.last_worker else "unknown"
        failure = Failure("worker died", f"every worker that ran it died, the last at {workers}")
    except NoWorkerError:
        failure = Failure("worker died", "the cluster lost all its workers, and none came back")
    except CancelledError:
        failure = Failure("worker died", "the cluster lost the task: its scheduler went away")
    except Exception as error:
        message = f"the task did not come back: {type(error).__name__}: {error}"
        failure = Failure("bug", message[:MESSAGE_CHARACTERS])
    return SegmentReport(trial=segment.trial, epoch=0, failure=failure)
