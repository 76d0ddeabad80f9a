from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from numpy.typing import NDArray

from studies.errors import CheckpointError
from studies.space.configuration import Configuration
from tests.limits import files_no_larger_than
from workers.checkpoints.checkpoints import Checkpoints, trial_identity
from workers.training.trainer import State

IDENTITY = "a configuration"


def state_after(epoch: int, size: int = 3) -> State:
    return State(
        epoch=epoch,
        weights=(np.full((size, 2), float(epoch)), np.zeros(2, np.float32)),
        slots={"adam/momentum:0": np.arange(4, dtype=np.float32), "steps": np.array(epoch)},
        losses=tuple(1.0 / step for step in range(1, epoch + 1)),
        validation_scores=((1, 0.1), (epoch, 0.2)),
    )


def assert_same(one: State | None, other: State) -> None:
    assert one is not None
    for name in {field.name for field in fields(State)} - {"weights", "slots"}:
        assert getattr(one, name) == getattr(other, name)
    assert len(one.weights) == len(other.weights)
    assert set(one.slots) == set(other.slots)
    pairs = [*zip(one.weights, other.weights, strict=True)]
    pairs += [(one.slots[name], other.slots[name]) for name in other.slots]
    for left, right in pairs:
        assert_same_bits(left, right)


def assert_same_bits(left: NDArray[Any], right: NDArray[Any]) -> None:
    assert (left.dtype, left.shape) == (right.dtype, right.shape)
    assert left.tobytes() == right.tobytes()


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def crash(*_: object, **__: object) -> None:
    raise OSError("killed here")


@given(
    weights=st.lists(
        arrays(st.sampled_from(["f2", "f4", "f8", ">f8"]), array_shapes(min_dims=0, min_side=0)), max_size=4
    ),
    slots=st.dictionaries(
        st.text(max_size=8), arrays(scalar_dtypes(), array_shapes(min_dims=0, min_side=0)), max_size=4
    ),
    losses=st.lists(st.floats()),
    scores=st.lists(st.tuples(st.integers(0, 2**62), st.floats(allow_nan=False))),
)
@settings(deadline=None, max_examples=60)
def test_a_state_comes_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory,
    weights: list[NDArray[Any]],
    slots: dict[str, NDArray[Any]],
    losses: list[float],
    scores: list[tuple[int, float]],
) -> None:
    state = State(len(losses), tuple(weights), slots, tuple(losses), tuple(scores))
    checkpoints = Checkpoints(str(tmp_path_factory.mktemp("round")))
    checkpoints.write(0, IDENTITY, state)
    found = checkpoints.newest(0, IDENTITY, state.epoch)
    assert found is not None
    assert_same_bits(np.array(found.losses), np.array(losses, dtype=np.float64))  # NaN is not equal to NaN
    assert_same(replace(found, losses=()), replace(state, losses=()))


def test_arrays_in_fortran_order_and_views_come_back(tmp_path: Path) -> None:
    W = np.asfortranarray(np.arange(12.0).reshape(3, 4))[::2]
    Checkpoints(str(tmp_path)).write(0, IDENTITY, State(0, (W,)))
    assert_same(Checkpoints(str(tmp_path)).newest(0, IDENTITY, 0), State(0, (W,)))


def test_the_newest_at_or_below_the_epoch_is_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    for epoch in (9, 3, 27):  # a straggler's 3 after the 9 stays: it is later than nothing that it removes
        checkpoints.write(4, IDENTITY, state_after(epoch))
        assert_same(checkpoints.newest(4, IDENTITY, 27), state_after(max(9, epoch)))
    assert checkpoints.newest(4, IDENTITY, 26) is None


