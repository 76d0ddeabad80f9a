"""A disk without room for checkpoints costs trials a clear failure, tears nothing, and can be mended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search import launch
from search.display import SilentDisplay
from tests.faults.histories import every_score_is_that_of_an_undisturbed_run

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@contextmanager
def tiny_disk(directory: Path, size: str) -> Iterator[None]:
    """A file system of its own, of so many bytes. Only root may mount one; `make faults` says so."""
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk_fails_trials_with_one_clear_cause_and_launching_goes_on_after_it(
    study_file: Callable[..., Path],
) -> None:
    path = study_file(trials="trials = 12", append='\n[pruner]\nkind = "asha"\n[retry]\ngive_up = 4\n')
    checkpoints = path.parent / ".search" / "checkpoints" / "small"
    with tiny_disk(checkpoints, "16k"):
        with pytest.raises(OSError, match="No space left"):
            (checkpoints / "somebody-elses").write_bytes(bytes(32 * 1024))
        first = launch(path, display=SilentDisplay())
        failures = [record.report.failure for record in first.records if record.report]
        assert {failure.cause for failure in failures if failure} == {"disk"}
        assert all("No space left" in failure.message for failure in failures if failure)
        left = [file.name for file in checkpoints.iterdir()]
        assert left == ["somebody-elses"], "something torn is left"
    assert "all failed" in first.ended
    second = launch(path, display=SilentDisplay())
    assert len(second.records) == 12
    good = [record for record in second.records if record.state in ("complete", "pruned")]
    assert len(good) == 12 - len(first.records)
    every_score_is_that_of_an_undisturbed_run(path, good)
