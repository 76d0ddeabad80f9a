"""What every place for checkpoints must do: a directory, URLs, objects, and files that are renamed."""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from studies.errors import CheckpointError, MachineError, StudyFileError
from studies.study_file import read_study_file
from workers.checkpoints.checkpoints import Checkpoints, Kept, check_checkpoints, checkpoints_of, dropped_for
from workers.checkpoints.files import LocalFiles, RemoteFiles, open_files
from workers.training.trainer import State

IDENTITY = "a configuration"


class RenamingFiles(LocalFileSystem):
    """A protocol of files that have to be renamed into their place, such as sftp; these lie on this disk."""

    protocol = ("renaming",)


fsspec.register_implementation("renaming", RenamingFiles, clobber=True)


@dataclass(frozen=True)
class Place:
    checkpoints: Checkpoints

    def names(self) -> list[str]:
        return sorted(entry.name for entry in open_files(self.checkpoints.url).entries())


@pytest.fixture(params=["directory", "file", "memory", "renaming"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place of each kind."""
    urls = {
        "directory": str(tmp_path / "kept"),
        "file": f"file://{tmp_path}/kept",
        "memory": f"memory://{uuid.uuid4().hex}/kept",
        "renaming": f"renaming://{tmp_path}/kept",
    }
    found = Place(Checkpoints(urls[request.param]))
    yield found
    found.checkpoints.clear()


def state_after(epoch: int, size: int = 4) -> State:
    return State(epoch, (np.full((size, 2), float(epoch)),), {"slot": np.arange(3.0)}, (0.5,) * epoch)


def epoch_of(state: State | None) -> int | None:
    if state is not None:
        assert np.array_equal(state.weights[0], state_after(state.epoch, len(state.weights[0])).weights[0])
    return None if state is None else state.epoch


def test_the_places_are_of_different_kinds(place: Place) -> None:
    files = open_files(place.checkpoints.url)
    remote = place.checkpoints.url.startswith(("memory", "renaming"))
    assert isinstance(files, RemoteFiles if remote else LocalFiles)


def test_the_newest_that_is_wanted_comes_back(place: Place) -> None:
    checkpoints = place.checkpoints
    assert checkpoints.newest(1, IDENTITY, 9) is None
    for epoch in (3, 9):
        assert checkpoints.write(1, IDENTITY, state_after(epoch)) == ()
        assert epoch_of(checkpoints.newest(1, IDENTITY, 27)) == epoch
    assert checkpoints.newest(1, IDENTITY, 8) is None
    assert checkpoints.newest(2, IDENTITY, 27) is None
    assert place.names() == ["trial-1-epoch-9.npz"]


def test_removing_a_trial_leaves_the_others_and_what_is_not_ours(place: Place) -> None:
    checkpoints = place.checkpoints
    for trial in (1, 12):
        checkpoints.write(trial, IDENTITY, state_after(3))
    open_files(checkpoints.url).write("notes.txt", b"mine")
    assert checkpoints.trials() == {1, 12}
    checkpoints.remove(1)
    checkpoints.remove(1)
    assert place.names() == ["notes.txt", "trial-12-epoch-3.npz"]


def test_its_size_is_counted(place: Place) -> None:
    checkpoints = place.checkpoints
    assert checkpoints.size() == (0, 0)
    for trial in (1, 2):
        checkpoints.write(trial, IDENTITY, state_after(3))
    size = checkpoints.size()
    assert size.files == 2
    assert size.bytes == 2 * len(open_files(checkpoints.url).read("trial-1-epoch-3.npz"))


def test_clear_leaves_nothing(place: Place) -> None:
    place.checkpoints.write(1, IDENTITY, state_after(3))
    place.checkpoints.clear()
    place.checkpoints.clear()
    assert place.names() == []


def test_a_torn_file_is_removed_and_the_one_before_it_used(place: Place) -> None:
    checkpoints, files = place.checkpoints, open_files(place.checkpoints.url)
    checkpoints.write(1, IDENTITY, state_after(9))
    checkpoints.write(1, IDENTITY, state_after(3))
    files.write("trial-1-epoch-9.npz", files.read("trial-1-epoch-9.npz")[:-40])
    assert epoch_of(checkpoints.newest(1, IDENTITY, 9)) == 3
    assert place.names() == ["trial-1-epoch-3.npz"]


def test_what_another_identity_wrote_is_not_used(place: Place) -> None:
    place.checkpoints.write(1, "another configuration", state_after(3))
    assert place.checkpoints.newest(1, IDENTITY, 9) is None
    assert place.names() == []


def test_writers_at_once_leave_whole_files_and_the_newest(place: Place) -> None:
    checkpoints = place.checkpoints
    failed: list[BaseException] = []

    def write(trial: int) -> None:
        try:
            for epoch in (1, 3, 9):
                checkpoints.write(trial, IDENTITY, state_after(epoch, size=500))
                newest = epoch_of(checkpoints.newest(trial, IDENTITY, 9))
                assert newest is not None
                assert newest >= epoch
        except BaseException as error:
            failed.append(error)

    # Two for each trial: a task that Dask believes lost may still run when it is run again.
    writers = [threading.Thread(target=write, args=(trial,)) for trial in (1, 2, 1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    for trial in (1, 2):
        assert epoch_of(checkpoints.newest(trial, IDENTITY, 9)) == 9


def test_a_file_that_was_replaced_while_the_folder_was_listed_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(str(tmp_path / "kept"))
    checkpoints.write(1, IDENTITY, state_after(3))
    entries, looks = LocalFiles.entries, iter([[]])
    monkeypatch.setattr(LocalFiles, "entries", lambda files: next(looks, entries(files)))
    assert epoch_of(checkpoints.newest(1, IDENTITY, 9)) == 3


def test_it_goes_to_another_process_by_its_url(place: Place) -> None:
    assert pickle.loads(pickle.dumps(place.checkpoints)) == place.checkpoints


def test_at_its_limit_the_cheapest_to_make_again_are_dropped(place: Place) -> None:
    place.checkpoints.write(1, IDENTITY, state_after(9))
    one = place.checkpoints.size().bytes
    limited = Checkpoints(place.checkpoints.url, limit=3 * one + one // 2)
    limited.write(2, IDENTITY, state_after(3))
    limited.write(3, IDENTITY, state_after(9))
    (dropped,) = limited.write(4, IDENTITY, state_after(9))
    assert (dropped.trial, dropped.epoch) == (2, 3)
    (refused,) = limited.write(5, IDENTITY, state_after(1))
    assert (refused.trial, refused.epoch) == (5, 1)
    assert limited.trials() == {1, 3, 4}


def test_a_place_that_refuses_is_one_error_with_what_to_do(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    place.checkpoints.write(1, IDENTITY, state_after(3))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", refuse)
        patch.setattr("fsspec.AbstractFileSystem.pipe_file", refuse)
        patch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", refuse)
        with pytest.raises(CheckpointError, match="can't be written: No space left on device") as raised:
            place.checkpoints.write(1, IDENTITY, state_after(9))
    assert raised.value.where == place.checkpoints.url
    assert place.names() == ["trial-1-epoch-3.npz"]


def test_what_a_remote_place_raises_of_its_own_kind_is_translated_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoCredentialsError(Exception):
        """As botocore's, which is no OSError."""

    def refuse(*_: object) -> bytes:
        raise NoCredentialsError("Unable to locate credentials")

    checkpoints = Checkpoints(f"memory://{uuid.uuid4().hex}")
    checkpoints.write(1, IDENTITY, state_after(3))
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.cat_file", refuse)
    with pytest.raises(CheckpointError, match="can't be read: Unable to locate credentials"):
        checkpoints.newest(1, IDENTITY, 9)


def test_a_bug_in_writing_to_a_directory_stays_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Checkpoints(str(tmp_path)).write(1, IDENTITY, state_after(3))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 100), st.floats(0, 9)), max_size=12),
    st.integers(1, 100),
    st.integers(0, 9),
    st.integers(1, 400),
)
def test_no_more_is_dropped_than_must_be_and_the_dearest_stay(
    there: list[tuple[int, int, float]], size: int, epoch: int, limit: int
) -> None:
    others = [Kept(trial, *one) for trial, one in enumerate(there)]
    new = Kept(99, epoch, size, float("inf"))
    dropped = dropped_for(new, others, limit)
    kept = [one for one in [*others, new] if one not in dropped]
    total = sum(one.size for one in kept)
    assert total <= limit
    if dropped:
        assert total + dropped[-1].size > limit
        assert all((one.epoch, one.written) >= (dropped[-1].epoch, dropped[-1].written) for one in kept)
    assert dropped_for(new, others, None) == ()


def test_a_package_that_is_missing_is_named_with_how_to_get_it(study_file: Callable[..., Path]) -> None:
    path = study_file(append='\n[checkpoints]\nurl = "s3://bucket/kept"\nlimit = "1.5GB"\n')
    file = read_study_file(path)
    assert checkpoints_of(file, "small") == Checkpoints("s3://bucket/kept/small", 1_500_000_000)
    with pytest.raises(MachineError, match="pip install s3fs"):
        check_checkpoints(file)


def test_a_protocol_that_nobody_knows_is_refused(study_file: Callable[..., Path]) -> None:
    file = read_study_file(study_file(append='\n[checkpoints]\nurl = "nosuch://bucket"\n'))
    with pytest.raises(StudyFileError, match="found the protocol 'nosuch'"):
        check_checkpoints(file)


def test_directories_are_beside_the_study_file(study_file: Callable[..., Path]) -> None:
    path = study_file(append='\n[checkpoints]\nurl = "states"\n')
    assert checkpoints_of(read_study_file(path), "small").url == str(path.parent / "states" / "small")
    path = study_file()
    assert checkpoints_of(read_study_file(path), "small").url == str(
        path.parent / ".search/checkpoints/small"
    )