def test_epochs_are_compared_as_numbers(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(4, IDENTITY, state_after(10))
    checkpoints.write(4, IDENTITY, state_after(9))
    assert_same(checkpoints.newest(4, IDENTITY, 99), state_after(10))
    assert_same(checkpoints.newest(4, IDENTITY, 9), state_after(9))


def test_writing_removes_the_trials_earlier_epochs_alone(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    for trial, epoch in ((1, 1), (1, 3), (12, 1), (1, 9)):
        checkpoints.write(trial, IDENTITY, state_after(epoch))
    assert files(tmp_path) == ["trial-1-epoch-9.npz", "trial-12-epoch-1.npz"]


def test_remove_leaves_the_other_trials(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(3))
    checkpoints.write(12, IDENTITY, state_after(1))
    (tmp_path / ".trial-1-epoch-9-killed.tmp").write_bytes(b"half")
    (tmp_path / ".trial-12-epoch-9-running.tmp").write_bytes(b"half")
    (tmp_path / "trial-1-epoch-notes.npz").write_text("not ours")
    checkpoints.remove(1)
    checkpoints.remove(1)
    assert files(tmp_path) == [
        ".trial-12-epoch-9-running.tmp",
        "trial-1-epoch-notes.npz",
        "trial-12-epoch-1.npz",
    ]


def test_a_directory_that_is_not_there_has_no_checkpoints_and_is_made_by_the_first(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path / "not" / "yet"))
    checkpoints.remove(1)
    assert checkpoints.newest(1, IDENTITY, 9) is None
    assert not (tmp_path / "not").exists()
    checkpoints.write(1, IDENTITY, state_after(1))
    assert_same(checkpoints.newest(1, IDENTITY, 9), state_after(1))


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        Checkpoints(str(tmp_path / name)).write(1, IDENTITY, state_after(3))
    one, other = ((tmp_path / name / "trial-1-epoch-3.npz").read_bytes() for name in ("one", "other"))
    assert one == other


def test_another_identity_under_the_same_number_is_not_used_and_is_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, "another configuration", state_after(3))
    assert checkpoints.newest(1, IDENTITY, 9) is None
    assert files(tmp_path) == []


def test_a_file_under_the_name_of_another_trial_or_epoch_is_not_used(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    for name in ("trial-2-epoch-3.npz", "trial-1-epoch-4.npz"):
        checkpoints.write(1, IDENTITY, state_after(3))
        (tmp_path / "trial-1-epoch-3.npz").rename(tmp_path / name)
    assert checkpoints.newest(1, IDENTITY, 9) is None
    assert checkpoints.newest(2, IDENTITY, 9) is None
    assert files(tmp_path) == []


def test_an_npz_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    np.savez(tmp_path / "trial-1-epoch-3.npz", weights_0=np.zeros(3))
    assert Checkpoints(str(tmp_path)).newest(1, IDENTITY, 9) is None


def test_a_pickle_in_an_npz_is_not_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    np.savez(tmp_path / "trial-1-epoch-3.npz", header=np.array([Trap()], dtype=object))
    assert Checkpoints(str(tmp_path)).newest(1, IDENTITY, 9) is None
    assert files(tmp_path) == []


def test_a_torn_checkpoint_is_removed_and_the_one_before_it_used(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(9))
    checkpoints.write(1, IDENTITY, state_after(3))
    torn = tmp_path / "trial-1-epoch-9.npz"
    torn.write_bytes(torn.read_bytes()[:-40])
    assert_same(checkpoints.newest(1, IDENTITY, 9), state_after(3))
    assert files(tmp_path) == ["trial-1-epoch-3.npz"]


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_file_gives_the_whole_state_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("damage")
    checkpoints = Checkpoints(str(directory))
    checkpoints.write(1, IDENTITY, state_after(3))
    path = directory / "trial-1-epoch-3.npz"
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "cut"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = checkpoints.newest(1, IDENTITY, 3)
    if found is None:
        assert files(directory) == []
    else:
        assert_same(found, state_after(3))


@pytest.mark.parametrize("refused", [np.array([None]), np.array([object()])])
def test_an_array_that_needs_a_pickle_is_refused(tmp_path: Path, refused: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match="found an array of type object"):
        Checkpoints(str(tmp_path)).write(1, IDENTITY, State(0, (), {"slot": refused}))
    assert files(tmp_path) == []


def test_a_write_that_ends_before_the_rename_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(3))
    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(CheckpointError, match="killed here"):
        checkpoints.write(1, IDENTITY, state_after(9))
    assert files(tmp_path) == ["trial-1-epoch-3.npz"]
    assert_same(checkpoints.newest(1, IDENTITY, 9), state_after(3))


