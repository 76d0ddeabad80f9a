"""A disk without room for checkpoints ends the launch, tears nothing, and costs no trial."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from search import launch, report
from search.driving.display import SilentDisplay
from search.loop.loop import Loop
from search.loop.stopping import NO_CHECKPOINTS
from studies.errors import CheckpointError
from tests.faults.histories import every_score_is_that_of_an_undisturbed_run, is_whole

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


def test_a_full_disk_ends_the_launch_with_one_message_and_the_next_goes_on_with_every_trial(
    study_file: Callable[..., Path],
) -> None:
    path = study_file(trials="trials = 12", append='\n[pruner]\nkind = "asha"\n')
    checkpoints = path.parent / ".search" / "checkpoints"
    with tiny_disk(checkpoints, "16k"):
        with pytest.raises(OSError, match="No space left"):
            (checkpoints / "somebody-elses").write_bytes(bytes(32 * 1024))
        for _ in range(2):  # and again, where nobody has seen to the cause
            with pytest.raises(CheckpointError, match="No space left") as refused:
                launch(path, display=SilentDisplay())
            assert str(checkpoints) in refused.value.problem
            assert "launch again" in refused.value.remedy
            found = report(path)
            assert found.ended == NO_CHECKPOINTS
            assert {record.state for record in found.records} == {"running"}
            assert len(found.records) <= 4, "on a full disk more and more is begun"
        left = [file.name for file in checkpoints.rglob("*") if file.is_file()]
        assert left == ["somebody-elses"], "something torn is left"
    launch(path, display=SilentDisplay())
    every_score_is_that_of_an_undisturbed_run(path, is_whole(path, 12))


def test_a_disk_that_fills_in_mid_study_costs_no_trial(study_file: Callable[..., Path]) -> None:
    path = study_file(trials="trials = 12", append='\n[pruner]\nkind = "asha"\n')
    checkpoints = path.parent / ".search" / "checkpoints"
    with tiny_disk(checkpoints, "64k"):
        other = checkpoints / "somebody-elses"
        with pytest.raises(CheckpointError, match="No space left"):
            launch(path, display=_FillsTheDisk(other))
        found = report(path)
        assert found.failures == ()
        assert any(record.paused for record in found.records), "full before anything was kept"
        other.unlink()
        launch(path, display=SilentDisplay())
        every_score_is_that_of_an_undisturbed_run(path, is_whole(path, 12))


class _FillsTheDisk(SilentDisplay):
    """Takes all the room that there is, once some trials wait at a rung."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def update(self, loop: Loop, now: float) -> None:  # noqa: ARG002
        if len(loop.paused) >= 3:
            with suppress(OSError), self.file.open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
