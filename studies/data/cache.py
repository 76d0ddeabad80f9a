"""Splits on disk, one folder each, named by the hash of all that made them.

A folder holds plain files: ``train_features.npy``, ``train_labels.npy`` and the same for validation and
test; the fitted feature step as ``step.json``, ``words.txt`` (one a line), ``vectors.npy``, ``mean.npy``
and ``scale.npy``, as far as there are such; and ``split.json`` with the rest and every file's SHA-256. It
is written beside its place and renamed, so it is either whole or absent.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.features.features import FeatureStep
from studies.data.repeats import Repeats
from studies.data.sources import digest_of
from studies.data.split import Rows, Split
from studies.errors import DataError, MachineError
from studies.records.reports import ROW_SETS

INDEX = "split.json"
STEP = "step.json"
WORDS = "words.txt"
STEP_ARRAYS = ("vectors", "mean", "scale")


def open_split(directory: Path) -> Split:
    """The split that :func:`store` left in ``directory``, its arrays mapped read-only.

    Sizes and shapes are checked, bytes are not: see :func:`is_whole`.

    Raises:
        DataError: where the folder isn't there or isn't whole.
    """
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        parts = {name: _open_rows(directory, name, index["rows"][name]) for name in ROW_SETS}
        return Split(
            **parts,
            classes=tuple(index["classes"]),
            positive=int(index["positive"]),
            content_hash=str(index["content_hash"]),
            notes=tuple(index["notes"]),
            repeats=Repeats.from_dict(index["repeats"]) if index.get("repeats") else None,
        )
    # Whatever a torn or foreign file leads to, in JSON, in a key or in an array's header.
    except (OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError) as error:
        raise DataError(
            f"the prepared rows are missing or damaged ({type(error).__name__}: {error})",
            where=str(directory),
            allowed="a folder that this version wrote",
            remedy="launch the study again; it prepares them again",
        ) from error


def is_whole(directory: Path, content_hash: str) -> bool:
    """Whether ``directory`` holds all files of this hash, with every byte as written."""
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        matches = index["content_hash"] == content_hash
        if not matches or any(digest_of(directory / name) != value for name, value in index["files"].items()):
            return False
        open_split(directory)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError):
        return False
    return True


def open_feature_step(directory: Path) -> FeatureStep:
    """The fitted feature step that :func:`store` left in ``directory``."""
    settings = json.loads((directory / STEP).read_text(encoding="utf-8"))
    words = directory / WORDS
    arrays: dict[str, NDArray[Any] | None] = {
        name: np.load(path) if (path := directory / f"{name}.npy").exists() else None for name in STEP_ARRAYS
    }
    return FeatureStep(
        kind=settings["kind"],
        columns=tuple(settings["columns"]),
        words=tuple(words.read_text(encoding="utf-8").splitlines()) if words.exists() else (),
        **arrays,
    )


def store(directory: Path, split: Split, step: FeatureStep) -> None:
    """Write both to ``directory``. A folder of that name that isn't whole is replaced; a whole one stays.

    Raises:
        MachineError: where the folder can't be written.
    """
    building = directory.with_name(f".{directory.name[:16]}-{uuid.uuid4().hex}")
    try:
        building.mkdir(parents=True)
        _write(building, split, step)
        _move(building, directory, split.content_hash)
    except OSError as error:
        raise MachineError(
            f"the prepared rows can't be written: {error.strerror or error}",
            where=str(directory),
            allowed="a folder with write permission and space",
            remedy="make room or change the folder's permissions",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_feature_step(directory: Path, step: FeatureStep) -> None:
    """Write what :func:`open_feature_step` reads, into a folder that is there."""
    for name in STEP_ARRAYS:
        array = getattr(step, name)
        if array is not None:
            np.save(directory / f"{name}.npy", array)
    if step.words:
        (directory / WORDS).write_text("\n".join(step.words) + "\n", encoding="utf-8")
    _write_json(directory / STEP, {"kind": step.kind, "columns": step.columns})


def _open_rows(directory: Path, name: str, counts: Mapping[str, int]) -> Rows:
    features = np.load(directory / f"{name}_features.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(directory / f"{name}_labels.npy", mmap_mode="r", allow_pickle=False)
    rows = sum(counts.values())
    if features.ndim != 2 or features.dtype != np.float32 or labels.dtype != np.int64:
        raise ValueError(f"{name} has arrays of another kind")
    if len(features) != rows or labels.shape != (rows,):
        raise ValueError(f"{name} has {len(features)} rows of features and {len(labels)} labels, not {rows}")
    return Rows(features, labels)


def _write(building: Path, split: Split, step: FeatureStep) -> None:
    for name in ROW_SETS:
        rows: Rows = getattr(split, name)
        np.save(building / f"{name}_features.npy", rows.features)
        np.save(building / f"{name}_labels.npy", rows.labels)
    write_feature_step(building, step)
    _write_json(
        building / INDEX,
        {
            "content_hash": split.content_hash,
            "classes": split.classes,
            "positive": split.positive,
            "notes": split.notes,
            "repeats": split.repeats.to_dict() if split.repeats else None,
            "rows": split.class_counts(),
            "files": {path.name: digest_of(path) for path in sorted(building.iterdir())},
        },
    )


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _move(building: Path, directory: Path, content_hash: str) -> None:
    """Put the folder in its place, unless another process was faster."""
    # Renaming onto a folder that holds files fails, so the first of two processes wins and the second
    # finds its work done; twice, because a damaged one is moved away first.
    for _ in range(2):
        with contextlib.suppress(OSError):
            building.rename(directory)
            return
        if is_whole(directory, content_hash):
            return
        damaged = building.with_name(f"{building.name}-damaged")
        with contextlib.suppress(FileNotFoundError):
            directory.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    building.rename(directory)
