"""The bytes of a checkpoint: a state's arrays, and a header that identifies their trial.

A plain npz without pickles, so that opening a foreign file runs no code.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.errors import CheckpointError
from studies.records.schema import formats_read, newer_words, reader_of, this_version
from workers.training.trainer import State

FORMAT = 3
"""Raised whenever the files change, so that older ones are foreign instead of misread, and newer ones are
refused instead of removed. A field that is added to the header needs a default, and raises nothing.
"""


def to_bytes(trial: int, identity: str, state: State) -> bytes:
    """The file of a trial's state.

    Raises:
        TypeError: where an array can't be kept bit by bit without a pickle.
    """
    made = {"format": FORMAT, "package": this_version()}
    header = {**made, "trial": trial, "identity": identity, **_outline(state)}
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **_arrays(state)}
    for array in arrays.values():
        _check_kept(array.dtype)
    # To memory first: an archive that fails halfway tries to write its end once more when it is closed.
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays)
    return archive.getvalue()


def check_newer(header: Mapping[str, Any], newest: int, what: str) -> None:
    """Refuse a file of a newer format: it is work that another version goes on with.

    Raises:
        CheckpointError: where its header says so.
    """
    found = header["format"]
    if found > newest:
        package = str(header.get("package", ""))
        raise CheckpointError(
            f"{what} {newer_words(found, package)}",
            allowed=formats_read(newest),
            remedy=f"{reader_of(package)}, on every worker too; or name another place in checkpoints.url",
        )


def _outline(state: State) -> dict[str, Any]:
    """All of a state but its arrays."""
    return {
        "epoch": state.epoch,
        "activation": state.activation,
        "weights": len(state.weights),
        "slots": sorted(state.slots),
        "notes": state.notes,
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


def from_bytes(content: bytes, trial: int, identity: str, epoch: int) -> State | None:
    """The state, or ``None`` where the content is torn or not that of this trial, identity and epoch.

    Raises:
        CheckpointError: where its format is newer than this code reads.
    """
    try:
        return _parse(content, trial, identity, epoch)
    except (MemoryError, CheckpointError):
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
        check_newer(header, FORMAT, f"the checkpoint of trial {trial} after epoch {epoch}")
        owner = (header["format"], header["trial"], header["identity"], header["epoch"])
        if owner != (FORMAT, trial, identity, epoch):
            return None
        return _state(header, arrays)


def _state(outline: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> State:
    """The state that :func:`_outline` and :func:`_arrays` were made of."""
    scored_epochs = arrays[f"{prefix}scored_epochs"].tolist()
    scores = arrays[f"{prefix}validation_scores"].tolist()
    best = outline.get("best")
    return State(
        epoch=outline["epoch"],
        activation=outline["activation"],
        weights=tuple(arrays[f"{prefix}weights_{index}"] for index in range(outline["weights"])),
        slots={name: arrays[f"{prefix}slots_{index}"] for index, name in enumerate(outline["slots"])},
        losses=tuple(arrays[f"{prefix}losses"].tolist()),
        validation_scores=tuple(zip(scored_epochs, scores, strict=True)),
        notes=tuple(outline.get("notes", ())),
        best=None if best is None else _state(best, arrays, f"{prefix}best_"),
    )