def test_a_write_that_ends_after_the_rename_keeps_the_new_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(3))
    monkeypatch.setattr(Path, "unlink", crash)
    with pytest.raises(CheckpointError, match="killed here"):
        checkpoints.write(1, IDENTITY, state_after(9))
    assert_same(checkpoints.newest(1, IDENTITY, 9), state_after(9))


def test_a_process_killed_before_the_rename_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "import numpy as np\n"
        "from workers.checkpoints.checkpoints import Checkpoints\n"
        "from workers.training.trainer import State\n"
        "checkpoints = Checkpoints(sys.argv[1])\n"
        "checkpoints.write(1, 'a configuration', State(3, (np.ones(2),), {}, (1.0, 1.0, 1.0)))\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoints.write(1, 'a configuration', State(9, (np.ones(2),)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert len(files(tmp_path)) == 2  # the checkpoint, and what was being written
    checkpoints = Checkpoints(str(tmp_path))
    assert_same(checkpoints.newest(1, IDENTITY, 9), State(3, (np.ones(2),), {}, (1.0, 1.0, 1.0)))
    checkpoints.remove(1)
    assert files(tmp_path) == []


def test_a_full_disk_raises_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(3))
    with (
        files_no_larger_than(100_000),
        pytest.raises(CheckpointError, match="can't be written: File too large"),
    ):
        checkpoints.write(1, IDENTITY, state_after(9, size=50_000))
    assert files(tmp_path) == ["trial-1-epoch-3.npz"]
    assert_same(checkpoints.newest(1, IDENTITY, 9), state_after(3))


def test_a_directory_that_cannot_be_made_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="can't be written"):
        Checkpoints(str(tmp_path / "file" / "below")).write(1, IDENTITY, state_after(3))
    with pytest.raises(CheckpointError, match="can't be written"):
        Checkpoints(str(tmp_path / "file")).write(1, IDENTITY, state_after(3))
    assert files(tmp_path) == ["file"]


def test_a_checkpoint_removed_while_it_is_looked_for_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(3))
    read = Path.read_bytes

    def removed_first(path: Path) -> bytes:
        path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", removed_first)
    assert checkpoints.newest(1, IDENTITY, 3) is None


def test_a_disk_that_cannot_be_read_raises_and_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.write(1, IDENTITY, state_after(3))
    monkeypatch.setattr(Path, "read_bytes", crash)
    with pytest.raises(CheckpointError, match="killed here"):
        checkpoints.newest(1, IDENTITY, 3)
    assert files(tmp_path) == ["trial-1-epoch-3.npz"]


def test_the_identity_tells_apart_all_that_decides_a_state() -> None:
    configuration = Configuration("tensorflow", "he_normal", "adam", 9, learning_rate=0.1, batch_size=32)
    another = Configuration("tensorflow", "he_normal", "adam", 9, learning_rate=0.1, batch_size=64)
    identities = [
        trial_identity(configuration, 7, (3, 4, 2), "split"),
        trial_identity(another, 7, (3, 4, 2), "split"),
        trial_identity(configuration, 8, (3, 4, 2), "split"),
        trial_identity(configuration, 7, (3, 5, 2), "split"),
        trial_identity(configuration, 7, (3, 4, 2), "other rows"),
    ]
    assert len(set(identities)) == len(identities)
    stored = Configuration.from_dict(configuration.used())
    assert trial_identity(stored, 7, [3, 4, 2], "split") == identities[0]
