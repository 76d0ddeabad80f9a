"""States on disk: written whole or not at all, and read only by the configuration that wrote them.

One file a trial and epoch, ``trial-12-epoch-27.npz``: the state's arrays, and a header that says whose they
are. It is a plain npz without pickles, so that opening a file that somebody else put there runs nothing.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.configuration import Configuration
from workers.trainer import State

FORMAT = 2
"""Raised whenever the files change, so that older ones are foreign instead of misread."""

_NAME = re.compile(r"trial-(\d+)-epoch-(\d+)\.npz")
_OF = re.compile(r"\.?trial-(\d+)-")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one study's trials in one directory, which is made when the first is written.

    Several processes may use it at once. Every method raises ``OSError`` where the disk refuses.
    """

    directory: Path

    def write(self, trial: int, identity: str, state: State) -> None:
        """Keep the state, then remove the trial's checkpoints of earlier epochs.

        Whatever interrupts it, the newest checkpoint is either the one before or this one, and whole.

        Args:
            identity: whose state it is, as :func:`trial_identity` says it; :meth:`newest` wants the same.

        Raises:
            OSError: where it can't be written (disk full, no permission); nothing is left behind then.
            TypeError: where an array can't be kept bit by bit without a pickle.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        content = _to_bytes(trial, identity, state)
        _write_whole(self.directory / f"trial-{trial}-epoch-{state.epoch}.npz", content)
        for epoch, path in self._of(trial):
            if epoch < state.epoch:
                path.unlink(missing_ok=True)

    def newest(self, trial: int, identity: str, at_most_epoch: int) -> State | None:
        """The state of the latest epoch not above ``at_most_epoch``, or ``None`` where there is none.

        Files of the trial that are torn, or that another identity wrote, are removed on the way.
        """
        for epoch, path in sorted(self._of(trial), reverse=True):
            if epoch > at_most_epoch:
                continue
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # removed by another process since the directory was listed
                continue
            state = _from_bytes(content, trial, identity, epoch)
            if state is not None:
                return state
            path.unlink(missing_ok=True)
        return None

    def remove(self, trial: int) -> None:
        """Remove all of a trial's files, also what a killed writer left half written."""
        for _, path in self._of(trial):
            path.unlink(missing_ok=True)
        for path in self.directory.glob(f".trial-{trial}-*.tmp"):
            path.unlink(missing_ok=True)

    def trials(self) -> frozenset[int]:
        """Numbers of the trials that have files, half written ones too."""
        return frozenset(
            int(found[1]) for path in self.directory.glob("*") if (found := _OF.match(path.name))
        )

    def clear(self) -> None:
        """Remove the files of every trial, and the directory."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _of(self, trial: int) -> Iterator[tuple[int, Path]]:
        """(epoch, file) of each of the trial's checkpoints, in no order."""
        for path in list(self.directory.glob(f"trial-{trial}-epoch-*.npz")):
            match = _NAME.fullmatch(path.name)
            if match:
                yield int(match[2]), path


def trial_identity(configuration: Configuration, seed: int, layers: Sequence[int], content_hash: str) -> str:
    """A text that is equal only where the same training on the same rows would give the same states.

    Args:
        layers: (features, *hidden, classes).
        content_hash: that of the split.
    """
    values = {
        "configuration": configuration.used(),
        "seed": seed,
        "layers": list(layers),
        "split": content_hash,
    }
    return json.dumps(values, sort_keys=True)


def _write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary file beside ``path``, force it to the disk, and rename it into place."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Force the rename itself to the disk, where the system lets a directory be opened."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_bytes(trial: int, identity: str, state: State) -> bytes:
    header = {"format": FORMAT, "trial": trial, "identity": identity, **_outline(state)}
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **_arrays(state)}
    for array in arrays.values():
        _check_kept(array.dtype)
    # To memory first: an archive that fails halfway tries to write its end once more when it is closed.
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays)
    return archive.getvalue()


def _outline(state: State) -> dict[str, Any]:
    """All of a state but its arrays."""
    return {
        "epoch": state.epoch,
        "activation": state.activation,
        "weights": len(state.weights),
        "slots": sorted(state.slots),
        "best": None if state.best is None else _outline(state.best),
    }


def _arrays(state: State, prefix: str = "") -> dict[str, NDArray[Any]]:
    """The arrays of a state by their names in the archive; those of the best one begin with ``best_``."""
    arrays: dict[str, NDArray[Any]] = {
        "losses": np.array(state.losses, dtype=np.float64),
        "scored_epochs": np.array([epoch for epoch, _ in state.validation_scores], dtype=np.int64),
        "validation_scores": np.array([score for _, score in state.validation_scores], dtype=np.float64),
    }
    # Numbered, because a slot's name can be anything, also what no archive takes as a member's name.
    arrays |= {f"weights_{index}": array for index, array in enumerate(state.weights)}
    arrays |= {
        f"slots_{index}": np.asarray(state.slots[name]) for index, name in enumerate(sorted(state.slots))
    }
    arrays = {prefix + name: array for name, array in arrays.items()}
    return arrays | (_arrays(state.best, f"{prefix}best_") if state.best else {})


def _check_kept(dtype: np.dtype[Any]) -> None:
    """Refuse what npy files lose: Python objects, and types of other packages, such as bfloat16."""
    described = np.lib.format.dtype_to_descr(dtype)
    if dtype.hasobject or np.lib.format.descr_to_dtype(described) != dtype:
        raise TypeError(f"found an array of type {dtype}; allowed: NumPy's own numbers, text and dates")


def _from_bytes(content: bytes, trial: int, identity: str, epoch: int) -> State | None:
    """The state, or ``None`` where the content is torn or not that of this trial, identity and epoch."""
    try:
        return _parse(content, trial, identity, epoch)
    except MemoryError:
        raise
    except Exception:
        # A damaged archive raises whatever its parts do (BadZipFile, EOFError, KeyError, ValueError,
        # NotImplementedError, zlib.error, struct.error): all of it means the same here.
        return None


def _parse(content: bytes, trial: int, identity: str, epoch: int) -> State | None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # Checked before any header in it is believed: a damaged one could ask for all the memory there is.
        if archive.testzip() is not None:
            return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        owner = (header["format"], header["trial"], header["identity"], header["epoch"])
        if owner != (FORMAT, trial, identity, epoch):
            return None
        return _state(header, arrays)


def _state(outline: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> State:
    """The state that :func:`_outline` and :func:`_arrays` were made of."""
    scored_epochs = arrays[f"{prefix}scored_epochs"].tolist()
    scores = arrays[f"{prefix}validation_scores"].tolist()
    best = outline["best"]
    return State(
        epoch=outline["epoch"],
        activation=outline["activation"],
        weights=tuple(arrays[f"{prefix}weights_{index}"] for index in range(outline["weights"])),
        slots={name: arrays[f"{prefix}slots_{index}"] for index, name in enumerate(outline["slots"])},
        losses=tuple(arrays[f"{prefix}losses"].tolist()),
        validation_scores=tuple(zip(scored_epochs, scores, strict=True)),
        best=None if best is None else _state(best, arrays, f"{prefix}best_"),
    )
